"""Sessions of made-up listeners as batches of the question `length`: every play lasts three minutes, and nothing lies between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segue.batch import Batch, Earlier

PLAY_S, HOUR_S = 180, 3600
AFTER = (0, 1, 2, 3, 5, 7, 10)  # plays after which is asked
COLUMNS = ("time_so_far", "plays_so_far", "start_hour", "start_weekday", "absence")


def stays(
    plays: Sequence[Sequence[int]],
    hours: Sequence[Sequence[int]] | None = None,
    *,
    clock: bool = True,
    open_last: bool = False,
) -> Batch:
    """A session a day of so many plays, by listener.

    Parameters
    ----------
    hours : at which each began; 12 if left out
    clock : whether times are known at all
    open_last : whether the last session of each is cut short
    """
    earlier, values, known, keys, also, begins, ends = [], [], [], [], [], [], []
    session = 0
    for listener, own in enumerate(plays):
        first, stopped = len(earlier), None
        for day, n in enumerate(own):
            hour = 12 if hours is None else hours[listener][day]
            start = (day * 24 + hour) * HOUR_S
            for k in (k for k in AFTER if k <= n):
                values.append([k * PLAY_S, k, hour, day % 7, 0 if stopped is None else start - stopped])
                known.append([clock, True, clock, clock, clock and stopped is not None])
                keys.append([session, listener, day, k])
                over = not (open_last and day == len(own) - 1)
                also.append([(n - k) * PLAY_S * 1000 if clock else -1, n - k, over])
                begins.append(first)
                ends.append(len(earlier))
            stopped = start + n * PLAY_S
            earlier.append([start * 1000, stopped * 1000, n * PLAY_S * 1000, n, 0, hour, day % 7])
            session += 1
    rows, there = np.array(earlier, np.float64).reshape(-1, 7), np.ones((len(earlier), 7), bool)
    there[:, [0, 1, 2, 5, 6]] = clock
    there[:, 4] = False  # nobody says what was skipped
    key, more = np.array(keys, np.int64).T, np.array(also, np.int64).T
    table = Earlier(("start_ms", "end_ms", "lasted_ms", "n_plays", "n_skipped", "hour", "weekday"), np.where(there, rows, 0), there,
                    np.array(begins), np.array(ends))  # fmt: skip
    seen = np.array(known, bool)
    return Batch(
        COLUMNS, np.where(seen, values, 0).astype(np.float32), seen, (more[1] == 0).astype(np.int8) * (more[2] == 1),
        dict(zip(("session", "listener", "day", "asked_after"), key, strict=True)),
        units={"time_so_far": "s", "plays_so_far": "plays", "start_hour": "hour", "absence": "s"},
        also=dict(zip(("remaining_ms", "remaining_tracks", "ended"), more, strict=True)), earlier=table,
    )  # fmt: skip


def split(batch: Batch, last_days: int) -> tuple[Batch, Batch]:
    """All days but the last, and the last."""
    day = batch.keys["day"]
    late = day > day.max() - last_days
    return batch.take(~late), batch.take(late)


def turning(listeners: int = 30, days: int = 30, seed: int = 0) -> Batch:
    """A long session follows a short one, and a short one a long one; how long is chance."""
    rng = np.random.default_rng(seed)
    lots = rng.integers(0, 2, listeners)
    return stays(
        [[int(rng.integers(9, 13) if (day + lot) % 2 else rng.integers(1, 4)) for day in range(days)] for lot in lots]
    )


def shuffled(batch_of: Batch, seed: int = 0) -> Batch:
    """The same lengths in the hands of chance."""
    n = batch_of.earlier.column("n_plays")[0].astype(int)
    listeners = len(np.unique(batch_of.keys["listener"]))
    drawn = np.random.default_rng(seed).permutation(n).reshape(listeners, -1)
    return stays(drawn.tolist())


def error(values: np.ndarray, batch: Batch) -> float:
    """The mean absolute error in tracks, at the start of sessions."""
    start = batch.keys["asked_after"] == 0
    return float(np.abs(values - batch.also["remaining_tracks"])[start].mean())
