"""Tracks heard near each other lie near each other, and nothing is learned of sessions that are not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from by_hand import plays, session
from segue.features.build import ask, build
from segue.features.columns import from_arrow, key64
from segue.features.steps import Steps
from segue.models.colistening import sequences, vectors_of
from segue.models.reader import Reader
from segue.tasks.skip import CHALLENGE, LAST, ONLINE, TASK


def inputs(sees, past, queue):
    return {"sees": np.array(sees), "past_track": np.array(past), "queue_track": np.array(queue)}


def all_asked(rows):
    """Sessions all of whose plays are asked about, each after those before it."""
    return inputs([list(range(len(rows[0])))] * len(rows), [row[:-1] for row in rows], rows)


GROUPS = [[1, 2, 3, 4], [5, 6, 7, 8]]


def apart(n=30):
    """Sessions of six plays of one group or of the other."""
    rng = np.random.default_rng(0)
    return all_asked([rng.choice(GROUPS[k % 2], 6).tolist() for k in range(n)])


def cosines(vectors):
    length = np.linalg.norm(vectors, axis=1)
    return vectors @ vectors.T / np.outer(length, length)


def test_tracks_of_a_group_lie_nearer_to_each_other_than_to_those_of_a_group_never_heard_with_them():
    near = cosines(vectors_of(apart(), 9, 2, 0)[1:])
    assert min(near[:4, :4].min(), near[4:, 4:].min()) > 0.9
    assert np.abs(near[:4, 4:]).max() < 0.1


def test_the_order_of_the_sessions_and_the_direction_of_time_say_nothing():
    found = apart()
    turned = all_asked(found["queue_track"][::-1, ::-1].tolist())
    assert vectors_of(turned, 9, 3, 0) == pytest.approx(vectors_of(found, 9, 3, 0), abs=1e-5)


def test_number_0_is_all_zeros_and_the_others_have_spread_1():
    found = vectors_of(apart(), 9, 3, 0)
    assert (found.shape, found.dtype) == ((9, 3), np.float32)
    assert not found[0].any()
    assert found[1:].any(axis=1).all()
    assert float(found.std()) == pytest.approx(1, abs=1e-3)


def test_a_track_that_was_not_heard_is_all_zeros():
    found = vectors_of(apart(), 11, 3, 0)
    assert np.abs(found[9:]).max() < 1e-6


def test_more_directions_than_tracks_are_left_at_0():
    found = vectors_of(all_asked([[1, 2, 1, 2]]), 3, 5, 0)
    assert found.shape == (3, 5)
    assert not found[:, 2:].any()


@pytest.mark.parametrize("rows", [[[0, 0, 0]], [[1, 0, 0]], [[1]]])
def test_where_nothing_was_heard_beside_anything_the_vectors_are_0(rows):
    found = all_asked(rows) if len(rows[0]) > 1 else inputs([[0]], [[0]], rows)
    assert not vectors_of(found, 3, 2, 0).any()


def test_plays_more_than_five_apart_are_no_pair():
    far = vectors_of(all_asked([[1, 0, 0, 0, 0, 0, 2]] * 3), 3, 2, 0)
    near = vectors_of(all_asked([[1, 0, 0, 0, 0, 2]] * 3), 3, 2, 0)
    assert not far.any()
    assert near[1:].any(axis=1).all()


def test_the_same_seed_gives_the_same_vectors():
    assert np.array_equal(vectors_of(apart(), 9, 3, 1), vectors_of(apart(), 9, 3, 1))


def test_asked_plays_follow_what_was_heard():
    found = inputs([[2, 2, 2], [1, -1, -1], [0, 0, -1]], [[1, 2], [3, 9], [9, 9]], [[4, 5, 6], [7, 9, 9], [8, 1, 9]])
    assert sequences(found).tolist() == [[1, 2, 4, 5, 6], [3, 7, 0, 0, 0], [8, 1, 0, 0, 0]]


def test_the_last_play_follows_what_was_heard():
    assert sequences(inputs([[3], [0]], [[1, 2, 3], [9, 9, 9]], [[4], [5]])).tolist() == [[1, 2, 3, 4], [5, 0, 0, 0]]


def test_of_rows_of_all_moments_the_asked_plays_are_all_and_none_counts_twice():
    found = inputs([[0, 1, 2], [0, 1, -1], [4, 5, -1]], [[1, 2], [4, 9], [6, 7]], [[1, 2, 3], [4, 5, 9], [8, 1, 9]])
    assert sequences(found).tolist() == [[1, 2, 3], [4, 5, 0], [8, 1, 0]]


def batch_of(setting, *sessions):
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    asking = ask(TASK, setting, {}, steps=Steps(("skipped", "track"), ("track",)))
    return build(asking, TASK.examples(columns, setting), {})


@pytest.mark.parametrize("setting", [CHALLENGE, ONLINE, LAST])
def test_in_every_setting_a_session_is_told_in_the_order_of_playing(setting):
    batch = batch_of(
        setting, session("a", track=[*"tuvt"], skipped=[0] * 4), session("b", track=[*"vu"], skipped=[0, 1])
    )
    keys = sorted("tuv", key=key64)
    reader = replace(Reader.fit(batch, features=False, n_tracks=0), tracks=np.array([key64(t) for t in keys]))
    found = sequences(reader.store(batch)[1])
    assert ["".join(keys[n - 1] for n in row if n) for row in found.tolist()] == ["tuvt", "vu"]


def test_a_network_takes_its_vectors_from_the_training_sessions_alone():
    torch = pytest.importorskip("torch")
    from segue.models.attention import Attention

    seen = []

    @dataclass(frozen=True)
    class Watched(Attention):
        def prepared(self, net, inputs):
            super().prepared(net, inputs)
            seen.append((sequences(inputs), net.vectors.weight.detach().clone()))

    train = [session(f"s{k}", track=[*"tutu"] if k % 2 else [*"vwvw"], skipped=[0, 1, k % 2, 1]) for k in range(6)]
    valid = [session(f"v{k}", track=[*"twtw"], skipped=[0, 1, 1, 0]) for k in range(3)]
    batch = batch_of(CHALLENGE, *train, *valid)
    held = np.isin(batch.keys["session"], [key64(f"v{k}") for k in range(3)])
    model = Watched(hidden_size=4, heads=1, layers=0, moods=1, vectors=2, epochs=1, jitter=0)
    model.fit(batch.take(~held), batch.take(held))
    model.fit(batch_of(CHALLENGE, *train), batch_of(CHALLENGE, *valid[:1]))
    (tracks, vectors), (alone, alone_vectors) = seen
    t, u, v, w = (1 + sorted("tuvw", key=key64).index(x) for x in "tuvw")
    assert tracks.tolist() == alone.tolist() == [[v, w, v, w], [t, u, t, u]] * 3
    assert torch.equal(vectors, alone_vectors)
    near = cosines(vectors.numpy()[1:])
    assert near[t - 1, u - 1] > 0.9
    assert near[t - 1, w - 1] < 0.1  # only the validation sessions play them together
