"""Our rebuilding of the winner of 2019: its size, its eleven targets, its vectors that stay as they are."""

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
from segue.models.stored import Stored
from segue.models.winner2019 import SIDE, Winner2019

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

TINY = Winner2019(hidden_size=12, decoder_size=6, vectors=4, dropout=0.0, jitter=0)


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
def test_together_every_target_sees_every_target(asked, place):
    one = asked["challenge"]
    net = made(TINY, one.sizes)
    row = int(np.argmax((one.inputs["sees"] >= 0).sum(1)))
    inputs = {k: v[row : row + 1] for k, v in one.inputs.items()}
    other = inputs | {"queue_shared": inputs["queue_shared"].copy()}
    other["queue_shared"][:, place] += 1
    changed = np.abs(answers(net, inputs)[0] - answers(net, other)[0])[0, :, 0]
    assert (changed > 1e-7).all()


@pytest.mark.parametrize(("together", "shared", "told"), [(1, 31, 35), (0, 49, 21)])
def test_it_has_about_nineteen_million_weights_beside_the_fixed_vectors(together, shared, told):
    net = Winner2019().network({"shared": shared, "told": told, "own": 0, "tracks": 10, "together": together})
    n_weights = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert 18_700_000 < n_weights < 19_300_000
    assert [p.shape for p in net.parameters() if not p.requires_grad] == [(11, 150)]


def test_its_eleven_targets_are_those_of_the_task():
    assert registry.task("skip").auxiliary == SIDE
    assert len(SIDE) == 11


def test_unknown_targets_count_for_nothing_and_seeks_by_whether():
    net = TINY.network({"shared": 3, "told": 2, "own": 0, "tracks": 0, "together": 1})
    side, label = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 3)
    said = {name: torch.ones(2, 3, dtype=torch.long) for name in SIDE}
    unknown = {name: -values for name, values in said.items()}
    whole = net.also(side, None, label, said)
    assert torch.isclose(whole, torch.nn.functional.softplus(-side).mean())
    assert net.also(side, None, label, unknown) == 0
    assert net.also(side, None, label, {}) == 0
    assert torch.equal(net.also(side, None, label, said | {"n_seeks_back": 5 * said["n_seeks_back"]}), whole)
    half = {name: torch.where(torch.arange(3) == 0, 1, unknown[name]) for name in SIDE}
    assert torch.isclose(net.also(side, None, label, half), torch.nn.functional.softplus(-side[:, 0]).mean())


def test_vectors_come_from_training_and_no_step_moves_them(asked):
    one = asked["challenge"]
    net = made(TINY, one.sizes)
    TINY.prepared(net, one.inputs)
    before = net.vectors.weight.clone()
    assert (before[0] == 0).all()
    assert before[1:].std() > 0.1
    overfitted(net.train(), one, steps=3)
    assert torch.equal(before, net.vectors.weight)
    assert TINY.network(one.sizes | {"tracks": 0}).vectors is None
