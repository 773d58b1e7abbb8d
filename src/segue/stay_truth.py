"""The truth of how long simulated listeners stay: the curve that nobody can better, for each example that is asked about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue import registry
from segue.batch import Array, Stay, Survival
from segue.errors import AskedWrongly, BadInput
from segue.features.columns import key64
from segue.intervals import Floats, Ints
from segue.parquet_files import read_parquet
from segue.simulate.lastfm1k import FORMAT, user
from segue.simulate.stays import CAP, REACH, Stays, forward
from segue.simulate.whole_plays import over_by
from segue.stay_learned import Diary, Shares, learned
from segue.survival import SECONDS, TRACKS

_COLUMNS = ("listener", "start_s", "length", "logged", "own", "mood")
KNOWING = ("past", "learned", "listener", "mood")
_AT_ONCE = 20_000  # examples mixed at a time
_REMEDY = "give the truth folder of these logs"


@dataclass(frozen=True, eq=False)
class StayTruth:
    """What a simulator wrote of its listeners and sessions, S of them, sorted by their keys."""

    folder: Path
    world: Mapping[str, Any]
    law: Stays
    session: Ints  # (S,) 64-bit keys
    own: Ints  # (S,) the listener's part of the logit
    length: Ints  # (S,) plays, whether or not the log has them all
    logged: Ints  # (S,) those that it has
    mood: Ints  # (S,) which no model can know
    prior: Floats  # (S, 2) chance of each mood, of the listener's earlier sessions
    usual: Floats  # (S, 2) of nothing but who the listener is
    begin: Ints  # (S,) the session's ends of plays are over_s[begin] … over_s[begin + length - 1]
    over_s: Ints  # seconds from the session's start to the end of each play
    diary: Diary  # the same sessions by listener
    entry: Ints  # (S,) where in it each is

    def of(self, keys: Mapping[str, Array], remaining_tracks: Array | None = None, *, knowing: str = "past") -> Stay:
        """The true curves of the examples with these keys of `session` and `asked_after`, on the grids of `segue.survival`.

        Parameters
        ----------
        remaining_tracks : as the batch has it: to make sure that its sessions are those of the world
        knowing : past: the listener's own numbers, and all that their earlier sessions tell of moods, which nobody can better;
            learned: not those numbers, but what their age and earlier sessions tell of them (`segue.stay_learned`); listener:
            no earlier sessions; mood: what nobody knows

        Raises
        ------
        BadInput : it lacks some of the sessions, or they are cut otherwise
        """
        if knowing not in KNOWING:
            raise AskedWrongly(f"knowing {knowing!r}: expected {', '.join(KNOWING)}")
        row, heard = self._found(keys, remaining_tracks)
        if knowing == "learned":
            return self._of_learned(row, heard)
        moods = {"past": self.prior, "listener": self.usual, "mood": np.eye(2)[self.mood]}
        with np.errstate(divide="ignore"):
            prior = np.log(moods[knowing][row])
        return _answer(heard, lambda k, some: self._curves(k, self.own[row[some]], prior[some]))

    def _of_learned(self, row: Ints, heard: Ints) -> Stay:
        entries, which = np.unique(self.entry[row], return_inverse=True)
        cells = learned(self.law, self.diary, entries)
        return _answer(heard, lambda k, some: self._mixtures(k, cells, which[some]))

    def remaining(self, keys: Mapping[str, Array]) -> tuple[Ints, Ints]:
        """What truly remained of each example, seconds and tracks: also of the last play, and beyond the end of the log."""
        row, heard = self._found(keys, None)
        last = self.over_s[self.begin[row] + self.length[row] - 1]
        now = np.where(heard > 0, self.over_s[self.begin[row] + np.maximum(heard, 1) - 1], 0)
        return last - now, self.length[row] - heard

    def _curves(self, k: int, own: Ints, prior: Floats) -> tuple[Floats, Floats]:
        """(n, seconds) and (n, tracks) of sessions that are asked about after k plays; one curve by mood and part of the logit."""
        parts, which = np.unique(own + REACH, return_inverse=True)
        there, curves = self._after(k, parts)
        chance = prior + there[:, which].T
        chance = np.exp(chance - chance.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        return _falling(np.einsum("nm,mnt->nt", chance, curves[:, which]))

    def _mixtures(self, k: int, cells: Shares, which: Ints) -> tuple[Floats, Floats]:
        """The same where each session is a mixture over moods and parts of the logit; cells (sessions, 2, parts)."""
        there, curves = self._after(k, np.arange(2 * REACH + 1))
        chance = (cells * np.exp(there)).reshape(len(cells), -1)[which]
        chance = chance / chance.sum(axis=1, keepdims=True)
        return _falling(chance @ curves.reshape(chance.shape[1], -1))

    def _after(self, k: int, parts: Ints) -> tuple[Floats, Floats]:
        """Log chance (2, parts) to have come as far as k plays, and the curves from there (2, parts, seconds and tracks)."""
        stayed = self.law.stayed[:, parts]
        there = stayed[:, :, max(k - 1, 0)]
        ahead = np.exp(stayed[:, :, k:] - there[:, :, None])  # of 0, 1 … further plays and more
        by_time = ahead @ _fits()[min(k, 1)][: ahead.shape[2]]
        by_track = ahead[:, :, np.minimum(TRACKS.astype(np.int64), ahead.shape[2] - 1)]
        return there, np.concatenate([by_time, by_track], axis=2)

    def _found(self, keys: Mapping[str, Array], remaining_tracks: Array | None) -> tuple[Ints, Ints]:
        """The row of each example's session, and how many plays had been heard."""
        session, heard = (np.asarray(keys[name], np.int64) for name in ("session", "asked_after"))
        row = np.minimum(np.searchsorted(self.session, session), len(self.session) - 1)
        missing = (self.session[row] != session) if len(self.session) else np.ones(len(session), bool)
        if missing.any():
            raise BadInput(f"{int(missing.sum()):,} of {len(session):,} moments are of sessions that are not in {self.folder}: "
                           f"{_REMEDY}")  # fmt: skip
        wrong = heard > self.logged[row]
        if remaining_tracks is not None:
            wrong = self.logged[row] - heard != remaining_tracks
        if wrong.any():
            raise BadInput(f"{int(wrong.sum()):,} of {len(session):,} moments are of sessions of another length in {self.folder}: "
                           f"{_REMEDY}, ingested with --gap-min 30")  # fmt: skip
        return row, heard


def _answer(heard: Ints, curves: Callable[[int, Ints], tuple[Floats, Floats]]) -> Stay:
    """Curves of examples, those after as many plays together, some at a time."""
    seconds, tracks = (np.zeros((len(heard), len(times)), np.float32) for times in (SECONDS, TRACKS))
    for k in np.unique(heard).tolist():
        of_k = np.flatnonzero(heard == k)
        for some in np.array_split(of_k, -(-len(of_k) // _AT_ONCE)):
            seconds[some], tracks[some] = curves(k, some)
    return Stay(Survival(SECONDS, seconds), Survival(TRACKS, tracks))


def _falling(mixed: Floats) -> tuple[Floats, Floats]:
    """Curves of seconds and of tracks side by side, taken apart; sums of many small chances may rise by a rounding error."""
    clipped, n = np.clip(mixed, 0, 1), len(SECONDS)
    return np.minimum.accumulate(clipped[:, :n], axis=1), np.minimum.accumulate(clipped[:, n:], axis=1)


def _fits() -> tuple[Floats, Floats]:
    """Chance that exactly j further plays are over by each time, (CAP + 1, seconds): from a session's start, from a play's end."""
    from_start, from_end = over_by(tuple(int(t) for t in SECONDS), CAP + 1)
    return from_start[:-1] - from_start[1:], from_end[:-1] - from_end[1:]


def open_truth(folder: Path | str) -> StayTruth:
    """Open the `truth` folder of simulated stays.

    Raises
    ------
    AskedWrongly : there is no world.json, or it is of other logs, or of a format or a law that this version does not know
    BadInput : something in it is damaged
    """
    place = Path(folder).expanduser()
    world = _world(place, folder)
    law = registry.stays(world["world"])
    if law.version != world.get("version"):
        raise AskedWrongly(f"{place} is of version {world.get('version')} of {law.name}, and this is version {law.version}: "
                           "simulate the world again")  # fmt: skip
    try:
        who = read_parquet(place / "listeners.parquet", ["listener", "age", "turns_from_short", "turns_from_long"])
        parts = [_part(file) for file in sorted((place / "sessions").glob("*.parquet"))]
        turns = np.stack([who[c].to_numpy() for c in ("turns_from_short", "turns_from_long")], axis=1)
        of = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
        begins = np.searchsorted(of["listener"], np.append(who["listener"].to_numpy(), np.iinfo(np.int32).max))
    except (BadInput, OSError, KeyError) as cause:
        raise BadInput(f"{place} is not as a simulator of stays writes it: simulate the world again") from cause
    n = np.diff(begins)
    prior = forward(law, turns, begins, of["own"], of["length"])
    usual = np.repeat(turns[:, ::-1] / turns.sum(1, keepdims=True), n, axis=0)
    names = [user(number) for number in who["listener"].to_pylist()]
    ids = (
        f"{names[u]}-{s}000"
        for u, s in zip(np.repeat(np.arange(len(n)), n).tolist(), of["start_s"].tolist(), strict=True)
    )
    session = np.fromiter((key64(one) for one in ids), np.int64, len(of["own"]))
    order = np.argsort(session)
    diary = Diary(who["age"].to_numpy().astype(np.int64), begins, of["start_s"], of["length"])
    begin = np.cumsum(of["length"]) - of["length"]
    return StayTruth(
        place, world, law, session[order], of["own"][order], of["length"][order], of["logged"][order], of["mood"][order],
        prior[order], usual[order], begin[order], np.concatenate([part["over_s"] for part in parts]), diary, order,
    )  # fmt: skip


def _world(place: Path, shown: Path | str) -> dict[str, Any]:
    try:
        world = json.loads((place / "world.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AskedWrongly(
            f"{shown} holds no world.json: expected the truth folder of simulated stays, such as raw/truth"
        ) from None
    except ValueError as cause:
        raise BadInput(f"{place / 'world.json'} is not JSON ({cause}): simulate the world again") from None
    if not isinstance(world, dict) or world.get("files") != "lastfm1k":
        raise AskedWrongly(
            f"{place} is no truth of stays: expected what segue simulate lastfm1k wrote, such as raw/truth"
        )
    if world.get("format") != FORMAT:
        raise AskedWrongly(f"{place / 'world.json'} is of format {world.get('format')!r}: expected {FORMAT}; simulate the world "
                           "with this version of segue")  # fmt: skip
    return world


def _part(file: Path) -> dict[str, Array]:
    """The columns of one file as arrays; the ends of plays one after another."""
    rows = read_parquet(file, [*_COLUMNS, "over_s"])
    made: dict[str, Array] = {name: np.asarray(rows[name].to_numpy(), np.int64) for name in _COLUMNS}
    made["over_s"] = rows["over_s"].combine_chunks().flatten().to_numpy()
    return made
