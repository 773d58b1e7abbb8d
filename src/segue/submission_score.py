"""How good a submission to the skip prediction challenge is, where the truth of its test set is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue import metrics
from segue.batch import Array
from segue.datasets.mssd_halves import own_engine, pairs, read_pair
from segue.datasets.source import LogFile, find
from segue.exam import CEILING, Told
from segue.features.columns import from_arrow
from segue.intervals import Floats, Interval, Ints, resamples
from segue.metrics import Bits, check_submission
from segue.scores import FLOOR, plain, share_shown
from segue.truth import open_truth

OWN = "submission"
DRAWS = 300  # of the bootstrap


@dataclass(frozen=True)
class Scored:
    """How good a submission is, beside repeat-last and the ceiling: what happened, and what was to be expected.

    `happened` and `expected` hold per row the intervals of maa and fpa; `share` is the part of the attainable gain in
    expected MAA, (submission - repeat-last) / (ceiling - repeat-last).
    """

    sessions: int
    happened: dict[str, dict[str, Interval]]
    expected: dict[str, dict[str, Interval]]
    share: Interval

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(asdict(self) | {"intervals": "95 %, bootstrap by session"})
        return found

    def table(self) -> list[dict[str, str]]:
        """One row a mark, for people."""
        ends = {FLOOR: Interval(0.0, np.nan, np.nan), CEILING: Interval(1.0, np.nan, np.nan)}
        return [
            {
                "": name,
                "MAA": str(self.expected[name]["maa"]), "FPA": str(self.expected[name]["fpa"]),
                "MAA that happened": str(own["maa"]), "FPA that happened": str(own["fpa"]),
                "share of MAA gain": share_shown(ends.get(name, self.share)),
            }
            for name, own in self.happened.items()
        ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sheet:
    """The asked plays of a test set, N in the order in which a submission answers them, and all that is known of them."""

    n_asked: Ints  # (S,) of each session, in that order
    keys: dict[str, Array]  # (N,) session and position
    last: Bits  # (N,) whether the last play heard of the session was skipped
    happened: Bits  # (N,)
    told: Told

    @classmethod
    def of(cls, files: Iterable[str | Path | LogFile], truth: str | Path) -> Sheet:
        """Read a test set and its truth.

        Raises
        ------
        AskedWrongly : there is no test set, or no truth
        BadInput : it is the truth of other logs: a play is missing there, or one that was heard ended otherwise
        """
        known = open_truth(truth, ["test_set"])
        given = list(files)
        logs = [one for one in given if isinstance(one, LogFile)]
        logs += find([one for one in given if not isinstance(one, LogFile)])
        heard: list[dict[str, Ints]] = []
        asked: list[dict[str, Ints]] = []
        last, n_asked = [], []
        for pair in pairs(logs):
            with own_engine() as engine:
                halves = read_pair(pair, engine, ["session_id", "position", "skipped"])
            own = from_arrow(halves.plays, ["session_id", "position", "skipped"])
            rows = {"session": own["session_id"][0], "position": own["position"][0], "skipped": own["skipped"][0]}
            n_heard = halves.lengths // 2
            is_heard = rows["position"] <= np.repeat(n_heard, halves.lengths)
            starts = np.cumsum(halves.lengths) - halves.lengths
            order = _in_order(starts + n_heard, halves.n_asked, halves.order)
            heard.append({name: values[is_heard] for name, values in rows.items()})
            asked.append({name: rows[name][order] for name in ("session", "position")})
            n_asked.append(halves.n_asked[halves.order])
            last.append(np.repeat(rows["skipped"][starts + n_heard - 1][halves.order], n_asked[-1]))
        before, keys = (
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for parts in (heard, asked)
        )
        known.of(before, "online", before["skipped"])
        return cls(np.concatenate(n_asked), keys, np.concatenate(last).astype(np.uint8),
                   known.skipped(keys, "challenge").astype(np.uint8), known.of(keys, "challenge"))  # fmt: skip

    def score(self, submission: str | Path) -> Scored:
        """Score a submission, whose shape is checked first.

        Raises
        ------
        BadInput : a line is missing, superfluous, too short, too long or not of 0 and 1
        """
        with Path(submission).open(encoding="ascii", errors="replace") as lines:
            own = np.concatenate(check_submission(lines, self.n_asked))
        assert self.told.string is not None
        strings = {OWN: own, FLOOR: self.last, CEILING: self.told.string}
        draw = resamples(np.arange(len(self.n_asked)), draws=DRAWS)
        session, position = self.keys["session"], self.keys["position"]
        happened: dict[str, dict[str, Interval]] = {}
        expected: dict[str, dict[str, Interval]] = {}
        gained: dict[str, Floats] = {}
        for name, said in strings.items():
            found = metrics.session_aa(said, self.happened, session, position)
            aa, first = self.told.session_aa(said)
            happened[name] = {"maa": draw.mean(found.aa), "fpa": draw.mean(found.first)}
            expected[name] = {"maa": draw.mean(aa), "fpa": draw.mean(first)}
            gained[name] = aa
        least = gained[FLOOR]
        return Scored(len(self.n_asked), happened, expected, draw.ratio(gained[OWN] - least, gained[CEILING] - least))


def score(submission: str | Path, truth: str | Path, paths: Iterable[str | Path | LogFile]) -> Scored:
    """Score a submission by the truth of a simulated test set, whose second halves say in which order it answers."""
    return Sheet.of(paths, truth).score(submission)


def _in_order(start: Ints, size: Ints, order: Ints) -> Ints:
    """The rows of runs that begin at `start`, run by run in another order."""
    start, size = start[order], size[order]
    return np.repeat(start - (np.cumsum(size) - size), size) + np.arange(size.sum())
