"""How far each column of the plays, and each heard play, moves the answers of a network."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from by_hand import plays, session
from segue.attribution import Attribution, attributions
from segue.batch import Batch
from segue.features.build import ask, build
from segue.features.columns import from_arrow
from segue.features.feature import Feature
from segue.features.steps import Steps
from segue.features.words import Now
from segue.intervals import Interval, resamples
from segue.tasks.skip import CHALLENGE, LAST, ONLINE, TASK

MOVED = {  # by column: of two plays
    ("own", "hour"): [9.0, 9.0], ("past", "skipped"): [-0.5, 0.25], ("queue", "energy"): [1.0, 1.0], ("play", "1"): [0.25, -2.0],
    ("play", "3"): [0.0, 0.125], ("past", "made_up_rate"): [0.0, 0.0],
}  # fmt: skip
NETWORK = SimpleNamespace(reasons=lambda batch: (list(MOVED), np.array(list(MOVED.values())).T))
ROWS = Batch(("hour",), np.zeros((2, 1), np.float32), np.ones((2, 1), bool), np.zeros(2, np.int8), {})
DRAW = resamples(["a", "b"], draws=200)


def test_what_moves_most_comes_first_and_is_named_by_where_it_was_read():
    found = attributions(NETWORK, ROWS, DRAW)
    assert [(one.name, one.moved.value) for one in found] == [
        ("play -1", 1.125), ("queue.energy", 1.0), ("past.skipped", 0.375), ("play -3", 0.0625), ("past.made_up_rate", 0.0),
    ]  # fmt: skip


def test_it_is_said_in_words():
    said = {one.name: (one.of, one.sentence) for one in attributions(NETWORK, ROWS, DRAW)}
    assert said == {
        "play -1": ("a heard play, whole", "The last play heard"),
        "play -3": ("a heard play, whole", "The play 3 plays before the asked ones"),
        "queue.energy": ("of the asked play", "The track's energy, in thousandths"),
        "past.skipped": ("of the plays heard", "The play was skipped: the label; null where the source cannot say"),
        "past.made_up_rate": ("of the plays heard", "made up rate"),
    }


def test_intervals_are_of_the_draws():
    found = {one.name: one.moved for one in attributions(NETWORK, ROWS, DRAW)}
    assert found["queue.energy"] == Interval(1.0, 1.0, 1.0)
    assert found["play -1"] == Interval(1.125, 0.25, 2.0)


def test_what_a_model_reads_of_a_play_in_its_own_features_is_told_elsewhere():
    assert "hour" not in " ".join(one.name for one in attributions(NETWORK, ROWS, DRAW))


def test_of_a_model_without_reasons_there_is_nothing():
    assert attributions(SimpleNamespace(explain=lambda batch: np.ones((2, 1))), ROWS, DRAW) == ()


def test_of_no_plays_there_is_nothing_and_nobody_is_asked():
    asked = []
    silent = SimpleNamespace(reasons=asked.append)
    assert attributions(silent, ROWS.take(np.zeros(0, int)), DRAW) == ()
    assert asked == []


def test_as_json_it_says_log_odds():
    one = Attribution("play -1", "a heard play, whole", "The last play heard", Interval(0.5, 0.25, 0.75))
    assert one.to_json() == {
        "name": "play -1", "of": "a heard play, whole", "sentence": "The last play heard",
        "log_odds_moved": {"value": 0.5, "low": 0.25, "high": 0.75},
    }  # fmt: skip


# ── of a trained network ────────────────────────────────────────────────────────────────────────────────────────────

PLACE = Feature("place", "1", "Place in the session", Now().position)
STEPS = Steps(("track", "energy", "skipped"), ("track", "energy"), length=16)
LONG = {
    "track": [f"t{i % 5}" for i in range(8)], "energy": [100 * i for i in range(8)], "skipped": [0, 1, 1, 0, 1, 0, 0, 1],
}  # fmt: skip


def batch_of(setting, *sessions):
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    return build(ask(TASK, setting, {"place": PLACE}, steps=STEPS), TASK.examples(columns, setting), {})


@pytest.fixture(scope="module", params=["gru", "bilstm", "attention"])
def network(request):
    """Trained on sessions in which a play is skipped if the one before it was loud."""
    pytest.importorskip("torch")
    from segue.models.attention import Attention
    from segue.models.recurrent import BiLstm, Gru

    rng = np.random.default_rng(0)
    made = []
    for i in range(80):
        energy = rng.integers(0, 900, 8).tolist()
        skipped = [int(e > 450) for e in (int(rng.integers(0, 900)), *energy[:-1])]
        made.append(session(f"s{i}", track=[f"t{t}" for t in rng.integers(0, 5, 8)], energy=energy, skipped=skipped))
    given = {"batch_size": 8, "dropout": 0.0, "epochs": 12, "weight_decay": 0.0}
    learner = {
        "gru": Gru(hidden_size=8, learning_rate=0.05, **given),
        "bilstm": BiLstm(hidden_size=8, learning_rate=0.05, **given),
        "attention": Attention(hidden_size=12, heads=2, layers=2, vectors=0, n_tracks=0, average=0.0, learning_rate=0.02,
                               jitter=0, auxiliary=0.0, **given),
    }[request.param]  # fmt: skip
    batch = batch_of(ONLINE, *made)
    return learner.fit(batch, batch)


def test_the_last_play_moves_most_where_it_alone_decides(network):
    asked = batch_of(ONLINE, session("a", **LONG))
    last = asked.take(np.array([7]))
    named, moved = network.reasons(last)
    of_plays = {name: abs(moved[0, k]) for k, (view, name) in enumerate(named) if view == "play"}
    assert list(of_plays) == ["1", "2", "3", "4", "5", "6", "7"]
    assert max(of_plays, key=of_plays.get) == "1"
    assert of_plays["1"] > 1
    assert network.predict(asked).p[2:].round().tolist() == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("heard", [1, 3, 6])
def test_how_far_a_heard_play_moves_an_answer_does_not_depend_on_what_is_asked_beside_it(network, heard):
    whole = batch_of(ONLINE, session("a", **LONG))
    alone = batch_of(ONLINE, session("a", **{name: values[: heard + 1] for name, values in LONG.items()}))
    assert (whole.tensors.sees[0].tolist(), alone.tensors.sees[0].tolist()) == (list(range(8)), list(range(heard + 1)))
    found = []
    for asked in (whole, alone):
        named, moved = network.reasons(asked)
        found.append(moved[heard, [k for k, (view, _) in enumerate(named) if view == "play"][:heard]])
    assert abs(found[1]).max() > 0.1
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_of_plays_that_were_not_heard_nothing_is_told(network):
    named, moved = network.reasons(batch_of(ONLINE, session("a", **LONG)).take(np.array([0])))
    of_heard = [k for k, (view, _) in enumerate(named) if view in ("past", "play")]
    assert moved[0, of_heard] == pytest.approx(np.zeros(len(of_heard)), abs=1e-6)
    assert abs(moved[0]).max() > 1e-6


@pytest.mark.parametrize("setting", [CHALLENGE, LAST], ids=["challenge", "last"])
def test_no_more_than_ten_plays_back_are_told_of(setting, network):
    twenty = {name: (values * 4)[:30] for name, values in LONG.items()}
    asked = batch_of(setting, session("a", **twenty))
    named, moved = network.reasons(asked)
    assert [name for view, name in named if view == "play"] == [str(k) for k in range(1, 11)]
    assert moved.shape == (len(asked), len(named))
