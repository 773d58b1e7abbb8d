"""Splits by time within each listener, by listener, and in folds: whole days or whole sessions, never single rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segue.errors import AskedWrongly

Ints = npt.NDArray[np.int64]
HISTORY, TRAIN, VALID, TEST = 0, 1, 2, 3
ROLES = ("history only", "train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """A role for every example, and a sentence that says how it came about."""

    role: npt.NDArray[np.int8]
    sentence: str

    def rows(self, *roles: int) -> npt.NDArray[np.bool_]:
        return np.isin(self.role, roles)

    def counts(self) -> dict[str, int]:
        return {name: int((self.role == i).sum()) for i, name in enumerate(ROLES)}


def by_time(
    keys: Mapping[str, npt.NDArray[np.int64]], *, test: float = 0.2, valid: float = 0.15, warm: float = 0.05
) -> Split:
    """The last days of each listener are the test, those before them validation; the first days feed history only.

    Parameters
    ----------
    keys : `listener`, `day` and `session` of each example; without listeners, the days of all together
    test, valid, warm : shares of a listener's plays, met as nearly as whole days allow

    A listener (or log) of fewer than five days cannot be split by time: those sessions go by bucket.
    """
    role = np.full(len(keys["day"]), TRAIN, np.int8)
    few = 0
    for listener in np.unique(keys["listener"]):
        rows = np.flatnonzero(keys["listener"] == listener)
        day = keys["day"][rows]
        days, n = np.unique(day, return_counts=True)
        if len(days) < 5:
            role[rows] = _by_bucket(keys["session"][rows], test, valid)
            few += 1
            continue
        share = (np.cumsum(n) - n / 2) / n.sum()  # where the middle of each day lies
        role[rows[np.isin(day, days[share > 1 - test - valid])]] = VALID
        role[rows[np.isin(day, days[share > 1 - test])]] = TEST
        role[rows[np.isin(day, days[share < warm])]] = HISTORY
        role[rows[day == days[-1]]] = TEST
    whose = "each listener's" if len(np.unique(keys["listener"])) > 1 else "the"
    sentence = f"by time: {whose} last days (about {test:.0%} of plays) are the test, the days before them validation"
    if few:
        sentence += f"; {few} with fewer than five days split by session instead"
    return Split(role, sentence)


def choose(keys: Mapping[str, npt.NDArray[np.int64]], name: str) -> Split:
    """A split by its name: "time" within each listener, "day" for all alike, or "listener"."""
    if name == "time":
        return by_time(keys)
    if name == "day":
        together = {**keys, "listener": np.zeros_like(keys["listener"])}
        return by_time(together)
    if name == "listener":
        return by_listener_bucket(keys)
    raise AskedWrongly(f"split {name!r}: expected time, day or listener")


def by_listener_bucket(keys: Mapping[str, npt.NDArray[np.int64]], *, test: float = 0.2, valid: float = 0.15) -> Split:
    """A fifth of the listeners, by bucket, is the test, others are validation: nobody is in two of them."""
    listeners = np.unique(keys["listener"])
    if len(listeners) < 5:
        raise AskedWrongly(
            f"{len(listeners)} listeners cannot be split by listener: use --leave-one-out, or --split time"
        )
    order = np.argsort(np.argsort(spread(listeners)))
    n_test, n_valid = max(1, round(len(listeners) * test)), max(1, round(len(listeners) * valid))
    roles = np.where(order < n_test, TEST, np.where(order < n_test + n_valid, VALID, TRAIN)).astype(np.int8)
    sentence = f"by listener: {n_test} of {len(listeners)} are the test, {n_valid} others validation"
    return Split(roles[np.searchsorted(listeners, keys["listener"])], sentence)


def by_listener(keys: Mapping[str, npt.NDArray[np.int64]], held_out: int, *, valid: float = 0.15) -> Split:
    """One listener is the test; of the others the last days are validation."""
    role = by_time(keys, test=0.0, valid=valid, warm=0.0).role.copy()
    role[role == TEST] = VALID
    role[keys["listener"] == held_out] = TEST
    return Split(role, "by listener: one is the test, the others train")


def in_folds(keys: Mapping[str, npt.NDArray[np.int64]], folds: int, by: str, *, valid: float = 0.15) -> list[Split]:
    """Folds of whole days, listeners or sessions; in each, a bucket of the rest's sessions is validation.

    Folds by day train on later days too: history never looks ahead, the weights do.
    """
    if by not in ("day", "listener", "session"):
        raise AskedWrongly(f"folds by {by!r}: expected day, listener or session")
    groups = np.unique(keys[by])
    if not 2 <= folds <= len(groups):
        raise AskedWrongly(f"{folds} folds by {by}: expected from 2 to {len(groups)}, as many as there are of them")
    fold_of = np.argsort(np.argsort(spread(groups))) % folds
    fold = fold_of[np.searchsorted(groups, keys[by])]
    made = []
    for k in range(folds):
        role = np.full(len(fold), TRAIN, np.int8)
        rest = fold != k
        inner = _by_bucket(keys["session"][rest], 0.0, valid)
        role[rest] = inner
        role[~rest] = TEST
        made.append(Split(role, f"fold {k + 1} of {folds} by {by}"))
    return made


def _by_bucket(session: Ints, test: float, valid: float) -> npt.NDArray[np.int8]:
    bucket = spread(session) % 100
    return np.where(
        bucket < round(test * 100), TEST, np.where(bucket < round((test + valid) * 100), VALID, TRAIN)
    ).astype(np.int8)


def spread(keys: Ints) -> Ints:
    """Evenly spread numbers for 64-bit keys (themselves the head of an md5), the same on every machine."""
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    return (mixed * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(20)).astype(np.int64)


def drawn(session: Ints, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of some examples are of a session that is drawn, by its key and the seed alone: whole sessions, about so many of all.

    >>> keys = np.repeat(np.arange(10_000), 2)
    >>> mask = drawn(keys, 0.25, seed=0)
    >>> bool((mask[::2] == mask[1::2]).all()), round(float(mask.mean()), 1)
    (True, 0.2)
    """
    found: npt.NDArray[np.bool_] = spread(spread(session) + (seed + 1) % 2**16 * 2**44) < share * 2**44
    return found
