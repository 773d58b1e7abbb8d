"""A world in the files of the Music Streaming Sessions Dataset: logs by day, track features, test-set pairs; and its truth."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry, schema
from segue.datasets.mssd import LOG
from segue.errors import AskedWrongly
from segue.in_place import put_in_place
from segue.parquet_files import write_parquet
from segue.simulate import truth_table
from segue.simulate.catalogue import Catalogue, name_order, uuids
from segue.simulate.draws import Ints, choose, steps, uniform
from segue.simulate.place import Progress, begin, check_seed, finish, free, said, write_note
from segue.simulate.sessions import REASONS, Played, clock, of_day
from segue.simulate.world import PAUSES, World

FIRST_DAY = date(2018, 7, 15)
SHARD = 50_000  # sessions of a day and a file, at most
INPUT = ("session_id", "track_id_clean", "session_position", "session_length")
# what starts a play: the way the last one ended, but for a play that was broken off
_OPENS = (
    ("clickrow", 0.28),
    ("fwdbtn", 0.34),
    ("trackdone", 0.26),
    ("appload", 0.06),
    ("backbtn", 0.05),
    ("playbtn", 0.01),
)
_AFTER_BREAK = (("clickrow", 0.893), ("appload", 0.085), ("playbtn", 0.006), ("remote", 0.005), ("trackerror", 0.006),
                ("endplay", 0.005))  # fmt: skip
_OWN = ("training_set", "test_set", "track_features", "truth")
_START = 50_000  # counters of the draws that only this format needs


@dataclass(frozen=True)
class Made:
    """What was written, and how long its parts took."""

    path: Path
    about: dict[str, Any]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), **self.about, "seconds": {k: round(v, 3) for k, v in self.seconds.items()}}


def simulate(
    world: World | str, out: str | Path, *, sessions: int, days: int, seed: int = 0, test_sessions: int | None = None,
    overwrite: bool = False, progress: Progress = lambda done, n, name: None,
) -> Made:  # fmt: skip
    """Write `sessions` sessions over `days` days of training logs, a test set on the day after them, and the truth of both.

        out/training_set/log_0_20180715_000000000000.csv.gz …        one file a day (more where a day is large)
        out/track_features/tf_000000000000.csv, …1.csv               every track that is played
        out/test_set/log_prehistory_….csv.gz, log_input_….csv.gz     a tenth as many sessions, in two halves
        out/truth/world.json, training_set/*.parquet, test_set/*.parquet

    The same world, seed and sizes give the same rows on every machine (`row_hash` in world.json). Interrupted, it goes on
    where it stopped when run again.

    Raises
    ------
    AskedWrongly : nothing to do, or `out` is taken
    BadInput : `out` cannot be made
    """
    chosen = registry.world(world) if isinstance(world, str) else world
    tested = max(1, sessions // 10) if test_sessions is None else test_sessions
    if not 1 <= days <= 3660 or sessions < days or tested < 0:
        raise AskedWrongly(f"{sessions} sessions over {days} days, {tested} to test on: expected at least a session a day, "
                           "1 to 3660 days, and no negative number")  # fmt: skip
    check_seed(seed)
    target = free(out, overwrite, _OWN.__contains__)
    about = {"format": truth_table.FORMAT, "world": chosen.name, "version": chosen.version, "says": chosen.sentence,
             "seed": seed, "sessions": sessions, "days": days, "test_sessions": tested}  # fmt: skip
    partial = begin(target, about)
    work = _plan(sessions, days, tested)
    spent = {"generation": 0.0, "truth": 0.0, "writing": 0.0}
    done: list[dict[str, Any]] = []
    tracks = np.zeros(0, np.int64)
    for n, piece in enumerate(work):
        progress(n, len(work) + 1, piece.name)
        note = partial / "done" / f"{piece.name}.json"
        found = said(note)
        if found is None:
            found = _write_piece(chosen, piece, seed, partial)
            write_note(note, found)
        tracks = np.union1d(tracks, np.array(found.pop("tracks"), np.int64))
        spent = {part: seconds + found["seconds"][part] for part, seconds in spent.items()}
        done.append(found)
    progress(len(work), len(work) + 1, "track features")
    begun = time.perf_counter()
    write_tracks(chosen.catalogue, tracks, partial, chosen.catalogue.names)
    training = [d for d, p in zip(done, work, strict=True) if not p.test]
    about |= {
        "first_day": str(FIRST_DAY), "plays": sum(d["plays"] for d in training), "tracks": len(tracks),
        "skipped_share": sum(d["skips"] for d in training) / sum(d["plays"] for d in training),
        "test_plays": sum(d["plays"] for d in done) - sum(d["plays"] for d in training),
        "row_hash": hashlib.sha256("".join(d["row_hash"] for d in done).encode()).hexdigest(),
        "columns": truth_table.COLUMNS, "segue": segue.__version__,
        "note": "made-up listening: nobody's data",
    }  # fmt: skip
    finish(partial, about, [*partial.rglob(".*.parquet.*")])
    put_in_place(partial, target)
    spent["writing"] += time.perf_counter() - begun
    progress(len(work) + 1, len(work) + 1, "done")
    return Made(target, about, spent)


@dataclass(frozen=True)
class _Piece:
    """A file's worth of one day's sessions."""

    day: int
    shard: int
    sessions: int
    listeners: int
    test: bool

    @property
    def date(self) -> date:
        return FIRST_DAY + timedelta(days=self.day)

    @property
    def name(self) -> str:
        return f"{self.shard}_{self.date:%Y%m%d}_000000000000"


def _plan(sessions: int, days: int, tested: int) -> list[_Piece]:
    """The same listeners come back every day; some of them (or others) are in the test set."""
    most = max(-(-sessions // days), 1)
    shards = -(-most // SHARD)
    people = max(8, round(most / shards / 0.3))  # three of ten open a session of ten plays on a day
    work = []
    for day in range(days):
        of_this_day = sessions * (day + 1) // days - sessions * day // days
        work += [_Piece(day, s, n, people, False) for s, n in enumerate(_even(of_this_day, shards)) if n]
    more = -(-tested // SHARD)
    return work + [
        _Piece(days, s, n, max(people, round(n / 0.3)), True) for s, n in enumerate(_even(tested, more)) if n
    ]


def _even(n: int, parts: int) -> list[int]:
    return [n * (i + 1) // parts - n * i // parts for i in range(parts)]


def _write_piece(world: World, piece: _Piece, seed: int, partial: Path) -> dict[str, Any]:
    """The files of a piece; returns what its note says."""
    clock_s = [time.perf_counter()]
    played = of_day(world, seed, piece.day, piece.sessions, n_listeners=piece.listeners, shard=piece.shard,
                    weekend=piece.date.weekday() >= 5)  # fmt: skip
    played = played.take(name_order(played.key))
    numbers = _numbers(world, played)
    clock_s.append(time.perf_counter())
    names = [f"{piece.shard}_{one}" for one in uuids(played.key)]
    truth = truth_table.table(world, played, names)
    clock_s.append(time.perf_counter())
    rows = _rows(world, piece, played, names, numbers)
    half = "test_set" if piece.test else "training_set"
    if piece.test:
        heard = np.asarray(2 * numbers["session_position"] <= numbers["session_length"])
        write_csv(rows.filter(heard), partial / half / f"log_prehistory_{piece.date:%Y%m%d}_{piece.shard:012d}.csv.gz")
        asked = rows.filter(~heard).select(list(INPUT))
        write_csv(asked, partial / half / f"log_input_{piece.date:%Y%m%d}_{piece.shard:012d}.csv.gz")
    else:
        write_csv(rows, partial / half / f"log_{piece.name}.csv.gz")
    write_parquet(truth, partial / "truth" / half / f"{piece.date}-{piece.shard}.parquet")
    clock_s.append(time.perf_counter())
    return {
        "plays": len(rows), "skips": int((numbers["end"] < 2).sum()), "row_hash": _row_hash(numbers),
        "tracks": np.unique(numbers["track"]).tolist(),
        "seconds": dict(zip(("generation", "truth", "writing"), np.diff(clock_s).tolist(), strict=True)),
    }  # fmt: skip


def _numbers(world: World, s: Played) -> dict[str, Ints]:
    """Every column of the logs as whole numbers, one row per play: what the row hash is made of."""
    longest = s.track.shape[1]
    there = np.arange(longest) < s.length[:, None]
    starts, _ = clock(world, s)
    names = list(schema.REASONS_START)
    opens = np.array([names.index(r) for r, _ in _OPENS])[_pick(s.key, _START, _OPENS)]
    start = np.empty_like(s.reason)
    start[:, 0] = opens
    for t in range(1, longest):
        ended = np.array([names.index(r) if r in names else 0 for r in REASONS])[s.reason[:, t - 1]]
        broken = np.isin(s.reason[:, t - 1], [REASONS.index("endplay"), REASONS.index("logout")])
        other = np.array([names.index(r) for r, _ in _AFTER_BREAK])[_pick(s.key, _START + t, _AFTER_BREAK)]
        start[:, t] = np.where(broken, other, ended)
    made = {
        "key": np.broadcast_to(s.key.view(np.int64)[:, None], there.shape),
        "session": np.broadcast_to(np.arange(len(s))[:, None], there.shape), "track": s.track, "end": s.end,
        "session_position": np.broadcast_to(np.arange(1, longest + 1), there.shape),
        "session_length": np.broadcast_to(s.length[:, None], there.shape),
        "pause": np.where(np.arange(longest) > 0, s.pause, -1), "context": s.context, "switched": s.switched,
        "forward": s.forward, "back": s.back, "second": starts // 1000, "reason_start": start, "reason_end": s.reason,
        "shuffle": np.broadcast_to(s.shuffle[:, None], there.shape),
        "premium": np.broadcast_to(s.premium[:, None], there.shape),
    }  # fmt: skip
    return {name: values[there] for name, values in made.items()}


def _pick(keys: Any, counter: int, among: tuple[tuple[str, float], ...]) -> Ints:
    share = np.array([p for _, p in among])
    return choose(steps(share / share.sum()), uniform(keys, counter))


def _row_hash(numbers: dict[str, Ints]) -> str:
    found = hashlib.sha256()
    for name in sorted(numbers):
        found.update(name.encode() + np.ascontiguousarray(numbers[name], "<i8").tobytes())
    return found.hexdigest()


def _rows(world: World, piece: _Piece, s: Played, names: list[str], n: dict[str, Ints]) -> Any:
    """The 21 columns of a log."""
    import pyarrow as pa

    def text(values: Any, place: Ints) -> Any:
        return pa.array(values).take(pa.array(place))

    tracks, which = np.unique(n["track"], return_inverse=True)
    dates = [str(piece.date + timedelta(days=d)) for d in range(3)]
    pause = n["pause"]
    short, long = PAUSES.index("short"), PAUSES.index("long")
    columns = {
        "session_id": text(names, n["session"]),
        "session_position": n["session_position"], "session_length": n["session_length"],
        "track_id_clean": text(world.catalogue.names(tracks), which),
        "skip_1": n["end"] < 1, "skip_2": n["end"] < 2, "skip_3": n["end"] < 3, "not_skipped": n["end"] == 3,
        "context_switch": n["switched"],
        # in this data set a short pause is marked as a long one, too; before the first play nothing is
        "no_pause_before_play": (pause == 0).astype(np.int64), "short_pause_before_play": (pause == short).astype(np.int64),
        "long_pause_before_play": ((pause == short) | (pause == long)).astype(np.int64),
        "hist_user_behavior_n_seekfwd": n["forward"], "hist_user_behavior_n_seekback": n["back"],
        "hist_user_behavior_is_shuffle": n["shuffle"] > 0, "hour_of_day": n["second"] // 3600 % 24,
        "date": text(dates, n["second"] // 86_400), "premium": n["premium"] > 0,
        "context_type": text(schema.CONTEXTS, n["context"]),
        "hist_user_behavior_reason_start": text(schema.REASONS_START, n["reason_start"]),
        "hist_user_behavior_reason_end": text(REASONS, n["reason_end"]),
    }  # fmt: skip
    assert list(columns) == list(LOG)
    return pa.table(columns)


def write_csv(table: Any, path: Path) -> None:
    """Aside, then renamed; no clock in the gzip header, so that the same rows are the same bytes."""
    from pyarrow import csv

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".tmp")
    with aside.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", 4, raw, mtime=0) as out:
                out.write((",".join(table.column_names) + "\n").encode())
                csv.write_csv(table, out, csv.WriteOptions(include_header=False, quoting_style="none"))
        else:
            raw.write((",".join(table.column_names) + "\n").encode())
            csv.write_csv(table, raw, csv.WriteOptions(include_header=False, quoting_style="none"))
    os.replace(aside, path)


def write_tracks(catalogue: Catalogue, played: Ints, partial: Path, names: Callable[[Ints], list[str]]) -> None:
    """Two tables of track features, as in the data set: every track that was played, in the order of their names."""
    import pyarrow as pa

    played = played[name_order(catalogue.name_keys(played))]
    for part, tracks in enumerate(np.array_split(played, 2)):
        found = catalogue.attributes(tracks)
        columns: dict[str, Any] = {"track_id": names(tracks)}
        for name in schema.TRACKS:
            values = found[name]
            if name == "mode":
                columns[name] = pa.array(["minor", "major"]).take(pa.array(values))
            elif name in ("release_year", "key", "time_signature"):
                columns[name] = values.astype(np.int64)
            else:
                columns[name] = np.round(values, 9 if name == "instrumentalness" else 6)
        write_csv(pa.table(columns), partial / "track_features" / f"tf_{part:012d}.csv")
