"""A world of stays in the files of Last.fm-1K: who played what and when, the latest first; who they are; and the truth."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry
from segue.datasets.lastfm1k import LOG, PROFILE
from segue.errors import AskedWrongly
from segue.in_place import put_in_place
from segue.parquet_files import write_parquet
from segue.simulate.catalogue import uuids
from segue.simulate.draws import Ints, choose, key, steps, threshold, uniform
from segue.simulate.listened import Heard, heard
from segue.simulate.mssd import Made
from segue.simulate.place import Progress, begin, check_seed, finish, free, said, write_note
from segue.simulate.stays import Listeners, Stays, listeners
from segue.simulate.titles import words

FORMAT = 1
FIRST_DAY = date(2005, 2, 14)  # of Last.fm-1K
PLAYS_FILE, PROFILES_FILE = "userid-timestamp-artid-artname-traid-traname.tsv", "userid-profile.tsv"
AT_ONCE = 36_500  # days of listening drawn and written at a time, at most: a hundred listeners for a year
MOST = 999_999  # listeners, whose names have six digits
ARTISTS = 30_000
_OWN = (PLAYS_FILE, PROFILES_FILE, "truth")
_ROOT = 20_260_201  # of the names, which are the same whatever the seed
_PROFILE, _OLDEST_DAYS = 54, 900
_DAY_S, _EPOCH = 86_400, date(1970, 1, 1)
_COUNTRIES = (
    ("United States", 0.23), ("United Kingdom", 0.13), ("Poland", 0.05), ("Germany", 0.05), ("Norway", 0.04), ("Sweden", 0.04),
    ("Finland", 0.04), ("Brazil", 0.04), ("Canada", 0.03), ("Australia", 0.03), ("Netherlands", 0.03), ("Turkey", 0.03),
    ("Russian Federation", 0.03), ("Spain", 0.02), ("Japan", 0.02), ("Italy", 0.02), ("France", 0.02), ("Mexico", 0.02),
    ("Chile", 0.01), ("Peru", 0.01),
)  # fmt: skip  # the rest say nothing
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def user(number: int) -> str:
    """What a listener is called in the files."""
    return f"user_{number:06d}"


def simulate(
    world: Stays | str, out: str | Path, *, listeners: int, days: int, seed: int = 0, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> Made:  # fmt: skip
    """Write what so many listeners play over so many days, from 14 February 2005 on, and the truth of how long they stay.

        out/userid-timestamp-artid-artname-traid-traname.tsv    a line a play: its start, whole seconds; the latest first
        out/userid-profile.tsv                                  gender, age, country and day of registration, with gaps
        out/truth/world.json, listeners.parquet, sessions/…     what it was made of, and what `segue.stay_truth` reads

    The same world, seed and sizes give the same bytes (`row_hash` in world.json); more listeners begin with the same ones.
    Some listeners are drawn and written at a time, so that any size takes little memory. Interrupted, it goes on where it
    stopped when run again.

    Raises
    ------
    AskedWrongly : nothing to do, or `out` is taken
    BadInput : `out` cannot be made
    """
    chosen = registry.stays(world) if isinstance(world, str) else world
    if not (1 <= listeners <= MOST and 1 <= days <= 3660):
        raise AskedWrongly(
            f"{listeners} listeners over {days} days: expected 1 to {MOST:,} listeners and 1 to 3660 days"
        )
    check_seed(seed)
    target = free(out, overwrite, _OWN.__contains__)
    about = {"format": FORMAT, "files": "lastfm1k", "world": chosen.name, "version": chosen.version, "says": chosen.sentence,
             "seed": seed, "listeners": listeners, "days": days}  # fmt: skip
    partial = begin(target, about)
    clock_s = [time.perf_counter()]
    done = _log(chosen, partial, listeners, days, seed, progress)
    clock_s.append(time.perf_counter())
    profiles = _profiles(chosen, partial, listeners, days, seed)
    about |= {
        "first_day": str(FIRST_DAY), "sessions": sum(d["sessions"] for d in done), "plays": sum(d["plays"] for d in done),
        "listeners_heard": sum(d["heard"] for d in done), "cut_sessions": sum(d["cut"] for d in done),
        "row_hash": hashlib.sha256("".join([*(d["row_hash"] for d in done), profiles]).encode()).hexdigest(),
        "segue": segue.__version__, "note": "made-up listening: nobody's data",
    }  # fmt: skip
    finish(partial, about, [*partial.rglob(".*.parquet.*")])
    put_in_place(partial, target)
    clock_s.append(time.perf_counter())
    progress(len(done) + 1, len(done) + 1, "done")
    return Made(target, about, {"plays": clock_s[1] - clock_s[0], "profiles": clock_s[2] - clock_s[1]})


def _log(w: Stays, partial: Path, n: int, days: int, seed: int, progress: Progress) -> list[dict[str, Any]]:
    """Write the log, some listeners after others, each lot with a note that says where in the file it ends."""
    each = max(1, min(100, AT_ONCE // days))
    firsts = range(1, n + 1, each)
    done: list[dict[str, Any]] = []
    (partial / PLAYS_FILE).touch()
    for lot, first in enumerate(firsts):
        last = min(first + each - 1, n)
        progress(lot, len(firsts) + 1, f"{user(first)} to {user(last)}")
        note = partial / "done" / f"{lot:06d}.json"
        at = done[-1]["end"] if done else 0
        found = said(note)
        size = (partial / PLAYS_FILE).stat().st_size
        if not (isinstance(found, dict) and found.get("begin") == at and found.get("end", size + 1) <= size):
            found = _write_lot(w, partial, _Lot(lot, first, last, days, seed, at))
            write_note(note, found)
        done.append(found)
    with (partial / PLAYS_FILE).open("r+b") as log:
        log.truncate(done[-1]["end"])
    progress(len(firsts), len(firsts) + 1, "profiles")
    return done


@dataclass(frozen=True)
class _Lot:
    """Listeners that are drawn and written together, and where in the file they begin."""

    number: int
    first: int
    last: int
    days: int
    seed: int
    begin: int

    @property
    def span_s(self) -> tuple[int, int]:
        """Where the log begins and where it ends, in seconds since 1970."""
        begin_s = (FIRST_DAY - _EPOCH).days * _DAY_S
        return begin_s, begin_s + self.days * _DAY_S


def _write_lot(w: Stays, partial: Path, lot: _Lot) -> dict[str, Any]:
    """The lines and the truth of some listeners; returns what their note says."""
    import pyarrow as pa
    from pyarrow import csv

    begin_s, end_s = lot.span_s
    who = listeners(w, lot.seed, np.arange(lot.first, lot.last + 1), lot.days)
    every = [heard(w, who, n, lot.seed, begin_s, end_s) for n in range(len(who))]
    write_parquet(_truth(who, every, end_s), partial / "truth" / "sessions" / f"{lot.number:06d}.parquet")
    logged = [h.play_s < end_s for h in every]
    start, track = (np.concatenate([getattr(h, name)[kept][::-1] for h, kept in zip(every, logged, strict=True)])
                    for name in ("play_s", "track"))  # fmt: skip
    n_plays = [int(kept.sum()) for kept in logged]
    names = pa.array([user(number) for number in who.number.tolist()])
    columns = {
        "userid": names.take(pa.array(np.repeat(np.arange(len(who)), n_plays))),
        "timestamp": _clock(start),
    } | _named(track)
    assert list(columns) == list(LOG)
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(columns), sink, csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"))
    lines = sink.getvalue()
    with (partial / PLAYS_FILE).open(
        "r+b"
    ) as log:  # what an interrupted run wrote beyond is overwritten, or cut off at the end
        log.seek(lot.begin)
        log.write(lines)
    return {
        "begin": lot.begin, "end": lot.begin + lines.size, "plays": len(start), "sessions": sum(len(h.length) for h in every),
        "heard": sum(n > 0 for n in n_plays), "cut": sum(not kept.all() for kept in logged),
        "row_hash": hashlib.sha256(lines).hexdigest(),
    }  # fmt: skip


def _truth(who: Listeners, every: list[Heard], end_s: int) -> Any:
    """A row for each session: when, how long, of which listener, and what moves its hazards."""
    import pyarrow as pa

    of = np.repeat(who.number, [len(h.length) for h in every])
    length, start, play, lasts = (
        np.concatenate([getattr(h, name) for h in every]) for name in ("length", "start_s", "play_s", "lasts_s")
    )
    row = np.repeat(np.arange(len(length)), length)
    logged = np.bincount(row[play < end_s], minlength=len(length))
    over = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(length)]).astype(np.int32),
                                    pa.array((play + lasts - start[row]).astype(np.int32)))  # fmt: skip
    return pa.table({
        "listener": of.astype(np.int32), "start_s": start, "length": length.astype(np.int16), "logged": logged.astype(np.int16),
        "own": np.concatenate([h.own for h in every]).astype(np.int16),
        "mood": np.concatenate([h.mood for h in every]).astype(np.int8), "over_s": over,
    })  # fmt: skip


def _clock(start_s: Ints) -> Any:
    """Seconds since 1970 as the file has them: 2009-05-04T23:08:57Z."""
    import pyarrow as pa
    import pyarrow.compute as pc

    day, second = np.divmod(start_s, _DAY_S)
    days, on = np.unique(day, return_inverse=True)
    seconds, at = np.unique(second, return_inverse=True)
    dates = pa.array([str(_EPOCH + timedelta(days=d)) for d in days.tolist()], pa.string())
    clock = pa.array([f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z" for s in seconds.tolist()], pa.string())
    return pc.binary_join_element_wise(dates.take(pa.array(on)), clock.take(pa.array(at)), "")


def _named(track: Ints) -> dict[str, Any]:
    """The ids and names of tracks and artists; some lack their ids, a track always or never."""
    import pyarrow as pa

    distinct, which = np.unique(track, return_inverse=True)
    keys = key(_ROOT, 1, distinct)
    drawn = uniform(keys, 0)
    artists, whose = np.unique((drawn >> np.int64(16)) ** 2 * ARTISTS >> np.int64(32), return_inverse=True)
    by = key(_ROOT, 2, artists)

    def column(made: list[str], place: Ints, has: Any = None) -> Any:
        found = made if has is None else [one if there else "" for one, there in zip(made, has.tolist(), strict=True)]
        return pa.array(found, pa.string()).take(pa.array(place))

    return {
        "artid": column(uuids(by), whose[which], uniform(by, 0) < threshold(0.96)),
        "artname": column(words(by, 2, 1), whose[which]),
        "traid": column(uuids(keys), which, uniform(keys, 1) < threshold(0.88)), "traname": column(words(keys, 2, 2), which),
    }  # fmt: skip


def _profiles(w: Stays, partial: Path, n: int, days: int, seed: int) -> str:
    """Write who they are, as far as they say it, and the truth of them; returns a hash of the rows."""
    import pyarrow as pa

    who = listeners(w, seed, np.arange(1, n + 1), days)
    of = key(seed, _PROFILE, who.number)
    gender = choose(steps((0.11, 0.50, 0.39)), uniform(of, 0))
    country = choose(steps([p for _, p in _COUNTRIES] + [1 - sum(p for _, p in _COUNTRIES)]), uniform(of, 1))
    says_age, says_day = uniform(of, 2) < threshold(0.65), uniform(of, 3) < threshold(0.99)
    before = uniform(of, 4) * _OLDEST_DAYS >> np.int64(32)
    lines = ["\t".join(PROFILE)]
    for i in range(n):
        joined = int(who.joined_day[i])
        day = FIRST_DAY + timedelta(days=joined or -1 - int(before[i]))
        registered = f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"
        lines.append("\t".join([user(i + 1), ("", "m", "f")[gender[i]], str(who.age[i]) if says_age[i] else "",
                                (*(c for c, _ in _COUNTRIES), "")[country[i]], registered if says_day[i] else ""]))  # fmt: skip
    text = "".join(f"{line}\n" for line in lines)
    (partial / PROFILES_FILE).write_text(text, encoding="utf-8")
    write_parquet(pa.table({
        "listener": who.number.astype(np.int32), "age": who.age.astype(np.int16), "level": who.level.astype(np.int16),
        "evening": who.evening.astype(np.int16), "turns_from_short": who.turns[:, 0], "turns_from_long": who.turns[:, 1],
        "per_day": who.per_day, "joined_day": who.joined_day.astype(np.int32),
    }), partial / "truth" / "listeners.parquet")  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()
