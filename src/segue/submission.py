"""A submission to the skip prediction challenge: one line of 0 and 1 per session of the test set; and how good it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from segue import bundle, metrics, schema
from segue.batch import Array, Batch
from segue.datasets import mssd
from segue.datasets.mssd_halves import Halves, Ints, Pair, asked_order, pairs, read_pair
from segue.datasets.source import LogFile, find
from segue.engines import Embedded, read_parquet
from segue.errors import AskedWrongly, BadInput
from segue.features.build import build
from segue.features.columns import from_arrow
from segue.features.history import By, Snapshot, is_personal
from segue.intervals import Interval, resamples
from segue.live import Bundle, _attach, vocabulary
from segue.metrics import Bits, check_submission
from segue.scores import plain

Progress = Callable[[int, int, str], None]  # pairs done, pairs in all, the one at work
Words = dict[str, Array]  # attributes of tracks as a bundle keeps them: keys sorted, whole thousandths
BLOCK = 1 << 18  # plays answered at a time: bounds the memory of one file's answers
LONGEST = 10  # plays a session for which all strings can be scored
MARKS = ("submission", "repeat-last", "ceiling")
_NONE = np.zeros(0, np.int64)
_NOBODY = Snapshot(_NONE, _NONE, _NONE, _NONE)  # the data set does not say who listens


@dataclass(frozen=True)
class Scored:
    """How good a submission is, beside repeat-last and the ceiling: what happened, and what was to be expected.

    `happened` and `expected` hold per row of `MARKS` the intervals of maa and fpa; `share` is the part of the attainable
    gain in expected MAA, (submission - repeat-last) / (ceiling - repeat-last). Without known probabilities there is no
    expectation, no ceiling and no share.
    """

    sessions: int
    happened: dict[str, dict[str, Interval]]
    expected: dict[str, dict[str, Interval]]
    share: Interval | None

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(asdict(self) | {"intervals": "95 %, bootstrap by session"})
        return found

    def table(self) -> list[dict[str, str]]:
        """One row a mark, for people."""
        rows = []
        for name, own in self.happened.items():
            row = {"": name, "MAA": str(own["maa"]), "FPA": str(own["fpa"])}
            if name in self.expected:
                row |= {f"expected {metric.upper()}": str(i) for metric, i in self.expected[name].items()}
            if self.share is not None:
                ends = {"repeat-last": ".000", "ceiling": "1.000"}
                row["share of attainable gain"] = ends.get(name, str(self.share))
            rows.append(row)
        return rows


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
    truth : a folder with test_set/*.parquet, as `segue simulate` writes it: the submission is scored, too

    Raises
    ------
    AskedWrongly : no bundle of this setting, no test set, something is in the place of the submission
    BadInput : a row of the test set cannot be read, a session is not whole, a file lacks its partner
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
    if truth is not None:
        _truths(truth)
    words, notes = _words(model, files, found, tracks)
    columns = [name for name in schema.PLAYS if name in {"day", *model.asking.columns}]
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    tally = _Tally()
    try:
        with aside.open("wb") as sink:
            for n, pair in enumerate(found):
                progress(n, len(found), pair.name)
                with _engine() as engine:
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
        None if truth is None else score(target, truth, files),
    )  # fmt: skip


def answers(model: Bundle, halves: Halves, words: Words, *, block: int = BLOCK) -> Bits:
    """The skips (0 or 1) predicted of every asked play, in the order of `halves.plays`.

    A probability from one half on is a skip; where a model says how a session's plays hang together, and no more than
    ten are asked about, it is the string with the highest expected average accuracy.
    """
    starts = np.concatenate([[0], np.cumsum(halves.lengths)])  # a session has as many rows as its length
    edges = np.searchsorted(starts[:-1], np.arange(0, starts[-1], block))
    said = [np.zeros(0, np.uint8)]
    for low, high in pairwise(np.union1d(edges, [len(halves.lengths)])):
        batch = features(model, halves.plays.slice(starts[low], starts[high] - starts[low]), words)
        said.append(_decided(model.fitted.predict(batch), halves.n_asked[low:high]))
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
        columns |= _attach(*columns["track"], words, attributes)
    history: dict[By, Any] = {by: _NOBODY if is_personal(by) else model.history[by] for by in asking.keys}
    return build(asking, asking.task.examples(columns, asking.setting), history, labelled=False)


def _decided(answer: Any, n_asked: Ints) -> Bits:
    """Bits from the answer to all asked plays of some sessions, which lie one after the other."""
    said: Bits = (answer.p >= 0.5).astype(np.uint8)
    if answer.joint is not None:
        from segue.decode import best_strings, joints_of_mixture

        weights, p = answer.joint
        first = np.cumsum(n_asked) - n_asked
        for n in np.unique(n_asked[n_asked <= LONGEST]):
            which = np.flatnonzero(n_asked == n)
            best, _ = best_strings(joints_of_mixture(weights[which], p[which, :, :n]))
            said[first[which][:, None] + np.arange(n)] = best
    return said


@contextmanager
def _engine() -> Iterator[Embedded]:
    """One engine a file or pair: what it leaves in memory and on disk goes with it."""
    with tempfile.TemporaryDirectory(prefix="segue-") as spill:
        engine = Embedded(spill=Path(spill))
        try:
            yield engine
        finally:
            engine.close()


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
            yield (f"{older:,} sessions are older than the bundle's history (as of {model.card['history_as_of']}), which "
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
            tables, where = find(folders), ", ".join(map(str, folders))
    with _engine() as engine:
        table = mssd.tracks(tables, engine)
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


# ── how good it is, where the truth is known ────────────────────────────────────────────────────────────────────────


def score(
    submission: str | Path, truth: str | Path, paths: Iterable[str | Path | LogFile], *, draws: int = 300, seed: int = 0
) -> Scored:
    """Score a submission by the truth of a made-up test set.

    Parameters
    ----------
    submission : the file
    truth : a folder with test_set/*.parquet, columns session_id, position, skipped; and, null where there is none,
        challenge (the probability of a skip given what the challenge grants), string (the best answer) and joint (for an
        asked play, the probability that both it and each asked play before it are skipped)
    paths : the test set, whose second halves say in which order its sessions are answered

    Raises
    ------
    BadInput : a session of the test set is not in the truth, or is longer or shorter there
    """
    tables = _truths(truth)
    files = [one for one in paths if isinstance(one, LogFile)]
    files += find([one for one in paths if not isinstance(one, LogFile)])
    said = _lines(Path(submission), files)
    found: dict[str, list[Array]] = {}
    for table in tables:
        for name, values in _of_table(_truth(table), said, table.name).items():
            found.setdefault(name, []).append(values)
    if said:
        raise BadInput(
            f"session {next(iter(said))} of the test set is not in {truth} ({len(said):,} are not): expected all; "
            "give the truth of this test set"
        )
    return _scored({name: np.concatenate(parts) for name, parts in found.items()}, draws, seed)


def _truths(truth: str | Path) -> list[Path]:
    folder = Path(truth).expanduser() / "test_set"
    tables = sorted(folder.glob("*.parquet"), key=lambda path: path.name)
    if not tables:
        raise AskedWrongly(f"{folder} holds no *.parquet: give the folder truth/ that segue simulate wrote")
    return tables


def _truth(table: Path) -> Any:
    import pyarrow as pa

    kinds = {"session_id": pa.string(), "position": pa.int64(), "skipped": pa.int64(), "challenge": pa.float64(),
             "string": pa.int64(), "joint": pa.list_(pa.float64())}  # fmt: skip
    rows = read_parquet(table)
    lacking = [name for name in kinds if name not in rows.column_names]
    if lacking:
        raise BadInput(f"{table} lacks column {lacking[0]}: expected {', '.join(kinds)}, as segue simulate writes them")
    return rows.select(list(kinds)).cast(pa.schema(kinds))


def _lines(submission: Path, files: list[LogFile]) -> dict[str, Bits]:
    """The line of every session."""
    sessions: list[str] = []
    n_asked = [_NONE]
    for pair in pairs(files):
        with _engine() as engine:
            own, lengths = asked_order(pair, engine)
        sessions += own
        n_asked.append(lengths - lengths // 2)
    with submission.open(encoding="ascii", errors="replace") as lines:
        return dict(zip(sessions, check_submission(lines, np.concatenate(n_asked)), strict=True))


def _of_table(rows: Any, said: dict[str, Bits], shown: str) -> dict[str, Array]:
    """MAA and FPA of every session of one table of truth that was answered: as happened, and as was to be expected.

    Takes the sessions that it scores out of `said`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = rows.filter(pc.is_in(rows["session_id"], pa.array(list(said), pa.string())))
    rows = rows.sort_by([("session_id", "ascending"), ("position", "ascending")])
    columns = from_arrow(rows, ["session_id", "position", "skipped", "string"])
    key, position, skipped, best = (value for value, _ in columns.values())
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    lengths = np.diff(starts, append=len(key))
    sessions = rows["session_id"].take(pa.array(starts)).to_pylist()
    lines = [said.pop(session) for session in sessions]
    for session, n, line, start in zip(sessions, lengths, lines, starts, strict=True):
        rows_of = slice(start, start + n)
        told = columns["skipped"][1][rows_of].all() and np.array_equal(position[rows_of], np.arange(1, n + 1))
        if n < 2 or n - n // 2 != len(line) or not told:
            raise BadInput(
                f"session {session} has {n} rows in {shown}, and {len(line)} plays are asked about: expected the skip of each "
                "position once, half of them (rounded up) asked about; give the truth of this test set"
            )
    pieces: dict[str, list[tuple[Ints, Array]]] = {}
    for n in np.unique(lengths):
        which = np.flatnonzero(lengths == n)
        at = starts[which][:, None] + np.arange(n)
        half, asked = n // 2, at[:, n // 2 :]
        strings = {"submission": np.array([lines[i] for i in which]),
                   "repeat-last": np.repeat(skipped[at[:, half - 1 : half]], n - half, 1)}  # fmt: skip
        joints = _joints(rows, asked) if columns["string"][1][asked].all() else None
        if joints is not None:
            strings["ceiling"] = best[asked]
        for name, string in strings.items():
            place = np.broadcast_to(np.arange(n - half), asked.shape).ravel()
            own = metrics.session_aa(string.ravel(), skipped[asked].ravel(), np.repeat(which, n - half), place)
            found = {"happened": (own.aa, own.first)}
            if joints is not None:
                from segue.decode import expected_aa

                first = joints[:, 0, 0]
                found["expected"] = expected_aa(string, joints), np.where(string[:, 0] == 1, first, 1 - first)
            for how, (aa, fpa) in found.items():
                pieces.setdefault(f"{how} {name} maa", []).append((which, aa))
                pieces.setdefault(f"{how} {name} fpa", []).append((which, fpa))
    return {name: _placed(parts) for name, parts in pieces.items()}


def _placed(parts: list[tuple[Ints, Array]]) -> Array:
    """Values of groups of sessions in the order of the sessions."""
    values: Array = np.concatenate([own for _, own in parts])
    return values[np.argsort(np.concatenate([which for which, _ in parts]))]


def _joints(rows: Any, asked: Ints) -> Array | None:
    """The chances that two asked plays are both skipped, (N, T, T), on the diagonal `challenge`; None where not known."""
    import pyarrow.compute as pc

    size = asked.shape[1]
    challenge = rows["challenge"].to_numpy()[asked]
    lists = rows["joint"].combine_chunks()
    width = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    if np.isnan(challenge).any() or (width[asked] != np.arange(size)).any():
        return None
    flat = np.asarray(lists.flatten(), np.float64)
    first = (np.cumsum(width) - width)[asked]
    joints = np.empty((len(asked), size, size))
    for i in range(size):
        joints[:, i, i] = challenge[:, i]
        for j in range(i):
            joints[:, i, j] = joints[:, j, i] = flat[first[:, i] + j]
    return joints


def _scored(found: dict[str, Array], draws: int, seed: int) -> Scored:
    n = len(next(iter(found.values()), _NONE))
    draw = resamples(np.arange(n), draws=draws, seed=seed)
    tables: dict[str, dict[str, dict[str, Interval]]] = {"happened": {}, "expected": {}}
    for name, values in found.items():
        how, mark, metric = name.split(" ")
        if len(values) == n:
            tables[how].setdefault(mark, {})[metric] = draw.mean(values)
    own, least, most = (found.get(f"expected {mark} maa", _NONE) for mark in MARKS)

    def share(weight: Array) -> float:
        gain, attainable = weight @ (own - least), weight @ (most - least)
        return float(gain / attainable) if attainable > 0 else float("nan")

    return Scored(n, tables["happened"], tables["expected"], draw.statistic(share) if len(own) == n else None)
