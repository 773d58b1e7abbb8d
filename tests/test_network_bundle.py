"""A bundle of a network: it answers without torch, cannot be changed unnoticed, and comes out the same after a kill."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import small
from segue import checks, cli
from segue.batch import Bernoulli
from segue.bundle import open_bundle
from segue.errors import BadInput, Tampered
from segue.explanation import explain
from segue.session import read as read_session
from segue.training import run_folder, train

pytest.importorskip("torch")

MODELS = {
    ("online", "gru"): {"epochs": 2, "hidden_size": 8, "batch_size": 4, "learning_rate": 0.05},
    ("challenge", "attention"): {"epochs": 6, "hidden_size": 12, "heads": 2, "layers": 2, "n_tracks": 50, "vectors": 4,
                                 "jitter": 1, "batch_size": 8, "learning_rate": 0.02},
    ("last", "gru"): {"epochs": 1, "hidden_size": 8},
    ("challenge", "blend"): {"epochs": 1, "hidden_size": 12, "jitter": 0},
}  # fmt: skip
EACH = pytest.mark.parametrize(("setting", "model"), list(MODELS), ids=[" ".join(one) for one in MODELS])
NETWORK = [
    "baselines.json", "baselines.safetensors", "card.json", "catalogue.safetensors", "features.json", "golden.json", "hashes.json",
    "history.safetensors", "model.json", "model.safetensors", "network.onnx", "tracks.safetensors",
]  # fmt: skip


@cache
def library():
    return checks.sample_library("mssd", small.folder() / "of_networks", sessions=60)


@cache
def bundle(setting, model):
    place = small.folder() / f"{setting}-{model}.bundle"
    train("skip", library(), str(place), setting=setting, model=model, settings=MODELS[setting, model], draws=20)
    return place


@cache
def opened(setting, model):
    return open_bundle(bundle(setting, model))


def copied(setting, model, tmp_path):
    return shutil.copytree(bundle(setting, model), tmp_path / "copy.bundle")


def asked(setting):
    return small.halves(5, 5) if setting == "challenge" else small.session(6)


def refused(place, words):
    """Opening is refused in one clear line."""
    with pytest.raises(Tampered, match=words) as caught:
        open_bundle(place)
    assert "\n" not in str(caught.value)
    assert "get the bundle again" in str(caught.value)


# ── what it is made of, and whom it needs ───────────────────────────────────────────────────────────────────────────


@EACH
def test_the_network_is_a_file_of_the_bundle_and_is_hashed(setting, model):
    place = bundle(setting, model)
    assert sorted(p.name for p in place.iterdir()) == NETWORK
    assert sorted(json.loads((place / "hashes.json").read_text())) == [n for n in NETWORK if n != "hashes.json"]
    assert len({p.stat().st_mode for p in place.iterdir()}) == 1


ELSEWHERE = """
import json, sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "lightgbm", "sklearn", "scipy"):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Nothing())
try:
    import torch
except ImportError as missing:
    print(missing)
from segue.bundle import open_bundle
answer = open_bundle(sys.argv[1]).predict(json.loads(sys.argv[2])).to_json()
print(json.dumps([answer, sorted({m.split(".")[0] for m in sys.modules})]))
"""


@EACH
def test_where_torch_is_not_installed_it_opens_and_answers_the_same(setting, model, tmp_path):
    place = copied(setting, model, tmp_path)
    here = json.loads(json.dumps(opened(setting, model).predict(asked(setting)).to_json()))
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(place), json.dumps(asked(setting))], cwd=tmp_path, text=True,
                          capture_output=True, timeout=100, env={**os.environ, "TZ": "Asia/Tokyo"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    missing, said = done.stdout.splitlines()
    assert missing == "torch is not installed here"
    there, modules = json.loads(said)
    assert there == here
    assert "onnxruntime" in modules
    assert not set(modules) & {"torch", "duckdb", "ibis", "pyarrow", "pandas", "rich"}


def test_where_onnxruntime_is_missing_it_says_what_to_install(tmp_path, monkeypatch):
    from segue.errors import MissingExtra
    from segue.models import answering

    monkeypatch.setattr(answering, "_SESSIONS", {})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"segue\[neural\]"):
        open_bundle(bundle("online", "gru"))


@EACH
def test_answers_depend_on_what_was_heard(setting, model):
    other = asked(setting)
    for play in other["plays"]:
        play["skipped"] = not play["skipped"]
    one, changed = ([a.probability for a in opened(setting, model).predict(x).answers] for x in (asked(setting), other))
    assert max(abs(p - q) for p, q in zip(one, changed, strict=True)) > 1e-3


# ── unchanged or refused ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("at", [0, 0.5, 1], ids=["first byte", "middle byte", "last byte"])
def test_one_byte_of_the_network_flipped_is_refused(tmp_path, at):
    place = copied("online", "gru", tmp_path)
    held = bytearray((place / "network.onnx").read_bytes())
    held[int(at * (len(held) - 1))] ^= 1
    (place / "network.onnx").write_bytes(held)
    refused(place, r"network\.onnx is not what was written")


def test_without_its_network_it_is_refused(tmp_path):
    place = copied("online", "gru", tmp_path)
    (place / "network.onnx").unlink()
    refused(place, r"network\.onnx is missing or does not belong there")


@EACH
def test_without_its_network_it_is_refused_even_if_the_hashes_fit(setting, model, tmp_path):
    place = copied(setting, model, tmp_path)
    (place / "network.onnx").unlink()
    small.rehash(place)
    refused(place, r"is damaged \('network\.onnx'\)")


def weights(place, change):
    """The network with all its weights changed."""
    import onnx
    from onnx import numpy_helper

    network = onnx.load_from_string((place / "network.onnx").read_bytes())
    for held in network.graph.initializer:
        if held.data_type == onnx.TensorProto.FLOAT:
            held.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(held)), held.name))
    (place / "network.onnx").write_bytes(network.SerializeToString())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda place: (place / "network.onnx").write_bytes(b""), "the network cannot be read"),
        (lambda place: (place / "network.onnx").write_bytes(b"not\na\nnetwork"), "the network cannot be read"),
        (
            lambda place: (place / "network.onnx").write_bytes((place / "network.onnx").read_bytes()[:500]),
            "cannot be read",
        ),
        (lambda place: weights(place, lambda w: w * np.float32(-1)), "answers a golden request otherwise"),
        (lambda place: weights(place, lambda w: w * np.float32("nan")), "the network's answer is no number"),
    ],
    ids=["no bytes", "text", "cut short", "other weights", "weights of NaN"],
)
def test_another_network_is_refused_even_if_the_hashes_fit(tmp_path, damage, words):
    pytest.importorskip("onnx")
    place = copied("online", "gru", tmp_path)
    damage(place)
    small.rehash(place)
    refused(place, words)


@pytest.mark.parametrize("at", ["beside the bundle", "in the bundle", "elsewhere"])
def test_a_network_that_reads_its_weights_from_another_file_is_refused(tmp_path, monkeypatch, at):
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper

    place = copied("online", "gru", tmp_path)
    network = onnx.load_from_string((place / "network.onnx").read_bytes())
    largest = max(network.graph.initializer, key=lambda a: np.prod(a.dims))
    held = numpy_helper.to_array(largest).tobytes()
    (tmp_path / "elsewhere").mkdir()
    folder = {"beside the bundle": tmp_path, "in the bundle": place, "elsewhere": tmp_path / "elsewhere"}[at]
    (folder / "weights.bin").write_bytes(held)
    monkeypatch.chdir(tmp_path if at == "elsewhere" else folder)
    onnx.external_data_helper.set_external_data(
        largest, str(folder / "weights.bin") if at == "elsewhere" else "weights.bin", length=len(held)
    )
    largest.ClearField("raw_data")
    (place / "network.onnx").write_bytes(network.SerializeToString())
    small.rehash(place)
    refused(place, "the network names a file outside the bundle")


def steps(change):
    def attack(place):
        card = json.loads((place / "card.json").read_text())
        change(card)
        (place / "card.json").write_text(json.dumps(card))

    return attack


STEPS = {
    "asked plays and how they end": (
        steps(lambda card: card["steps"]["queue"].append("skipped")), r"queue\.steps\('skipped'\) is not granted"),
    "how long an asked play was heard": (
        steps(lambda card: card["steps"]["queue"].insert(0, "played_ms")), r"queue\.steps\('played_ms'\) is not granted"),
    "whether they skip within seconds": (
        steps(lambda card: card["steps"]["queue"].append("skip_1")), r"queue\.steps\('skip_1'\) is not granted"),
    "an option that the card does not name": (
        steps(lambda card: card["steps"]["queue"].append("reason_start")), r"queue\.steps\('reason_start'\) is not granted"),
    "the length": (
        steps(lambda card: card["steps"]["past"].append("session_length")), r"past\.steps\('session_length'\) is not granted"),
    "a column that does not exist": (
        steps(lambda card: card["steps"]["past"].append("__class__")), r"past\.steps\('__class__'\) is not granted"),
    "a feature that is no history": (
        steps(lambda card: card["steps"]["past"].append("last_skipped")), r"past\.steps\('last_skipped'\) is not granted"),
    "a text for a list": (steps(lambda card: card["steps"].update(past="skipped")), r"past\.steps\('s'\) is not granted"),
    "fewer columns than the network reads": (
        steps(lambda card: card["steps"]["past"].remove("skipped")), "is damaged"),
    "none": (steps(lambda card: card.update(steps=None)), "is damaged"),
    "a list": (steps(lambda card: card.update(steps=["skipped"])), "is damaged"),
    "no queue": (steps(lambda card: card["steps"].pop("queue")), "is damaged"),
    "a length of 1": (steps(lambda card: card["steps"].update(length=1)), "steps of length 1: expected at least 2"),
    "a length of text": (steps(lambda card: card["steps"].update(length="long")), "is damaged"),
    "a length beyond numbers": (steps(lambda card: card["steps"].update(length=10**30)), "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize(("attack", "words"), STEPS.values(), ids=list(STEPS))
def test_steps_that_are_not_granted_are_refused_even_if_the_hashes_fit(tmp_path, attack, words):
    place = copied("online", "gru", tmp_path)
    attack(place)
    small.rehash(place)
    refused(place, words)


def test_steps_of_another_setting_are_refused(tmp_path):
    place = copied("challenge", "attention", tmp_path)
    steps(lambda card: card["steps"]["queue"].append("shuffle"))(place)
    small.rehash(place)
    refused(place, r"queue\.steps\('shuffle'\) is not granted in setting 'challenge'")


# ── beside it ───────────────────────────────────────────────────────────────────────────────────────────────────────


@EACH
def test_the_folder_of_the_run_holds_its_curves_and_no_checkpoint(setting, model):
    folder = run_folder(bundle(setting, model))
    assert folder == small.folder() / f"{setting}-{model}.bundle.run"
    assert {p.name for p in folder.iterdir()} - {"losses.svg"} == {"losses.csv"}
    head, *lines = (folder / "losses.csv").read_text().splitlines()
    assert head == "epoch,train_loss,log_loss,maa,seconds".replace(",maa" if setting != "challenge" else "-", "")
    assert [line.split(",")[0] for line in lines] == [str(k + 1) for k in range(MODELS[setting, model]["epochs"])]


def test_a_model_that_is_no_network_leaves_no_folder(tmp_path):
    train("skip", library(), str(tmp_path / "b"), model="logistic", settings={"strength": "0.1"}, draws=20)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


class Killed(BaseException):
    pass


def told(into, stop=None):
    def progress(done, n, name):
        into.append(name)
        if stop and f": {stop}" in name:
            raise Killed

    return progress


def training(setting, model):
    return {"setting": setting, "model": model, "settings": MODELS[setting, model] | {"epochs": 3}, "draws": 20}


@cache
def uninterrupted(setting, model):
    """A bundle trained in one go, and what was told meanwhile."""
    place, said = small.folder() / f"whole-{setting}-{model}.bundle", []
    train("skip", library(), str(place), progress=told(said), **training(setting, model))
    return place, said


@pytest.mark.parametrize(
    ("setting", "model", "at"),
    [
        ("online", "gru", "epoch 2 of 3, 0%"),
        ("challenge", "attention", "epoch 3 of 3, 0%"),
        ("challenge", "attention", "epoch 3 of 3: "),
        ("challenge", "blend", "epoch 2 of 3: "),
    ],
)
def test_killed_and_asked_again_it_goes_on_to_the_same_bundle(setting, model, at, tmp_path):
    given, (place, whole) = training(setting, model), uninterrupted(setting, model)
    first, second = [], []
    with pytest.raises(Killed):
        train("skip", library(), str(tmp_path / "b"), progress=told(first, at), **given)
    assert [p.name for p in tmp_path.iterdir()] == ["b.run"]
    assert [p.suffix for p in sorted((tmp_path / "b.run").iterdir())] == [".safetensors", ".json"]
    train("skip", library(), str(tmp_path / "b"), progress=told(second), **given)
    assert any("epoch 1 of 3, 0%" in line for line in whole)
    assert not any("epoch 1 of 3" in line for line in second)
    for name in ("network.onnx", "model.safetensors", "golden.json"):
        assert (tmp_path / "b" / name).read_bytes() == (place / name).read_bytes()
    one, other = (open_bundle(made).predict(asked(setting)).to_json() for made in (tmp_path / "b", place))
    assert one == other
    lines = [(run_folder(made) / "losses.csv").read_text().splitlines() for made in (tmp_path / "b", place)]
    assert [line.rsplit(",", 1)[0] for line in lines[0]] == [line.rsplit(",", 1)[0] for line in lines[1]]
    assert not list((tmp_path / "b.run").glob("*checkpoint*"))


# ── reasons ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def told_by_hand(setting, model, named, moved):
    """The bundle with a model that gives reasons laid out by hand, the same for every asked play."""
    model_of = SimpleNamespace(
        columns=(),
        predict=lambda batch: Bernoulli(np.full(len(batch), 0.25)),
        reasons=lambda batch: (named, np.tile(moved, (len(batch), 1))),
    )
    return replace(opened(setting, model), fitted=model_of)


def test_what_was_heard_is_told_play_by_play_and_column_by_column():
    session = small.session(2)  # the first was skipped, the second not
    session["next"]["context"] = "radio"
    found = told_by_hand("online", "gru", [("play", "1"), ("play", "2"), ("past", "skipped")], [0.5, -1.25, 0.25])
    assert list(found.predict(session).answers[0].reasons) == [
        {"feature": "play -2", "sentence": "The play 2 plays ago and what came of it", "unit": "1", "value": "skipped",
         "log_odds": -1.25},
        {"feature": "play -1", "sentence": "The last play and what came of it", "unit": "1", "value": "heard out",
         "log_odds": 0.5},
        {"feature": "past.skipped", "unit": "1", "value": None, "log_odds": 0.25,
         "sentence": "Of the plays heard: the play was skipped: the label; null where the source cannot say"},
    ]  # fmt: skip


def test_of_the_asked_play_a_reason_tells_what_it_is():
    queue = [{"track": "t", "energy": 0.25}, {"track": "u", "energy": 0.75}, {"track": "v"}]
    found = told_by_hand("challenge", "attention", [("queue", "energy")], [0.5])
    answers = found.predict({"plays": [{"track": "t", "skipped": True}] * 2, "queue": queue}).answers
    assert [(a.reasons[0]["feature"], a.reasons[0]["value"]) for a in answers] == [
        ("queue.energy", 250.0), ("queue.energy", 750.0), ("queue.energy", None),
    ]  # fmt: skip


def test_a_reason_of_next_to_nothing_is_left_out_and_the_largest_three_are_told():
    named = [("past", "energy"), ("past", "skipped"), ("queue", "energy"), ("play", "1"), ("past", "shuffle")]
    for moved, told in (
        ([0.1, -0.4, 0.2, 0.3, 0.0], ["past.skipped", "play -1", "queue.energy"]),
        ([1e-12, 0.0, 0.0, -0.1, 0.0], ["play -1"]),
    ):
        found = told_by_hand("online", "gru", named, moved).predict(small.session(3)).answers[0].reasons
        assert [r["feature"] for r in found] == told


@pytest.mark.parametrize(
    ("named", "value", "unit"),
    [("context", "radio", "category"), ("shuffle", 1.0, "flag"), ("hour", 15.0, "hour")],
)
def test_what_an_asked_play_is_is_told_in_words_and_units_as_a_feature_tells_it(named, value, unit):
    session = small.session(2)
    session["next"] |= {"context": "radio", "shuffle": True}
    (reason,) = told_by_hand("online", "gru", [("queue", named)], [0.5]).predict(session).answers[0].reasons
    assert (reason["value"], reason["unit"]) == (value, unit)


def test_a_history_that_is_read_of_every_play_is_told_in_its_own_sentence():
    found = told_by_hand(
        "online", "gru", [("past", "skip_rate_of_track"), ("queue", "skip_rate_of_track")], [0.5, 0.25]
    )
    sentence = found.asking.features["skip_rate_of_track"].sentence
    heard, coming = found.predict(small.session(2)).answers[0].reasons
    assert coming["sentence"] == sentence
    assert heard["sentence"] == f"Of the plays heard: {sentence[0].lower()}{sentence[1:]}"


@EACH
def test_every_answer_of_a_trained_network_has_reasons(setting, model):
    found = opened(setting, model)
    session = asked(setting)
    named, moved = found.fitted.reasons(found.batch(read_session(session)))
    for i, answer in enumerate(found.predict(session).answers):
        assert 1 <= len(answer.reasons) <= 3
        sizes = [abs(r["log_odds"]) for r in answer.reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes == sorted(np.abs(moved[i]).round(4), reverse=True)[: len(sizes)]
        for reason in answer.reasons:
            assert set(reason) == {"feature", "sentence", "unit", "value", "log_odds"}
            assert len(reason["sentence"]) > 3
    assert {view for view, _ in named} - {"own"} == {"past", "queue", "play"}


def segue(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
    status = 0
    try:
        cli.main()
    except SystemExit as end:
        status = end.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@EACH
def test_the_verb_predict_gives_reasons_in_sentences(setting, model, tmp_path, capsys, monkeypatch):
    (tmp_path / "session.json").write_text(json.dumps(asked(setting)))
    verb = ("predict", bundle(setting, model), tmp_path / "session.json")
    status, out, err = segue(capsys, monkeypatch, *verb)
    assert (status, err) == (0, "")
    answers = opened(setting, model).predict(asked(setting)).answers
    lines = out.splitlines()
    assert [line for line in lines if line.startswith("play ")] == [
        f"play {a.position}, {a.track}: {a.probability:.1%} likely to be skipped" for a in answers
    ]
    reasons = [r for a in answers for r in a.reasons]
    told = [line for line in lines if line.startswith("  ")]
    assert len(told) == len(reasons) >= len(answers)
    for line, reason in zip(told, reasons, strict=True):
        more = "more" if reason["log_odds"] > 0 else "less"
        assert line.startswith(f"  {more} likely ({reason['log_odds']:+.2f}): {reason['sentence']}: ")
    status, out, _ = segue(capsys, monkeypatch, *verb, "--json")
    assert status == 0
    assert json.loads(out)["answers"] == json.loads(json.dumps([vars(a) for a in answers]))


@EACH
def test_explain_tells_what_a_network_reads_in_the_plays(setting, model):
    found = explain(opened(setting, model), library(), rows=60, repeats=1, draws=20)
    names = [one.name for one in found.read]
    assert {"past.skipped", "queue.energy", "play -1"} <= set(names)
    sizes = [one.moved.value for one in found.read]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    assert found.about["attributed_on"] > 0
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["read"][0]["name"] == names[0]


# ── the last play ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_in_setting_last_the_last_play_is_asked_about():
    found = opened("last", "gru").predict({**small.session(4), "length": 5})
    assert [(a.position, a.track) for a in found.answers] == [(5, "t1")]
    assert found.to_json()["answers"] == opened("last", "gru").predict(small.session(4)).to_json()["answers"]


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({**small.session(4), "length": 6}, "length 6, but 4 plays: setting 'last' asks about the last play"),
        ({**small.session(4), "length": 4}, "length 4, but 4 plays: setting 'last' asks about the last play"),
        (small.halves(4, 4), "a bundle of setting 'last' answers the coming play: give 'next' alone"),
        ({**small.session(4), "queue": [{}]}, "give 'next' alone"),
        ({"plays": small.session(4)["plays"]}, "give 'next' alone"),
    ],
)
def test_in_setting_last_a_session_of_the_wrong_shape_is_refused(session, words):
    with pytest.raises(BadInput, match=words) as caught:
        opened("last", "gru").predict(session)
    assert str(caught.value).startswith("session: ")
    assert "\n" not in str(caught.value)
