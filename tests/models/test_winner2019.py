"""Our rebuilding of the winner of 2019: its size, its eleven targets, its vectors that stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from nets import answers, made, overfitted, rows_of_both_kinds
from segue import registry
from segue.models.winner2019 import SIDE, Winner2019

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

TINY = Winner2019(hidden_size=12, decoder_size=6, vectors=4, dropout=0.0, jitter=0)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return rows_of_both_kinds(tmp_path_factory.mktemp("mssd"))


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
