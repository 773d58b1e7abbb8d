"""Which of twelve keys: one set of weights for all of them, for a piece that is played two semitones higher is the same piece.

    score of tonic k = Σ w[j] · tone[k + j mod 12], over every column that is told once for each of the twelve tones
    chance           = softmax of the scores: a conditional logit (D. McFadden 1974)

So every track teaches something of every key, where twelve classifiers would each learn from a twelfth of the tracks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import Array
from segue.descriptors import Floats
from segue.models.model import Saved, sane

TONES = 12
BY_TONE = (
    "tone_{:02}", "key_major_{:02}", "key_minor_{:02}",  # of the front end
    "chroma_cens", "chroma_cqt", "chroma_stft",  # of librosa's statistics: chroma_stft, chroma_stft.1, …
)  # fmt: skip
PENALTY = 0.01  # on half the sum of squared weights, beside the mean log-loss


def rows_of_twelve(columns: Sequence[str]) -> Array:
    """(G, 12) where the columns stand that are told once for each tone, C first; those that are not whole are left out."""
    at = {name: i for i, name in enumerate(columns)}
    found = []
    for name in BY_TONE:
        twelve = [name.format(k) if "{" in name else f"{name}.{k}" if k else name for k in range(TONES)]
        if all(one in at for one in twelve):
            found.append([at[one] for one in twelve])
    return np.array(found, np.int64).reshape(-1, TONES)


@dataclass(frozen=True, eq=False)
class KeyByTones:
    """G columns of twelve tones each."""

    at: Array  # (G, 12)
    scale: Floats  # (G, 2) mean and deviation, over tones and tracks
    weights: Floats  # (G * 12,)

    @classmethod
    def fit(cls, x: Floats, key: Floats, columns: Sequence[str]) -> KeyByTones | None:
        """Of x (N, F) and keys (N,), NaN unknown; None where no column is told for each tone, or too few keys are known."""
        from scipy.optimize import minimize

        at, known = rows_of_twelve(columns), np.isfinite(key)
        if not len(at) or known.sum() < 2 * TONES:
            return None
        told = x[known][:, at]
        scale = np.stack([np.nanmean(told, (0, 2)), np.maximum(np.nanstd(told, (0, 2)), 1e-9)], 1)
        made = cls(at, scale, np.zeros(at.size))
        seen, hit = made._turned(x[known]), key[known].astype(int)

        def loss(weights: Floats) -> tuple[float, Floats]:
            chance = _softmax(seen @ weights)
            off = chance - np.eye(TONES)[hit]
            slope = np.einsum("nk,nkd->d", off, seen) / len(hit) + PENALTY * weights
            told = -np.log(np.maximum(chance[np.arange(len(hit)), hit], 1e-12)).mean()
            return float(told + PENALTY / 2 * weights @ weights), slope

        found = minimize(loss, made.weights, jac=True, method="L-BFGS-B", options={"maxiter": 300})
        return cls(at, scale, np.asarray(found.x, np.float64))

    def _turned(self, x: Floats) -> Floats:
        """(N, 12, G * 12) every column as it is heard from each tonic."""
        z = (x[:, self.at] - self.scale[:, :1]) / self.scale[:, 1:]
        z = np.where(np.isfinite(z), z, 0.0)
        turn = (np.arange(TONES)[:, None] + np.arange(TONES)) % TONES  # (tonic, tone above it)
        found: Floats = z[:, :, turn].transpose(0, 2, 1, 3).reshape(len(x), TONES, -1)
        return found

    def predict(self, x: Floats) -> Floats:
        """(N, 12) the chance of each key."""
        return _softmax(self._turned(x) @ self.weights)

    def save(self) -> dict[str, Array]:
        return {"at": self.at, "scale": self.scale, "weights": self.weights}

    @classmethod
    def open(cls, arrays: Mapping[str, Array], n_columns: int) -> KeyByTones:
        """Raises ValueError where it is none of so many columns."""
        at = np.asarray(arrays["at"])
        scale, weights = (np.asarray(arrays[n], np.float64) for n in ("scale", "weights"))
        fits = at.dtype == np.int64 and at.ndim == 2 and at.shape[1] == TONES and scale.shape == (len(at), 2)
        if not fits or weights.shape != (at.size,) or not sane(scale, weights) or not (scale[:, 1] > 0).all():
            raise ValueError("the weights of keys are damaged")
        if at.size and (at.min() < 0 or at.max() >= n_columns):
            raise ValueError("the weights of keys are of other columns")
        return cls(at, scale, weights)


@dataclass(frozen=True, eq=False)
class WithKey:
    """A learner of all parts but the key, which is told by its tones."""

    rest: Any
    key: KeyByTones
    start: int  # of the key's parts among all
    classes: tuple[int, ...]

    def predict(self, x: Floats) -> Floats:
        parts = self.rest.predict(x)
        key = self.key.predict(x)[:, list(self.classes)]
        return np.concatenate([parts[:, : self.start], key, parts[:, self.start :]], 1)

    @property
    def course(self) -> Any:
        return getattr(self.rest, "course", None)

    def save(self) -> Saved:
        settings, arrays = self.rest.save()
        said = {"by_tones": True, "start": self.start, "classes": list(self.classes), "rest": settings}
        return said, {f"rest.{k}": a for k, a in arrays.items()} | {f"key.{k}": a for k, a in self.key.save().items()}


def named(pattern: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays whose names begin so, without that beginning."""
    return {re.sub(f"^{re.escape(pattern)}", "", k): a for k, a in arrays.items() if k.startswith(pattern)}


def _softmax(score: Floats) -> Floats:
    risen = np.exp(score - score.max(-1, keepdims=True))
    found: Floats = risen / risen.sum(-1, keepdims=True)
    return found
