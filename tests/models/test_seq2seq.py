"""Encoder and decoder: every target is read from the state after what it sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nets import answers, made, rows_of_both_kinds
from segue.models.seq2seq import Seq2Seq

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

TINY = Seq2Seq(hidden_size=12, layers=2, dropout=0.0)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return rows_of_both_kinds(tmp_path_factory.mktemp("mssd"))


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
