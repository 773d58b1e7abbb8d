"""A collection of recordings: what each is called, what kind of sound it is, and what is known of it.

    file       name              kind     error              tempo   energy
    a/x.mp3    Song (Artist)     music                       121     .71
    a/y.mp3    y                 speech                      nan     nan       heard, and left out where music is compared
    a/z.mp3    z                          it is broken …     nan     nan       not read

It comes from a table: what `segue audio describe` wrote, or any CSV with a row a track and attributes under the names that
`segue.datasets.attributes` knows, in its units.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.datasets.attributes import ATTRIBUTES, roles
from segue.errors import BadInput, in_one_line

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DEEPEST = 32  # folders of a path that are looked at
MOST = 20_000  # recordings: a page is of one's own
GENRES = (
    "genre",
    "genretitle",
    "genretop",
    "topgenre",
    "genres",
    "trackgenre",
    "playlistgenre",
)  # as columns are called
LATER = "us_popularity_estimate"  # says nothing of how a recording sounds
MUSIC = ("music", "")  # "": nobody has said
_DELIMITERS = ",\t;|"


@dataclass(frozen=True, eq=False)
class Collection:
    """N recordings, those that could not be read among them."""

    place: str  # where it comes from, in one line
    files: tuple[str, ...]  # what tells one from the other
    names: tuple[str, ...]  # what a person calls it; each once
    kinds: tuple[str, ...]  # music, speech, other; "" where nobody has said
    errors: tuple[str, ...]  # why it could not be read; "" where it could
    genres: tuple[str, ...]  # "" where not known
    sound: Mapping[str, Floats]  # attribute → (N,), NaN where not known
    numbers: Floats = field(
        default_factory=lambda: np.zeros((0, 0))
    )  # (N, F) of the front end, NaN where not known; or none
    number_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def heard(self) -> Ints:
        """The recordings that could be read."""
        return np.array([i for i, why in enumerate(self.errors) if not why], np.int64)

    @cached_property
    def music(self) -> Ints:
        """The recordings that are compared: those that could be read, but for what is known to be no music."""
        return np.array([i for i in self.heard if self.kinds[i] in MUSIC], np.int64)

    def value(self, attribute: str) -> Floats:
        """(N,) what is known of an attribute; NaN all over where nobody has said anything."""
        return self.sound.get(attribute, np.full(len(self), np.nan))


def collection(place: str, rows: Sequence[Mapping[str, Any]], *, number_names: Sequence[str] = ()) -> Collection:
    """A collection of rows: `file`, and as far as known title, artist, kind, error, genre, attributes and `numbers` (F,).

    >>> of = collection("here", [{"file": "a.mp3", "tempo": 120.0}, {"file": "b.mp3", "error": "it is empty"}])
    >>> of.music.tolist(), of.value("tempo").tolist()
    ([0], [120.0, nan])
    """
    if len(rows) > MOST:
        raise BadInput(f"{place} holds {len(rows):,} recordings: expected {MOST:,} at most; map a part of them")
    known = [name for name in ATTRIBUTES if name != LATER]
    sound = {name: np.array([_fitting(name, _number(row.get(name))) for row in rows]) for name in known}
    text = {key: tuple(str(row.get(key) or "") for row in rows) for key in ("file", "kind", "error", "genre")}
    blank = np.full(len(number_names), np.nan)
    numbers = np.array([row.get("numbers", blank) if number_names else blank for row in rows], np.float64)
    return Collection(
        place, text["file"], _names(rows), text["kind"], text["error"], _genres(text["genre"]),
        {name: value for name, value in sound.items() if np.isfinite(value).any()},
        numbers.reshape(len(rows), len(number_names)), tuple(number_names),
    )  # fmt: skip


def read(path: Path) -> Collection:
    """A table of recordings, as `segue audio describe` writes it.

    Raises
    ------
    BadInput : it is no text in columns, names no track, or says nothing of its sound
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            head = text.readline()
            delimiter = max(_DELIMITERS, key=head.count)
            columns = next(csv.reader([head], delimiter=delimiter), [])
            return collection(in_one_line(str(path)), list(_rows(path, columns, csv.reader(text, delimiter=delimiter))))
    except csv.Error as why:
        raise BadInput(f"{path} is no table ({why}): expected a CSV with a row a track") from None


def _rows(path: Path, columns: Sequence[str], lines: Iterable[list[str]]) -> Iterable[dict[str, Any]]:
    at = roles(columns)
    plain = [re.sub(r"[^a-z0-9]", "", c.lower()) for c in columns]
    said: dict[str, int] = {name: plain.index(name) for name in ("file", "kind", "error") if name in plain}
    if genre := next((name for name in GENRES if name in plain), None):
        said["genre"] = plain.index(genre)
    said |= {role: at[role] for role in ("title", "artist") if role in at}
    key = said.get("file", at.get("id"))
    scales = {n: ATTRIBUTES[n].columns[plain[at[n]]] for n in ATTRIBUTES if n in at and n != LATER}
    if (key is None and "title" not in said) or not scales:
        raise BadInput(
            f"{path} is no table of recordings (its header: {in_one_line(', '.join(columns))[:200]}): expected a column file or "
            "track_id, and something known of the sound, such as tempo or energy; make one with segue audio describe"
        )
    for n, cells in enumerate(lines):
        if not any(cells):
            continue
        if n > MOST:
            raise BadInput(f"{path} has more than {MOST:,} rows: map a part of them")
        cells += [""] * (len(columns) - len(cells))
        row: dict[str, Any] = {name: in_one_line(cells[place].strip()) for name, place in said.items()}
        row["file"] = in_one_line(cells[key].strip()) if key is not None else row["title"]
        yield row | {name: _read(name, cells[at[name]]) * scale for name, scale in scales.items()}


def _read(name: str, cell: str) -> float:
    """A cell as a number; NaN where it is none."""
    text = cell.strip().lower()
    if name == "mode":
        text = {"major": "1", "minor": "0"}.get(text, text)
    if name == "release_year":
        text = text[:4]
    return _number(text)


def _fitting(name: str, value: float) -> float:
    """A value in our unit; NaN where it is out of range, or says that nobody knows."""
    wanted = ATTRIBUTES[name]
    fits = wanted.low <= value <= wanted.high and (not wanted.is_whole or value == int(value))
    return value if fits else np.nan


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _names(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """ "title (artist)" where a title is known, else the file's name without its ending; where two are called alike, the file's
    name too, with as many of its folders as tell it from the other."""
    called = []
    for row in rows:
        title, artist = row.get("title"), row.get("artist")
        name = f"{title} ({artist})" if title and artist else str(title or Path(str(row["file"])).stem or row["file"])
        called.append(" ".join(name.split()))
    often = Counter(called)
    again = [i for i, name in enumerate(called) if often[name] > 1]
    ends = _ends([(called[i], str(rows[i]["file"])) for i in again])
    for i, end in zip(again, ends, strict=True):
        called[i] = f"{called[i]}, {end}"
    seen: Counter[str] = Counter()
    for i, name in enumerate(called):
        seen[name] += 1
        called[i] = name if seen[name] == 1 else f"{name} [{seen[name]}]"
    return tuple(called)


def _ends(named: Sequence[tuple[str, str]]) -> list[str]:
    """Of files, each with what it is called: the shortest end of its path that no other of that name has.

    >>> _ends([("x", "my/a/1.mp3"), ("x", "my/b/1.mp3"), ("x", "my/b/2.mp3"), ("y", "my/b/2.mp3")])
    ['a/1.mp3', 'b/1.mp3', '2.mp3', '2.mp3']
    """
    left = set(named)
    end: dict[tuple[str, str], str] = {}
    for depth in range(1, DEEPEST):
        of = {one: "/".join(one[1].split("/")[-depth:]) for one in left}
        often = Counter((name, of[name, file]) for name, file in left)
        end |= {one: of[one] for one in left if often[one[0], of[one]] == 1}
        left = {one for one in left if one not in end}
        if not left:
            break
    return [end.get(one, one[1]) for one in named]


def _genres(said: Sequence[str]) -> tuple[str, ...]:
    """Of several genres the first."""
    return tuple(re.split(r"[|;,/]", text)[0].strip() for text in said)
