"""Self-attention over plays: what answers in numpy is what torch trained, and it finds an order where there is one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import heard, vocabulary
from segue.errors import AskedWrongly
from segue.lists import Lists
from segue.proposers.proposer import Question
from segue.proposers.sasrec import SasRec, _network, _padded, _sequences

torch = pytest.importorskip("torch", reason="sasrec is trained by torch: the extra `neural`")
SMALL = SasRec(embedding_size=16, epochs=25, batch_size=8, dropout=0.0, learning_rate=0.01)


def rings(n=80, size=6, n_rings=4, seed=0):
    """Sessions that go round a ring of tracks from anywhere: the next one is certain."""
    rng = np.random.default_rng(seed)
    return Lists.of([
        [(size * r + (s + i) % size) for i in range(5)]
        for r, s in zip(rng.integers(0, n_rings, n), rng.integers(0, size, n), strict=True)
    ])  # fmt: skip


def test_a_certain_order_is_learned():
    fitted = SMALL.fit(rings(), vocabulary(24))
    hits = 0
    for seeds, following in (([0, 1], 2), ([9, 10, 11], 6), ([20], 21), ([17, 12], 13)):
        track, score = fitted.scores(Question(np.array(seeds, np.int32)))
        assert (score > 0).all()
        hits += int(track[score.argmax()] == following)
    assert hits == 4


def test_numpy_answers_what_torch_trained():
    lists = heard(rings(30), n_listeners=2)
    model = replace(SMALL, epochs=1)
    fitted = model.fit(lists, vocabulary(24))
    torch_made = _network(model, len(fitted.track))
    torch_made.load_state_dict({name: torch.from_numpy(a) for name, a in fitted.weights.items()})
    torch_made.eval()
    row, flag = np.array([3, 1, 0, 7]), np.array([0, 2, 1, 1])
    with torch.no_grad():
        theirs = torch_made(torch.from_numpy(row[None]), torch.from_numpy(flag[None]))[0, -1].numpy()
    assert np.allclose(fitted.hidden(row, flag), theirs, atol=1e-5)


def test_padding_and_what_comes_later_change_nothing():
    model = replace(SMALL, epochs=1)
    made = _network(model, 24)
    made.eval()
    row, flag = np.array([[3, 1, 5, 0, 0]]), np.zeros((1, 5), np.int64)
    with torch.no_grad():
        short, long = (made(torch.from_numpy(row[:, :n]), torch.from_numpy(flag[:, :n]))[0, 2] for n in (3, 5))
    assert torch.allclose(short, long, atol=1e-6)


def test_only_places_of_the_session_are_asked_and_skips_are_seen():
    lists = Lists.of([[1, 2], [3, 1, 2]])
    told = heard(lists, n_listeners=1, per_day=1).listening
    told = replace(told, skipped=np.array([0, 1, -1, 1, 0], np.int8))
    row = np.arange(1, 6)
    first, second = _sequences(replace(lists, listening=told), row, 50)
    assert [a.tolist() for a in first] == [[2, 3], [1, 2], [3, 0]]
    assert [a.tolist() for a in second] == [[2, 3, 4, 2, 3], [0, 0, 0, 2, 1], [0, 4, 2, 3, 0]]
    assert [a.shape for a in _padded([first, second])] == [(2, 5)] * 3


def test_long_sessions_are_taken_in_pieces():
    pieces = list(_sequences(Lists.of([list(range(7))]), np.arange(1, 9), 3))
    assert [p[0].tolist() for p in pieces] == [[5, 6, 7], [2, 3, 4], [1]]
    assert sorted(w for p in pieces for w in p[2].tolist() if w) == [2, 3, 4, 5, 6, 7]


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(AskedWrongly, match="expected a multiple of heads=3"):
        SasRec(embedding_size=64, heads=3)
