"""What a number of the front end is called, what it counts in and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segue.batch import Array
from segue.features.audio.spectrum import HOP, RATE

REACH = 4  # frames on each side, over which a slope is fitted: 93 ms together
SPREAD = ("mean", "std", "p10", "p50", "p90", "slope")
_TOLD = {
    "mean": "mean over time",
    "std": "standard deviation over time",
    "p10": "exceeded nine tenths of the time",
    "p50": "median over time",
    "p90": "exceeded a tenth of the time",
    "slope": "how fast it moves: standard deviation of its slope",
    "bend": "how fast its slope changes: standard deviation of its second slope",
}


@dataclass(frozen=True)
class Number:
    """One of the numbers that are computed of a recording."""

    name: str
    unit: str
    sentence: str
    group: str = "timbre"


def spread_numbers(of: Number, wanted: Sequence[str]) -> list[Number]:
    """The numbers that say how one of a frame behaves over time, in the order in which `spread` gives them.

    >>> [n.name for n in spread_numbers(Number("flatness", "dB", "How flat the spectrum is"), ("mean", "slope"))]
    ['flatness_mean', 'flatness_slope']
    """
    per = {"slope": "/s", "bend": "/s²"}
    return [Number(f"{of.name}_{w}", of.unit + per.get(w, ""), f"{of.sentence}: {_TOLD[w]}", of.group) for w in wanted]


def spread(values: Array, heard: Array, wanted: Sequence[str]) -> Array:
    """(K * wanted,) float32 how each of K numbers of a frame (T, K) behaves over the frames that are heard (T,) bool; by number.

    NaN where no frame is heard. What a slope is: of the line through nine frames; the frames at both ends have none.
    """
    own = values[heard]
    found: dict[str, Array] = {}
    if not len(own):
        return np.full(values.shape[1] * len(wanted), np.nan, np.float32)
    mean = own.mean(axis=0, dtype=np.float64)
    tenths = [w for w in wanted if w.startswith("p")]
    if tenths:
        places = [round(int(w[1:]) / 100 * (len(own) - 1)) for w in tenths]
        ordered = np.partition(np.ascontiguousarray(own.T), sorted(set(places)), axis=1)
        found |= {w: ordered[:, place] for w, place in zip(tenths, places, strict=True)}
    if "slope" in wanted or "bend" in wanted:
        once = slopes(values)
        found["slope"] = _deviation(once, heard[REACH:-REACH])
        if "bend" in wanted:
            found["bend"] = _deviation(slopes(once), heard[2 * REACH : -2 * REACH])
    found["mean"], found["std"] = mean, np.sqrt(np.mean((own - mean.astype(np.float32)) ** 2, axis=0, dtype=np.float64))
    return np.stack([found[w] for w in wanted], axis=1).astype(np.float32).ravel()


def slopes(values: Array) -> Array:
    """(T - 8, K) how much each number of a frame (T, K) grows a second, by least squares over nine frames.

    >>> slopes(np.arange(12.0)[:, None] * HOP / RATE).round(6).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    n = max(len(values) - 2 * REACH, 0)
    made = np.zeros((n, values.shape[1]), values.dtype)
    for k in range(1, REACH + 1):
        made += k * (values[REACH + k : REACH + k + n] - values[REACH - k : REACH - k + n])
    made *= RATE / HOP / (2 * sum(k * k for k in range(1, REACH + 1)))
    return made


def _deviation(values: Array, heard: Array) -> Array:
    own = values[heard[: len(values)]]
    return own.std(axis=0, dtype=np.float64) if len(own) else np.full(values.shape[1], np.nan)
