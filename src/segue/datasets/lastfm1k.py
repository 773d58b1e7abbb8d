"""Last.fm-1K: what 992 people listened to from 2005 to 2009, one line a play, the latest first.

A line is `userid \\t start, UTC \\t artist's mbid \\t artist \\t track's mbid \\t track`, without header and without quotes. Only
the start of a play is known (`datasets.starts`). A track goes by its MusicBrainz id where the line has one, else by artist
and title; an artist by the name, so that one artist is one key whether or not a line has the id.

The table of profiles (`#id \\t gender \\t age \\t country \\t registered`) says who listened. The country is as given there;
the day of registration is checked and not kept. A damaged profile is rejected like any other row, and a
listener without one is of unknown age and country.

An age is as stated when the profiles were collected, and a play is of up to four years before. At a session it is

    stated age - (2009 - year in which the session started)

which is right to a year: the birthday is unknown. Plays were collected up to 5 May 2009 (so says the data set's README on
`SOURCE.home`), and the profiles name registrations of up to November of that year, so they are of its end. Ages stated in
jest remain where they might be true; below 5 and above 110 an age is left out, and the plays are counted in a note.

The log stands grouped by listener, so it is read in pieces: whole listeners, 150,000 lines or more at a time.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from segue import schema
from segue.datasets import made_up, starts
from segue.datasets.columns_of_lines import Bits, Block, Fields, Ints, blocks, runs
from segue.datasets.json_list import said
from segue.datasets.source import LogFile, Piece, Source, Unit, names
from segue.datasets.starts import MBID, Starts
from segue.errors import BadInput

LOG = ("userid", "timestamp", "artid", "artname", "traid", "traname")
PROFILE = ("#id", "gender", "age", "country", "registered")
_LINE = re.compile(r"[^\t]+\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?(\t[^\t]*){4}")
PROFILED = 2009  # the year of which a stated age is
YOUNGEST, OLDEST = 5, 110  # at a play; beyond, the stated age was not meant
MOSTLY = 0.9  # of a block's lines are as they should be, or all are read one by one
_UNIT_LINES = 150_000  # at least, of a unit; its last listener may have many more


@dataclass(frozen=True)
class Stretch(LogFile):
    """Some lines of a file, from one byte to another."""

    begin: int = 0
    end: int = 0
    first_line: int = 1

    def mark(self) -> dict[str, Any]:
        return super().mark() | {"begin": self.begin, "end": self.end}


@dataclass(frozen=True)
class Profiles(LogFile):
    """A table of profiles; every unit has it, and one of them counts its rows."""

    is_counted: bool = False


@dataclass
class People:
    """What the tables of profiles say, and what of them is sound."""

    seen: dict[str, tuple[str, int]] = field(default_factory=dict)  # listener → file and line
    age: dict[str, int] = field(default_factory=dict)
    country: dict[str, str] = field(default_factory=dict)
    gender: dict[str, str] = field(default_factory=dict)

    def notes(self) -> dict[str, int]:
        n = len(self.seen)
        found = {"profiles of listeners": n, "profiles that state no age": n - len(self.age),
                 "profiles that state no country": n - len(self.country)}  # fmt: skip
        return {what: count for what, count in found.items() if count}


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """Some listeners a unit, and with each the profiles of all.

    Raises
    ------
    BadInput : a listener is in two files
    """
    logs, profiles, other = [], [], []
    for file in files:
        head = file.head(8192).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines()
        if head and tuple(head[0].split("\t")) == PROFILE:
            profiles.append(file)
        elif is_log(head):
            logs.append(file)
        else:
            other.append(file)
    if not logs:
        return [], other
    called = names(_place(file) for file in logs)
    in_file: dict[bytes, str] = {}
    found = []
    for file in sorted(logs, key=lambda log: called[_place(log)]):
        name = called[_place(file)]
        for n, stretch in enumerate(_stretches(file, in_file, name)):
            found.append(Unit(f"{name} from line {stretch.first_line}" if n else name, (stretch,)))
    for n, unit in enumerate(found):
        of_all = (_of(file, Profiles, is_counted=n == 0) for file in profiles)
        found[n] = Unit(unit.name, (*unit.files, *of_all))
    return found, other


def is_log(head: list[str]) -> bool:
    """Whether there is a line of ours among the first of a file."""
    return any(_LINE.fullmatch(line) for line in head)


def _place(file: LogFile) -> Path:
    return file.path.parent / file.shown


def _stretches(file: LogFile, in_file: dict[bytes, str], name: str) -> Iterator[Stretch]:
    """The file in pieces that hold whole listeners.

    A block begins where a listener comes for the first time; should one come again below, all blocks since are one.

        lines     a a b b a c c        blocks     a a b b a | c c
    """
    ordinals: dict[bytes, int] = {}
    blocks_of: list[tuple[int, int, int]] = []  # of each: its first listener's ordinal, where it begins, its first line
    end, now = 0, None
    for block in blocks(file):
        whole, fields = block.with_fields(len(LOG))  # a damaged line stays with those above it
        lines, (listeners, of) = np.flatnonzero(whole), fields.coded_bytes(0)
        for n in np.flatnonzero(np.diff(of, prepend=-1)).tolist():
            listener, line = listeners[of[n]], int(lines[n])
            if listener == now:
                continue
            now = listener
            if in_file.setdefault(listener, name) != name:
                raise BadInput(
                    f"listener {said(listener.decode('utf-8', 'replace'))} is in {in_file[listener]} and in "
                    f"{name}: expected each listener in one file; give each log once, or put its parts together"
                )
            if listener in ordinals:
                while blocks_of[-1][0] > ordinals[listener]:
                    blocks_of.pop()
            else:
                blocks_of.append((len(ordinals), block.at + int(block.begins[line]), block.first + line))
                ordinals[listener] = len(ordinals)
        end = block.end(len(block) - 1)
    begin, first_line = 0, 1
    for _, there, line_there in blocks_of[1:]:
        if line_there - first_line >= _UNIT_LINES:
            yield _of(file, Stretch, begin=begin, end=there, first_line=first_line)
            begin, first_line = there, line_there
    yield _of(file, Stretch, begin=begin, end=end, first_line=first_line)


def _of(file: LogFile, kind: Any, **more: Any) -> Any:
    """The file as another kind of file."""
    return kind(**{f.name: getattr(file, f.name) for f in fields(LogFile)}, **more)


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """The plays of some listeners, cut into sessions, and how old they were and where they lived."""
    rows, people = Starts("timestamp", engine.spill), People()
    notes: dict[str, int] = {}
    for file in unit.files:
        if isinstance(file, Stretch):
            _add_plays(rows, file)
        elif isinstance(file, Profiles):
            _add_people(people, rows if file.is_counted else Starts("timestamp"), file)
            notes |= people.notes() if file.is_counted else {}
    piece = rows.piece(engine, options)
    piece.plays, of_plays = _with_people(piece.plays, people, engine)
    piece.notes = notes | of_plays
    return piece


def _with_people(plays: Any, people: People, engine: Any) -> tuple[Any, dict[str, int]]:
    """The plays with age, country and gender, the same throughout a session; and what is to be noted."""
    import ibis
    import pyarrow as pa

    who = list(people.seen)
    told = {
        "listener": pa.array(who, pa.string()),
        "stated_age": pa.array([people.age.get(w) for w in who], pa.int64()),
        "lives_in": pa.array([people.country.get(w) for w in who], pa.string()),
        "stated_gender": pa.array([people.gender.get(w) for w in who], pa.string()),
        "has_profile": pa.array([1] * len(who), pa.int64()),
    }
    t = plays.left_join(engine.table(pa.table(told)), "listener")
    age = t.stated_age - (PROFILED - t.day.year().cast("int64"))
    is_meant = (age >= YOUNGEST) & (age <= OLDEST)
    t = t.mutate(listener_age=ibis.ifelse(is_meant, age, ibis.null("int64")), country=t.lives_in,
                 gender=t.stated_gender)  # fmt: skip
    t = engine.table(t.select(*schema.PLAYS, "stated_age", "has_profile"))  # once, to be counted and to be written
    (found,) = engine.to_arrow(t.agg(
        beyond=(t.stated_age.notnull() & t.listener_age.isnull()).sum(),
        unknown=t.listener.nunique(where=t.has_profile.isnull()),
    )).to_pylist()  # fmt: skip
    notes = {
        f"plays without an age: by the one stated, the listener was under {YOUNGEST} or over {OLDEST}": found["beyond"],
        "listeners without a profile: of unknown age and country": found["unknown"],
    }
    return t.select(*schema.PLAYS), {what: n for what, n in notes.items() if n}


def _add_plays(rows: Starts, file: Stretch) -> None:
    for block in blocks(file, file.begin, file.first_line, file.end):
        plain, fields, start_ms = _plain(rows, block)
        if plain.sum() < MOSTLY * len(plain):
            plain[:] = False
        before: Ints = np.cumsum(plain) - plain  # plain lines above each
        for low, high, is_plain in runs(plain):
            if is_plain:
                at = slice(int(before[low]), int(before[low]) + high - low)
                some = fields.take(at)
                ids, of_ids = some.coded(4)
                rows.add_all(file.shown, block.first + np.arange(low, high), start_ms[at], some.coded(0), some.coded(3),
                             some.coded(5), ([i.lower() for i in ids], of_ids))  # fmt: skip
                continue
            for n in range(low, high):
                if (line := block.line(n)) != b"":  # a blank line is no row
                    place = (file.shown, block.first + n)
                    if cells := _cells(rows, place, line, len(LOG)):
                        _add_play(rows, place, cells)


def _plain(rows: Starts, block: Block) -> tuple[Bits, Fields, Ints]:
    """(N,) which lines of a block can be read as columns; the fields of these, and their starts."""
    plain, fields = block.with_fields(len(LOG))
    if not block.is_text():
        return np.zeros(len(plain), bool), fields.take(slice(0)), np.zeros(0, np.int64)
    start_ms, right = fields.clock_ms(1)
    for c in (2, 4):
        right &= (fields.length(c) == 0) | fields.is_mbid(c)
    for c, is_sound in ((0, lambda text: text.strip() != ""), (3, rows.key), (5, rows.key)):
        words, of = fields.coded(c)
        right &= np.array([bool(is_sound(word)) for word in words], bool)[of]
    plain[plain] = right
    return plain, fields.take(right), start_ms[right]


def _cells(rows: Starts, place: tuple[str, int], line: bytes | None, n: int) -> list[str] | None:
    """The values of a line, where it has as many as it should; else the line is rejected."""
    text = rows.text(place, line)
    if text is None:
        return None
    cells = text.split("\t")
    if len(cells) != n:
        rows.reject(place, "", text, f"too {'few' if len(cells) < n else 'many'} columns")
        return None
    return cells


def _add_play(rows: Starts, place: tuple[str, int], cells: list[str]) -> None:
    listener, when, by_id, artist, track_id, title = cells
    start = starts.clock(when)
    if not listener.strip():
        return rows.reject(place, "userid", listener, "expected a listener's id")
    if start is None:
        return rows.reject(place, "timestamp", when, "expected a UTC time from 1990 on, such as 2009-05-04T23:08:57Z")
    for column, mbid in (("artid", by_id), ("traid", track_id)):
        if mbid and not MBID.fullmatch(mbid):
            return rows.reject(place, column, mbid, "expected a MusicBrainz id or nothing")
    return rows.add(place, start, artist, title, row=place[1], listener=listener, identity=track_id.lower())


def _add_people(people: People, rows: Starts, file: LogFile) -> None:
    """Add a table's sound profiles; the others are rejected."""
    for _, number, line in starts.lines(file):
        if number == 1 or line == b"":
            continue
        place = (file.shown, number)
        cells = _cells(rows, place, line, len(PROFILE))
        if not cells:
            continue
        who, gender, age, country, registered = cells
        if not who.strip():
            rows.reject(place, "#id", who, "expected a listener's id")
        elif who in people.seen:
            first = "line {1} of {0}".format(*people.seen[who])
            rows.reject(place, "#id", who, f"the profile is there twice: the first, in {first}, is counted")
        elif age and not (age.isdecimal() and len(age) < 4 and 1 <= int(age) <= 120):
            rows.reject(place, "age", age, "expected whole years from 1 to 120, or nothing")
        elif registered and not _is_day(registered):
            rows.reject(place, "registered", registered, "expected a day such as Aug 13, 2006, or nothing")
        else:
            people.seen[who] = place
            people.age |= {who: int(age)} if age else {}
            people.country |= {who: country.strip()} if country.strip() else {}
            people.gender |= {who: gender.strip().lower()} if gender.strip().lower() in schema.GENDERS else {}


def _is_day(text: str) -> bool:
    month, _, rest = text.partition(" ")
    day, _, year = rest.partition(", ")
    return starts.clock(f"{day} {month} {year} 00:00") is not None


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up listening of three people, and the profiles of four; what was skipped early on was never sent."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for play in made_up.plays(sessions, 3, max(30, sessions // 3 // 3), seed):
        if 2 * play.played_ms < 1000 * made_up.duration_s(play.track):
            continue
        artist = made_up.artist_of(play.track)
        when = datetime.fromtimestamp(play.start_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ids = [str(uuid.UUID(int=n)) for n in (10_000 + artist, 20_000 + play.track)]
        known = play.track % 3 > 0
        lines.append("\t".join([f"user_{play.listener + 1:06d}", when, ids[0] if known else "", made_up.artist_name(artist),
                                ids[1] if known else "", f"Song {play.track}"]))  # fmt: skip
    lines.sort(key=lambda line: line.split("\t")[1], reverse=True)
    lines.sort(key=lambda line: line.split("\t")[0])
    (folder / "userid-timestamp-artid-artname-traid-traname.tsv").write_text("".join(f"{x}\n" for x in lines), "utf-8")
    people = ["user_000001\tf\t31\t\tAug 1, 2006", "user_000002\t\t\tNowhere\t", "user_000003\tm\t\t\tFeb 29, 2008",
              "user_000004\t\t\t\t"]  # fmt: skip
    (folder / "userid-profile.tsv").write_text("".join(f"{x}\n" for x in ["\t".join(PROFILE), *people]), "utf-8")


SOURCE = Source(
    name="lastfm1k",
    title="Last.fm Dataset - 1K users (listening from 2005 to 2009)",
    licence="Last.fm's terms, with permission of Last.fm: for non-commercial use only; bring your own copy",
    citation="O. Celma: Music Recommendation and Discovery in the Long Tail. Springer 2010; data from Last.fm",
    home="https://ocelma.net/MusicRecommendationDataset/lastfm-1K.html",
    marks="lines of userid, UTC time, artist id, artist, track id and track between tabs",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
    options=starts.OPTIONS,
    has_listeners=True,
)
