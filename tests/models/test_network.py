"""What every network does, told of a recurrent one and of attention: it learns, sees no further than it may, and is ONNX."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from by_hand import plays, session
from segue.batch import concat
from segue.errors import AskedWrongly, Tampered
from segue.features.build import ask, build
from segue.features.columns import from_arrow, key64
from segue.features.feature import Feature
from segue.features.steps import Steps
from segue.features.words import Now
from segue.tasks.skip import CHALLENGE, LAST, ONLINE, TASK

torch = pytest.importorskip("torch")

from segue.models import course, network  # noqa: E402
from segue.models.answering import FittedNetwork, calibrated, exported, mixed, session_of, torch_inputs  # noqa: E402
from segue.models.attention import Attention  # noqa: E402
from segue.models.reader import Reader  # noqa: E402
from segue.models.recurrent import BiLstm, Gru, LayeredLstm  # noqa: E402
from segue.models.stored import Stored  # noqa: E402

SETTINGS = {"challenge": CHALLENGE, "online": ONLINE, "last": LAST}
MODELS = {
    "gru": Gru(hidden_size=8, epochs=3, batch_size=4, learning_rate=0.05, dropout=0.0),
    "bilstm": BiLstm(hidden_size=4, epochs=3, batch_size=8, learning_rate=0.02, dropout=0.0),
    "attention": Attention(hidden_size=8, heads=2, layers=2, moods=2, vectors=3, n_tracks=50, epochs=3, batch_size=8,
                           learning_rate=0.02, average=0.5),
}  # fmt: skip
PLACE = Feature("place", "1", "Place in the session", Now().position)
STEPS = Steps(("track", "energy", "skipped"), ("track", "energy"), length=16)


def batch_of(setting, *sessions, steps=STEPS):
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    return build(ask(TASK, setting, {"place": PLACE}, steps=steps), TASK.examples(columns, setting), {})


def listened(n, seed=0, name="s", longest=9):
    """Sessions of 2 to 9 plays of twelve tracks; of loud tracks more are skipped, and after a skip more are."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        track = rng.integers(0, 12, rng.integers(2, longest + 1))
        skipped = []
        for t in track:
            skipped.append(int(rng.random() < (0.1, 0.8)[int(t > 5)] * 0.8 + 0.2 * (skipped[-1] if skipped else 0)))
        made.append(session(f"{name}{i}", track=[f"t{t}" for t in track], energy=[int(t) * 50 for t in track], skipped=skipped,
                            skip_1=[int(s and t > 8) for s, t in zip(skipped, track, strict=True)],
                            skip_3=[int(s or t > 3) for s, t in zip(skipped, track, strict=True)]))  # fmt: skip
    return made


@cache
def batches(setting):
    return batch_of(SETTINGS[setting], *listened(60)), batch_of(SETTINGS[setting], *listened(30, 1, "v"))


@cache
def fitted(model, setting):
    return MODELS[model].fit(*batches(setting))


BOTH = pytest.mark.parametrize("model", ["gru", "attention"])
ALL = pytest.mark.parametrize("model", list(MODELS))
EACH = pytest.mark.parametrize("setting", list(SETTINGS))


def untrained(model, setting, seed=3):
    """A network with weights drawn at random, its reader, and all inputs of a batch."""
    batch, _ = batches(setting)
    chosen = MODELS[model]
    reader = Reader.fit(batch.select(batch.columns if chosen.features else ()), features=chosen.features,
                        n_tracks=chosen.n_tracks)  # fmt: skip
    torch.manual_seed(seed)
    net = chosen.network(reader.sizes).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    inputs = reader.store(batch)[1]
    return net, reader, inputs | {"n": np.maximum(inputs["sees"].max(axis=1), 0)}


def answered(net, inputs):
    with torch.no_grad():
        return tuple(o.numpy() for o in net(*torch_inputs(inputs))[:2])


@BOTH
@EACH
def test_the_answer_is_a_number_a_row_an_asked_play_and_a_mood(model, setting):
    net, _, inputs = untrained(model, setting)
    rows, asked = inputs["sees"].shape
    n_moods = 2 if (model, setting) == ("attention", "challenge") else 1
    log_odds, moods = answered(net, inputs)
    assert (log_odds.shape, moods.shape) == ((rows, asked, n_moods), (rows, n_moods))
    assert {"challenge": (60, 5), "online": (60, 9), "last": (60, 1)}[setting] == (rows, asked)


@ALL
@EACH
def test_torch_and_onnx_agree_on_any_number_of_rows_and_plays(model, setting):
    net, reader, inputs = untrained(model, setting)
    onnx = session_of(exported(net, reader.sizes, reader.together))
    past, queue = (inputs[k].shape[1] for k in ("past_track", "queue_track"))
    for rows, heard, asked in ((60, past, queue), (1, past, queue), (7, 1, 1), (3, 2, queue)):
        some = {k: a[:rows, :heard] if k.startswith("past") else a[:rows] if k == "n" else a[:rows, :asked]
                for k, a in inputs.items()}  # fmt: skip
        some["sees"] = np.minimum(some["sees"], heard)
        some["n"] = np.maximum(some["sees"].max(axis=1), 0)
        for one, other in zip(onnx.run(None, some), answered(net, some), strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    assert answered(net, inputs)[0].std() > 0.1


@BOTH
def test_a_trained_network_answers_as_the_torch_that_was_trained(model, monkeypatch):
    kept = []
    monkeypatch.setattr(course, "exported", lambda net, *more: kept.append(net) or exported(net, *more))
    train, valid = batches("challenge")
    found = MODELS[model].fit(train, valid)
    rows, inputs = found.reader.store(valid.select(found.columns))
    log_odds, moods = answered(kept[0], inputs | {"n": np.maximum(inputs["sees"].max(axis=1), 0)})
    p = mixed(log_odds, moods)[0]
    p = 1 / (1 + np.exp(-found.slope * np.log(p / (1 - p)) - found.intercept))
    assert found.predict(valid).p == pytest.approx(
        p[np.searchsorted(rows, valid.tensors.row), valid.tensors.place], abs=1e-5
    )


@ALL
def test_padding_changes_no_answer(model):
    for setting in SETTINGS:
        net, _, inputs = untrained(model, setting)
        whole = {"past": 3, "queue": 2}
        wider = {}
        for name, array in inputs.items():
            more = 0 if name == "n" else whole["past" if name.startswith("past") else "queue"]
            pad = [(0, 0), (0, more)] + [(0, 0)] * (array.ndim - 2)
            fill = -1 if name == "sees" else 1 if name == "ahead" else 0
            wider[name] = array if name == "n" else np.pad(array, pad, constant_values=fill)
        asked = inputs["sees"] >= 0
        (log_odds, moods), (narrow, narrow_moods) = answered(net, wider), answered(net, inputs)
        assert log_odds.shape[1] == narrow.shape[1] + 2
        assert log_odds[:, :-2][asked] == pytest.approx(narrow[asked], abs=1e-5)
        assert moods == pytest.approx(narrow_moods, abs=1e-5)


@ALL
def test_what_stands_in_the_padding_changes_no_answer(model):
    for setting in SETTINGS:
        net, _, inputs = untrained(model, setting)
        asked = inputs["sees"] >= 0
        empty = {"past": np.arange(inputs["past_track"].shape[1]) >= inputs["n"][:, None], "queue": ~asked}
        noisy = {k: a.copy() for k, a in inputs.items()}
        for name in ("past_shared", "past_told", "past_track", "queue_shared", "queue_track", "own", "position"):
            noisy[name][empty["past" if name.startswith("past") else "queue"]] = 2
        assert any((noisy[name] != inputs[name]).any() for name in inputs)
        assert answered(net, noisy)[0][asked] == pytest.approx(answered(net, inputs)[0][asked], abs=1e-5)
        if setting == "challenge":
            assert answered(net, noisy)[1] == pytest.approx(answered(net, inputs)[1], abs=1e-5)


@ALL
@EACH
def test_an_answer_does_not_depend_on_what_is_asked_beside_it(model, setting):
    found, (train, valid) = fitted(model, setting), batches(setting)
    p = found.predict(valid).p
    assert found.predict(concat([train, valid])).p[len(train) :] == pytest.approx(p, abs=2e-6)
    for n in range(0, len(valid), 13):
        assert found.predict(valid.take(np.array([n]))).p[0] == pytest.approx(p[n], abs=2e-6)
    order = np.random.default_rng(0).permutation(len(valid))
    assert found.predict(valid.take(order)).p == pytest.approx(p[order], abs=2e-6)
    assert p.std() > 0.01


def with_cells(batch, grid, row, places, fill):
    """The batch with the cells of some plays of a row overwritten."""
    old = getattr(batch.tensors, grid)
    made = replace(old, values=old.values.copy(), known=old.known.copy(), ids=old.ids.copy())
    made.values[row, places], made.known[row, places], made.ids[row, places] = fill, True, key64("t3")
    return replace(batch, tensors=replace(batch.tensors, **{grid: made}))


@ALL
def test_online_a_play_sees_those_before_it_and_no_other(model):
    batch = batch_of(
        ONLINE, *listened(8, 5, longest=12), session("long", track=["t8"] * 12, energy=[450] * 12, skipped=[0] * 12)
    )
    found = fitted(model, "online")
    p = found.predict(batch).p
    mine = np.flatnonzero(batch.tensors.row == 8)
    for heard in (0, 3, 10):
        changed = found.predict(with_cells(batch, "past", 8, slice(heard, None), 1)).p
        assert changed[: mine[0]] == pytest.approx(p[: mine[0]], abs=1e-6)
        assert changed[mine[: heard + 1]] == pytest.approx(p[mine[: heard + 1]], abs=1e-6)
        assert abs(changed[mine[heard + 1]] - p[mine[heard + 1]]) > 1e-5
    for place in (0, 4, 11):
        changed = found.predict(with_cells(batch, "queue", 8, place, 1)).p
        others = np.delete(mine, place)
        assert changed[others] == pytest.approx(p[others], abs=1e-6)
        assert abs(changed[mine[place]] - p[mine[place]]) > 1e-5


def test_in_the_challenge_attention_sees_all_the_asked_plays_and_a_recurrent_network_each_by_itself():
    batch = batch_of(CHALLENGE, session("a", track=["t8"] * 8, energy=[450] * 8, skipped=[0, 1] * 4))
    for model, moves in (("gru", [False, False, True, False]), ("attention", [True] * 4)):
        found = fitted(model, "challenge")
        changed = found.predict(with_cells(batch, "queue", 0, 2, 1)).p
        assert (abs(changed - found.predict(batch).p) > 1e-6).tolist() == moves


@BOTH
@pytest.mark.parametrize("setting", ["challenge", "online"])
def test_it_learns_a_few_sessions_by_heart(model, setting):
    rng = np.random.default_rng(0)
    few = [session(f"s{i}", track=[f"t{t}" for t in rng.integers(0, 9, 6)], energy=rng.integers(0, 900, 6).tolist(),
                   skipped=rng.integers(0, 2, 6).tolist()) for i in range(6)]  # fmt: skip
    batch = batch_of(SETTINGS[setting], *few)
    epochs = {"gru": 200, "attention": 60}[model]
    learner = replace(MODELS[model], batch_size=6, hidden_size=32, epochs=epochs, patience=epochs, weight_decay=0.0, auxiliary=0.0,
                      average=0.0, dropout=0.0, learning_rate=0.02)  # fmt: skip
    if model == "attention":
        learner = replace(learner, own_dropout=0.0)
    found = learner.fit(batch, batch)
    assert found.about["epochs"][0]["train_loss"] > 0.6
    assert found.about["epochs"][-1]["train_loss"] < 0.1
    assert ((found.predict(batch).p > 0.5) == batch.label).all()


@ALL
def test_it_finds_the_loud_tracks_that_are_skipped(model):
    learner = replace(MODELS[model], epochs=6, average=0.0, dropout=0.0)
    train, valid = batches("online")
    p = learner.fit(train, valid).predict(valid).p
    loud = valid.tensors.queue.values[valid.tensors.row, valid.tensors.place, 0] > 275
    assert p[loud].mean() > p[~loud].mean() + 0.25


@BOTH
def test_the_same_seed_answers_the_same_to_the_bit_and_another_seed_otherwise(model):
    train, valid = batches("challenge")
    first, again = fitted(model, "challenge"), MODELS[model].fit(train, valid)
    assert again.onnx == first.onnx
    assert np.array_equal(again.predict(valid).p, first.predict(valid).p)
    other = replace(MODELS[model], seed=1).fit(train, valid)
    assert abs(other.predict(valid).p - first.predict(valid).p).max() > 1e-4


def test_the_first_weights_are_drawn_with_the_seed():
    drawn = []

    @dataclass(frozen=True)
    class Watched(Gru):
        def prepared(self, net, inputs):
            drawn.append(torch.cat([p.detach().flatten() for p in net.parameters()]))

    for seed in (0, 0, 1):
        Watched(hidden_size=3, epochs=1, seed=seed).fit(*batches("last"))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@BOTH
def test_training_leaves_the_number_of_threads_as_it_was(model):
    before = torch.get_num_threads()
    replace(MODELS[model], epochs=1).fit(*batches("last"))
    assert torch.get_num_threads() == before


def test_early_stopping_keeps_the_best_epoch_and_not_the_last():
    train, valid = batches("online")
    opposite = replace(valid, label=(1 - valid.label).astype(np.int8))  # the better it learns, the worse it does here
    found = replace(MODELS["gru"], epochs=30, patience=2).fit(train, opposite)
    losses = [line["log_loss"] for line in found.about["epochs"]]
    best = found.about["best_epoch"]
    assert losses.index(min(losses)) + 1 == best
    assert len(losses) == best + 2 < 30
    p = replace(found, slope=1.0, intercept=0.0).predict(opposite).p
    loss = -np.log(np.where(opposite.label == 1, p, 1 - p)).mean()
    assert loss == pytest.approx(losses[best - 1], abs=1e-5)
    assert loss < losses[-1] - 1e-3


def test_the_challenge_decides_by_its_own_score():
    lines = fitted("gru", "challenge").about["epochs"]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    scores = [line["maa"] for line in lines]
    assert fitted("gru", "challenge").about["best_epoch"] == scores.index(max(scores)) + 1
    assert "maa" not in fitted("gru", "online").about["epochs"][0]


def test_without_a_validation_batch_a_tenth_of_the_sessions_stands_in():
    train, _ = batches("online")
    alone = MODELS["gru"].fit(train)
    kept, held = network.held_back(train, 0)
    assert len(np.unique(held.keys["session"])) == 6
    assert not np.isin(held.keys["session"], kept.keys["session"]).any()
    assert len(kept) + len(held) == len(train)
    assert MODELS["gru"].fit(kept, held).onnx == alone.onnx
    empty = MODELS["gru"].fit(train, train.take(np.zeros(len(train), bool)))
    assert (empty.onnx, empty.slope, empty.intercept) == (alone.onnx, alone.slope, alone.intercept)


def test_other_sessions_stand_in_with_another_seed():
    train, _ = batches("online")
    assert {*network.held_back(train, 0)[1].keys["session"]} != {*network.held_back(train, 1)[1].keys["session"]}


def test_the_slope_and_the_intercept_are_applied_to_the_log_odds():
    _, valid = batches("online")
    plain = replace(fitted("gru", "online"), slope=1.0, intercept=0.0)
    p, moved = (one.predict(valid).p for one in (plain, replace(plain, slope=2.0, intercept=-1.0)))
    assert np.log(moved / (1 - moved)) == pytest.approx(2 * np.log(p / (1 - p)) - 1, abs=1e-6)


def test_the_calibration_is_fitted_where_training_is_validated():
    found, (_, valid) = fitted("gru", "online"), batches("online")
    again = calibrated(replace(found, slope=1.0, intercept=0.0), valid)
    assert (again.slope, again.intercept) == (found.slope, found.intercept) != (1.0, 0.0)
    assert found.predict(valid).p.mean() == pytest.approx(valid.label.mean(), abs=1e-4)
    assert found.about["ece_before"] == again.about["ece_before"] != found.about["ece_after"]


def test_where_validation_has_one_label_nothing_is_calibrated():
    train, valid = batches("online")
    found = MODELS["gru"].fit(train, valid.take(valid.label == 1))
    assert (found.slope, found.intercept) == (1.0, 0.0)
    assert found.about["ece_before"] == found.about["ece_after"]


def test_the_chances_of_a_session_are_those_of_its_moods_together():
    _, valid = batches("challenge")
    answer = fitted("attention", "challenge").predict(valid)
    weights, parts = answer.joint
    n_asked = np.bincount(valid.tensors.row)
    assert (weights.shape, parts.shape) == ((30, 2), (30, 2, n_asked.max()))
    assert weights.sum(axis=1) == pytest.approx(np.ones(30))
    p = (weights[:, :, None] * parts).sum(axis=1)
    assert answer.p == pytest.approx(p[valid.tensors.row, valid.tensors.place], abs=1e-9)
    turned = fitted("attention", "challenge").predict(valid.take(np.arange(len(valid))[::-1]))
    assert turned.joint[0] == pytest.approx(weights[::-1], abs=1e-6)
    assert fitted("gru", "challenge").predict(valid).joint is None
    assert fitted("attention", "online").predict(batches("online")[1]).joint is None


def test_by_position_the_first_asked_plays_weigh_more():
    label = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
    moods = torch.zeros(2, 1)
    by_place = {}
    for loss in ("log_loss", "position"):
        model = Gru(loss=loss)
        cells = []
        for row, place in ((0, 0), (0, 1), (0, 2), (1, 0)):
            log_odds = torch.full((2, 3, 1), 30.0)
            log_odds[row, place] = 0.0
            cells.append(round(float(course._loss(model, None, (log_odds, moods), label, {})) / np.log(2) * 4, 4))
        by_place[loss] = cells
    assert by_place["log_loss"] == [1, 1, 1, 1]
    first, second, third, alone = by_place["position"]
    assert first > second > third > 0
    assert (first + second + third, alone) == (pytest.approx(3, abs=1e-3), 1)


def test_moods_are_weighed_as_whole_sessions_in_the_loss():
    label = torch.tensor([[1.0, 0.0]])
    log_odds = torch.tensor([[[2.0, -1.0], [0.5, 1.5]]])
    moods = torch.log(torch.tensor([[0.25, 0.75]]))
    p = 1 / (1 + np.exp([[-2.0, 1.0], [-0.5, -1.5]]))
    together = 0.25 * p[0, 0] * (1 - p[1, 0]) + 0.75 * p[0, 1] * (1 - p[1, 1])
    assert float(course._loss(Gru(), None, (log_odds, moods), label, {})) == pytest.approx(
        -np.log(together) / 2, rel=1e-6
    )


def test_levels_say_how_each_play_ended():
    label = torch.tensor([[1.0, 1.0, 0.0, 0.0, 1.0, 0.0, -1.0]])
    also = {"skip_1": torch.tensor([[1, 0, 0, 0, -1, 0, 1]]), "skip_3": torch.tensor([[1, 1, 1, 0, 1, -1, 1]])}
    assert course.levels_of(label, also).tolist() == [[0, 1, 2, 3, -1, -1, -1]]
    assert course.levels_of(label, {}).tolist() == [[-1] * 7]


@pytest.mark.parametrize(("setting", "rows", "units"), [("challenge", 60, 60), ("online", 60, None), ("last", 60, 60)])
def test_the_units_of_a_network_that_is_not_causal_are_its_targets(setting, rows, units, tmp_path):
    batch, _ = batches(setting)
    reader = Reader.fit(batch.select([]), features=False, n_tracks=0)
    assert len(Stored.of(reader, batch, True, tmp_path)) == rows
    held = Stored.of(reader, batch, False, tmp_path)
    assert len(held) == (units or len(batch))
    if setting != "challenge":
        inputs, label, _ = held.some(np.arange(len(batch)))
        assert inputs["sees"][:, 0].tolist() == batch.tensors.sees[batch.tensors.row, batch.tensors.place].tolist()
        assert inputs["n"].tolist() == inputs["sees"][:, 0].tolist()
        assert label[:, 0].tolist() == batch.label.tolist()


def test_inputs_too_large_for_memory_are_files_and_train_to_the_same_network(monkeypatch):
    from segue.models import stored

    folders = []

    def watched(reader, batch, folder=None):
        folders.append(folder)
        return store(reader, batch, folder)

    store = Reader.store
    monkeypatch.setattr(Reader, "store", watched)
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    found = MODELS["gru"].fit(*batches("challenge"))
    assert [folder.name for folder in folders] == ["0", "1"]
    assert not folders[0].exists()
    assert found.onnx == fitted("gru", "challenge").onnx


def test_other_moments_of_the_same_sessions_are_trained_on_every_other_epoch_where_jitter_asks_for_them(monkeypatch):
    train, valid = batches("challenge")
    shifted = [batch_of(replace(CHALLENGE, shift=s), *listened(60)) for s in (-1, 1)]
    trained_on, epoch = [], Stored.epoch

    def watched(self, rng, size):
        trained_on.append(int(self.inputs["sees"][0, 0]))
        return epoch(self, rng, size)

    monkeypatch.setattr(Stored, "epoch", watched)
    several = replace(train, elsewhere=tuple(shifted))
    at = int(train.tensors.sees[0, 0])
    replace(MODELS["gru"], epochs=6, patience=6).fit(several, valid)
    assert trained_on == [at] * 6
    trained_on.clear()
    replace(MODELS["gru"], epochs=12, patience=12, jitter=1).fit(several, valid)
    assert trained_on[::2] == [at] * 6
    assert {at - 1, at + 1} & set(trained_on[1::2])
    assert set(trained_on) <= {at - 1, at, at + 1}


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop"])
def test_every_optimizer_trains(optimizer):
    found = replace(MODELS["gru"], optimizer=optimizer, epochs=4).fit(*batches("last"))
    losses = [line["train_loss"] for line in found.about["epochs"]]
    assert losses[-1] < losses[0] - 0.01
    assert found.about["settings"]["optimizer"] == optimizer


def test_the_loss_by_position_trains_another_network():
    other = replace(MODELS["gru"], loss="position").fit(*batches("challenge"))
    assert other.onnx != fitted("gru", "challenge").onnx


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("optimizer", "adamm", "optimizer=adamm: expected one of adamw, adam, rmsprop"),
        ("loss", "maa", "loss=maa: expected one of log_loss, position"),
        ("dropout", 1.0, "dropout=1.0: expected from 0 to 0.95"),
        ("hidden_size", 0, "hidden_size=0: expected from 1 to 4096"),
        ("epochs", 0, "epochs=0: expected from 1 to 10000"),
        ("learning_rate", 0.0, "learning_rate=0.0: expected from 1e-08 to 10"),
        ("layers", 0, "layers=0: expected from 1 to 16"),
        ("seed", -1, "seed=-1: expected from 0 to 2.14748e"),
    ],
)
def test_a_setting_that_is_none_is_refused(setting, value, message):
    with pytest.raises(AskedWrongly) as refused:
        Gru(**{setting: value})
    assert str(refused.value).startswith(message)


def test_attention_needs_as_many_cells_as_heads():
    with pytest.raises(AskedWrongly, match="hidden_size=4: expected from 6 to 4096"):
        Attention(hidden_size=4)


def test_layers_are_stacked():
    sizes = {"shared": 2, "told": 1, "own": 0, "tracks": 0, "together": 0, "skipped": 0}
    n = {
        m: sum(p.numel() for p in m.network(sizes).parameters())
        for m in (Gru(hidden_size=5), Gru(hidden_size=5, layers=3))
    }
    one, three = n.values()
    assert three - one == 2 * (3 * 5 * (5 + 5) + 2 * 3 * 5)  # two more of weights and of both biases of three gates
    assert LayeredLstm().layers == 3


def test_nothing_to_learn_from_is_refused():
    train, valid = batches("online")
    with pytest.raises(AskedWrongly, match="all training plays have the same label"):
        Gru().fit(train.take(train.label == 1), valid)


@BOTH
def test_saved_and_opened_it_answers_the_same_to_the_bit(model):
    found, (_, valid) = fitted(model, "challenge"), batches("challenge")
    again = type(MODELS[model]).open(*found.save())
    assert np.array_equal(again.predict(valid).p, found.predict(valid).p)
    assert again.about == found.about


def test_no_examples_are_no_answers():
    _, valid = batches("online")
    assert fitted("gru", "online").predict(valid.take(np.zeros(0, int))).p.tolist() == []


@pytest.mark.parametrize(
    "damage",
    [{"slope": 0.0}, {"slope": -1.0}, {"slope": float("nan")}, {"intercept": float("inf")}, {"columns": None},
     {"about": None}, {"reader": {}}, {"slope": "steep"}],
)  # fmt: skip
def test_damaged_settings_are_refused(damage):
    settings, arrays = fitted("gru", "online").save()
    with pytest.raises(Tampered, match="is damaged"):
        Gru.open(settings | damage, arrays)


def test_a_damaged_network_is_refused():
    settings, arrays = fitted("gru", "online").save()
    with pytest.raises(Tampered, match="is damaged"):
        Gru.open(settings, {k: a for k, a in arrays.items() if k != "network.onnx"})
    broken = Gru.open(settings, arrays | {"network.onnx": arrays["network.onnx"][:500]})
    assert isinstance(broken, FittedNetwork)
    with pytest.raises(Tampered, match="the network cannot be read"):
        broken.predict(batches("online")[1])


def test_a_network_that_names_another_file_is_refused():
    net, reader, _ = untrained("gru", "challenge")
    onnx = exported(net, reader.sizes, True)
    assert session_of(onnx) is session_of(onnx)
    with pytest.raises(Tampered, match="names a file outside the bundle"):
        session_of(onnx + b"location")
    with pytest.raises(Tampered, match="cannot be read"):
        session_of(onnx[:100])


def test_where_answers_order_plays_the_wrong_way_round_the_share_of_skips_is_met_all_the_same():
    _, valid = batches("challenge")
    plain = replace(fitted("gru", "challenge"), slope=1.0, intercept=0.0)
    label = (plain.predict(valid).p < np.quantile(plain.predict(valid).p, 0.25)).astype(np.int8)
    found = calibrated(plain, replace(valid, label=label))
    assert found.slope == 0.05
    assert found.predict(valid).p.mean() == pytest.approx(label.mean(), abs=1e-6)
