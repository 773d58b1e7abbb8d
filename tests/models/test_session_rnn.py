"""Networks over past sessions: they find what is there, nothing where nothing is, and answer in numpy as torch does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from segue.batch import Stay, Values
from segue.errors import AskedWrongly, Tampered
from segue.models.course import Run
from segue.models.heads import by_moment
from segue.models.session_rnn import Attention, Gru, LayeredLstm, Lstm, network
from segue.models.stays import GlobalMedian, Shrunk
from segue.survival import gone, median
from segue.survival_scores import crps_tracks
from stays_by_hand import error, shuffled, split, stays, turning

torch = pytest.importorskip("torch")

SMALL = {"hidden_size": 8, "epochs": 12, "batch_size": 32, "learning_rate": 0.02, "dropout": 0.0, "history": 5}
MODELS = {
    "gru": Gru(**SMALL),
    "lstm": Lstm(**SMALL),
    "layered-lstm": LayeredLstm(**SMALL),
    "attention": Attention(**SMALL),
    "nll": Lstm(**SMALL, loss="nll"),
    "attention-nll": Attention(**SMALL, layers=2, loss="nll"),
}
EACH = pytest.mark.parametrize("name", MODELS)


@cache
def fitted(name):
    train, test = split(turning(), 6)
    return MODELS[name].fit(*split(train, 6)), test


@EACH
def test_it_learns_that_a_long_session_follows_a_short_one(name):
    network, test = fitted(name)
    answer = network.predict(test)
    said = median(answer.tracks, whole=True) if isinstance(answer, Stay) else answer.values[:, 1]
    mark = GlobalMedian().fit(split(turning(), 6)[0]).predict(test).values[:, 1]
    assert error(said, test) < 0.35 * error(mark, test)


def test_seconds_are_told_as_well_as_tracks():
    network, test = fitted("lstm")
    seconds, tracks = network.predict(test).values.T
    assert seconds == pytest.approx(180 * tracks, rel=0.35, abs=200)


def test_a_whole_law_beats_the_listeners_shrunk_one_where_order_tells():
    network, test = fitted("nll")
    shrunk = Shrunk().fit(split(turning(), 6)[0]).predict(test)
    left = test.also["remaining_tracks"]
    assert crps_tracks(network.predict(test).tracks, left).mean() < 0.6 * crps_tracks(shrunk.tracks, left).mean()


def test_where_the_order_of_lengths_is_chance_it_says_what_the_median_says():
    train, test = split(shuffled(turning()), 6)
    model = replace(MODELS["lstm"], epochs=8)
    said = model.fit(*split(train, 6)).predict(test).values[:, 1]
    mark = GlobalMedian().fit(train).predict(test).values[:, 1]
    assert 0.9 * error(mark, test) < error(said, test) < 1.15 * error(mark, test)


@EACH
def test_numpy_answers_as_torch_does(name):
    found, test = fitted(name)
    model = MODELS[name]
    net = network(model, found.reader.sizes, np.zeros(found.head.size, np.float32)).eval()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in found.weights.items()})
    windows = found.reader.read(test)
    sessions, n = windows.some(np.arange(len(windows)))
    with torch.no_grad():
        said = net(*(torch.from_numpy(a) for a in (sessions, n, windows.of, windows.moment))).numpy()
    assert np.abs(said - found.said(test)).max() < 1e-5


@EACH
def test_saved_and_opened_it_answers_the_same_to_the_bit(name):
    found, test = fitted(name)
    again = type(MODELS[name]).open(*found.save())
    assert again.columns == found.columns
    assert np.array_equal(again.said(test), found.said(test))
    one, other = again.predict(test), found.predict(test)
    if isinstance(one, Values):
        assert np.array_equal(one.values, other.values)
    else:
        assert np.array_equal(one.seconds.alive, other.seconds.alive)


def test_the_same_seed_gives_the_same_network_and_another_one_another():
    train, test = split(turning(8, 12), 3)
    model = replace(MODELS["gru"], epochs=2, dropout=0.3)
    one, again, other = (replace(model, seed=s).fit(train).said(test) for s in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_training_that_is_stopped_goes_on_to_the_same_network(tmp_path):
    train, valid = split(turning(8, 12), 3)
    model = replace(MODELS["gru"], epochs=4, patience=4)

    class Stopped(Exception):
        pass

    def stop(line):
        if line.startswith("epoch 2"):
            raise Stopped

    with pytest.raises(Stopped):
        model.fit(train, valid, Run(tmp_path, told=stop))
    told = []
    found = model.fit(train, valid, Run(tmp_path, told=told.append))
    assert [line.split(":")[0] for line in told] == ["epoch 3 of 4", "epoch 4 of 4"]
    assert np.array_equal(found.said(valid), model.fit(train, valid).said(valid))
    assert list(tmp_path.iterdir()) == []


def test_training_stops_where_validation_gets_no_better():
    train, valid = split(shuffled(turning(10, 20)), 4)
    found = replace(MODELS["lstm"], epochs=200, patience=2).fit(train, valid)
    scores = [line["valid_loss"] for line in found.about["epochs"]]
    assert len(scores) < 60
    assert min(scores) == scores[-3]


@EACH
def test_an_answer_depends_on_nothing_that_came_later(name):
    found, test = fitted(name)
    now = test.take(np.arange(20))
    changed = replace(now, also={k: v * 0 for k, v in now.also.items()}, label=now.label * 0)
    rows = np.arange(len(now.earlier.values)) >= now.earlier.end.max()
    later = replace(now.earlier, values=np.where(rows[:, None], 9.0, now.earlier.values))
    first = slice(0, 1)
    assert np.array_equal(found.said(replace(changed, earlier=later)), found.said(now))
    assert found.said(now.take(first)) == pytest.approx(found.said(now)[first], abs=1e-5)


@EACH
def test_a_listener_without_earlier_sessions_gets_an_answer(name):
    found, _ = fitted(name)
    new = stays([[3], [11]])
    answer = found.predict(new)
    said = answer.values[:, 1] if isinstance(answer, Values) else median(answer.tracks)
    assert (said >= 0).all()
    assert said[0] == said[4]  # both at the start, of nobody known
    assert np.array_equal(found.said(replace(new, earlier=None)), found.said(new))


@pytest.mark.parametrize("loss", ["mae", "mse", "nll"])
def test_without_a_clock_only_tracks_are_told(loss):
    whole = turning(10, 16)
    plays = whole.earlier.column("n_plays")[0].astype(int).reshape(10, -1).tolist()
    train, test = split(stays(plays, clock=False), 4)
    answer = Lstm(**{**SMALL, "epochs": 3}, loss=loss).fit(train).predict(test)
    if loss == "nll":
        assert answer.seconds is None
        assert gone(answer.tracks, 1000) == pytest.approx(1)
    else:
        assert (answer.values[:, 0] == -1).all()
        assert (answer.values[:, 1] >= 0).all()


@pytest.mark.parametrize("loss", ["mae", "mse", "nll"])
def test_a_session_that_is_cut_short_counts_as_longer_than_it_was_seen(loss):
    of = {}
    for cut in (False, True):
        batch = stays([[4, 1]] * 60, open_last=cut)
        answer = Lstm(**SMALL, loss=loss).fit(batch, batch).predict(batch)
        said = median(answer.tracks, whole=True) if loss == "nll" else answer.values[:, 1]
        of[cut] = said[(batch.keys["day"] == 1) & (batch.keys["asked_after"] == 0)].mean()
    assert of[False] < 1.5
    assert of[True] > 3


def test_the_loss_mse_says_the_mean_and_mae_the_median():
    rng = np.random.default_rng(0)
    batch = stays(np.where(rng.random((40, 20)) < 0.7, 2, 22).tolist())
    start = batch.take(batch.keys["asked_after"] == 0)
    said = {loss: Lstm(**{**SMALL, "epochs": 20}, loss=loss).fit(start, start).predict(start).values[:, 1].mean()
            for loss in ("mae", "mse")}  # fmt: skip
    assert said["mae"] == pytest.approx(2, abs=0.7)
    assert said["mse"] == pytest.approx(8, abs=1)


def test_what_a_moment_weighs_does_not_depend_on_what_comes():
    batch = stays([[1, 10]])
    assert batch.keys["asked_after"].tolist() == [0, 1, 0, 1, 2, 3, 5, 7, 10]
    assert by_moment(batch) == pytest.approx([1, 1 / 2, 1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 7])


def test_one_listener_of_one_session_is_enough_to_answer_though_not_to_learn_much():
    batch = stays([[5]])
    answer = replace(MODELS["gru"], epochs=1).fit(batch).predict(batch)
    assert np.isfinite(answer.values).all()
    with pytest.raises(AskedWrongly, match="no session to learn from"):
        MODELS["gru"].fit(batch.take(slice(0, 0)))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [("hidden_size", 0, "hidden_size=0: expected from 1"), ("optimizer", "sgd", "expected one of adam, rmsprop"),
     ("loss", "mape", "expected one of mae, mse, nll"), ("history", 0, "history=0: expected from 1")],
)  # fmt: skip
def test_a_setting_out_of_bounds_is_refused(setting, value, message):
    with pytest.raises(AskedWrongly, match=message):
        Lstm(**{setting: value})


def test_heads_of_attention_share_the_width():
    with pytest.raises(AskedWrongly, match="heads=5: expected a number that divides hidden_size, 64"):
        Attention(heads=5)


def test_damaged_weights_are_refused():
    settings, arrays = fitted("nll")[0].save()
    for broken in (
        {**arrays, "net.head.0.bias": arrays["net.head.0.bias"] * np.nan},
        {**arrays, "net.head.0.bias": arrays["net.head.0.bias"][1:]},
        {**arrays, "scales": -arrays["scales"]},
        {**arrays, "measure": arrays["measure"] * np.inf},
        {k: v for k, v in arrays.items() if k != "net.stack.0.there.weight_hh_l0"},
    ):
        with pytest.raises(Tampered):
            Lstm.open(settings, broken)
    for wrong in ({"kind": "rnn"}, {"layers": 2}, {"head": {"loss": "mae", "timed": True}}, {"reader": {}}):
        with pytest.raises(Tampered):
            Lstm.open({**settings, **wrong}, arrays)


def test_damaged_weights_of_attention_are_refused():
    settings, arrays = fitted("attention-nll")[0].save()
    near = "net.stack.0.block.near.weight"
    for broken in (
        {**arrays, near: arrays[near] * np.nan},
        {**arrays, near: arrays[near][:, :0]},
        {**arrays, near: np.repeat(arrays[near], 3, 1)},
        {**arrays, "net.stack.1.last.bias": arrays["net.stack.1.last.bias"][1:]},
        {k: v for k, v in arrays.items() if k != near},
    ):
        with pytest.raises(Tampered):
            Attention.open(settings, broken)
    for wrong in ({"kind": "lstm"}, {"layers": 1}, {"layers": 3}):
        with pytest.raises(Tampered):
            Attention.open({**settings, **wrong}, arrays)
