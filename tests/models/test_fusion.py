"""Four inputs joined, and the control that reads skips alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segue import checks, registry
from segue.features.build import ask, from_library
from segue.features.steps import everything
from segue.models.answering import INPUTS, exported, session_of, torch_inputs
from segue.models.fusion import Fusion, OneInputLstm, skips_of
from segue.models.reader import Reader
from segue.models.stored import Stored

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

TINY = Fusion(hidden_size=8, tracks_size=10, dense_size=8, dropout=0.0)
ONE = OneInputLstm(hidden_size=8, dropout=0.0)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Rows of both kinds, by setting: in "challenge" targets see each other, in "online" each stands alone."""
    library, made = checks.sample_library("mssd", tmp_path_factory.mktemp("mssd"), sessions=30), {}
    for name in ("challenge", "online"):
        task, setting = registry.task("skip"), registry.task("skip").setting(name)
        plain = ask(task, setting, registry.features(), names=["last_skipped"])
        batch, _ = from_library(replace(plain, steps=everything(setting, {})), library)
        reader = Reader.fit(batch, features=False, n_tracks=100)
        stored = Stored.of(reader, batch, True, Path())
        inputs, label, also = stored.some(np.arange(len(stored)))
        made[name] = SimpleNamespace(
            batch=batch, reader=reader, sizes=reader.sizes, inputs=inputs, label=label, also=also
        )
    return made


def made(model, sizes):
    torch.manual_seed(0)
    return model.network(sizes).eval()


def answers(net, inputs):
    with torch.no_grad():
        return [o.numpy() for o in net(*torch_inputs(inputs))[:2]]


def padded(inputs, past=3, queue=2):
    """The same rows with more places, which hold noise and no play."""
    rng, found = np.random.default_rng(0), {}
    for name, values in inputs.items():
        if name == "n":
            found[name] = values
            continue
        shape = (len(values), past if name.startswith("past") else queue, *values.shape[2:])
        filled = rng.normal(size=shape) if values.ndim == 3 else np.full(shape, {"sees": -1, "ahead": 1}.get(name, 0))
        found[name] = np.concatenate([values, filled.astype(values.dtype)], 1)
    return found


def overfitted(net, one, rows=16, steps=80):
    """The log-loss of some rows after training on nothing else, and that of their mean."""
    known = one.label[:rows] >= 0
    label = torch.from_numpy(one.label[:rows][known])
    inputs = torch_inputs({k: v[:rows] for k, v in one.inputs.items()})
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        log_odds = net(*inputs)[0][..., 0][torch.from_numpy(known)]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(log_odds, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mean = float(label.mean())
    return float(loss.detach()), -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", [TINY, ONE])
def test_every_target_gets_one_answer_and_every_row_one_mood(asked, setting, model):
    one = asked[setting]
    log_odds, moods = answers(made(model, one.sizes), one.inputs)
    assert log_odds.shape == (*one.inputs["sees"].shape, 1)
    assert moods.shape == (len(one.label), 1)
    assert np.isfinite(log_odds).all()


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", [TINY, ONE])
def test_padding_changes_nothing(asked, setting, model):
    one = asked[setting]
    net, there = made(model, one.sizes), one.inputs["sees"] >= 0
    before, after = answers(net, one.inputs)[0], answers(net, padded(one.inputs))[0]
    assert np.abs(before[there] - after[:, : there.shape[1]][there]).max() < 1e-6


@pytest.mark.parametrize("model", [TINY, ONE])
def test_alone_a_target_hangs_on_nothing_that_it_does_not_see(asked, model):
    one, rng = asked["online"], np.random.default_rng(0)
    net, k = made(model, one.sizes), 4
    rows = one.inputs["sees"][:, k] == k
    inputs = {name: values[rows] for name, values in one.inputs.items()}
    other = {name: values.copy() for name, values in inputs.items()}
    for name in ("past_shared", "past_told"):
        other[name][:, k:] = rng.normal(size=other[name][:, k:].shape)
    other["queue_shared"][:, np.arange(other["sees"].shape[1]) != k] = 9.0
    before, after = answers(net, inputs)[0], answers(net, other)[0]
    assert np.abs(before[:, k] - after[:, k]).max() < 1e-6
    assert np.abs(before[:, k + 1] - after[:, k + 1]).max() > 1e-4


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", [TINY, ONE])
def test_onnx_answers_as_torch_does(asked, setting, model):
    one = asked[setting]
    net = made(model, one.sizes)
    session = session_of(exported(net, one.sizes, setting == "challenge"))
    for inputs in (one.inputs, {k: v[:1] for k, v in one.inputs.items()}, padded(one.inputs)):
        found = session.run(["log_odds", "moods"], {n: inputs[n] for n in INPUTS})
        for mine, theirs in zip(found, answers(net, inputs), strict=True):
            assert np.abs(mine - theirs).max() < 1e-5


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", [TINY, ONE])
def test_fitted_and_opened_again_it_answers_the_same(asked, setting, model):
    batch = asked[setting].batch
    fitted = replace(model, epochs=1).fit(batch)
    p = fitted.predict(batch).p
    assert np.ptp(p) > 0
    assert np.array_equal(p, type(model).open(*fitted.save()).predict(batch).p)


@pytest.mark.parametrize("setting", ["challenge", "online"])
def test_it_learns_one_small_batch_by_heart(asked, setting):
    loss, prior = overfitted(made(TINY, asked[setting].sizes).train(), asked[setting])
    assert prior > 0.6
    assert loss < 0.2


def test_skips_are_coded_apart_from_padding_and_from_what_is_not_said():
    told = torch.tensor([[[7.0, -0.8], [7.0, 1.2], [7.0, 0.0], [7.0, 3.0]]])
    there = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert skips_of(told, there, 1).tolist() == [[[-1, 1], [1, 1], [0, 1], [0, 0]]]
    assert skips_of(told, there, -1).tolist() == [[[0, 1], [0, 1], [0, 1], [0, 0]]]


def test_the_reader_says_which_column_tells_skips(asked):
    one = asked["challenge"]
    past = one.batch.tensors.past
    d, n = past.columns.index("skipped"), one.inputs["past_told"].shape[1]
    there = np.arange(n) < one.inputs["n"][:, None]
    value, known = past.values[:, :n, d][there], past.known[:, :n, d][there]
    said = one.inputs["past_told"][..., one.sizes["skipped"]][there]
    assert np.array_equal(np.sign(said), np.where(known, 2 * value - 1, 0))
    columns = [c for c in past.columns if c != "skipped"]
    tensors = replace(one.batch.tensors, past=replace(
        past, columns=tuple(columns), values=np.delete(past.values, d, 2), known=np.delete(past.known, d, 2)))  # fmt: skip
    assert Reader.fit(replace(one.batch, tensors=tensors), features=False, n_tracks=0).sizes["skipped"] == -1


def test_one_input_says_the_same_of_all_that_see_the_same_and_reads_skips_alone(asked):
    one = asked["challenge"]
    net, there = made(ONE, one.sizes), one.label >= 0
    found = answers(net, one.inputs)[0][..., 0]
    assert np.ptp(np.where(there, found, found[:, :1]), axis=1).max() < 1e-6
    told = np.random.default_rng(0).normal(size=one.inputs["past_told"].shape).astype(np.float32)
    told[..., one.sizes["skipped"]] = one.inputs["past_told"][..., one.sizes["skipped"]]
    other = one.inputs | {"past_told": told, "past_shared": one.inputs["past_shared"] + 1,
                          "queue_shared": one.inputs["queue_shared"] + 1}  # fmt: skip
    assert np.array_equal(found, answers(net, other)[0][..., 0])


def test_one_input_finds_that_skips_repeat(asked):
    one = asked["online"]
    sees, skipped = one.inputs["sees"], one.inputs["past_told"][..., one.sizes["skipped"]]
    last = np.take_along_axis(skipped, np.clip(sees - 1, 0, skipped.shape[1] - 1), 1)
    repeats = SimpleNamespace(inputs=one.inputs, label=np.where(sees > 0, last > 0, -1).astype(np.float32))
    loss, prior = overfitted(made(ONE, one.sizes).train(), repeats)
    assert prior > 0.6
    assert loss < 0.05


def test_sizes_are_the_published_ones(asked):
    net = Fusion().network(asked["challenge"].sizes)
    hidden = [[layer.there.hidden_size for layer in stack.layers] for stack in (net.behaviour, net.tracks, net.skips)]
    assert hidden == [[128, 128], [264, 264], [128, 128]]
    assert [m.out_features for m in net.asked.modules() if isinstance(m, torch.nn.Linear)] == [64, 64]
    assert 0.4 <= Fusion().dropout <= 0.5
    assert OneInputLstm().dropout == Fusion().dropout
