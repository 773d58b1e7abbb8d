"""A figure: a question, the rows that answer it, a drawing of them, and a sentence of what was found."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segue.errors import AskedWrongly
from segue.figures import draw

Rows = list[dict[str, Any]]


class NothingToSay(AskedWrongly):
    """This library cannot answer the question; the message says what it lacks, as the end of a sentence."""


@dataclass(frozen=True, repr=False)
class Figure:
    """One question about a library, answered; it shows itself in a notebook.

    Parameters
    ----------
    question : as a person would ask it
    finding : one sentence of what was found, with numbers, computed from the rows
    rows : what is drawn, at most 500 rows of plain values; None: unknown
    n : what the answer is counted from, such as "331,847 plays of 20,000 sessions"
    chart : an altair chart of these rows; None: the table is the picture
    alt : what the picture shows, for those who cannot see it; the finding need not be said again
    note : what to read with care, or how it was computed
    units : column → what its head says in tables, with the unit; columns without one are shown by name
    listed : rows that a page shows; of a table that people look things up in, all
    """

    question: str
    finding: str
    rows: Rows
    n: str
    chart: Any = None
    alt: str = ""
    note: str = ""
    units: dict[str, str] = field(default_factory=dict)
    listed: int = 60
    name: str = ""  # set by the report, as in registry.FIGURES
    section: str = ""

    def svg(self) -> str:
        """The picture as SVG, for a light page."""
        return draw.svg(self._drawn())

    def png(self) -> bytes:
        return draw.png(self._drawn())

    def csv(self) -> str:
        """The rows as CSV; text that a spreadsheet would take for a formula is told apart by an apostrophe before it."""
        out = io.StringIO()
        # lines end in \r\n, as csv does by itself: only then does it write a name with a \r between quotes
        writer = csv.DictWriter(out, self.columns())
        writer.writeheader()
        writer.writerows({k: _harmless(v) for k, v in row.items()} for row in self.rows)
        return out.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write it as what the name ends in: .svg, .png or .csv."""
        target = Path(path).expanduser()
        if target.suffix not in (".svg", ".png", ".csv"):
            raise AskedWrongly(f"{target.name}: expected a name that ends in .svg, .png or .csv")
        made = (
            self.png() if target.suffix == ".png" else (self.svg() if target.suffix == ".svg" else self.csv()).encode()
        )
        target.write_bytes(made)
        return target

    def columns(self) -> list[str]:
        return list(dict.fromkeys(k for row in self.rows for k in row))

    def to_json(self) -> dict[str, Any]:
        return {
            "section": self.section, "name": self.name, "question": self.question, "finding": self.finding, "n": self.n,
            "note": self.note, "rows": [{k: plain(v) for k, v in row.items()} for row in self.rows],
        }  # fmt: skip

    def _drawn(self) -> dict[str, Any]:
        if self.chart is None:
            raise AskedWrongly(f"{self.name or 'this figure'} is a table without a picture: take its rows")
        found: dict[str, Any] = self.chart.to_dict()
        return found

    def __repr__(self) -> str:
        return f"Figure({self.name!r}: {self.finding})"

    def _repr_html_(self) -> str:
        from segue.figures.page import fragment

        return fragment(self)


def plain(value: Any) -> Any:
    """A value as JSON knows it: numbers of numpy as plain ones, what is no number as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _harmless(value: Any) -> Any:
    value = plain(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t\r\n＝＋－＠")) else value
