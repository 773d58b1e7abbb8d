"""Errors of session lengths as they were published: relative to the user mean, and averaged over clusters on unlike scales.

`normalised_mae` is in one unit. `mae_normalised_published` is not, and is here to be shown beside it: where small clusters
are standardised and large ones are not, it falls without any forecast becoming better. The user mean itself, whose
normalised MAE is 1, is then scored below 1.

Source: UCB-MIDS/w210_lastFM, sequence_to_sequence/models_with_clusters (2019), `get_performace`, `get_weighted_average`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.errors import BadInput
from segue.intervals import Floats, column

FEWEST = 31  # listeners of a cluster: smaller ones were left out


@dataclass(frozen=True, eq=False)
class Scales:
    """What k clusters' errors were measured in: seconds or, where standardised, the cluster's own standard deviations."""

    standardised: npt.NDArray[np.bool_]  # (k,)
    spread: Floats  # (k,) standard deviation of session lengths in seconds
    of_all: float  # the same of all sessions
    listeners: npt.NDArray[np.int64]  # (k,)


def normalised_mae(error: npt.ArrayLike, of_user_mean: npt.ArrayLike) -> float:
    """Mean absolute error as a share of that of the user mean, on the same examples.

    >>> normalised_mae([8, 8, 8, 80], [10, 10, 10, 100])
    0.8
    """
    found, mark = _errors(error, of_user_mean)
    return float(found.mean() / mark.mean())


def mae_normalised_published(
    error: npt.ArrayLike, of_user_mean: npt.ArrayLike, cluster: npt.ArrayLike, scales: Scales, *, fewest: int = FEWEST
) -> float:
    """The mean over clusters, weighted by examples, of MAE / baseline, each in the cluster's scale; of nothing, nan.

    The baseline is the user mean's MAE over all examples: in seconds, or in standard deviations of all sessions where the
    cluster's error is in its own. A cluster of long sessions is small and wide, so that its error shrinks the more.

    Parameters
    ----------
    error, of_user_mean : absolute errors in seconds (N,), at the start of sessions
    cluster : which of the clusters each example's listener is in (N,)
    fewest : listeners of a cluster below which it is left out, though not from the baseline

    >>> mixed = Scales(np.array([False, True]), np.array([20.0, 200.0]), 80.0, np.array([500, 100]))
    >>> of_user_mean, cluster = [10, 10, 10, 100], [0, 0, 0, 1]
    >>> round(mae_normalised_published(of_user_mean, of_user_mean, cluster, mixed), 3)  # the user mean, as good as itself
    0.538
    """
    found, mark = _errors(error, of_user_mean)
    of = column("cluster", cluster, found.size).astype(np.int64)
    total, n = 0.0, 0
    for c in np.unique(of):
        if not 0 <= c < len(scales.spread):
            raise BadInput(f"cluster {c}: expected a number below {len(scales.spread)}, that of the model's clusters")
        if scales.listeners[c] < fewest:
            continue
        mae, baseline = found[of == c].mean(), mark.mean()
        if scales.standardised[c]:
            mae, baseline = mae / scales.spread[c], baseline / scales.of_all
        total, n = total + float(mae / baseline) * int((of == c).sum()), n + int((of == c).sum())
    return total / n if n else float("nan")


def _errors(error: Any, of_user_mean: Any) -> tuple[Floats, Floats]:
    found, mark = (np.asarray(e, np.float64) for e in (error, of_user_mean))
    if found.shape != mark.shape or found.ndim != 1 or not found.size or not mark.sum() > 0:
        raise BadInput(
            f"errors {found.shape} and {mark.shape} of the user mean: expected as many of each, and some above 0"
        )
    return found, mark
