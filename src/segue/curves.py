"""The curves of a training, epoch by epoch: a table, and a picture where altair is installed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("epoch", "train_loss", "log_loss", "maa", "seconds")


def leave_curves(folder: Path, lines: Sequence[dict[str, Any]], model: str) -> list[Path]:
    """Write `losses.csv` and, where it can be drawn, `losses.svg` into the folder of a run; which were written."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [c for c in COLUMNS if any(c in line for line in lines)]
    table = folder / "losses.csv"
    with table.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    drawn = _drawn(lines, model)
    if drawn is None:
        return [table]
    (folder / "losses.svg").write_text(drawn, encoding="utf-8")
    return [table, folder / "losses.svg"]


def _drawn(lines: Sequence[dict[str, Any]], model: str) -> str | None:
    """The picture as SVG: training and validation are told apart by dashes and shapes, not by colour alone."""
    try:
        import altair
        import vl_convert
    except ImportError:
        return None
    names = [("train_loss", "what is trained on", "loss"), ("log_loss", "log-loss, validation", "loss")]
    names += [("maa", "MAA, validation", "MAA")] if any("maa" in line for line in lines) else []
    panels = []
    for panel in dict.fromkeys(kind for *_, kind in names):
        points = [{"epoch": line["epoch"], "what": said, panel: line[name]}
                  for line in lines for name, said, kind in names if kind == panel and name in line]  # fmt: skip
        panels.append(
            altair.Chart(altair.Data(values=points), width=360, height=220)
            .mark_line(point=True)
            .encode(
                altair.X("epoch:Q", axis=altair.Axis(tickMinStep=1, format="d")),
                altair.Y(f"{panel}:Q", scale=altair.Scale(zero=False)),
                altair.Color("what:N", title=None), altair.StrokeDash("what:N", title=None),
                altair.Shape("what:N", title=None),
            )
        )  # fmt: skip
    chart = altair.vconcat(*panels).properties(title=f"{model}: {len(lines)} epoch{'' if len(lines) == 1 else 's'}")
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))
