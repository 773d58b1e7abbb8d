"""A bundle is data, of nobody, that cannot be changed unnoticed and answers alike everywhere."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import segue
import small
from segue import bundle as module
from segue import sealed
from segue.bundle import open_bundle
from segue.errors import AskedWrongly, BadInput, Tampered
from segue.features.build import from_library
from segue.features.columns import key64
from segue.features.history import Snapshot
from segue.session import read as read_session
from segue.training import knowing

FILES = [
    "baselines.json", "baselines.safetensors", "card.json", "catalogue.safetensors", "features.json", "golden.json", "hashes.json",
    "history.safetensors", "model.json", "model.safetensors", "tracks.safetensors",
]  # fmt: skip


@pytest.fixture(scope="module")
def online():
    return open_bundle(small.bundle("online"))


@pytest.fixture(scope="module")
def challenge():
    return open_bundle(small.bundle("challenge"))


def test_trees_are_walked_for_the_first_answer_alone(online):
    from segue.features import tree

    heard, walks = online.heard(read_session(small.session())), []

    def called(frame, event, _):
        if event == "call" and frame.f_code.co_filename == tree.__file__:
            walks.append(frame.f_code.co_name)

    online.batch_of([heard])
    sys.setprofile(called)
    try:
        online.batch_of([heard])
    finally:
        sys.setprofile(None)
    assert walks == []


def refused(place: Path, words: str = ".", kinds=(Tampered, BadInput)) -> None:
    """Opening is refused in one clear line."""
    with pytest.raises(kinds, match=words) as caught:
        open_bundle(place)
    assert "\n" not in str(caught.value)
    assert str(place) in str(caught.value) or "get the bundle again" in str(caught.value)


# ── unchanged or refused ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bundle_consists_of_these_files():
    assert sorted(p.name for p in small.bundle("online").iterdir()) == FILES


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("at", [0, 0.5, 1], ids=["first byte", "middle byte", "last byte"])
def test_one_byte_flipped_is_refused(tmp_path, name, at):
    place = small.copied("online", tmp_path)
    held = bytearray((place / name).read_bytes())
    held[int(at * (len(held) - 1))] ^= 1
    (place / name).write_bytes(held)
    refused(place, "get the bundle again", Tampered)


@pytest.mark.parametrize("name", [n for n in FILES if n != "hashes.json"])
def test_a_file_removed_is_refused(tmp_path, name):
    place = small.copied("online", tmp_path)
    (place / name).unlink()
    refused(place, f"{name} is missing or does not belong there", Tampered)


def test_without_hashes_it_is_not_a_bundle(tmp_path):
    place = small.copied("online", tmp_path)
    (place / "hashes.json").unlink()
    refused(place, "is not a bundle", AskedWrongly)


@pytest.mark.parametrize("name", ["aaa.py", "model.pkl", "folder"])
def test_a_file_added_is_refused(tmp_path, name):
    place = small.copied("online", tmp_path)
    (place / name).mkdir() if name == "folder" else (place / name).touch()
    refused(place, f"{name} is missing or does not belong there", Tampered)


def test_a_folder_that_the_hashes_name_is_refused(tmp_path):
    place = small.copied("online", tmp_path)
    (place / "folder").mkdir()
    hashes = json.loads((place / "hashes.json").read_text())
    (place / "hashes.json").write_text(json.dumps({**hashes, "folder": "0" * 64}))
    refused(place, "folder is not what was written", Tampered)


@pytest.mark.parametrize("name", FILES)
def test_a_link_is_refused_even_to_the_same_bytes(tmp_path, name):
    place = small.copied("online", tmp_path)
    shutil.move(place / name, tmp_path / name)
    (place / name).symlink_to(tmp_path / name)
    refused(place, "is not what was written", Tampered)


def test_hashes_recomputed_for_an_unchanged_bundle_open(tmp_path):
    place = small.copied("online", tmp_path)
    small.rehash(place)
    assert open_bundle(place).card["model"] == "boosting"


# ── changed, with hashes that fit ───────────────────────────────────────────────────────────────────────────────────


def edit(name, change):
    """An attack on a JSON file: `change` alters what it holds."""

    def attack(place: Path) -> None:
        held = json.loads((place / name).read_text())
        change(held)
        (place / name).write_text(json.dumps(held))

    return attack


def put(name, **values):
    return edit(name, lambda held: held.update(values))


def arrays(name, change):
    def attack(place: Path) -> None:
        held = {k: v.copy() for k, v in load_file(place / name).items()}
        change(held)
        save_file(held, place / name)

    return attack


def text(name, content):
    return lambda place: (place / name).write_text(content)


def cell(name, array, at, value):
    def change(held):
        held[array][at] = value

    return arrays(name, change)


def whole(name, array, make):
    def change(held):
        held[array] = make(held[array])

    return arrays(name, change)


def lengthened_header(place: Path) -> None:
    held = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + held[8:])


def huge_shape(place: Path) -> None:
    header = json.dumps({"value": {"dtype": "F64", "shape": [2**40, 2**20], "data_offsets": [0, 8]}}).encode()
    (place / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))


def half_floats(place: Path) -> None:
    header = json.dumps({"value": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    (place / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))


def root(name, *nodes):
    """A feature that is replaced by another tree."""

    def change(held):
        n = len(held["nodes"])
        moved = [[op, *({"n": a["n"] + n} if isinstance(a, dict) else a for a in args)] for op, *args in nodes]
        held["nodes"] += moved
        held["roots"][name] = n + len(nodes) - 1

    return edit("features.json", change)


def deep(name):
    return text(name, '{"nodes": ' + "[" * 200_000 + "]" * 200_000 + ', "roots": {}}')


def first_probability(value):
    def change(held):
        held[0]["answer"]["answers"][0]["probability"] = value

    return edit("golden.json", change)


TREES, HISTORY = "model.safetensors", "history.safetensors"
ATTACKS = {
    "a child beyond the last node": (cell(TREES, "left", 0, 10**6), "left is 1000000"),
    "a child before the first node": (cell(TREES, "left", 0, -7), "left is -7"),
    "a cycle": (cell(TREES, "right", 0, 0), "right is 0"),
    "a child in another tree": (whole(TREES, "root", lambda a: a[:1]), "number of parents"),
    "a feature that is not there": (cell(TREES, "feature", 0, 5000), "feature is 5000"),
    "a leaf of NaN": (cell(TREES, "value", -1, np.nan), "value is nan"),
    "a leaf of infinity": (cell(TREES, "value", -1, np.inf), "value is inf"),
    "a threshold of NaN": (cell(TREES, "threshold", 0, np.nan), "threshold is nan"),
    "rows that do not add up": (cell(TREES, "cover", 0, 1e9), "cover is"),
    "leaves of another kind": (whole(TREES, "value", lambda a: a.astype(np.float32)), "value is float32"),
    "leaves of another shape": (whole(TREES, "value", lambda a: a[:, None]), "of shape"),
    "leaves left out": (arrays(TREES, lambda held: held.pop("value")), "arrays are"),
    "no tree at all": (whole(TREES, "root", lambda a: a[:0]), "the first root"),
    "a header of 4 EB": (lengthened_header, "is damaged"),
    "an array of 8 EB": (huge_shape, "is damaged"),
    "half floats": (half_floats, "get the bundle again"),
    "other leaves": (whole(TREES, "value", lambda a: -a), "answers a golden request otherwise"),
    "a bias of NaN": (text("model.json", '{"columns": ["hour"], "bias": NaN, "n_trees": 3}'), "get the bundle again"),
    "infinitely many trees": (put("model.json", n_trees=float("inf")), "is damaged"),
    "a model of no columns": (put("model.json", columns=[]), "n_features is 0"),
    "a model that reads what is no feature": (
        edit("model.json", lambda held: held["columns"].__setitem__(0, "label")), "the model reads 'label'"),
    "settings that are a list": (text("model.json", "[]"), "get the bundle again"),
    "settings nested too deeply": (deep("model.json"), "is damaged"),
    "a feature that looks ahead": (root("hour", ["col", "now", "skipped"]), "feature 'hour' looks ahead"),
    "a feature by way of what ended it": (
        root("hour", ["col", "now", "reason_end"], ["const", "fwdbtn"], ["=", {"n": 0}, {"n": 1}]), "looks ahead"),
    "a feature of the length": (root("hour", ["col", "session", "length"]), "looks ahead"),
    "a feature of the queue": (
        root("hour", ["const", 1], ["fold", "queue", "sum", {"n": 0}, None, None, None]), "looks ahead"),
    "a feature of another's history": (root("hour", ["asof", ["session_id"], "n"]), "looks ahead"),
    "an operator that does not exist": (root("hour", ["system", "rm -rf /"]), "'system' with 1 arguments"),
    "an operator that is no text": (root("hour", [["system"], 1]), "not a feature tree"),
    "a column that does not exist": (root("hour", ["col", "now", "__class__"]), "not a feature tree"),
    "a node that stands after its use": (root("hour", ["+", {"n": 1}, {"n": 1}]), "does not stand before its use"),
    "a feature that is a text": (root("hour", ["col", "now", "artist"]), "is a text"),
    "a tree of 500 levels": (
        root("hour", ["const", 1], *(["+", {"n": i}, {"n": i}] for i in range(500))), "more than 100 levels"),
    "a million nodes": (edit("features.json", lambda held: held.update(nodes=[["const", 1]] * 10**6)), "1000000 nodes"),
    "an infinite constant": (root("hour", ["const", float("inf")]), "cannot stand in a feature"),
    "a constant of NaN": (root("hour", ["const", float("nan")]), "cannot stand in a feature"),
    "features nested too deeply": (deep("features.json"), "is damaged"),
    "features without roots": (text("features.json", '{"nodes": []}'), "not a feature tree"),
    "a feature nobody tells about": (edit("features.json", lambda held: held["about"].pop("hour")), "is damaged"),
    "more skips than plays": (cell(HISTORY, "track|k", 0, 10**9), "impossible counts"),
    "fewer plays than none": (cell(HISTORY, "track|n", 0, -1), "impossible counts"),
    "history out of order": (whole(HISTORY, "track|keys", lambda a: a[::-1].copy()), "impossible counts"),
    "history of one key twice": (whole(HISTORY, "track|keys", lambda a: np.repeat(a[:1], len(a))), "impossible counts"),
    "history of another kind": (whole(HISTORY, "track|n", lambda a: a.astype(np.float64)), "is damaged"),
    "history cut short": (whole(HISTORY, "track|n", lambda a: a[:-1]), "is damaged"),
    "history without its days": (arrays(HISTORY, lambda held: held.pop("track|day")), "is damaged"),
    "history without tracks": (
        arrays(HISTORY, lambda held: [held.pop(f"track|{f}") for f in ("keys", "n", "k", "day")]), "is damaged"),
    "history of a listener": (
        arrays(HISTORY, lambda held: held.update({f"listener|{f}": held[f"track|{f}"].copy() for f in ("keys", "n", "k", "day")})),
        "holds history of listeners"),
    "attributes of other tracks than there are": (
        lambda place: save_file({"track": np.arange(3), "energy": np.zeros(2, np.int32)}, place / "tracks.safetensors"),
        "attributes of tracks are damaged"),
    "attributes of another kind": (
        lambda place: save_file({"track": np.arange(3), "energy": np.full(3, np.nan)}, place / "tracks.safetensors"),
        "attributes of tracks are damaged"),
    "another format": (put("card.json", format=2), "was written in format 2, this segue reads 1"),
    "a card that is a list": (text("card.json", "[]"), "is damaged"),
    "a card that is no JSON": (text("card.json", "print('hello')"), "is damaged"),
    "a card nested too deeply": (text("card.json", "[" * 200_000), "is damaged"),
    "a card of another task": (put("card.json", task="churn"), "no task is called 'churn'"),
    "a card of another setting": (put("card.json", setting="challenge"), "get the bundle again"),
    "a card that names a module as its model": (put("card.json", model="os:system"), "no model for skip is called"),
    "a card whose model is a list": (put("card.json", model=["boosting"]), "is damaged"),
    "a card of an option that is not granted": (put("card.json", options=["skipped"]), "no option of setting online"),
    "a card of no day": (put("card.json", history_as_of_day="today"), "history_as_of_day of the card is str"),
    "a card of a day out of time": (put("card.json", history_as_of_day=10**12), "is damaged"),
    "a card of a zone that is none": (put("card.json", source_options={"tz": "Mars/Olympus"}), "is damaged"),
    "a card of a zone outside": (put("card.json", source_options={"tz": "../../etc/passwd"}), "is damaged"),
    "a card of another mark": (put("card.json", best_baseline="luck"), "is none of its baselines"),
    "a card of a sample in words": (put("card.json", sample={"asked": "5", "of": 9, "seed": 0}), "expected whole numbers"),
    "a card of a sample of none": (put("card.json", sample={"asked": 0, "of": 9, "seed": 0}), "expected some of all sessions"),
    "a card of a sample of nothing": (put("card.json", sample={"asked": 1}), "."),
    "a card whose sample is a list": (put("card.json", sample=[1, 2, 3]), "."),
    "a card without scores": (edit("card.json", lambda held: held.pop("score")), "is damaged"),
    "a mark of NaN": (cell("baselines.safetensors", "position-table|table", 0, np.nan), "is damaged"),
    "an empty mark": (whole("baselines.safetensors", "position-table|table", lambda a: a[:0]), "is damaged"),
    "a mark that is no model": (text("baselines.json", '{"os:system": {}}'), "no model for skip is called"),
    "an ewma of infinity": (edit("baselines.json", lambda held: held["ewma"].update(slope=float("inf"))), "finite"),
    "golden answers altered": (first_probability(0.5), "answers a golden request otherwise"),
    "golden answers of NaN": (first_probability(float("nan")), "answers a golden request otherwise"),
    "golden answers of text": (first_probability("0.5"), "is damaged"),
    "golden answers left out": (text("golden.json", "[]"), "does not hold the golden requests"),
    "golden requests altered": (
        edit("golden.json", lambda held: held[0]["request"]["next"].pop("track")), "does not hold the golden requests"),
}  # fmt: skip


@pytest.mark.parametrize(("attack", "words"), ATTACKS.values(), ids=list(ATTACKS))
def test_changed_with_hashes_that_fit_it_is_refused_all_the_same(tmp_path, attack, words):
    place = small.copied("online", tmp_path)
    attack(place)
    small.rehash(place)
    refused(place, words)


@pytest.mark.parametrize("content", ["[]", "3", "", "{", "[" * 200_000, '{"card.json": 5}', "\ufffe"])
def test_hashes_that_are_none_are_refused(tmp_path, content):
    place = small.copied("online", tmp_path)
    (place / "hashes.json").write_text(content)
    refused(place, "get the bundle again", Tampered)


LOGISTIC = {
    "a weight of NaN": (cell(TREES, "weights", 0, np.nan), "weights are damaged"),
    "weights cut short": (whole(TREES, "weights", lambda a: a[:-1]), "weights are damaged"),
    "a spread of nothing": (cell(TREES, "spread", 0, 0.0), "impossible numbers"),
    "a mean of infinity": (cell(TREES, "mean", 0, np.inf), "impossible numbers"),
    "a source beyond the columns": (cell(TREES, "source", 0, 10**6), "do not fit together"),
    "a source before the columns": (cell(TREES, "source", 0, -1), "do not fit together"),
    "weights left out": (arrays(TREES, lambda held: held.pop("weights")), "is damaged"),
    "an intercept of text": (put("model.json", intercept="x"), "is damaged"),
    "history of its own": (put("card.json", history_as_of_day=None), "history_as_of_day of the card is NoneType"),
}


@pytest.mark.parametrize(("attack", "words"), LOGISTIC.values(), ids=list(LOGISTIC))
def test_a_changed_logistic_bundle_is_refused(tmp_path, attack, words):
    place = small.copied("challenge", tmp_path)
    attack(place)
    small.rehash(place)
    refused(place, words)


@pytest.mark.parametrize("path", sorted(Path(segue.__file__).parent.rglob("*.py")), ids=lambda p: p.name)
def test_no_module_can_unpickle_or_run_what_it_reads(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names.add(node.func.id)
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            names.add("allow_pickle")
    if path.name in ("jobs.py", "spark.py"):  # what its own processes, and executors, are sent and answer: never a file
        names.discard("pickle")
    if path.name in (
        "straight.py",
        "writing.py",
    ):  # what it wrote itself of checked trees: numbers and numbered names alone
        names -= {"exec", "compile"}  # (tests/features/test_straight.py holds it to that, decision 16 says why)
    assert not names & {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "eval", "exec", "compile",
                        "__import__", "allow_pickle"}  # fmt: skip


# ── the same everywhere ─────────────────────────────────────────────────────────────────────────────────────────────

ELSEWHERE = """
import json, sys
from segue.bundle import open_bundle
answer = open_bundle(sys.argv[1]).predict(json.loads(sys.argv[2])).to_json()
print(json.dumps([answer, sorted({m.split(".")[0] for m in sys.modules})]))
"""


@pytest.mark.parametrize("setting", ["online", "challenge"])
def test_a_copied_bundle_answers_the_same_in_another_process_without_heavy_imports(tmp_path, setting):
    place = small.copied(setting, tmp_path)
    asked = small.session() if setting == "online" else small.halves(4, 4)
    here = open_bundle(small.bundle(setting)).predict(asked).to_json()
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(place), json.dumps(asked)], cwd="/", text=True,
                          capture_output=True, timeout=100, env={**os.environ, "TZ": "Asia/Tokyo"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    there, modules = json.loads(done.stdout)
    assert there == json.loads(json.dumps(here))
    assert {"segue", "numpy", "safetensors"} <= set(modules)
    assert not set(modules) & {"duckdb", "ibis", "sklearn", "lightgbm", "pyarrow", "pandas", "scipy", "sqlglot", "rich"}


def test_a_bundle_holds_nothing_of_a_person(online):
    plays = [row for part in small.library("spotify_history").plays() for row in part.to_pylist()]
    personal = {row[c] for row in plays for c in ("listener", "session_id", "track", "artist", "album")} - {None}
    personal |= {t["title"] for t in small.library("spotify_history").tracks().to_pylist()} - {None}
    assert len(personal) > 500
    held = {p.name: p.read_bytes() for p in small.bundle("online").iterdir()}
    for value in personal:
        assert not [n for n, b in held.items() if value.encode() in b], value
    for listener in {row["listener"] for row in plays} | {row["session_id"] for row in plays}:
        assert not [n for n, b in held.items() if key64(listener).to_bytes(8, "little", signed=True) in b]
    track = next(row["track"] for row in plays)  # of tracks it does know, under a number
    assert key64(track) in online.history[("track",)].keys.tolist()
    assert set(online.history) == {(), ("track",), ("artist",), ("track", "context"), ("track", "shuffle")}
    assert any("listener" in by for by in online.asking.keys)  # asked, but not held


# ── written aside ───────────────────────────────────────────────────────────────────────────────────────────────────


def rewrite(opened, target, **more):
    return module.save(target, asking=opened.asking, model=opened.card["model"], fitted=opened.fitted,
                       history=opened.history, tracks=None, card=opened.card, baselines=opened.baselines, **more)  # fmt: skip


def test_a_bundle_written_again_opens_and_answers_the_same(tmp_path, online):
    again = rewrite(online, tmp_path / "new" / "again.bundle")
    assert again.predict(small.session()) == online.predict(small.session())
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["again.bundle"]


@pytest.mark.parametrize("step", ["sha256", "_golden", "open_bundle", "flat"])
def test_failing_midway_leaves_nothing_and_what_was_there_stays(tmp_path, online, monkeypatch, step):
    place = small.copied("online", tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed if step == "sha256" else module, step, full)
    for target in (tmp_path / "new.bundle", place):
        with pytest.raises(OSError, match="No space left"):
            rewrite(online, target, overwrite=True)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["copy.bundle"]
    assert open_bundle(place).predict(small.session()) == online.predict(small.session())


def test_overwrite_replaces_a_bundle_and_nothing_else(tmp_path, online):
    place = small.copied("online", tmp_path)
    with pytest.raises(AskedWrongly, match="exists already: choose another -o, or give --overwrite"):
        rewrite(online, place)
    rewrite(online, place, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.bundle"]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear")
    (tmp_path / "file").write_text("dear")
    for name in ("letters", "file"):
        with pytest.raises(AskedWrongly, match="is not a bundle, --overwrite would delete what it holds"):
            rewrite(online, tmp_path / name, overwrite=True)
    assert (tmp_path / "letters" / "dear.txt").read_text() == (tmp_path / "file").read_text() == "dear"


def test_a_history_of_keys_that_lie_far_apart_opens(tmp_path, online):
    far = Snapshot(np.array([-(2**63), 2**63 - 1]), np.array([3, 4]), np.array([1, 2]), np.array([17_000, 17_001]))
    place = module.save(tmp_path / "far", asking=online.asking, model="boosting", fitted=online.fitted, tracks=None,
                        history={**online.history, ("track",): far}, card=online.card, baselines=online.baselines)  # fmt: skip
    assert place.history[("track",)].keys.tolist() == [-(2**63), 2**63 - 1]


# ── answers and reasons ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_has_at_most_three_reasons_by_size_and_says_them_in_words(online):
    for n in (0, 1, 8):
        (answer,) = online.predict(small.session(n)).answers
        sizes = [abs(r["log_odds"]) for r in answer.reasons]
        assert 1 <= len(sizes) <= 3
        assert sizes == sorted(sizes, reverse=True)
        assert answer.position == n + 1
        assert answer.track == "t1"
        for reason in answer.reasons:
            assert set(reason) == {"feature", "sentence", "unit", "value", "log_odds"}
            assert reason["sentence"] == online.asking.features[reason["feature"]].sentence


@pytest.mark.parametrize("n", [0, 1, 8, 40])
def test_contributions_and_base_add_up_to_the_log_odds_of_boosting(online, n):
    asked = {**small.session(n), "listener": "somebody"}
    batch = online.batch(read_session(asked))
    x = batch.select(online.fitted.columns).with_nan()
    moved, base = online.fitted.trees.explain(np.where(np.isnan(x), online.fitted.usual, x))
    p = online.predict(asked).answers[0].probability
    assert moved[0].sum() + base == pytest.approx(np.log(p / (1 - p)), abs=1e-9)
    assert np.array_equal(online.fitted.explain(batch), moved)
    largest = np.sort(np.abs(moved[0]))[::-1][:3].round(4)
    reasons = online.predict(asked).answers[0].reasons
    assert [abs(r["log_odds"]) for r in reasons] == largest[: len(reasons)].tolist()


def test_contributions_and_base_add_up_to_the_log_odds_of_logistic(challenge):
    asked = small.halves(5, 5)
    moved = challenge.fitted.explain(challenge.batch(read_session(asked)))
    base = challenge.fitted.intercept + float(challenge.fitted.middle @ challenge.fitted.weights)
    p = np.array([a.probability for a in challenge.predict(asked).answers])
    assert moved.sum(1) + base == pytest.approx(np.log(p / (1 - p)), abs=1e-9)


def test_the_challenge_answers_the_whole_queue_in_order(challenge):
    found = challenge.predict(small.halves(4, 5))
    assert found.setting == "challenge"
    assert [a.position for a in found.answers] == [5, 6, 7, 8, 9]
    assert len(challenge.predict(small.halves(0, 1)).answers) == 1


@pytest.mark.parametrize(
    ("setting", "asked", "words"),
    [
        ("online", small.halves(4, 4), "a bundle of setting 'online' answers the coming play: give 'next' alone"),
        ("online", {**small.session(2), "queue": [{}]}, "give 'next' alone"),
        ("online", {"plays": []}, "give 'next' alone"),
        ("challenge", small.session(4), "a bundle of setting 'challenge' answers all that follow: give 'queue' alone"),
        ("challenge", {**small.halves(1, 1), "next": {}}, "give 'queue' alone"),
        ("challenge", {"plays": [{}]}, "give 'queue' alone"),
        ("challenge", {**small.halves(4, 4), "length": 9}, "length 9, but 4 plays and 4 queued"),
        (
            "challenge",
            small.halves(3, 5),
            "3 plays of 8: setting 'challenge' is asked after 4, half of them rounded down",
        ),
        ("challenge", small.halves(5, 4), "5 plays of 9: setting 'challenge' is asked after 4"),
        ("online", {"day": "31.1.2024", "next": {}}, "day '31.1.2024': expected a day such as 2024-01-31"),
    ],
)
def test_a_session_of_the_wrong_shape_is_refused(online, challenge, setting, asked, words):
    with pytest.raises(BadInput, match=words) as caught:
        (online if setting == "online" else challenge).predict(asked)
    assert str(caught.value).startswith("session: ")


@pytest.mark.parametrize("n", [20, 500])
def test_only_the_last_128_plays_and_the_start_of_the_session_count(online, n):
    asked, other = small.session(n), small.session(n)
    for play in other["plays"][: max(0, n - 128)]:
        play |= {
            "skipped": not play["skipped"],
            "played_ms": 1,
            "reason_end": "backbtn",
            "shuffle": True,
            "platform": "osx",
        }
    for play in other["plays"][1 : max(0, n - 128)]:
        play |= {"start_ms": 0, "end_ms": 0}
    assert (asked == other) == (n == 20)
    assert online.predict(other) == online.predict(asked)
    other["plays"][max(0, n - 128)]["skipped"] ^= True
    there, here = online.batch(read_session(other)), online.batch(read_session(asked))
    assert not np.array_equal(there.column("skip_rate_of_session")[0], here.column("skip_rate_of_session")[0])


def test_plays_beyond_the_last_64_of_earlier_sessions_do_not_count(online):
    recent = small.session(100)["plays"]
    asked = small.session(3)
    assert online.predict({**asked, "recent": recent}) == online.predict({**asked, "recent": recent[-64:]})
    here, there = (online.batch(read_session({**asked, "recent": recent[-n:]})) for n in (64, 5))
    assert not np.array_equal(here.column("skip_rate_before")[0], there.column("skip_rate_before")[0])


# ── what a library knows of the listener ────────────────────────────────────────────────────────────────────────────

PERSONAL = [
    "plays_of_track_by_listener", "days_since_track", "days_since_artist", "skip_rate_before", "recent_skip_rate_of_track",
    "time_away",
]  # fmt: skip


def test_a_library_tells_what_came_before_the_session_and_nothing_later(online):
    library = small.library("spotify_history")
    batch, _ = from_library(online.asking, library)
    compared = 0
    for number, part in enumerate(library.plays()):
        rows = part.to_pylist()
        openings = [i for i, row in enumerate(rows) if row["position"] == 1 and i > 100][::9]
        for i in openings:
            row = rows[i]
            said = {c: row[c] for c in ("track", "artist", "album", "start_ms") if row[c] is not None}
            asked, personal = knowing(online, library, {"listener": row["listener"], "next": said})
            ended = [r for r in rows if r["listener"] == row["listener"] and r["end_ms"] <= row["start_ms"]]
            assert [r["track"] for r in asked["recent"]] == [r["track"] for r in ended[-64:]]
            live = online.batch(read_session(asked), personal=personal)
            (mine,) = np.flatnonzero((batch.keys["part"] == number) & (batch.keys["row"] == i))
            for name in PERSONAL:
                value, known = (x[mine] for x in batch.column(name))
                assert (live.column(name)[0][0], live.column(name)[1][0]) == (value, known), name
                compared += 1
    assert compared >= 80


def test_a_session_that_already_knows_its_recent_plays_keeps_them(online):
    asked = {"listener": "listener_x", "recent": [{"track": "mine"}], "next": {"start_ms": 1_534_000_000_000}}
    assert knowing(online, small.library("spotify_history"), asked)[0]["recent"] == [{"track": "mine"}]


def test_with_a_day_alone_only_sessions_that_ended_on_earlier_days_are_known(online):
    asked, _ = knowing(
        online, small.library("spotify_history"), {"listener": "listener_x", "day": "2018-07-16", "next": {}}
    )
    plays = [
        r
        for part in small.library("spotify_history").plays()
        for r in part.to_pylist()
        if r["listener"] == "listener_x"
    ]
    assert len(asked["recent"]) == sum(str(r["end_day"]) < "2018-07-16" for r in plays) > 0


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ({"next": {"start_ms": 0}}, AskedWrongly, "names no listener"),
        ({"listener": "nobody", "next": {"start_ms": 0}}, AskedWrongly, "holds no plays of 'nobody'"),
        ({"listener": "listener_x", "next": {}}, AskedWrongly, "neither a start nor a day"),
        ({"listener": "listener_x"}, BadInput, "nothing is asked: give 'next' or 'queue'"),
    ],
)
def test_a_session_that_a_library_cannot_place_is_refused(online, asked, kind, words):
    with pytest.raises(kind, match=words):
        knowing(online, small.library("spotify_history"), asked)


def test_a_session_of_nobody_named_is_answered_as_for_someone_new(online):
    asked = small.session(8)
    asked.pop("listener", None)
    assert online.predict(asked).answers == online.predict({**asked, "listener": "never heard of"}).answers


def test_a_session_older_than_the_history_says_that_it_is_no_fair_test(online):
    old = {**small.session(0), "day": "2001-01-01"}
    old["next"] = {"track": "a"}
    assert "older than the bundle's history" in online.predict(old).notes[0]
    assert online.predict({"day": "2100-01-01", "next": {}}).notes == ()


def test_tracks_that_a_bundle_does_not_know_are_counted_in_a_note(online, challenge):
    known = next(small.library("spotify_history").plays())["track"][0].as_py()
    heard = next(small.library("mssd").plays())["track"][0].as_py()
    alone = "not known to this bundle: answered by the session and by what is said here alone"

    def notes(bundle, **asked):
        return bundle.predict({"day": "2100-01-01", **asked}).notes

    assert notes(online, next={"track": known}) == ()
    assert notes(online, next={"track": "nobody's"}) == (f"the asked track is {alone}",)
    plays = [{"track": "a", "skipped": True}]
    assert notes(challenge, plays=plays, queue=[{"track": heard}]) == ()
    assert notes(challenge, plays=plays, queue=[{"track": "b"}, {"track": heard}]) == (
        f"1 of 2 asked tracks is {alone}",
    )
    assert notes(challenge, plays=plays, queue=[{"track": "b"}, {"track": "c"}]) == (
        f"2 of 2 asked tracks are {alone}",
    )


def test_a_rate_behind_which_no_play_stands_is_shown_to_nobody_though_the_model_reads_it(online):
    asked = {**small.session(8), "listener": "listener_x"}
    _, history = knowing(online, small.library("spotify_history"), asked)
    shown = []
    for personal in (None, history):
        batch = online.batch(read_session(asked), personal=personal)
        (answer,) = online.answers(batch, ["t1"], online.chances(batch), reasons=99)
        shown.append({reason["feature"]: reason["value"] for reason in answer.reasons})
        value, known = batch.column("skip_rate_of_listener")
        assert known[0]
        assert value[0] > 0
    assert [one["skip_rate_of_listener"] for one in shown] == [None, pytest.approx(value[0], abs=1e-4)]
    assert shown[1]["skip_rate_of_listener_with_artist"] is None  # nobody played that one
    assert shown[0]["plays_of_artist"] == 0  # is true of it


def test_of_a_bundle_that_reads_nothing_of_tracks_none_is_unknown(online):
    clock = replace(online, history={}, tracks={})
    assert clock.notes(online.heard(read_session({"day": "2100-01-01", "next": {"track": "nobody's"}}))) == ()


def test_every_file_of_a_bundle_has_one_mode(online, tmp_path):
    place = small.copied("online", tmp_path)
    assert len({path.stat().st_mode for path in place.iterdir()}) == 1
