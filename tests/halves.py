"""Small pairs of the challenge's test set."""

from __future__ import annotations

from pathlib import Path

from segue.datasets import mssd

QUESTIONS = ["session_id", "track_id_clean", "session_position", "session_length"]


def pair(
    folder: Path, lengths: list[int], day: str = "20180715_000000000000", *, heard=lambda session, position: True
) -> Path:
    """Sessions s0, s1, … of these lengths, answered in reverse; `heard` says which plays of first halves were skipped."""
    one = dict.fromkeys(mssd.LOG, "0") | {"date": "2018-07-15", "track_id_clean": "t"}
    first, second = [], []
    for n, length in enumerate(lengths):
        for position in range(1, length + 1):
            row = one | {"session_id": f"s{n}", "session_position": str(position), "session_length": str(length)}
            if 2 * position <= length:
                first.append(row | {"skip_2": str(heard(f"s{n}", position))})
            else:
                second.append(row)
    second.sort(key=lambda r: (-int(r["session_id"][1:]), int(r["session_position"])))
    folder.mkdir(exist_ok=True)
    for kind, columns, rows in (("prehistory", list(mssd.LOG), first), ("input", QUESTIONS, second)):
        text = "".join(",".join(cells) + "\n" for cells in (columns, *([r[c] for c in columns] for r in rows)))
        (folder / f"log_{kind}_{day}.csv").write_text(text)
    return folder
