"""How an explanation looks: three tables and what stands out in words, in a terminal or as Markdown."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segue.display import PIPED, _broken, _width, print_json, print_table, say
from segue.unfinished import check_file, write_whole

SHOWN = 12  # features in a terminal; a report and --json have all
LOST, MOVED, HIGHER, SENTENCE = "log-loss lost when permuted", "log-odds moved", "a higher value", "what it is"
OFF = "said − skipped, points"
LONG = ("Features", "What the network")  # tables that are cut in a terminal
HEAD = "# What moves"  # a report begins so, and only what does is overwritten
SHARED = (
    "Permuted: dealt out anew among all plays. Features that say much the same replace each other, so that each loses little "
    "and only their group shows what they are worth together."
)
"""What must be said beside every table of importance."""

Rows = list[dict[str, str]]


def show_explanation(found: Any, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    seen = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if seen else PIPED
    for title, rows, dropped in tables(found):
        if not rows:
            continue
        short, left_out = fitting(rows[:SHOWN] if title.startswith(LONG) else rows, width, dropped)
        print_table(short, title)
        if title.startswith(LONG) and len(rows) > SHOWN:
            say(f"{len(rows) - SHOWN} more in a report (-o report.md) and with --json.")
        if left_out:
            say(f"(A wider terminal shows {_listed(left_out)}, too.)")
        if left_out or len(short) < len(rows):
            say("")
    for sentence in notes(found):
        say(sentence)
    say("")
    say("In words")
    for sentence in found.in_words:
        say(f"· {_unbroken(sentence) if seen else sentence}")


def tables(found: Any) -> list[tuple[str, Rows, Sequence[str]]]:
    """A title, rows, and the columns that a narrow place does without, in this order."""
    about = found.about
    on = f"{about['explained_on']:,} plays"
    scored = f"{about['examples']:,} plays, {about['skipped_share']:.1%} skipped"
    return [
        (f"Groups of features, on {on}", [
            {"group": g.name, "features": g.sentence.split()[0], LOST: _loss(g.lost), MOVED: _three(g.moved)}
            for g in found.groups], ()),
        (f"Features, on {on}", [
            {"feature": f.name, "group": f.group, LOST: _loss(f.lost), MOVED: _three(f.moved), HIGHER: f.says, SENTENCE: f.sentence}
            for f in found.features], (SENTENCE, "group", MOVED)),
        (f"What the network reads in the plays, on {about['attributed_on']:,} of them", [
            {"read": r.name, "where": r.of, MOVED: _three(r.moved), SENTENCE: r.sentence} for r in found.read],
         (SENTENCE, "where")),
        (f"Slices of {scored}", slice_rows(found), ("AUC", "log-loss", "said", "skipped")),
    ]  # fmt: skip


def slice_rows(found: Any) -> Rows:
    """All plays, then every slice below the name of its kind."""
    rows: Rows = []
    gained = f"log-loss gained on {found.baseline}"
    kind = "all"
    for s in found.slices:
        row = {
            "slice": s.name if s.kind == "all" else f"  {s.name}", "plays": f"{s.n:,}", "skipped": f"{s.skipped:.1%}",
            "said": f"{s.said:.1%}", OFF: _points(s.gap), "log-loss": _three(s.log_loss),
            **({} if found.baseline is None else {gained: _loss(s.gained)}), "AUC": _short(s.auc, 3),
            "stands out": ", ".join(s.fails) if s.judged else "too few to judge",
        }  # fmt: skip
        if s.kind != kind:
            rows.append({column: s.kind if column == "slice" else "" for column in row})
            kind = s.kind
        rows.append(row)
    return rows


def fitting(rows: Rows, width: int, dropped: Sequence[str]) -> tuple[Rows, list[str]]:
    """The rows with headers as narrow as need be, and the columns that there was no room for."""
    left_out: list[str] = []
    if _width(rows) <= width:
        return rows, left_out
    rows = [{_broken(k, rows): v for k, v in row.items()} for row in rows]
    for column in dropped:
        if _width(rows) > width:
            rows = [{k: v for k, v in row.items() if k.replace("\n", " ") != column} for row in rows]
            left_out.append(column)
    return rows, left_out


def notes(found: Any) -> list[str]:
    """How the tables came about."""
    about = found.about
    said = [SHARED] if found.features else []
    if about["changes_no_answer"]:
        said.append(f"No answer changes when these are permuted: {', '.join(about['changes_no_answer'])}.")
    if found.read:
        said.append(
            "Log-odds moved: the mean distance between an answer and that with the feature, column or play as usual (occlusion: "
            "the parts do not add up)."
        )
    elif found.features:
        said.append(
            "Log-odds moved: the mean distance by which a feature moves an answer (Shapley values; of a group, their sum)."
        )
    if found.setting == "challenge":
        said.append("Counted in log-loss, not in average accuracy, which is of whole sessions.")
    said.append(about["split"][0].upper() + about["split"][1:] + ".")
    said.append(f"Intervals: {about['intervals']}.")
    if "warning" in about:
        said.append(f"Warning: {about['warning']}.")
    return said


def markdown(found: Any) -> str:
    """The same as a page: what stands out first."""
    parts = [f"{HEAD} {found.model}'s answers, and where they fail", ""]
    parts += [f"Task {found.task}, setting {found.setting}, {found.about['days'][0]} to {found.about['days'][1]}.", ""]
    parts += [f"- {sentence}" for sentence in found.in_words]
    for title, rows, _ in tables(found):
        if rows:
            parts += ["", f"## {title}", "", _row(list(rows[0])), _row(["---"] * len(rows[0]))]
            parts += [_row(list(row.values())) for row in rows]
    parts += ["", "## How it was measured", "", *(f"- {sentence}" for sentence in notes(found)), ""]
    return "\n".join(parts)


def check_report(path: Path, overwrite: bool) -> None:
    """Refuse a place where no report can or may be written, before anything is computed."""
    check_file(path, overwrite, head=HEAD, what="report.md")


def write_report(found: Any, path: Path) -> None:
    write_whole(markdown(found), path)


def _unbroken(sentence: str) -> str:
    """No line ends within an interval."""
    return re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), sentence)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _loss(i: Any) -> str:
    return _interval(i, 4)


def _three(i: Any) -> str:
    return _interval(i, 3)


def _interval(i: Any, digits: int) -> str:
    if i is None or np.isnan(i.value):
        return "–"
    bounds = "" if np.isnan(i.low) else f" [{_short(i.low, digits)}, {_short(i.high, digits)}]"
    return _short(i.value, digits) + bounds


def _points(i: Any) -> str:
    if np.isnan(i.value):
        return "–"
    return f"{100 * i.value:+z.1f}" + ("" if np.isnan(i.low) else f" [{100 * i.low:+z.1f}, {100 * i.high:+z.1f}]")


def _short(x: float, digits: int) -> str:
    return "–" if np.isnan(x) else f"{x:z.{digits}f}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.{digits}f}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
