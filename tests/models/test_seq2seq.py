"""Encoder and decoder: every target is read from the state after what it sees."""

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
from segue.models.reader import Reader
from segue.models.seq2seq import Seq2Seq
from segue.models.stored import Stored

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

TINY = Seq2Seq(hidden_size=12, layers=2, dropout=0.0)


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
def test_every_target_gets_one_answer_and_every_row_one_mood(asked, setting):
    one = asked[setting]
    log_odds, moods = answers(made(TINY, one.sizes), one.inputs)
    assert log_odds.shape == (*one.inputs["sees"].shape, 1)
    assert moods.shape == (len(one.label), 1)
    assert np.isfinite(log_odds).all()


@pytest.mark.parametrize("setting", ["challenge", "online"])
def test_padding_changes_nothing(asked, setting):
    one = asked[setting]
    net, there = made(TINY, one.sizes), one.inputs["sees"] >= 0
    before, after = answers(net, one.inputs)[0], answers(net, padded(one.inputs))[0]
    assert np.abs(before[there] - after[:, : there.shape[1]][there]).max() < 1e-6


def test_alone_a_target_hangs_on_nothing_that_it_does_not_see(asked):
    one, rng = asked["online"], np.random.default_rng(0)
    net, k = made(TINY, one.sizes), 4
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
def test_onnx_answers_as_torch_does(asked, setting):
    one = asked[setting]
    net = made(TINY, one.sizes)
    session = session_of(exported(net, one.sizes, setting == "challenge"))
    for inputs in (one.inputs, {k: v[:1] for k, v in one.inputs.items()}, padded(one.inputs)):
        found = session.run(["log_odds", "moods"], {n: inputs[n] for n in INPUTS})
        for mine, theirs in zip(found, answers(net, inputs), strict=True):
            assert np.abs(mine - theirs).max() < 1e-5


@pytest.mark.parametrize("setting", ["challenge", "online"])
def test_fitted_and_opened_again_it_answers_the_same(asked, setting):
    batch = asked[setting].batch
    fitted = replace(TINY, epochs=1).fit(batch)
    p = fitted.predict(batch).p
    assert np.ptp(p) > 0
    assert np.array_equal(p, type(TINY).open(*fitted.save()).predict(batch).p)


@pytest.mark.parametrize("setting", ["challenge", "online"])
def test_it_learns_one_small_batch_by_heart(asked, setting):
    loss, prior = overfitted(made(TINY, asked[setting].sizes).train(), asked[setting])
    assert prior > 0.6
    assert loss < 0.2


@pytest.mark.parametrize("place", [0, -1])
def test_together_a_target_is_read_with_those_before_and_after_it(asked, place):
    one = asked["challenge"]
    net = made(TINY, one.sizes)
    row = int(np.argmax((one.inputs["sees"] >= 0).sum(1)))
    inputs = {k: v[row : row + 1] for k, v in one.inputs.items()}
    other = inputs | {"queue_shared": inputs["queue_shared"].copy()}
    other["queue_shared"][:, place] += 1
    changed = np.abs(answers(net, inputs)[0] - answers(net, other)[0])[0, :, 0]
    assert (changed > 1e-7).all()


@pytest.mark.parametrize("way", ["there", "back"])
def test_each_way_of_the_decoder_starts_from_what_was_heard(asked, way):
    one = asked["challenge"]
    net = made(replace(TINY, layers=1), one.sizes)
    with torch.no_grad():  # the head hears one way alone
        net.head[0].weight[:, slice(12, None) if way == "there" else slice(12)] = 0
    other = one.inputs | {"past_told": one.inputs["past_told"] + 1}
    assert (np.abs(answers(net, one.inputs)[0] - answers(net, other)[0])[one.label >= 0] > 1e-7).all()
