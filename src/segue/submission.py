"""A submission to the skip prediction challenge: one line of 0 and 1 per session of the test set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from segue import bundle, schema
from segue.batch import Array, Batch
from segue.datasets import mssd
from segue.datasets.mssd_halves import Halves, Ints, Pair, own_engine, pairs, read_pair
from segue.datasets.source import LogFile, find
from segue.errors import AskedWrongly, BadInput
from segue.experiment import answered_by
from segue.features.build import build
from segue.features.columns import from_arrow
from segue.features.history import By, is_personal
from segue.live import NOBODY, Bundle, look_up, vocabulary
from segue.metrics import Bits, check_submission
from segue.scores import plain
from segue.submission_score import Scored, Sheet

Progress = Callable[[int, int, str], None]  # pairs done, pairs in all, the one at work
Words = dict[str, Array]  # attributes of tracks as a bundle keeps them: keys sorted, whole thousandths
BLOCK = 1 << 18  # plays answered at a time: bounds the memory of one file's answers
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Submission:
    """What was written, and what it was made from."""

    path: Path
    sessions: int  # lines
    plays: int  # characters
    files: int
    skip_share: float  # of the characters, how many are 1
    tracks_known: int  # tracks of the test set that the table or the bundle has attributes of
    tracks_unknown: int
    notes: tuple[str, ...] = ()
    score: Scored | None = None

    def to_json(self) -> dict[str, Any]:
        said = {**vars(self), "path": str(self.path), "score": None if self.score is None else self.score.to_json()}
        found: dict[str, Any] = plain(said)
        return found


def submit(
    opened: Bundle | str | Path, paths: str | Path | Iterable[str | Path], out: str | Path, *,
    tracks: str | Path | None = None, truth: str | Path | None = None, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> Submission:  # fmt: skip
    """Answer a test set of the Music Streaming Sessions Dataset, pair of files by pair of files.

    Written aside, every line checked, and then renamed. Features come by the same road as a library's, with history as it
    stands in the bundle.

    Parameters
    ----------
    opened : a bundle of setting challenge
    paths : the test set's files, or folders that hold them; other files there are left alone
    tracks : tables of track features, a file or a folder; where it has a track, the bundle's own attributes of it give
        way. None: those among `paths`, or in the folder `track_features` beside the test set's, if there is one
    truth : the truth folder of a simulated test set: the submission is scored, too

    Raises
    ------
    AskedWrongly : no bundle of this setting, no test set, something is in the place of the submission
    BadInput : a row of the test set cannot be read, a session is not whole, a file lacks its partner, the truth is another's
    """
    target = _free(out, overwrite)
    model = opened if isinstance(opened, Bundle) else bundle.open_bundle(opened)
    if model.asking.setting.name != "challenge":
        raise AskedWrongly(
            f"the bundle answers setting {model.asking.setting.name!r}: a submission needs 'challenge'; train one with "
            "segue train skip LIBRARY --setting challenge -o BUNDLE"
        )
    files = find([paths] if isinstance(paths, str | Path) else list(paths))
    found = pairs(files)
    sheet = (
        None if truth is None else Sheet.of(files, truth)
    )  # a truth of other logs is refused before anything is answered
    words, notes = _words(model, files, found, tracks)
    columns = [name for name in schema.PLAYS if name in {"day", *model.asking.columns}]
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    tally = _Tally()
    try:
        with aside.open("wb") as sink:
            for n, pair in enumerate(found):
                progress(n, len(found), pair.name)
                with own_engine() as engine:
                    halves = read_pair(pair, engine, columns)
                tally.add(pair, halves, model, words)
                said = answers(model, halves, words)
                tally.n_skips += int(said.sum())
                sink.writelines(_as_text(said, halves))
        with aside.open(encoding="ascii") as lines:
            for lengths in tally.lengths:
                check_submission(islice(lines, len(lengths)), lengths)
            check_submission(lines, [])
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    progress(len(found), len(found), "written")
    sessions, n_plays = sum(map(len, tally.lengths)), sum(int(n.sum()) for n in tally.lengths)
    known = _known(tally.tracks, words)
    return Submission(
        target, sessions, n_plays, 2 * len(found), tally.n_skips / n_plays if n_plays else float("nan"),
        int(known.sum()), int((~known).sum()), (*notes, *tally.notes(model)),
        None if sheet is None else sheet.score(target),
    )  # fmt: skip


def answers(model: Bundle, halves: Halves, words: Words, *, block: int = BLOCK) -> Bits:
    """The skips (0 or 1) predicted of every asked play, in the order of `halves.plays`.

    They are what `segue.experiment.compare` scores: `segue.exam.handed_in` says which string a session gets.
    """
    starts = np.concatenate([[0], np.cumsum(halves.lengths)])  # a session has as many rows as its length
    edges = np.searchsorted(starts[:-1], np.arange(0, starts[-1], block))
    said = [np.zeros(0, np.uint8)]
    for low, high in pairwise(np.union1d(edges, [len(halves.lengths)])):
        batch = features(model, halves.plays.slice(starts[low], starts[high] - starts[low]), words)
        said.append(answered_by(model.card["model"], [model.fitted], batch, ["maa"]).strings[0])
    return np.concatenate(said)


def _as_text(said: Bits, halves: Halves) -> Iterator[bytes]:
    text = (said + np.uint8(ord("0"))).tobytes()
    ends = np.cumsum(halves.n_asked)
    for low, high in zip((ends - halves.n_asked)[halves.order].tolist(), ends[halves.order].tolist(), strict=True):
        yield text[low:high] + b"\n"


def features(model: Bundle, plays: Any, words: Mapping[str, Array]) -> Batch:
    """The asked plays of whole sessions, as the model reads them.

    Parameters
    ----------
    plays : arrow table of plays, sorted by session and position
    words : attributes of tracks, as a bundle keeps them
    """
    asking = model.asking
    columns = from_arrow(plays, [name for name in asking.columns if name in schema.PLAYS])
    attributes = _attributes(model)
    if attributes:
        columns |= look_up(*columns["track"], words, attributes)
    # the data set does not say who listens
    history: dict[By, Any] = {by: NOBODY if is_personal(by) else model.history[by] for by in asking.keys}
    return build(asking, asking.task.examples(columns, asking.setting), history, labelled=False)


class _Tally:
    """What is counted while a test set is answered."""

    def __init__(self) -> None:
        self.lengths: list[Ints] = []  # asked plays of every line, pair by pair
        self.tracks: Ints = _NONE
        self.n_skips = 0
        self._sessions: Ints = _NONE
        self._days: dict[int, int] = {}

    def add(self, pair: Pair, halves: Halves, model: Bundle, words: Words) -> None:
        columns = from_arrow(halves.plays, ["track", "session_id", "day"])
        own = np.unique(columns["session_id"][0])
        twice = np.intersect1d(own, self._sessions)
        if len(twice):
            row = int(np.flatnonzero(columns["session_id"][0] == twice[0])[0])
            raise BadInput(
                f"session {halves.plays['session_id'][row]} is in {pair.asked.shown} and in a pair before it: expected "
                "every session once; give each file once"
            )
        self._sessions = np.concatenate([self._sessions, own])
        self.tracks = np.union1d(self.tracks, columns["track"][0])
        self.lengths.append(halves.n_asked[halves.order])
        if len(own):
            day = int(columns["day"][0][0])
            self._days[day] = self._days.get(day, 0) + len(own)

    def notes(self, model: Bundle) -> Iterator[str]:
        older = sum(n for day, n in self._days.items() if day < model.card["history_as_of_day"])
        if older and model.asking.keys:
            are = "session is" if older == 1 else "sessions are"
            yield (f"{older:,} {are} older than the bundle's history (as of {model.card['history_as_of']}), which "
                   "counts plays of later days: as in the challenge, whose training days are those of its test")  # fmt: skip
        if model.card["source"] != mssd.SOURCE.name:
            yield f"the bundle was trained on {model.card['source']}, not on {mssd.SOURCE.name}: another kind of log"


def _attributes(model: Bundle) -> list[str]:
    return [name for name in model.asking.columns if name in schema.TRACKS]


def _words(model: Bundle, files: list[LogFile], found: list[Pair], given: str | Path | None) -> tuple[Words, list[str]]:
    """Attributes of tracks, from a table where it has the track, else from the bundle; and a note that says so."""
    wanted = _attributes(model)
    if not wanted:
        return {}, ["no feature of the bundle asks for attributes of tracks"]
    if given is not None:
        tables, where = find([given]), str(given)
    else:
        tables = [file for file in files if mssd.is_tracks(mssd.header_of(file))]
        where = str(tables[0].folder) if tables else ""
        beside = {pair.asked.folder.parent / "track_features" for pair in found}
        if not tables and (folders := sorted(place for place in beside if place.is_dir())):
            tables, where = find(folders), ", ".join(f"{place.parent.name}/{place.name}" for place in folders)
    with own_engine() as engine:
        attributes = mssd.tracks(tables, engine)
        table = None if attributes is None else engine.to_arrow(attributes)
    if table is None and given is not None:
        raise AskedWrongly(
            f"{given} holds no table of track features (columns track_id, acousticness, …): give the folder of tf_*.csv"
        )
    if table is None:
        return model.tracks, ["attributes of tracks: the bundle's own, of tracks that it was trained on"]
    lacking = [name for name in wanted if name not in table.column_names]
    own = vocabulary(table, [name for name in wanted if name not in lacking])
    note = f"attributes of {table.num_rows:,} tracks from {where}; of others, the bundle's own"
    return _merged(own, model.tracks), [note]


def _merged(own: Words, other: Words) -> Words:
    """Both vocabularies as one: a track that both have, and an attribute that both have, is as the first says."""
    if not own or not other:
        return own or other
    key = np.union1d(own["track"], other["track"])
    made: Words = {"track": key}
    for name in sorted({*own, *other} - {"track"}):
        value = np.full(len(key), np.iinfo(np.int32).min, np.int32)
        for one in (other, own):
            if name in one:
                value[np.searchsorted(key, one["track"])] = one[name]
        made[name] = value
    return made


def _known(tracks: Ints, words: Words) -> Array:
    return np.isin(tracks, words.get("track", _NONE))


def _free(out: str | Path, overwrite: bool) -> Path:
    """Where a submission may be written: nothing is there, or an older one that may go."""
    target = Path(out).expanduser()
    if target.exists() and not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    if not target.absolute().parent.is_dir():
        raise AskedWrongly(f"{target}: the folder {target.parent} does not exist; make it, or choose another -o")
    if target.exists():
        head = b"?" if target.is_dir() else target.read_bytes()[:64]
        if head.split(b"\n")[0].strip(b"01\r"):
            raise AskedWrongly(
                f"{target} is not a submission, --overwrite would delete what it holds: choose another -o"
            )
    return target
