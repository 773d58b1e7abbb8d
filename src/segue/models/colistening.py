"""Vectors of tracks that were heard near each other: a sparse factorisation, of training sessions alone.

Two tracks at most five plays apart in a session are a pair. Counts of pairs become positive pointwise mutual information,
how much more often than by chance (Levy & Goldberg, Neural Word Embedding as Implicit Matrix Factorization, NeurIPS 2014), and
its largest singular vectors are the vectors. Number 0, any track outside the vocabulary, is all zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segue.batch import Array

APART = 5  # plays


def vectors_of(inputs: Mapping[str, Array], n_tracks: int, size: int, seed: int) -> Any:
    """Float32 (n_tracks, size) of the sessions that some inputs (see `segue.models.reader`) hold, of spread 1."""
    from scipy.sparse import coo_matrix
    from sklearn.utils.extmath import randomized_svd

    made = np.zeros((n_tracks, size), np.float32)
    sequence = sequences(inputs)
    pairs = [(sequence[:, :-gap], sequence[:, gap:]) for gap in range(1, min(APART, sequence.shape[1] - 1) + 1)]
    both = [(one > 0) & (other > 0) for one, other in pairs]
    left = np.concatenate([one[seen] for (one, _), seen in zip(pairs, both, strict=True)] or [np.zeros(0, np.int64)])
    right = np.concatenate([other[seen] for (_, other), seen in zip(pairs, both, strict=True)] or [left])
    if not len(left):
        return made
    count = coo_matrix(
        (np.ones(2 * len(left)), (np.concatenate([left, right]), np.concatenate([right, left]))), (n_tracks, n_tracks)
    ).tocsr()
    total = np.asarray(count.sum(axis=1)).ravel()
    cells = count.tocoo()
    information = np.log(cells.data * total.sum() / (total[cells.row] * total[cells.col]))
    near = information > 0
    matrix = coo_matrix((information[near], (cells.row[near], cells.col[near])), (n_tracks, n_tracks)).tocsr()
    size = min(size, n_tracks - 1)
    left_vectors, strength, _ = randomized_svd(matrix, size, n_iter=3, random_state=seed)
    found = left_vectors * np.sqrt(strength)
    made[:, :size] = found / max(1e-9, float(found.std()))
    made[0] = 0
    return made


def settle(embedding: Any, inputs: Mapping[str, Array], seed: int) -> None:
    """Put the vectors into a torch embedding; None is left alone."""
    if embedding is None:
        return
    import torch

    with torch.no_grad():
        n_tracks, size = embedding.weight.shape
        embedding.weight.copy_(torch.from_numpy(vectors_of(inputs, n_tracks, size, seed)))


def sequences(inputs: Mapping[str, Array]) -> Array:
    """The tracks of each row in the order of playing (R, L), 0 where none is known or none is.

    Asked plays follow what was heard; of rows that hold all moments of a session (`sees` 0 1 2 …), the asked plays are all.
    """
    sees, past, queue = (np.asarray(inputs[name]) for name in ("sees", "past_track", "queue_track"))
    n = np.maximum(sees.max(axis=1, initial=0), 0)
    if (sees[:, 1:2] > sees[:, :1]).any():
        return np.where(sees >= 0, queue, 0)
    made = np.zeros((len(past), past.shape[1] + queue.shape[1]), np.int64)
    heard = np.arange(past.shape[1]) < n[:, None]
    made[:, : past.shape[1]] = np.where(heard, past, 0)
    row, place = np.nonzero(sees >= 0)
    made[row, n[row] + place] = queue[row, place]
    return made
