"""How good a submission is, where it is known how the playlists of its challenge go on: `truth.json` of `segue challenge make`.

pid 7    answer  a b c d …        held out  b x        R-precision 1/2: b is among the first two
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue.asking import CONTINUE
from segue.batch import Array
from segue.categories import CATEGORIES
from segue.challenge_answers import verify
from segue.challenge_set import playlists
from segue.errors import AskedWrongly, BadInput
from segue.intervals import Interval, resamples
from segue.lists import Lists
from segue.playlist_challenge import TRUTH
from segue.unpacked import open_binary

DRAWS = 300  # of the bootstrap, by playlist
ALL = "all"
_AGAIN = "make the challenge again"


@dataclass(frozen=True)
class Scored:
    """By category, and of all playlists: how many there are, and the intervals of each metric."""

    path: Path
    playlists: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, Interval]]

    def to_json(self) -> dict[str, Any]:
        of = {where: {"playlists": self.playlists[where], **{k: vars(v) for k, v in own.items()}}
              for where, own in self.metrics.items()}  # fmt: skip
        return {
            "submission": str(self.path),
            ALL: of.pop(ALL),
            "categories": of,
            "intervals": "95 %, bootstrap by playlist",
        }

    def table(self) -> list[dict[str, str]]:
        """A row for each category, and one for all, for people."""
        named = CONTINUE.metrics
        return [{"": where, "playlists": f"{self.playlists[where]:,}", **{named[k]: str(v) for k, v in own.items()}}
                for where, own in self.metrics.items()]  # fmt: skip


def score(
    submission: str | Path, challenge: str | Path, *, truth: str | Path | None = None, draws: int = DRAWS, seed: int = 0
) -> Scored:
    """How good a submission is that `verify` would take.

    Parameters
    ----------
    submission, challenge : as for `verify`
    truth : truth.json, or its folder; None: the one beside the challenge set

    Raises
    ------
    AskedWrongly : there is no such file, no challenge set, no truth
    BadInput : the submission would be refused; the truth is not what `segue challenge make` wrote, or of another challenge
    """
    found = verify(submission, challenge)
    if not found.ok:
        raise BadInput(
            f"{found.path} would be refused, for {found.n_problems:,} problems ({found.problems[0]}): only what is valid is "
            "scored; see segue challenge verify"
        )
    held_out, artists = _read(_place(challenge, truth))
    answers = _answers(found.path)
    asked = {one.pid for one in playlists(challenge)}
    if asked != set(held_out):
        pid = next(iter(asked ^ set(held_out)))
        raise BadInput(
            f"the truth is of another challenge: pid {pid} is in one of them only; give the truth made with it"
        )
    pids = list(held_out)
    code: dict[str, int] = {}
    items = np.array([[code.setdefault(uri, len(code)) for uri in answers[pid]] for pid in pids], np.int32)
    held = Lists.of([[code.setdefault(uri, len(code)) for uri in held_out[pid][1]] for pid in pids])
    marks = CONTINUE.marks(items, held, _of_artist(code, artists))
    category = np.array([held_out[pid][0] for pid in pids])
    order = [c.name for c in CATEGORIES]
    there = sorted(set(category.tolist()), key=lambda c: (order.index(c) if c in order else len(order), c))
    rows = {where: np.flatnonzero(category == where) for where in there} | {ALL: np.arange(len(pids))}
    metrics = {}
    for where, some in rows.items():
        drawn = resamples(some, draws=draws, seed=seed)
        metrics[where] = {name: drawn.mean(values[some]) for name, values in marks.items()}
    return Scored(found.path, {where: len(some) for where, some in rows.items()}, metrics)


def _place(challenge: str | Path, truth: str | Path | None) -> Path:
    given = Path(truth if truth is not None else challenge).expanduser()
    if given.is_dir():
        return given / TRUTH
    return given if truth is not None else given.with_name(TRUTH)


def _read(path: Path) -> tuple[dict[int, tuple[str, list[str]]], dict[str, str | None]]:
    """By pid the category and what is held out; and the artist of each track."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        held_out = {
            int(one["pid"]): (str(one["category"]), [str(uri) for uri in one["tracks"]]) for one in said["held_out"]
        }
        artists = {str(uri): name for uri, name in said["artists"].items()}
    except FileNotFoundError:
        raise AskedWrongly(
            f"{path}: no such file; give the truth that segue challenge make wrote, with --truth"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as cause:
        raise BadInput(f"{path} is not what segue challenge make wrote ({cause}): {_AGAIN}") from None
    if empty := [pid for pid, (_, tracks) in held_out.items() if not tracks]:
        raise BadInput(f"{path}: pid {empty[0]} has nothing held out, expected some tracks: {_AGAIN}")
    return held_out, artists


def _answers(path: Path) -> dict[int, list[str]]:
    """The tracks of each playlist of a submission that has been verified."""
    found = {}
    with open_binary(path) as source:
        for line in io.TextIOWrapper(source, "utf-8", newline=None):
            pid, *uris = (field.strip(" \t\n") for field in line.split(","))
            if pid.isdecimal():  # not a comment, a blank line or the team
                found[int(pid)] = uris
    return found


def _of_artist(code: Mapping[str, int], artists: Mapping[str, str | None]) -> Array:
    """(N,) the artist of each track, -1 where the truth does not say it: then it is by none of those held out."""
    names: dict[str, int] = {}
    found = np.full(len(code), -1, np.int64)
    for uri, one in code.items():
        name = artists.get(uri)
        if name is not None:
            found[one] = names.setdefault(name, len(names))
    return found
