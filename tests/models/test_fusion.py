"""Four inputs joined, and the control that reads skips alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from nets import answers, made, overfitted, rows_of_both_kinds
from segue.models.fusion import Fusion, OneInputLstm, skips_of
from segue.models.reader import Reader

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

TINY = Fusion(hidden_size=8, tracks_size=10, dense_size=8, dropout=0.0)
ONE = OneInputLstm(hidden_size=8, dropout=0.0)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return rows_of_both_kinds(tmp_path_factory.mktemp("mssd"))


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
