"""Figures and reports made by hand, one of each drawing, around any name."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay
from segue.figures.report import Report

ABOUT = {
    "library": "lib", "source": "tables", "licence": "nobody's", "citation": "", "plays": 12_345, "sessions": 678,
    "fingerprint": "0123456789abcdef", "sample": 50_000, "seed": 0, "segue": "0", "seconds": 1.0, "seconds_of": {},
}  # fmt: skip


def drawings(names=("a name", "another")):
    """Each drawing, with the names wherever it takes any."""
    rows = [{"x": x, "y": 10.0**x, "name": n, "rate": 0.2 * x, "low": 0.2 * x - 0.1, "high": 0.2 * x + 0.1}
            for n in names for x in (1, 2, 3)]  # fmt: skip
    each = rows[::3]
    cells = [{"x": a, "y": b, "n": n} for n, (a, b) in enumerate(pairwise(names), 1)]
    bins = [{"low": 0.0, "high": 0.5, "n": 30}, {"low": 0.5, "high": 1.0, "n": 60}]
    small = [draw.bars(each, "name", "x", "track", "plays").properties(title=names[0], width=120)] * 2
    return {
        "bars": draw.bars(each, "name", "x", "track", "plays"),
        "histogram": draw.histogram(bins, "low", "high", "n", "energy (0 to 1)", "tracks"),
        "rates": draw.rates(rows[:3], "x", "hour of day", overall=0.3),
        "rates-of-names": draw.rates(each, "name", "context", names=True),
        "ranked": draw.ranked(each, "name", "rate", "difference (SD)", low="low", high="high", middle=0),
        "lines": draw.lines(rows, "x", "y", "rank", "plays", by="name", log="y"),
        "scatter": draw.scatter(
            each, "x", "y", "tempo (bpm)", "loudness (dB)", by="name", size="rate", size_title="n", label="name"
        ),
        "heat": draw.heat(
            cells, "x", "y", "n", "plays", x_order=names, y_order=names, log=True, x_title="to", y_title="from"
        ),
        "diverging": draw.heat(cells, "x", "y", "n", "rho", x_order=names, y_order=names, diverging=True),
        "grid": draw.grid(small),
    }


def figures(names=("a name", "another")):
    """A figure of each drawing, four to a section."""
    rows = [{"what": n, "n": k} for k, n in enumerate(names)]
    for n, (kind, chart) in enumerate(drawings(names).items()):
        yield Figure(f"What is {kind}?", "It leads.", rows, f"{len(names)} plays", chart, f"Marks for {len(names)} names.",
                     name=kind, section=f"Part {1 + n // 4}")  # fmt: skip


def table(called="a name", **said):
    """A figure without a picture, called like this in all that it says; its rows know numbers, texts and the unknown."""
    rows = [{"what": called, "n": 3, "share": 0.25}, {"what": "b", "n": None, "share": float("nan")},
            {"what": None, "n": 20_000, "share": 0.5}, {"what": "a", "n": 100, "share": 1e-7}]  # fmt: skip
    about = {"question": f"What of {called}?", "finding": f"{called} leads.", "n": f"4 plays of {called}", "rows": rows,
             "note": f"Read {called} with care.", "units": {"what": "", "n": f"plays of {called}"}, "name": "table",
             "section": f"Tables of {called}"}  # fmt: skip
    return Figure(**about | said)


def report(*figures, name="a name", **about):
    """A report of these figures, or of a table, from a library that is called like this throughout."""
    known = ABOUT | dict.fromkeys(("library", "source", "licence", "citation", "fingerprint"), name) | about
    return Report(figures or (table(name),), (("not-told", f"its source ({name}) does not tell"),), known)


# ── rooms of a small house ──────────────────────────────────────────────────────────────────────────────────────────

ROOMS = {
    ("First", "one"): "figures.drawn:one",
    ("First", "two"): "figures.drawn:two",
    ("Second", "three"): "figures.drawn:three",
}


def one(scope):
    n = scope.library.manifest["kept"]
    return Figure("One?", f"{n} plays.", [{"n": n, "sample": scope.wishes.sample}], scope.of_all)


def two(scope):
    raise NothingToSay("there is no two")


def three(scope):
    return replace(next(figures()), finding=f"{scope.wishes.attribute}, {scope.wishes.relate}")


def broken(scope):
    return 1 / 0
