"""Nearness of recordings: the space in which they lie, who is nearest to whom in it, and what the two share.

descriptors known    energy, valence, tempo (log2) … in standard deviations; key and mode weigh half, and keys that share
                     their tones lie side by side, as in segue.sound_space
none of them         the front end's numbers: timbre, modulation, rhythm, harmony and loudness weigh the same, along their
                     principal components
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from segue.figures.collection import Collection, Floats, Ints
from segue.figures.figure import NothingToSay
from segue.figures.scope import CATEGORIES, scale
from segue.sound_space import HARMONY, MOSTLY, NO_SOUND
from segue.sounding import TONES, shown

FARTHEST = 4.0  # standard deviations
LEAST_SHARES = 3  # descriptors such as energy that must be known, or the front end's numbers say more
EXPLAINED, MOST_COMPONENTS = 0.9, 20  # of the variance of the front end's numbers
ALIKE = 0.2  # two share what differs less than in four of five pairs
PAIRS = 4_000  # of the collection, that a difference is held against
NOT_SHARES = (*CATEGORIES, *NO_SOUND, "tempo", "loudness", "flatness", "dyn_range_mean")
PLAIN = {  # numbers of the front end that say something to a person → what they are called
    "loudness_range": "loudness range", "centroid_p50": "brightness", "flatness_mean": "noisiness", "onset_rate": "onset rate",
}  # fmt: skip
UNITS = {"loudness": "dB", "loudness range": "LU", "noisiness": "dB", "onset rate": "a second"}


@dataclass(frozen=True, eq=False)
class Nearness:
    """V recordings that have a place. D columns of the space, Q quantities that words are made of."""

    collection: Collection
    rows: Ints  # (V,) which of the collection
    points: Floats  # (V, D)
    names: tuple[str, ...]  # (Q,)
    raw: Floats  # (V, Q), in their units
    by: str  # what the space is made of, in words
    n_plain: int  # the columns of the space, from the first, that are quantities: key and mode come last
    of_components: bool = False  # its columns are principal components, no quantities that mean something

    @cached_property
    def z(self) -> Floats:
        """(V, Q) the quantities in standard deviations from their mean, at most four."""
        if not self.names:
            return self.raw
        return _standard(np.stack([_scaled(n, x) for n, x in zip(self.names, self.raw.T, strict=True)], 1))

    def nearest(self, k: int) -> tuple[Ints, Floats]:
        """(V, k) the nearest of each, nearest first, and how far: 1 is how far a typical pair lies apart."""
        from scipy.spatial import cKDTree

        k = min(k, len(self.rows) - 1)
        away, found = cKDTree(self.points).query(self.points, k + 1)
        own = np.arange(len(found))[:, None]
        is_own = found == own
        is_own[~is_own.any(1), -1] = True  # among copies it may not be in its own list
        keep = np.argsort(is_own, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(found, keep, 1).astype(np.int64), np.take_along_axis(away, keep, 1) / self._typical

    def name(self, i: Any) -> str:
        return self.collection.names[int(self.rows[i])]

    def share(self, i: int, j: int, most: int = 3) -> str:
        """What two share, that which is rarest first: "tempo 121 and 120 BPM, both A minor"."""
        told: list[tuple[float, str]] = []
        for q, name in enumerate(self.names):
            often = float((self._differ[:, q] <= abs(self.raw[i, q] - self.raw[j, q])).mean())
            if often <= ALIKE:
                a, b = spoken(name, self.raw[i, q]), spoken(name, self.raw[j, q])
                told.append((often, f"{plain(name)} {b}" if a == b else f"{plain(name)} {a.split()[0]} and {b}"))
        if (key := self._keys[self.rows[i]]) and key == self._keys[self.rows[j]]:
            told.append((0.04, f"both {key}"))
        return ", ".join(text for _, text in sorted(told)[:most]) or "no one quantity: a little of all"

    @cached_property
    def _keys(self) -> list[str]:
        return key_names(self.collection)

    @cached_property
    def _pairs(self) -> tuple[Ints, Ints]:
        draws = np.random.default_rng(0)
        n = len(self.rows)
        first = draws.integers(n, size=PAIRS)
        return first, (first + draws.integers(1, max(n, 2), size=PAIRS)) % n

    @cached_property
    def _differ(self) -> Floats:
        """(PAIRS, Q) how much pairs of the collection differ."""
        first, second = self._pairs
        return np.abs(self.raw[first] - self.raw[second])

    @cached_property
    def _typical(self) -> float:
        first, second = self._pairs
        return float(np.median(np.linalg.norm(self.points[first] - self.points[second], axis=1))) or 1.0


def nearness(of: Collection) -> Nearness:
    """Where the music of a collection lies.

    Raises
    ------
    NothingToSay : fewer than two recordings have a place, or too little is known of them
    """
    if len(of.music) < 2:
        raise NothingToSay(f"it takes two recordings of music to compare them, and there {_are(len(of.music))}")
    known = {n: np.isfinite(v[of.music]).mean() for n, v in of.sound.items() if n not in NO_SOUND}
    names = [n for n, share in known.items() if share > MOSTLY]
    if sum(n not in NOT_SHARES for n in names) < LEAST_SHARES and of.number_names:
        return _by_numbers(of)
    if not set(names) - {"key", "mode", "time_signature"}:
        raise NothingToSay(
            "nothing is known of how its recordings sound but their key: describe them with segue audio describe"
        )
    return _by_attributes(of, names)


def _by_attributes(of: Collection, names: list[str]) -> Nearness:
    rows = of.music[np.all([np.isfinite(of.sound[n][of.music]) for n in names], axis=0)]
    if len(rows) < 2:
        raise NothingToSay(
            f"there {_are(len(rows))} of which {', '.join(map(plain, names))} are all known: it takes two"
        )
    value = {n: of.sound[n][rows] for n in names}
    quantities = [n for n in names if n not in CATEGORIES]
    columns = [_scaled(n, value[n]) for n in quantities]
    points = _standard(np.stack(columns, 1)) if columns else np.zeros((len(rows), 0))
    harmony: list[Any] = []
    if "key" in names:
        turn = signature(value["key"], value.get("mode")) * np.pi / 6
        harmony += [np.sin(turn) * 2**0.5, np.cos(turn) * 2**0.5]
    if "mode" in names:
        harmony.append((value["mode"] - value["mode"].mean()) / (value["mode"].std() or 1.0))
    if harmony:
        points = np.hstack([points, HARMONY * np.stack(harmony, 1)])
    raw = np.stack([value[n] for n in quantities], 1) if quantities else np.zeros((len(rows), 0))
    by = ", ".join(plain(n) for n in names if n != "time_signature")
    return Nearness(of, rows, points, tuple(quantities), raw, by, len(quantities))


def _by_numbers(of: Collection) -> Nearness:
    """By the principal components of the front end's numbers, of which each group weighs the same."""
    from segue.features.audio.front_end import about

    rows, numbers = of.music, of.numbers[of.music]
    known = np.isfinite(numbers).mean(axis=0) > MOSTLY
    names = [name for name, is_known in zip(of.number_names, known, strict=True) if is_known]
    numbers = numbers[:, known]
    numbers = np.where(np.isfinite(numbers), numbers, np.nanmedian(numbers, axis=0)) if names else numbers
    used = np.flatnonzero(np.ptp(numbers, axis=0) > 0)
    if not len(used):
        raise NothingToSay("its recordings do not differ in any number")
    groups = [about(names[i]).group for i in used]
    z = _standard(numbers[:, used]) / np.sqrt([groups.count(group) for group in groups])
    left, strength, _ = np.linalg.svd(z - z.mean(0), full_matrices=False)
    share = np.cumsum(strength**2) / (strength**2).sum()
    kept = min(int(np.searchsorted(share, EXPLAINED)) + 1, MOST_COMPONENTS)
    told = {name: of.sound[name][rows] for name in ("tempo", "loudness") if np.isfinite(of.value(name)[rows]).all()}
    told |= {word: numbers[:, names.index(name)] for name, word in PLAIN.items() if name in names}
    return Nearness(
        of, rows, (left * strength)[:, :kept], tuple(told), np.stack([*told.values()], 1) if told else np.zeros((len(rows), 0)),
        f"{len(used)} numbers of timbre, modulation, rhythm, harmony and loudness, in {kept} principal components that hold "
        f"{share[kept - 1]:.0%} of their variance", kept, True,
    )  # fmt: skip


def signature(key: Any, mode: Any) -> Floats:
    """(N,) where keys stand on the circle of fifths, a minor key with the major one that has its tones: 0 is C major, A minor."""
    minor = np.zeros(len(key)) if mode is None else np.asarray(mode) == 0
    found: Floats = (np.asarray(key, np.float64) + 3 * minor) * 7 % 12
    return found


def signature_name(turn: int) -> str:
    """Both keys of a place on the circle of fifths, the major one first: C, A minor."""
    return f"{TONES[turn * 7 % 12]}, {TONES[(turn * 7 + 9) % 12]} minor"


def key_names(of: Collection) -> list[str]:
    """(N,) "A minor", or only "A" where the mode is not known; "" where the key is not."""
    modes = {0.0: " minor", 1.0: " major"}
    return [
        f"{TONES[int(k)]}{modes.get(float(m), '')}" if np.isfinite(k) else ""
        for k, m in zip(of.value("key"), of.value("mode"), strict=True)
    ]


def plain(name: str) -> str:
    return name.replace("_", " ")


def spoken(name: str, value: float) -> str:
    """A value as people say it.

    >>> spoken("tempo", 120.4), spoken("energy", 0.714), spoken("brightness", 6.0)
    ('120 BPM', '.71', '1,760 Hz')
    """
    if name == "tempo":
        return f"{value:.0f} BPM"
    if name == "brightness":
        return f"{27.5 * 2**value:,.0f} Hz"  # it is counted in octaves
    if name in UNITS:
        return f"{value:.1f} {UNITS[name]}".replace("-", "−")
    return shown(name, value)


def _scaled(name: str, value: Floats) -> Floats:
    """A quantity as distances are measured in it: tempo in octaves, what has a long tail in logs."""
    found: Floats = np.log2(value) if name == "tempo" else scale(value).on(value)
    return found


def _standard(raw: Floats) -> Floats:
    spread = raw.std(0)
    found: Floats = np.clip((raw - raw.mean(0)) / np.where(spread > 1e-9, spread, 1.0), -FARTHEST, FARTHEST)
    return found


def _are(n: int) -> str:
    return "is one" if n == 1 else "is none" if not n else f"are {n}"
