"""What holds for all rebuilt networks: one answer a target, padding, what is not seen, ONNX, a batch learned by heart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from nets import answers, made, overfitted, padded, rows_of_both_kinds
from segue.models.answering import INPUTS, exported, session_of
from segue.models.fusion import Fusion, OneInputLstm
from segue.models.seq2seq import Seq2Seq
from segue.models.winner2019 import Winner2019

SEQ2SEQ = Seq2Seq(hidden_size=12, layers=2, dropout=0.0)
FUSION = Fusion(hidden_size=8, tracks_size=10, dense_size=8, dropout=0.0)
ONE = OneInputLstm(hidden_size=8, dropout=0.0)
WINNER = Winner2019(hidden_size=12, decoder_size=6, vectors=4, dropout=0.0, jitter=0)
ALL = [SEQ2SEQ, FUSION, ONE, WINNER]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return rows_of_both_kinds(tmp_path_factory.mktemp("mssd"))


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", ALL)
def test_every_target_gets_one_answer_and_every_row_one_mood(asked, setting, model):
    one = asked[setting]
    log_odds, moods = answers(made(model, one.sizes), one.inputs)
    assert log_odds.shape == (*one.inputs["sees"].shape, 1)
    assert moods.shape == (len(one.label), 1)
    assert np.isfinite(log_odds).all()


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", ALL)
def test_padding_changes_nothing(asked, setting, model):
    one = asked[setting]
    net, there = made(model, one.sizes), one.inputs["sees"] >= 0
    before, after = answers(net, one.inputs)[0], answers(net, padded(one.inputs))[0]
    assert np.abs(before[there] - after[:, : there.shape[1]][there]).max() < 1e-6


@pytest.mark.parametrize("model", ALL)
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
@pytest.mark.parametrize("model", ALL)
def test_onnx_answers_as_torch_does(asked, setting, model):
    one = asked[setting]
    net = made(model, one.sizes)
    session = session_of(exported(net, one.sizes, setting == "challenge"))
    for inputs in (one.inputs, {k: v[:1] for k, v in one.inputs.items()}, padded(one.inputs)):
        found = session.run(["log_odds", "moods"], {n: inputs[n] for n in INPUTS})
        for mine, theirs in zip(found, answers(net, inputs), strict=True):
            assert np.abs(mine - theirs).max() < 1e-5


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", ALL)
def test_fitted_and_opened_again_it_answers_the_same(asked, setting, model):
    batch = asked[setting].batch
    fitted = replace(model, epochs=1).fit(batch)
    p = fitted.predict(batch).p
    assert np.ptp(p) > 0
    assert np.array_equal(p, type(model).open(*fitted.save()).predict(batch).p)


@pytest.mark.parametrize("setting", ["challenge", "online"])
@pytest.mark.parametrize("model", [SEQ2SEQ, FUSION, WINNER])
def test_it_learns_one_small_batch_by_heart(asked, setting, model):
    loss, prior = overfitted(made(model, asked[setting].sizes).train(), asked[setting])
    assert prior > 0.6
    assert loss < 0.2
