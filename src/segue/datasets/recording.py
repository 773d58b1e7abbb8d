"""When two spellings of an artist and a title mean one recording: the one rule by which tracks are joined by name.

Two logs, or a log and a table, rarely write a track alike. `name_key` makes of both names one key, and tracks of one key are
taken for one recording. It is meant to miss rather than to mix up: what may be another recording keeps its own key.

Of both names, in this order
- the forms of a character are one (NFKC), and so are capitals and small letters;
- accents fall (é = e, ё = е, ø = o, ß = ss), but for the marks of other scripts, which make other words (か is not が);
- apostrophes and full stops fall (Don't = Dont, R.E.M. = REM); `&` and `+` are "and";
- all other punctuation and every symbol is a blank, and blanks are one blank. Where nothing is left ("!!!"), the text stays.

Before punctuation falls
- guests of either name, "(feat. X)", "[ft. X & Y]", "featuring X", are taken out and put behind the key, in alphabetical order:
  it is one whether the artist or the title has them, but a key with a guest is not the key without;
- of the title, at its end, behind " - " or in brackets, what names the *same* recording falls: "2011 Remaster", "Remastered",
  "Remastered Version", "Digitally Remastered", "Album Version", "LP Version", "Explicit", "Explicit Version", "Bonus Track".

All else is kept, for it is, or may be, another recording: "Live", "Live at …", "Acoustic", "Demo", "Remix", "… Mix",
"Radio Edit", "Single Version", "Mono", "Instrumental", "Karaoke", "(with X)", "Pt. 2", "From the film …". Nothing is done about
"The" before an artist, the order of names, several artists in one, typing errors, or other alphabets.

Guests were tried on three real histories, by how long plays went that ran to their end: of 21 tracks that would have been
joined to a row with a guest, or the other way round, 7 had no play within 5 s of the row's duration; of the other 116, 3.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# apostrophes fall before NFKC, which makes a blank and an accent of the acute; æ and its like have no decomposition
_LETTERS = str.maketrans({**dict.fromkeys("'’‘`´ʼʹ′."), "&": " and ", "+": " and ", "ø": "o", "ł": "l", "đ": "d", "æ": "ae",
                          "œ": "oe", "þ": "th", "ð": "d", "ı": "i", "ħ": "h"})  # fmt: skip
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘`´ʼʹ′", "'"))
_ACCENTS = re.compile("[\u0300-\u036f]")
_GUESTS = re.compile(r"\s*[(\[]\s*(?:feat|ft|featuring)\b\.?\s([^()\[\]]*)[)\]]"
                     r"|\s(?:-\s+)?(?:feat\.?|(?<!\d\s)ft\.|featuring)\s(.*?)(?=\s[-–—]\s|\s?[(\[]|$)")  # fmt: skip
_BETWEEN = re.compile(r",|&|\+|\sand\s")
_LAST = re.compile(r"(?P<rest>.*\S)\s*(?:\s[-–—]\s+(?P<behind>[^()\[\]]+)|[(\[](?P<within>[^()\[\]]*)[)\]])\s*", re.S)
_LONGEST = 500  # characters of a name; what is longer is left as it is
_SAME = re.compile(
    r"(?=.*\bremaster)(?:(?:(?:19|20)\d\d|digital|digitally|remaster|remastered|album|lp|version|edition)\s?)+"
    r"|(?:the )?(?:original )?(?:album|lp) version(?: explicit)?|explicit(?: (?:album )?version)?|bonus track(?: version)?"
)


class _Blanks(dict[int, str]):
    """Characters that are a blank: punctuation, symbols, separators, controls. Filled as they are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PSZC" else character
        return self[code]


def name_key(artist: str | None, title: str | None) -> str | None:
    """The key of a recording; None where a name is missing.

    >>> name_key("Beyoncé", "Halo - 2011 Remaster") == name_key("BEYONCE", "halo")
    True
    >>> name_key("Sia", "Cheap Thrills (feat. Sean Paul)") == name_key("Sia featuring Sean Paul", "Cheap Thrills")
    True
    >>> name_key("Sia", "Cheap Thrills") == name_key("Sia featuring Sean Paul", "Cheap Thrills")
    False
    """
    by, with_artist = artist_key(artist or "")
    what, with_title = title_key(title or "")
    guests = sorted({*with_artist, *with_title})
    return "\t".join((by, what, *guests)) if by and what else None


@lru_cache(1 << 14)
def artist_key(text: str) -> tuple[str, tuple[str, ...]]:
    """An artist's name as far as spellings agree, empty where there is none; and the guests that stand behind it."""
    bare, guests = _alone(_folded(text))
    return _words(bare) or bare, guests


def title_key(text: str) -> tuple[str, tuple[str, ...]]:
    """A title as far as spellings of one recording agree, empty where there is none; and the guests that stand behind it."""
    bare, guests = _alone(_folded(text))
    while last := _LAST.fullmatch(bare):
        if not _SAME.fullmatch(_words(last["behind"] or last["within"] or "")):
            break
        bare = last["rest"]
    return _words(bare) or bare, guests


def _alone(text: str) -> tuple[str, tuple[str, ...]]:
    """A name without its guests, and the guests; all of it where it is nothing else, or longer than names are."""
    found = [said for pair in _GUESTS.findall(text) for said in pair if said] if len(text) <= _LONGEST else []
    bare = _GUESTS.sub("", text).strip() if found else text
    names = [_words(name) for said in found for name in _BETWEEN.split(said)]
    return (bare, tuple(name for name in names if name)) if bare else (text, ())


def _folded(text: str) -> str:
    once = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    return " ".join(unicodedata.normalize("NFKC", once).split())


def _words(text: str) -> str:
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", text.translate(_LETTERS)))
    return " ".join(unicodedata.normalize("NFC", bare).translate(_BLANKS).split())


_BLANKS = _Blanks()
