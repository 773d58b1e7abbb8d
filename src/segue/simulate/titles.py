"""What made-up playlists, artists, albums and tracks are called.

A playlist's title says something of what is in it, or of when, or nothing at all:

    taste      "gym", "pump up"          genre    "rock", "Indie!!"         scene   "lunawave"
    artist     "best of Tavo Kimler"     nothing  "mix 3", "stuff"          year    "summer 2016"
"""

from __future__ import annotations

import numpy as np

from segue.simulate.catalogue import GENRES
from segue.simulate.draws import Ints, Words, choose, key, steps, uniform

MOODS = (
    ("gym", "workout", "pump up"), ("chill", "relax", "chill vibes"), ("party", "pregame", "turn up"), ("sleep", "bedtime"),
    ("study", "focus", "homework"), ("road trip", "driving", "car"), ("summer", "beach", "pool"),
    ("love", "wedding", "slow jams"), ("sad", "rainy day", "feels"), ("throwback", "old school", "oldies"),
    ("running", "cardio"), ("dinner", "morning", "coffee"),
)  # fmt: skip
WORDS_OF = {
    "pop": ("pop", "top hits", "radio"), "rap": ("rap", "hip hop", "trap"), "rock": ("rock", "alternative", "punk"),
    "electronic": ("edm", "house", "dance"), "latin": ("latin", "reggaeton", "salsa"), "acoustic": ("acoustic", "folk", "country"),
}  # fmt: skip
NOTHING = ("music", "songs", "mix", "good stuff", "my playlist", "favorites", "jams", "random", "everything", "new")
OFTEN = (0.34, 0.27, 0.11, 0.06, 0.22)  # mood, genre, scene, artist, nothing
_STARTS = ("b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "r", "s", "sh", "st", "t", "tr",
           "v", "w", "z")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_ENDS = ("", "", "", "l", "n", "r", "s", "x", "nd", "ck")
_SYLLABLES = tuple(s + v + e for s in _STARTS for v in _VOWELS for e in _ENDS)
_FACES = ("\U0001f525", "❤", "\U0001f3b6", "\U0001f334", ":)", "!!")
_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)
_ID = 22  # letters and digits of an id


def words(keys: Words, n: int, counter: int = 0) -> list[str]:
    """One made-up name of n words each, two syllables a word.

    >>> words(key(7, np.arange(2)), 2)
    ['Giha Naison', 'Mealchi Nondbar']
    """
    drawn = [(uniform(keys, counter + i) * len(_SYLLABLES) >> np.int64(32)).tolist() for i in range(2 * n)]
    pairs = zip(drawn[::2], drawn[1::2], strict=True)
    spoken = [[(_SYLLABLES[a] + _SYLLABLES[b]).title() for a, b in zip(*pair, strict=True)] for pair in pairs]
    return [" ".join(some) for some in zip(*spoken, strict=True)]


def ids(keys: Words) -> list[str]:
    """22 letters and digits for each key, as Spotify's ids are.

    >>> ids(key(7, np.arange(1)))
    ['i8cUpgUfeC3A8SUaLxln06']
    """
    half = _ID // 2
    letters = np.empty((len(keys), _ID), np.uint8)
    for part in range(2):
        left = key(keys.view(np.int64), 40 + part)
        for n in range(half):
            left, digit = np.divmod(left, np.uint64(len(_ALPHABET)))
            letters[:, part * half + n] = _ALPHABET[digit.astype(np.intp)]
    whole = letters.tobytes().decode("ascii")
    return [whole[i : i + _ID] for i in range(0, len(whole), _ID)]


def titles(keys: Words, taste: Ints, group: Ints, scene: Ints, artist: list[str], root: int) -> list[str]:
    """What each list is called. `artist`: the name of the one it likes most."""
    kind = choose(steps(OFTEN), uniform(keys, 100))
    second = choose(
        steps((0.74, 0.10, 0.08, 0.08)), uniform(keys, 101)
    )  # nothing more, a year, a number, a second word
    look = choose(steps((0.45, 0.33, 0.07, 0.15)), uniform(keys, 102))  # as it is, Titled, LOUD, with a face
    draws = [uniform(keys, 103 + n).tolist() for n in range(4)]
    scenes = _of_scenes(root, group, scene)
    found = []
    for i, (which, more, dress) in enumerate(zip(kind.tolist(), second.tolist(), look.tolist(), strict=True)):
        one, two, three, four = (d[i] for d in draws)
        mood = _one(MOODS[int(taste[i]) % len(MOODS)], one)
        genre = _one(WORDS_OF[GENRES[int(group[i]) % len(GENRES)]], one)
        text = (mood, genre, scenes[i], f"best of {artist[i]}" if two % 2 else artist[i], _one(NOTHING, one))[which]
        if more == 1:
            text += f" {2012 + two % 6}"
        elif more == 2:
            text += f" {two % 9 + 1}"
        elif more == 3:
            text = f"{text} {(genre, mood, _one(NOTHING, three))[three % 3]}"
        found.append((text, text.title(), text.upper(), f"{text} {_one(_FACES, four)}")[dress])
    return found


def _of_scenes(root: int, group: Ints, scene: Ints) -> list[str]:
    """The made-up word for each list's scene."""
    keys = key(root, 11, group, scene)
    ends = (uniform(keys, 9) & 3).tolist()
    return [word.lower() + ("wave", "core", "step", "beat")[n] for word, n in zip(words(keys, 1), ends, strict=True)]


def _one(among: tuple[str, ...], drawn: int) -> str:
    """The first ones more often."""
    share = drawn / (1 << 32)
    return among[int(share * share * len(among))]
