"""The truth of a simulated world: found for each example, refused where it is of other logs, and what `compare` does with it."""

from __future__ import annotations

import json
import shutil
import sys
from itertools import groupby

import numpy as np
import pyarrow as pa
import pytest

import small
import truths
from segue import cli, splits
from segue.errors import AskedWrongly, BadInput
from segue.exam import CEILINGS
from segue.experiment import compare, prepare
from segue.features.columns import key64
from segue.metrics import average_accuracy
from segue.parquet_files import read_parquet, write_parquet
from segue.simulate import truth_table
from segue.truth import FORMAT, open_truth

QUICK = {"draws": 10, "budget": 1}


@pytest.fixture(scope="module")
def library():
    return small.library("mssd")


@pytest.fixture(scope="module")
def truth():
    return open_truth(truths.folder())


@pytest.fixture(scope="module")
def rows():
    """Every row of the truth, by its key."""
    files = sorted(truths.folder().glob("*/*.parquet"))
    assert {f.parent.name for f in files} == {"training_set", "test_set"}
    return {(key64(r["session_id"]), r["position"]): r for f in files for r in read_parquet(f).to_pylist()}


def keys_of(rows):
    return {"session": np.array([k[0] for k in rows]), "position": np.array([k[1] for k in rows])}


# ── found ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("setting", ["online", "challenge"])
def test_every_example_is_told_its_own_truth_whatever_the_order(library, truth, rows, setting):
    batch = prepare("skip", library, setting).batch
    batch = batch.take(np.random.default_rng(0).permutation(len(batch)))
    told = truth.of(batch.keys, setting, batch.label)
    own = [rows[key] for key in zip(batch.keys["session"].tolist(), batch.keys["position"].tolist(), strict=True)]
    assert told.p.tolist() == [r[setting] for r in own]
    assert told.p_tracks_unknown.tolist() == [r[f"{setting}_tracks_unknown"] for r in own]
    if setting == "online":
        assert (told.string, told.halves) == (None, ())
    else:
        assert told.string.tolist() == [r["string"] for r in own]
        assert told.string_tracks_unknown.tolist() == [r["string_tracks_unknown"] for r in own]


def test_joints_are_those_of_each_session_in_the_order_of_positions(library, truth, rows):
    batch = prepare("skip", library, "challenge").batch
    told = truth.of(batch.keys, "challenge")
    sessions = np.unique(batch.keys["session"])
    assert sorted(np.concatenate([h.session for h in told.halves]).tolist()) == list(range(len(sessions)))
    for half in told.halves:
        for s, own, joint in zip(half.session, half.rows, half.joints, strict=True):
            assert (batch.keys["session"][own] == sessions[s]).all()
            assert (np.diff(batch.keys["position"][own]) == 1).all()
            asked = [rows[sessions[s], position] for position in batch.keys["position"][own].tolist()]
            assert np.diag(joint).tolist() == [r["challenge"] for r in asked]
            assert np.array_equal(joint, joint.T)
            for i, r in enumerate(asked):
                assert joint[i, :i] == pytest.approx(r["joint"])


def test_where_a_play_is_no_example_the_others_keep_their_joints(library, truth):
    batch = prepare("skip", library, "challenge").batch
    rng = np.random.default_rng(0)
    kept = rng.random(len(batch)) < 0.6
    whole, part = truth.of(batch.keys, "challenge"), truth.of({k: v[kept] for k, v in batch.keys.items()}, "challenge")
    place, joint = np.flatnonzero(kept), {}
    for half in whole.halves:
        for own, found in zip(half.rows, half.joints, strict=True):
            joint |= {(a, b): found[i, j] for i, a in enumerate(own.tolist()) for j, b in enumerate(own.tolist())}
    seen = 0
    for half in part.halves:
        for own, found in zip(place[half.rows], half.joints, strict=True):
            for i, a in enumerate(own.tolist()):
                assert [joint[a, b] for b in own.tolist()] == found[i].tolist()
                seen += 1
    assert seen == kept.sum()


def test_expected_aa_is_what_outcomes_drawn_by_the_truth_score_on_average(library, truth):
    batch = prepare("skip", library, "challenge").batch
    first = batch.take(batch.keys["session"] == batch.keys["session"][0])
    told, rng = truth.of(first.keys, "challenge"), np.random.default_rng(0)
    said = rng.integers(0, 2, len(first))
    drawn = rng.random((20_000, len(first))) < told.p  # the joints of this truth are of independent plays
    scored = [average_accuracy(y == said) for y in drawn[:4000]]
    (aa,), (fpa,) = told.session_aa(said)
    assert np.mean(scored) == pytest.approx(aa, abs=4 * np.std(scored) / np.sqrt(4000))
    assert (drawn[:, 0] == said[0]).mean() == pytest.approx(fpa, abs=0.015)


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_without_a_world_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AskedWrongly, match=r"holds no world.json: expected the truth folder of a simulated world"):
            open_truth(place)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ('{"format": 2}', AskedWrongly, "is of format 2: expected 1; simulate the world with this version of segue"),
        ("[]", AskedWrongly, "is of format None: expected 1"),
        ("{", BadInput, "is not JSON .*: simulate the world again"),
        ('{"format": 1}', BadInput, "holds no Parquet files in training_set or test_set: simulate"),
    ],
)
def test_a_world_that_cannot_be_read_is_refused(tmp_path, text, kind, words):
    (tmp_path / "world.json").write_text(text)
    with pytest.raises(kind, match=words):
        open_truth(tmp_path).of({"session": np.array([1]), "position": np.array([1])}, "online")


def test_plays_that_it_lacks_are_counted(truth, rows):
    keys = keys_of(list(rows)[:5])
    keys["position"] = keys["position"] + np.array([0, 40, 0, 40, 0])
    with pytest.raises(BadInput, match=r"2 of 5 plays are not in .*truth: give the truth folder of these logs"):
        truth.of(keys, "online")
    early = [key for key, row in rows.items() if row["challenge"] is None][:3]
    with pytest.raises(BadInput, match="3 of 3 plays are not in"):
        truth.of(keys_of(early), "challenge")


def test_the_truth_of_another_seed_is_refused(truth, rows):
    some = list(rows)[:50]
    label = np.array([rows[key]["skipped"] for key in some])
    assert len(truth.of(keys_of(some), "online", label).p) == 50
    label[[3, 7]] = 1 - label[[3, 7]]
    with pytest.raises(
        BadInput, match=r"2 of 50 plays ended otherwise than .* says, which is the truth of another seed"
    ):
        truth.of(keys_of(some), "online", label)


def test_a_truth_that_says_a_play_twice_is_refused(tmp_path):
    place = shutil.copytree(truths.folder(), tmp_path / "truth")
    file = next(place.glob("test_set/*.parquet"))
    shutil.copy(file, place / "training_set" / "again.parquet")
    row = read_parquet(file).to_pylist()[0]
    keys = keys_of([(key64(row["session_id"]), row["position"])])
    with pytest.raises(BadInput, match="holds a play twice: take away what was copied there"):
        open_truth(place).of(keys, "online")
    assert open_truth(place, ["test_set"]).skipped(keys, "online").tolist() == [row["skipped"]]


def test_a_setting_that_it_does_not_speak_of_is_refused(truth, rows):
    with pytest.raises(AskedWrongly, match="setting 'last': a truth speaks of online and challenge only"):
        truth.of(keys_of(rows), "last")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row | {"challenge": row["challenge"] and 1.5}, "challenge is not always a probability"),
        (lambda row: row | {"string": None}, "string is null where challenge is not"),
        (
            lambda row: row | {"joint": row["joint"] and row["joint"][1:]},
            "joint has not one value for each play asked about",
        ),
        (
            lambda row: {k: v for k, v in row.items() if k != "joint"},
            "is not as a simulator writes it, .*joint: simulate the world again",
        ),
    ],
)
def test_a_damaged_file_is_refused(library, tmp_path, change, words):
    place = truths.write(library, tmp_path / "truth", change=change)
    batch = prepare("skip", library, "challenge").batch
    with pytest.raises(BadInput, match=words):
        open_truth(place).of(batch.keys, "challenge")


# ── in a comparison ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def halves(library):
    return compare(
        "skip", library, setting="challenge", models=["prior", "logistic"], truth=str(truths.folder()), **QUICK
    )


def test_repeat_last_and_the_ceilings_are_added(halves, library):
    assert [s.model for s in halves.scores] == ["repeat-last", "prior", "logistic", *CEILINGS]
    found = compare("skip", library, models=["logistic"], truth=str(truths.folder()), **QUICK)
    assert [s.model for s in found.scores] == ["prior", "repeat-last", "logistic", *CEILINGS]
    assert list(found.scores[0].shares) == ["log_loss"]
    assert halves.about["truth"] == {"world": "tastes-1", "version": 1, "seed": 0}


def test_scores_are_expectations_that_no_model_beats_and_shares_add_up(halves):
    by = {s.model: s for s in halves.scores}
    for metric in ("maa", "log_loss"):
        value = {name: s.metrics[metric].value for name, s in by.items()}
        assert max(value.values(), key=lambda v: v if metric == "maa" else -v) == value["ceiling"]
        for name, s in by.items():
            share = (value[name] - value["repeat-last"]) / (value["ceiling"] - value["repeat-last"])
            assert s.shares[metric].value == pytest.approx(share, rel=1e-9, abs=1e-12)
            assert s.regrets[metric].value == pytest.approx(abs(value["ceiling"] - value[name]), abs=1e-12)
        assert np.isnan([by["ceiling"].shares[metric].low, by["repeat-last"].shares[metric].high]).all()


def test_what_happened_stays_in_the_json(halves, library):
    plain = compare("skip", library, setting="challenge", models=["prior", "repeat-last", "logistic"], **QUICK)
    happened = {s["model"]: s["metrics"] for s in plain.to_json()["scores"]}
    read = json.loads(json.dumps(halves.to_json(), allow_nan=False))
    for s in read["scores"]:
        assert set(s["realised"]) == {"maa", "fpa", "log_loss", "brier", "accuracy"}
        assert s["share_of_attainable_gain"].keys() == s["regret"].keys() == {"maa", "log_loss"}
        if s["model"] in happened:
            for metric, value in s["realised"].items():
                assert value["value"] == pytest.approx(happened[s["model"]][metric]["value"], abs=1e-12)
            assert s["metrics"]["auc"] == happened[s["model"]]["auc"]
            assert s["metrics"]["maa"]["value"] != s["realised"]["maa"]["value"]


def test_folds_are_judged_by_the_truth_alone_and_together(library):
    found = compare(
        "skip", library, setting="challenge", models=["prior"], folds=2, truth=str(truths.folder()), **QUICK
    )
    assert [(s.test, s.model) for s in found.scores] == [
        (test, model) for test in ("fold 1", "fold 2", "all") for model in ("repeat-last", "prior", *CEILINGS)
    ]
    n = [c["test"] for c in found.about["counts"]]
    for model in ("prior", *CEILINGS):
        one, two, every = (s.metrics["log_loss"].value for s in found.scores if s.model == model)
        assert every == pytest.approx((n[0] * one + n[1] * two) / sum(n))
    assert all(s.shares for s in found.scores)
    rows = found.per_example().to_pylist()
    told = open_truth(truths.folder()).of(
        {
            "session": np.array([key64(r["session_id"]) for r in rows]),
            "position": np.array([r["position"] for r in rows]),
        },
        "challenge",
    )
    assert [r["ceiling"] for r in rows] == told.p.tolist()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"permute": True}, "does not speak of permuted labels: leave out the truth, or do not permute labels"),
        ({"options": ["reason_start"]}, "a truth does not grant reason_start, .*: leave out one of them"),
        ({"seeds": 0}, "seeds=0: expected at least 1"),
        ({"truth": "nowhere"}, "nowhere holds no world.json"),
    ],
)
def test_what_a_truth_does_not_go_with_is_refused_before_any_work(library, monkeypatch, given, words):
    monkeypatch.setattr("segue.experiment.prepare", lambda *a, **k: pytest.fail("it began to work"))
    with pytest.raises(AskedWrongly, match=words):
        compare("skip", library, **{"models": ["prior"], "truth": str(truths.folder()), **QUICK, **given})


def test_no_truth_is_needed_of_plays_that_are_not_tested(library, tmp_path):
    batch = prepare("skip", library, "challenge").batch
    tested = set(batch.keys["session"][splits.by_time(batch.keys).rows(splits.TEST)].tolist())

    def only_of_the_test(row):
        return row if key64(row["session_id"]) in tested else row | {"position": -row["position"]}

    given = {"setting": "challenge", "models": ["prior"], **QUICK}
    given["truth"] = truths.write(library, tmp_path / "truth", change=only_of_the_test)
    assert [s.model for s in compare("skip", library, **given).scores] == ["repeat-last", "prior", *CEILINGS]
    with pytest.raises(BadInput, match=r"plays are not in .*truth"):
        compare("skip", library, folds=2, **given)


def test_the_truth_of_other_logs_is_refused_before_any_model_is_fitted(library, tmp_path, monkeypatch):
    monkeypatch.setattr("segue.experiment.tuned", lambda *a, **k: pytest.fail("it began to fit"))
    place = truths.write(library, tmp_path / "truth", change=lambda row: row | {"skipped": 1 - row["skipped"]})
    with pytest.raises(BadInput, match="which is the truth of another seed or world: give the truth folder"):
        compare("skip", library, models=["prior"], truth=str(place), **QUICK)
    with pytest.raises(BadInput, match=r"plays are not in .*: give the truth folder of these logs"):
        compare("skip", small.library("spotify_history"), models=["prior"], truth=str(truths.folder()), **QUICK)


def test_the_command_line_shows_both_ceilings_and_says_what_the_numbers_are(library, capsys, monkeypatch):
    line = ["segue", "compare", "skip", str(library.path), "--setting", "challenge", "--models", "prior,logistic",
            "--truth", str(truths.folder()), "--seeds", "2"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    out = capsys.readouterr().out
    for word in ("ceiling  ", "ceiling, tracks unknown", "logistic (2 seeds)", "(Holm)", "share of MAA"):
        assert word in out
    assert "MAA, FPA, log-loss, Brier score and accuracy are expectations under the truth of tastes-1, seed 0; " in out
    assert "Share: of what the ceiling, the best answer there is, gains on repeat-last." in out
    assert "A model of 2 seeds was fitted 2 times" in out
    assert max(map(len, out.split("\n\n")[1].splitlines())) <= 170


def test_the_simulator_writes_the_format_that_is_read_and_the_helper_writes_what_it_promises():
    assert truth_table.FORMAT == FORMAT == truths.WORLD["format"]
    file = next(truths.folder().glob("training_set/*.parquet"))
    kinds = {field.name: field.type for field in read_parquet(file).schema}
    assert kinds == {
        "session_id": pa.string(), "position": pa.int64(), "skipped": pa.int8(), "online": pa.float64(),
        "online_tracks_unknown": pa.float64(), "challenge": pa.float64(), "challenge_tracks_unknown": pa.float64(),
        "string": pa.int8(), "string_tracks_unknown": pa.int8(), "joint": pa.list_(pa.float32()),
    }  # fmt: skip
    assert set(kinds) == set(truth_table.COLUMNS)
    for _, session in groupby(read_parquet(file).to_pylist(), lambda r: r["session_id"]):
        asked = [r for r in session if r["challenge"] is not None]
        assert [len(r["joint"]) for r in asked] == list(range(len(asked)))


def test_files_of_a_truth_may_lie_in_any_order(library, truth, tmp_path):
    for file in sorted(truths.folder().glob("*/*.parquet")):
        rows = read_parquet(file)
        order = np.random.default_rng(0).permutation(rows.num_rows)
        write_parquet(rows.take(pa.array(order)), tmp_path / "training_set" / file.name)
    (tmp_path / "world.json").write_text(json.dumps(truths.WORLD))
    batch = prepare("skip", library, "challenge").batch
    one, other = (t.of(batch.keys, "challenge", batch.label) for t in (truth, open_truth(tmp_path)))
    assert np.array_equal(one.p, other.p)
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(one.halves, other.halves, strict=True))
