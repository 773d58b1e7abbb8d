"""Names of tracks, to be found by a part of them.

    text     title ␟ artist ␟ album ␟ id ␞ …       a line for each track, the most played first
    folded   the same in small letters             what is searched
    starts   where each line of either begins, and where the last one ends
"""  # fmt: skip

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import Array
from segue.errors import Tampered

FIELDS = ("title", "artist", "album", "track")
BETWEEN, END = "\x1f", "\x1e"  # between names, and after the last: an id may hold a tab
MOST = 1_000_000  # tracks of a catalogue: the most played
STRIDE = 1 << 22  # bytes searched in one go
_KINDS = {"text": np.uint8, "folded": np.uint8, "text_starts": np.int64, "folded_starts": np.int64}


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def catalogue(rows: Iterable[Sequence[str | None]]) -> dict[str, Array]:
    """The arrays of a catalogue, of rows in the order of `FIELDS`."""
    lines = [BETWEEN.join(map(_plain, row)) + END for row in rows]
    made = {}
    for name, texts in (("text", lines), ("folded", [folded(line) for line in lines])):
        whole = [t.encode("utf-8", "replace") for t in texts]
        made[name] = np.frombuffer(b"".join(whole), np.uint8)
        made[f"{name}_starts"] = np.cumsum([0, *map(len, whole)], dtype=np.int64)
    return made


def _plain(name: str | None) -> str:
    return (name or "").replace(BETWEEN, " ").replace(END, " ")


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The names of some tracks. The arrays may be views of a file."""

    arrays: Mapping[str, Array]

    def __post_init__(self) -> None:
        """Raises Tampered where it could not be looked into."""
        held = self.arrays
        if not held:
            return
        if set(held) != set(_KINDS) or any(held[n].dtype != kind or held[n].ndim != 1 for n, kind in _KINDS.items()):
            raise Tampered("the names of tracks are damaged: get the bundle again from its source")
        for name in ("text", "folded"):
            starts = held[f"{name}_starts"]
            if not len(starts) or starts[0] != 0 or starts[-1] != len(held[name]) or (starts[1:] <= starts[:-1]).any():
                raise Tampered("the names of tracks are damaged: get the bundle again from its source")
        if len(held["text_starts"]) != len(held["folded_starts"]):
            raise Tampered("the names of tracks are damaged: get the bundle again from its source")

    def __len__(self) -> int:
        return len(self.arrays["text_starts"]) - 1 if self.arrays else 0

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Tracks in whose names all words of a text stand, the most played first, but those first whose title it is; all tracks
        for an empty text."""
        words = [w.encode("utf-8", "replace") for w in folded(text).split()]
        if not words or not len(self):
            return [self[i] for i in range(min(limit, len(self)))]
        titled = self._titled(folded(text).strip())[:limit].tolist()
        found = self._holding(words, limit) if len(titled) < limit else []
        return [self[i] for i in list(dict.fromkeys([*titled, *found]))[:limit]]

    def _titled(self, title: str) -> Array:
        """The lines whose title is a text: compared from its end, where titles differ most, so that few are left soon."""
        text, starts = self.arrays["folded"], self.arrays["folded_starts"]
        wanted = (title + BETWEEN).encode("utf-8", "replace")
        at = starts[:-1][starts[:-1] <= len(text) - len(wanted)]
        for k in reversed(range(len(wanted))):
            at = at[text[at + k] == wanted[k]]
        return np.searchsorted(starts, at)

    def _holding(self, words: Sequence[bytes], limit: int) -> list[int]:
        """The first lines that hold all words."""
        found: list[int] = []
        longest, starts = max(words, key=len), self.arrays["folded_starts"]
        first = 0
        while first < len(self) and len(found) < limit:
            last = max(first + 1, int(np.searchsorted(starts, starts[first] + STRIDE)) - 1)
            last = min(last, len(self))
            block, at = self.arrays["folded"][starts[first] : starts[last]].tobytes(), -1
            while len(found) < limit and (at := block.find(longest, at + 1)) >= 0:
                i = int(np.searchsorted(starts, at + starts[first], side="right")) - 1
                line = block[starts[i] - starts[first] : starts[i + 1] - starts[first]]
                if all(w in line for w in words):
                    found.append(i)
                at = int(starts[i + 1] - starts[first]) - 1
            first = last
        return found

    def __getitem__(self, i: int) -> dict[str, Any]:
        starts = self.arrays["text_starts"]
        line = self.arrays["text"][starts[i] : starts[i + 1] - 1].tobytes().decode("utf-8", "replace")
        found: dict[str, Any] = {name: value or None for name, value in zip(FIELDS, line.split(BETWEEN), strict=False)}
        artist, tab, _ = (found.get("track") or "").partition("\t")
        # where names are all that identifies a track, its artist is known by the first of them
        return found | {"artist_id": artist} if tab else found
