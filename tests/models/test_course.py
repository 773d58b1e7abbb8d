"""A training that is killed goes on to the same network, from its own checkpoints and from no others."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from by_hand import plays, session
from segue.features.build import ask, build
from segue.features.columns import from_arrow
from segue.features.steps import Steps
from segue.tasks.skip import CHALLENGE, ONLINE, TASK

pytest.importorskip("torch")

from segue.models import course
from segue.models.attention import Attention
from segue.models.course import Course, Run
from segue.models.recurrent import BiLstm, Gru, Lstm

GRU = Gru(hidden_size=4, epochs=3, batch_size=10, learning_rate=0.02, patience=3)  # with dropout, which is drawn
MODELS = {
    "adamw": GRU,
    "adam": replace(GRU, optimizer="adam"),
    "rmsprop": replace(GRU, optimizer="rmsprop"),
    "averaged": replace(GRU, average=0.7),
    "attention": Attention(hidden_size=4, heads=2, layers=1, moods=2, vectors=2, n_tracks=9, epochs=3, batch_size=10,
                           learning_rate=0.02, average=0.7),
}  # fmt: skip
SETTINGS = {"challenge": CHALLENGE, "online": ONLINE}


class Killed(Exception):
    """What stands for the end of the process."""


def listened(n, seed):
    rng = np.random.default_rng(seed)
    tracks = rng.integers(0, 6, (n, 6))
    skipped = (rng.random((n, 6)) < 0.15 + 0.14 * tracks).astype(int)
    return [session(f"{seed}-{i}", track=[f"t{t}" for t in tracks[i]], energy=(tracks[i] * 100).tolist(),
                    skipped=skipped[i].tolist()) for i in range(n)]  # fmt: skip


def batch_of(setting, *sessions):
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    asking = ask(TASK, setting, {}, steps=Steps(("track", "energy", "skipped"), ("track", "energy")))
    return build(asking, TASK.examples(columns, setting), {})


@cache
def batches(setting="online"):
    train, valid = (batch_of(SETTINGS[setting], *listened(n, seed)) for n, seed in ((30, 0), (20, 1)))
    return replace(train, elsewhere=(train.take(train.keys["position"] > 4),)), valid


@cache
def whole(model, setting="online"):
    """The network of a training that nobody killed."""
    return MODELS[model].fit(*batches(setting))


def killed_at(beginning, model, folder, *data):
    """Train until a line is told that begins so."""

    def told(line):
        if line.startswith(beginning):
            raise Killed

    with pytest.raises(Killed):
        model.fit(*(data or batches()), Run(folder, told=told))


def gone_on(model, folder, *data):
    """Train to the end, and the first line that was told."""
    lines = []
    return model.fit(*(data or batches()), Run(folder, told=lines.append)), lines[0] if lines else None


def same(found, expected):
    """The same network, told the same way, but for the time that it took."""
    assert found.onnx == expected.onnx
    assert (found.slope, found.intercept) == (expected.slope, expected.intercept)
    one, other = (json.loads(json.dumps(f.about)) for f in (found, expected))
    for line in (*one["epochs"], *other["epochs"]):
        assert line.pop("seconds") >= 0
        assert line.pop("work_seconds") >= 0
    assert one == other


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize(
    ("killed", "first"),
    [
        ("epoch 1 of 3, 0%", "epoch 1 of 3, 0%"),
        ("epoch 2 of 3, 0%", "epoch 2 of 3, 0%"),
        ("epoch 2 of 3: loss", "epoch 3 of 3, 0%"),
    ],
)
def test_a_training_that_was_killed_goes_on_to_the_same_network(model, killed, first, tmp_path):
    killed_at(killed, MODELS[model], tmp_path)
    found, line = gone_on(MODELS[model], tmp_path)
    assert line.startswith(first)
    same(found, whole(model))


def test_killed_after_the_last_epoch_nothing_is_trained_again(tmp_path):
    killed_at("epoch 3 of 3: loss", GRU, tmp_path)
    found, line = gone_on(GRU, tmp_path)
    assert line is None
    same(found, whole("adamw"))


def test_killed_in_every_epoch_it_comes_to_the_same_network(tmp_path):
    for epoch in (1, 2, 3):
        killed_at(f"epoch {epoch} of 3: loss", MODELS["attention"], tmp_path, *batches("challenge"))
    same(gone_on(MODELS["attention"], tmp_path, *batches("challenge"))[0], whole("attention", "challenge"))


def test_the_best_epoch_is_remembered_over_a_kill(tmp_path):
    train, valid = batches()
    opposite = replace(valid, label=(1 - valid.label).astype(np.int8))  # gets worse the better it learns
    model = replace(GRU, epochs=30, patience=2)
    uninterrupted = model.fit(train, opposite)
    best = uninterrupted.about["best_epoch"]
    assert len(uninterrupted.about["epochs"]) == best + 2 < 30
    killed_at(f"epoch {best + 1} of 30: loss", model, tmp_path, train, opposite)
    same(gone_on(model, tmp_path, train, opposite)[0], uninterrupted)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("k", range(6))
def test_killed_at_any_renaming_it_goes_on_to_the_same_network(k, after, tmp_path, monkeypatch):
    rename, seen = os.replace, []

    def killing(one, other):
        seen.append(one)
        if len(seen) == k + 1 and not after:
            raise Killed
        rename(one, other)
        if len(seen) == k + 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killing)
        with pytest.raises(Killed):
            GRU.fit(*batches(), Run(tmp_path))
    found, line = gone_on(GRU, tmp_path)
    done = (k + 1) // 2 if after else k // 2  # two renamings an epoch: its weights, then what names them
    assert line is None if done == 3 else line.startswith(f"epoch {done + 1} of 3, 0%")
    same(found, whole("adamw"))


def test_it_is_the_checkpoint_that_is_gone_on_from(tmp_path):
    from safetensors.numpy import load_file, save_file

    killed_at("epoch 3 of 3, 0%", GRU, tmp_path)
    (held,) = tmp_path.glob("checkpoint-*.safetensors")
    assert held.name == json.loads((tmp_path / "checkpoint.json").read_text())["file"] == "checkpoint-0002.safetensors"
    save_file({k: a * 0 if k.startswith("net/") else a for k, a in load_file(held).items()}, held)
    assert gone_on(GRU, tmp_path)[0].onnx != whole("adamw").onnx


@pytest.mark.parametrize(
    "other",
    [
        replace(GRU, seed=1),
        replace(GRU, learning_rate=0.01),
        replace(GRU, hidden_size=5),
        replace(GRU, layers=2),
        replace(GRU, optimizer="rmsprop"),
        replace(GRU, epochs=4),
    ],
)
def test_a_checkpoint_of_other_settings_is_not_taken(other, tmp_path):
    killed_at("epoch 3 of", other, tmp_path)
    assert (tmp_path / "checkpoint.json").exists()
    found, line = gone_on(GRU, tmp_path)
    assert line.startswith("epoch 1 of 3, 0%")
    same(found, whole("adamw"))


def test_a_checkpoint_of_other_plays_is_not_taken(tmp_path):
    train, valid = batches()

    def told(line):
        if line.startswith("epoch 3 of"):
            raise Killed

    with pytest.raises(Killed):
        GRU.fit(train, valid, Run(tmp_path, of="one library", told=told))
    lines = []
    same(GRU.fit(train, valid, Run(tmp_path, of="another", told=lines.append)), whole("adamw"))
    assert lines[0].startswith("epoch 1 of 3, 0%")


def test_a_checkpoint_half_written_is_passed_over(tmp_path):
    killed_at("epoch 2 of 3, 0%", GRU, tmp_path)
    (tmp_path / ".checkpoint-0002.safetensors").write_bytes(b"\x08\x00\x00")
    (tmp_path / ".checkpoint.json").write_text('{"settings": {"hid')
    found, line = gone_on(GRU, tmp_path)
    assert line.startswith("epoch 2 of 3, 0%")
    same(found, whole("adamw"))
    assert sorted(tmp_path.iterdir()) == []


def test_weights_that_nothing_names_yet_are_passed_over(tmp_path):
    killed_at("epoch 2 of 3, 0%", GRU, tmp_path)
    (tmp_path / "checkpoint-0002.safetensors").write_bytes(b"never named")
    found, line = gone_on(GRU, tmp_path)
    assert line.startswith("epoch 2 of 3, 0%")
    same(found, whole("adamw"))


def test_while_it_trains_there_is_one_checkpoint_and_after_the_end_there_is_none(tmp_path):
    folder, during = tmp_path / "a" / "run", []

    def told(line):
        if ": loss" in line:
            during.append(sorted(p.name for p in folder.iterdir()))

    GRU.fit(*batches(), Run(folder, told=told))
    assert during == [[f"checkpoint-{n:04d}.safetensors", "checkpoint.json"] for n in (1, 2, 3)]
    assert not [p.name for p in folder.iterdir() if "checkpoint" in p.name]


def test_trained_again_in_the_same_folder_it_begins_anew(tmp_path):
    for _ in range(2):
        found, line = gone_on(GRU, tmp_path)
        assert line.startswith("epoch 1 of 3, 0%")
        same(found, whole("adamw"))


def test_a_folder_or_none_makes_no_difference_to_the_network(tmp_path):
    same(GRU.fit(*batches(), Run(tmp_path)), whole("adamw"))


def test_every_epoch_is_told_with_its_losses_and_the_score_where_the_score_decides():
    for setting, ends in (("challenge", True), ("online", False)):
        lines = []
        found = GRU.fit(*batches(setting), Run(told=lines.append))
        ended = [line for line in lines if ": loss" in line]
        of = found.about["epochs"]
        assert ended == [f"epoch {n} of 3: loss {e['train_loss']:.4f}, validation {e['log_loss']:.4f}"
                         + (f", MAA {e['maa']:.4f}" if ends else "") for n, e in enumerate(of, 1)]  # fmt: skip
        assert [line.split(",")[0] for line in lines if ", 0%" in line] == [f"epoch {n} of 3" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("lines", "best", "over"),
    [(0, -1, False), (1, 0, False), (3, 1, False), (4, 1, True), (5, 4, False), (6, 5, True)],
)
def test_a_course_is_over_after_its_epochs_or_where_nothing_got_better_for_some(lines, best, over):
    assert Course([{}] * lines, best).is_over(replace(GRU, epochs=6, patience=2)) is over


def test_without_patience_the_first_epoch_that_is_no_better_is_the_last():
    assert not Course([{}], 0).is_over(replace(GRU, epochs=6, patience=0))
    assert Course([{}] * 2, 0).is_over(replace(GRU, epochs=6, patience=0))


def test_a_checkpoint_of_another_kind_of_network_is_not_taken(tmp_path):
    data = batches()
    killed_at("epoch 2 of", Lstm(hidden_size=4, epochs=3, batch_size=10), tmp_path, *data)
    other = Gru(hidden_size=4, epochs=3, batch_size=10)
    assert other.fit(*data, Run(tmp_path)).onnx == other.fit(*data).onnx


def test_killed_while_the_end_removes_its_files_it_can_be_trained_again(tmp_path, monkeypatch):
    data, model, unlink = batches(), Gru(hidden_size=4, epochs=3, batch_size=10), Path.unlink

    def removed(self, *args, **kwargs):
        unlink(self, *args, **kwargs)
        if self.name == "checkpoint.json":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", removed)
        with pytest.raises(Killed):
            model.fit(*data, Run(tmp_path))
    assert model.fit(*data, Run(tmp_path)).onnx == model.fit(*data).onnx


def test_a_checkpoint_whose_weights_are_missing_is_not_taken(tmp_path):
    data, model = batches(), Gru(hidden_size=4, epochs=3, batch_size=10)
    killed_at("epoch 2 of", model, tmp_path, *data)
    for weights in tmp_path.glob("checkpoint-*.safetensors"):
        weights.unlink()
    assert model.fit(*data, Run(tmp_path)).onnx == model.fit(*data).onnx


def test_the_rate_of_learning_falls_evenly_where_targets_are_units(monkeypatch):
    asked, schedule = [], course._schedule
    monkeypatch.setattr(course, "_schedule", lambda done: asked.append(done) or schedule(done))
    BiLstm(hidden_size=4, epochs=3, batch_size=10).fit(*batches())
    assert max(np.diff(asked)) < 2 * min(np.diff(asked))


def test_a_training_of_few_minutes_begins_no_further_epoch():
    found = Gru(hidden_size=4, epochs=3, batch_size=10).fit(*batches(), Run(minutes=1e-9))
    assert found.about["epochs"] == []
    assert len(Gru(hidden_size=4, epochs=3, batch_size=10).fit(*batches(), Run(minutes=9)).about["epochs"]) == 3


def test_the_same_sessions_asked_elsewhere_are_passed_over_where_there_are_none():
    train, valid = batches()
    train = replace(train, elsewhere=(train.take(np.zeros(len(train), bool)),))
    assert Gru(hidden_size=4, epochs=2, jitter=1).fit(train, valid).about["best_epoch"] >= 1
