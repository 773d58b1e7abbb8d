"""Fit, evaluate, compare: the same days for all, beside the baselines, with nothing asked that was learned."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import small
from segue import checks, metrics, registry, splits
from segue.bundle import open_bundle
from segue.errors import AskedWrongly, NotGranted, TooLittleMemory, UnknownName
from segue.experiment import BASELINES, BUDGET, answered_by, compare, prepare, reads_steps, tune, with_settings
from segue.features.build import from_library
from segue.library import ingest
from segue.models.baseline import RepeatLast
from segue.noise import Permuted
from segue.scores import per_example
from segue.training import evaluate, train

QUICK = {"draws": 10, "budget": 1}


@pytest.fixture(scope="module")
def library():
    return small.library("spotify_history")


@pytest.fixture(scope="module")
def both(library):
    return compare("skip", library, models=["boosting", "prior", "ewma"], draws=10, budget=2)


def models(found):
    return [s.model for s in found.scores]


def test_where_no_baseline_is_asked_for_two_are_added(library):
    assert models(compare("skip", library, models=["logistic"], **QUICK)) == ["prior", "repeat-last", "logistic"]


def test_where_one_is_asked_for_none_is_added(both):
    assert models(both) == ["boosting", "prior", "ewma"]


def test_where_nothing_is_asked_for_all_but_networks_are_compared(library):
    quick = [n for t, n in registry.MODELS if t == "skip" and not reads_steps(registry.model(t, n))]
    assert quick == ["prior", "repeat-last", "position-table", "ewma", "logistic", "boosting"]
    assert models(compare("skip", library, **QUICK)) == quick


def test_the_best_baseline_is_the_mark_of_all_others(both):
    loss = {s.model: s.metrics["log_loss"].value for s in both.scores}
    best = min(("prior", "ewma"), key=loss.get)
    for score in both.scores:
        assert score.is_best_baseline == (score.model == best)
        if score.is_best_baseline:
            assert score.difference is None
        else:
            assert score.difference.value == pytest.approx(loss[best] - loss[score.model])


def test_a_model_that_is_asked_for_is_the_mark_of_all_others(library, both):
    found = compare("skip", library, models=["prior", "ewma"], against="boosting", draws=10, budget=2)
    by_name, before = {s.model: s for s in found.scores}, {s.model: s for s in both.scores}
    assert list(by_name) == ["prior", "ewma", "boosting"]
    loss = {name: s.metrics["log_loss"].value for name, s in by_name.items()}
    for name in ("prior", "ewma"):
        assert by_name[name].difference.value == pytest.approx(loss["boosting"] - loss[name])
        assert by_name[name].metrics == before[name].metrics
    best = next(s.model for s in both.scores if s.is_best_baseline)
    ours, theirs = by_name[best].difference, before["boosting"].difference
    assert (ours.value, ours.low, ours.high) == pytest.approx((-theirs.value, -theirs.high, -theirs.low))
    assert by_name["boosting"].difference is None
    assert not any(s.is_best_baseline for s in found.scores)
    told = found.to_json()["scores"][0]
    assert told["against"] == "boosting"
    assert told["gained"]["value"] == by_name["prior"].difference.value
    assert "gained_on_best_baseline" not in told
    assert [row["log-loss gained on boosting"] == "" for row in found.table()] == [False, False, True]


def test_a_mark_that_no_model_is_is_refused(library):
    with pytest.raises(UnknownName, match="bosting"):
        compare("skip", library, models=["prior"], against="bosting", **QUICK)


def test_some_sessions_are_drawn_whole_and_know_all_that_went_before(library):
    from segue.experiment import prepare

    whole, some = prepare("skip", library), prepare("skip", library, sessions=60, seed=3)
    n = len(np.unique(whole.batch.keys["session"]))
    drawn = np.isin(whole.batch.keys["session"], some.batch.keys["session"])
    assert 40 < len(np.unique(some.batch.keys["session"])) < 80 < n
    same = whole.batch.take(drawn).select(some.batch.columns)
    assert np.array_equal(same.values, some.batch.values)
    assert np.array_equal(same.known, some.batch.known)
    other = prepare("skip", library, sessions=60, seed=4)
    assert set(other.batch.keys["session"].tolist()) != set(some.batch.keys["session"].tolist())
    assert prepare("skip", library, sessions=n + 1).asked_sessions is None


def test_a_sample_does_not_follow_the_parts_that_sessions_are_split_into():
    keys = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 100_000)
    of = {seed: splits.drawn(keys, 0.2, seed) for seed in (0, 1)}
    for mask in of.values():
        assert abs(mask.mean() - 0.2) < 0.01
        bucket = np.bincount(splits.spread(keys[mask]) % 100, minlength=100)
        assert 130 < bucket.min() <= bucket.max() < 270  # 200 on average
    assert abs((of[0] & of[1]).mean() - 0.04) < 0.005


def test_a_bundle_of_a_sample_knows_history_to_the_librarys_last_day(library, tmp_path):
    made = train("skip", library, str(tmp_path / "skip.bundle"), model="ewma", sessions=20, seed=3, **QUICK)
    last = np.datetime64(library.manifest["last_day"], "D")
    assert made.card["history_as_of"] == str(last + 1)
    sample = made.card["sample"]
    assert (sample["asked"], sample["of"], sample["seed"]) == (20, library.manifest["sessions"], 3)
    assert 5 < sample["sessions"] < 40


def test_a_bundle_of_a_sample_is_asked_about_no_play_that_it_was_trained_on(library, tmp_path):
    from segue.experiment import prepare
    from segue.training import fairly_asked

    made = train("skip", library, str(tmp_path / "skip.bundle"), model="ewma", sessions=60, seed=3, **QUICK)
    asked = fairly_asked(made, library)
    batch = prepare("skip", library, sessions=60, seed=3).batch
    cut = splits.by_time(batch.keys)

    def plays(of):
        return set(zip(of.keys["session"].tolist(), of.keys["position"].tolist(), strict=True))

    assert plays(asked.batch) == plays(batch.take(cut.rows(splits.TEST)))
    assert not plays(asked.batch) & plays(batch.take(cut.rows(splits.TRAIN, splits.VALID, splits.HISTORY)))
    assert any("of the sessions that were drawn" in note for note in asked.notes)
    ours = evaluate(made, library, draws=10).scores[-1].metrics["log_loss"].value
    assert ours == pytest.approx(made.card["score"]["metrics"]["log_loss"]["value"], abs=1e-12)


def test_a_comparison_says_how_many_sessions_were_drawn(library):
    found = compare("skip", library, models=["prior"], sessions=60, **QUICK)
    told = found.about["sample"]
    assert (told["of"], told["seed"]) == (library.manifest["sessions"], 0)
    assert 40 < told["sessions"] < 80
    assert "sample" not in compare("skip", library, models=["prior"], **QUICK).about


def test_what_would_not_fit_into_memory_is_refused_before_it_is_taken(library, monkeypatch):
    from segue import experiment

    monkeypatch.setattr(experiment, "SMALL", 0)
    monkeypatch.setattr(experiment, "free_memory", lambda: 400_000)
    with pytest.raises(TooLittleMemory, match=r"takes some .* GB are free: draw some with --sessions (\d+)") as caught:
        compare("skip", library, models=["prior"], **QUICK)
    some = int(str(caught.value).partition("--sessions ")[2].partition(",")[0])
    assert some >= 1
    assert len(compare("skip", library, models=["prior"], sessions=some, **QUICK).scores) > 0
    monkeypatch.setattr(experiment, "free_memory", lambda: None)  # where nobody tells, nothing is refused
    assert len(compare("skip", library, models=["prior"], **QUICK).scores) > 0


@pytest.mark.parametrize("sessions", [0, -1])
def test_no_sessions_cannot_be_drawn(library, sessions):
    with pytest.raises(AskedWrongly, match=f"sessions={sessions}: expected at least 1"):
        compare("skip", library, models=["prior"], sessions=sessions, **QUICK)


def test_every_row_says_what_was_tried_and_none_may_try_more(library, both):
    assert both.about["budget"] == 2
    assert {s.model: len(s.trials) for s in both.scores} == {"boosting": 2, "prior": 1, "ewma": 2}
    tried = [t.settings["leaves"] for t in both.scores[0].trials]
    assert tried == [15, 7]
    assert all(np.isfinite(t.score) for s in both.scores for t in s.trials)
    for task, name in registry.MODELS:
        grid = registry.model(task, name)().grid()
        assert len({repr(m) for m in grid}) == len(grid) <= BUDGET


def test_the_answers_of_each_play_are_those_that_were_scored(both, library):
    rows = both.per_example().to_pylist()
    test = both.about["counts"][0]["test"]
    assert len(rows) == test
    p, y = (np.array([r[c] for r in rows], float) for c in ("boosting", "skipped"))
    assert -np.log(np.where(y == 1, p, 1 - p)).mean() == pytest.approx(both.scores[0].metrics["log_loss"].value)
    plays = {(r["session_id"], r["position"]): r for part in library.plays() for r in part.to_pylist()}
    assert all(plays[r["session_id"], r["position"]]["skipped"] == r["skipped"] for r in rows)
    assert all(plays[r["session_id"], r["position"]]["track"] == r["track"] for r in rows)


def test_what_a_comparison_says_of_itself_is_json_without_nan(both, library):
    read = json.loads(json.dumps(both.to_json(), allow_nan=False))
    assert read["scores"][1]["calibration"]["slope"] is None  # of the prior, the same for every play
    assert read["examples"] == library.manifest["kept"] == sum(read["counts"][0].values())
    assert read["skipped_share"] == library.manifest["skips"] / library.manifest["kept"]
    assert read["intervals"] == "95 %, bootstrap by day within listener"
    assert read["source_options"] == library.manifest["options"]


def timeless(found):
    said = found.to_json()
    for score in said["scores"]:
        del score["seconds"]
    del said["feature_seconds"]
    return said


def test_one_seed_gives_one_result_and_another_seed_another(library):
    one, same, other = (compare("skip", library, models=["boosting"], seed=s, **QUICK) for s in (0, 0, 1))
    assert timeless(one) == timeless(same)
    assert one.scores[2].metrics["log_loss"].value != other.scores[2].metrics["log_loss"].value


ALL = "; 'all' is all of their plays together, each answered by a model that had not seen it"


@pytest.mark.parametrize("by", ["day", "listener", "session"])
def test_folds_ask_about_every_play_once(library, by):
    found = compare("skip", library, models=["prior"], folds=2, by=by, **QUICK)
    assert [s.test for s in found.scores] == ["fold 1", "fold 2", "all"]
    assert [row["test on"] for row in found.table()] == ["fold 1", "fold 2", "all"]
    assert len(found.about["counts"]) == 2
    assert sum(c["test"] for c in found.about["counts"]) == library.manifest["kept"]
    assert found.about["split"] == f"2 folds by {by}{ALL}"
    assert len({tuple(row) for row in found.table()}) == 1


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_folds_are_of_days_unless_it_is_said_otherwise(library, folds):
    said = [compare("skip", library, models=["prior"], folds=folds, by=by, **QUICK) for by in (None, "day")]
    assert timeless(said[0]) == timeless(said[1])
    assert said[0].about["split"] == f"{folds} folds by day{ALL}"


def test_all_are_the_plays_of_all_tests_each_answered_once(library):
    found = compare("skip", library, models=["logistic", "prior", "ewma"], folds=3, **QUICK)
    rows = found.per_example().to_pylist()
    assert len({(r["session_id"], r["position"]) for r in rows}) == len(rows) == library.manifest["kept"]
    assert {r["test"] for r in rows} == {"fold 1", "fold 2", "fold 3"}
    y = np.array([r["skipped"] for r in rows], float)
    single, every = found.scores[:-3], {s.model: s for s in found.scores[-3:]}
    assert ({s.test for s in every.values()}, list(every)) == ({"all"}, ["logistic", "prior", "ewma"])
    loss = {}
    for name, s in every.items():
        p = np.array([r[name] for r in rows])
        loss[name] = -np.log(np.where(y == 1, p, 1 - p)).mean()
        assert s.metrics["log_loss"].value == pytest.approx(loss[name])
        own = [one for one in single if one.model == name]
        assert [one.test for one in own] == ["fold 1", "fold 2", "fold 3"]
        shares = [c["test"] / len(rows) for c in found.about["counts"]]
        parts = [share * one.metrics["log_loss"].value for share, one in zip(shares, own, strict=True)]
        assert s.metrics["log_loss"].value == pytest.approx(sum(parts))
        assert s.train_accuracy == pytest.approx(np.mean([one.train_accuracy for one in own]))
        assert s.metrics["log_loss"].low < s.metrics["log_loss"].value < s.metrics["log_loss"].high
    best = min(("prior", "ewma"), key=loss.get)
    assert [name for name, s in every.items() if s.is_best_baseline] == [best]
    assert every[best].difference is None
    for name in set(every) - {best}:
        assert every[name].difference.value == pytest.approx(loss[best] - loss[name])


def test_one_test_is_not_repeated_as_all(both):
    assert {s.test for s in both.scores} == {"test"}
    assert "'all'" not in both.about["split"]


def test_leaving_each_listener_out_names_the_rows_by_them(library):
    found = compare("skip", library, models=["prior", "ewma"], leave_one_out=True, **QUICK)
    tests = [s.test for s in found.scores]
    assert (set(tests[:6]), tests[6:]) == ({"listener_x", "listener_y", "listener_z"}, ["all", "all"])
    assert found.about["split"] == f"3 tests, each of one listener, the others train{ALL}"
    plays = [r["listener"] for part in library.plays(["listener"]) for r in part.to_pylist()]
    tested = dict(zip(tests[:6:2], [c["test"] for c in found.about["counts"]], strict=True))
    assert tested == {name: plays.count(name) for name in tested}
    assert [row["test on"] for row in found.table()] == tests


def test_permuted_outcomes_keep_their_places_and_lose_their_sessions(library):
    import pyarrow as pa

    honest = pa.concat_tables(list(library.plays(["position", "skipped", "reason_end", "track"]))).to_pylist()
    tables = list(Permuted(library).plays(["position", "skipped", "reason_end", "track"]))
    permuted = pa.concat_tables(tables).to_pylist()
    for position in (1, 2, 5):
        pairs = [sorted((r["skipped"], r["reason_end"]) for r in rows if r["position"] == position)
                 for rows in (honest, permuted)]  # fmt: skip
        assert pairs[0] == pairs[1]
    assert [r["track"] for r in honest] == [r["track"] for r in permuted]
    assert np.mean([a["skipped"] != b["skipped"] for a, b in zip(honest, permuted, strict=True)]) > 0.3
    assert pa.concat_tables(list(Permuted(library).plays())).equals(pa.concat_tables(list(Permuted(library).plays())))
    found = compare("skip", library, models=["prior", "ewma"], permute=True, **QUICK)
    assert found.about["permuted_labels"] is True


def test_neither_tuning_nor_fitting_ever_looks_at_the_test(library):
    batch = prepare("skip", library).batch
    cut = splits.by_time(batch.keys)
    test = cut.rows(splits.TEST)
    other = replace(
        batch, label=np.where(test, 1 - batch.label, batch.label).astype(np.int8),
        values=np.where(test[:, None], 7, batch.values).astype(np.float32), known=batch.known | test[:, None],
    )  # fmt: skip
    for name in ("ewma", "position-table", "logistic", "boosting"):
        (one, tried), (two, tried_again) = (tune("skip", name, b, cut, "log_loss", budget=3) for b in (batch, other))
        assert tried == tried_again, name
        (said, arrays), (said_again, arrays_again) = one.save(), two.save()
        assert said == said_again, name
        assert arrays.keys() == arrays_again.keys(), name
        for k, one in arrays.items():
            np.testing.assert_array_equal(one, arrays_again[k], err_msg=f"{name}: {k}")  # NaN is NaN


def test_what_is_granted_on_request_is_a_feature_then_only(library):
    without, asked = (
        compare("skip", library, models=["prior"], options=o, **QUICK).about for o in ([], ["reason_start"])
    )
    assert set(asked["features"]) - set(without["features"]) == {"reason_start"}
    assert "reason_start" in without["left_out"]["reason_start"]
    assert asked["options"] == ["reason_start"]
    with pytest.raises(
        UnknownName, match="no option of setting online is called 'reason_end'; did you mean reason_start"
    ):
        compare("skip", library, models=["prior"], options=["reason_end"], **QUICK)


def test_a_feature_that_is_not_granted_is_refused_by_name_and_listed_otherwise(library, both):
    remedies = {
        "session_length": "leave it out or choose another setting",
        "queue_of_artist": "leave it out or choose another setting",
        "reason_start": "grant it with --with reason_start",
        "popularity_estimate": "grant it with --with us_popularity_estimate",
    }
    for name, remedy in remedies.items():
        with pytest.raises(NotGranted, match=f"feature '{name}' cannot be used: .*; {remedy}$"):
            compare("skip", library, models=["prior"], features=["hour", name], **QUICK)
        assert "is not granted in setting 'online'" in both.about["left_out"][name]
    assert both.about["left_out"]["premium"] == "never known in this library"
    assert set(both.about["left_out"]) | set(both.about["features"]) == set(registry.features())


def test_features_that_are_asked_for_are_all_that_models_read_beside_any_baseline(library, tmp_path):
    found = compare("skip", library, features=["hour", "hour", "shuffle"], **QUICK)
    assert found.about["features"] == ["hour", "shuffle"]
    made = train("skip", library, str(tmp_path / "two"), features=["hour", "shuffle"], settings={"trees": "5"}, draws=5)
    assert made.fitted.columns == ("hour", "shuffle")
    assert made.card["features"] == ["hour", "shuffle"]
    reasons = made.predict(small.session()).answers[0].reasons
    assert {r["feature"] for r in reasons} <= {"hour", "shuffle"}


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"models": ["bosting"]}, UnknownName, "no model for skip is called 'bosting'; did you mean boosting"),
        ({"features": ["hur"]}, UnknownName, "no feature is called 'hur'; did you mean hour"),
        ({"features": []}, AskedWrongly, "no feature was asked for"),
        ({"setting": "onlin"}, UnknownName, "no setting of skip is called 'onlin'; did you mean online"),
        ({"split": "tim"}, AskedWrongly, "split 'tim': expected time, day or listener"),
        ({"folds": 2, "by": "hour"}, AskedWrongly, "folds by 'hour': expected day, listener or session"),
        ({"folds": 1}, AskedWrongly, "1 folds by day: expected from 2 to 30"),
        ({"folds": 4, "by": "listener"}, AskedWrongly, "4 folds by listener: expected from 2 to 3"),
        (
            {"leave_one_out": True, "folds": 2},
            AskedWrongly,
            "leave one out, folds and a split by name exclude each other",
        ),
        ({"leave_one_out": True, "split": "day"}, AskedWrongly, "leave one out, folds and a split .* choose one"),
        ({"leave_one_out": True, "split": "listener"}, AskedWrongly, "leave one out, folds and a split .* choose one"),
        ({"by": "day"}, AskedWrongly, "by 'day' says what folds are made of: say how many folds, too"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_line(library, given, kind, words):
    with pytest.raises(kind, match=words) as caught:
        compare("skip", library, **{"models": ["prior"], **QUICK, **given})
    assert "\n" not in str(caught.value)


def test_a_task_that_is_not_there_is_refused(library):
    with pytest.raises(UnknownName, match="no task is called 'skp'; did you mean skip"):
        compare("skp", library)


def test_without_listeners_none_can_be_left_out():
    with pytest.raises(AskedWrongly, match="needs at least two listeners; this library has none or one"):
        compare("skip", small.library("mssd"), models=["prior"], leave_one_out=True, **QUICK)


def test_too_few_plays_are_too_few_to_split(tmp_path):
    record = {"ts": "2024-01-01T10:00:00Z", "ms_played": 200_000, "spotify_track_uri": "spotify:track:a", "skipped": False,
              "reason_start": "clickrow", "reason_end": "trackdone", "platform": "ios", "shuffle": False, "offline": False,
              "master_metadata_track_name": "A", "master_metadata_album_artist_name": "B", "offline_timestamp": 1_704_103_000,
              "master_metadata_album_album_name": "C", "conn_country": "ZZ", "incognito_mode": False, "episode_name": None,
              "spotify_episode_uri": None}  # fmt: skip
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "Streaming_History_Audio_2024.json").write_text(json.dumps([record]))
    tiny = ingest("spotify_history", [tmp_path / "raw"], tmp_path / "library")
    for run in (
        lambda: compare("skip", tiny, models=["prior"], **QUICK),
        lambda: train("skip", tiny, str(tmp_path / "b")),
    ):
        with pytest.raises(AskedWrongly, match=r"too few plays to split \(.*'test': 0.*\): at least some sessions"):
            run()
    assert not (tmp_path / "b").exists()
    with pytest.raises(
        AskedWrongly, match=r"holds no play that setting 'challenge' can ask about|too few plays to split"
    ):
        compare("skip", tiny, setting="challenge", models=["prior"], **QUICK)


# ── a bundle and a library ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def online():
    return open_bundle(small.bundle("online"))


def test_on_the_library_it_was_trained_on_only_the_held_out_days_are_asked(library, online):
    found = evaluate(online, library, draws=20)
    assert found.about["examples"] == online.card["counts"]["test"]
    assert "only the held-out last days are asked about" in found.about["split"]
    own = next(s for s in found.scores if s.model == "boosting")
    assert own.metrics["log_loss"].value == pytest.approx(
        online.card["score"]["metrics"]["log_loss"]["value"], abs=1e-12
    )
    assert own.difference.value == pytest.approx(online.card["score"]["gained_on_best_baseline"]["value"], abs=1e-12)
    assert [s.model for s in found.scores] == [*BASELINES, "boosting"]
    for mark in online.card["baselines"]:
        again = next(s for s in found.scores if s.model == mark["model"])
        assert again.metrics["log_loss"].value == pytest.approx(mark["metrics"]["log_loss"]["value"], abs=1e-12)


def days_of(library):
    return [str(r["day"]) for part in library.plays(["day"]) for r in part.to_pylist()]


def trained_until(bundle, day):
    """The bundle as if it had been trained on days up to this one."""
    return replace(bundle, card={**bundle.card, "trained_on_days": [bundle.card["trained_on_days"][0], day]})


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return checks.sample_library("spotify_history", tmp_path_factory.mktemp("other"), sessions=30, seed=5)


def test_a_bundle_is_asked_about_some_sessions_of_a_library_that_does_not_fit(library, online, other, monkeypatch):
    from segue import experiment
    from segue.training import fairly_asked

    whole = fairly_asked(online, other, all_days=True)
    some = fairly_asked(online, other, all_days=True, sessions=15, seed=1)
    sessions, all_sessions = (set(asked.batch.keys["session"].tolist()) for asked in (some, whole))
    assert sessions < all_sessions
    assert 5 < len(sessions) < 25
    assert f"{len(sessions)} of {other.manifest['sessions']:,} sessions, drawn by seed 1" in some.notes
    assert np.array_equal(
        some.batch.values, whole.batch.values[np.isin(whole.batch.keys["session"], list(sessions))], equal_nan=True
    )
    with pytest.raises(AskedWrongly, match="sessions=15: the bundle was trained on this library"):
        fairly_asked(online, library, sessions=15)
    monkeypatch.setattr(experiment, "SMALL", 0)
    monkeypatch.setattr(experiment, "free_memory", lambda: 100_000)
    asks = "to ask about these sessions takes some .* are free: "
    with pytest.raises(TooLittleMemory, match=asks + r"draw some with --sessions \d+$"):
        fairly_asked(online, other, all_days=True)
    for not_drawn in ({"library": library}, {"library": other, "all_days": True, "draws_some": False}):
        with pytest.raises(TooLittleMemory, match=asks + r"train on some with segue train --sessions \d+"):
            fairly_asked(online, **not_drawn)


def test_another_library_is_asked_about_days_after_those_it_was_trained_on(online, other):
    assert online.card["trained_on_days"][1] == "2018-08-08"
    days = days_of(other)
    late = sum(day > "2018-08-08" for day in days)
    assert 0 < late < len(days) == other.manifest["kept"]
    assert "2018-08-08" in days  # the last day itself is not asked
    found = evaluate(online, other, draws=5)
    assert found.about["examples"] == late
    assert found.about["days"] == [min(day for day in days if day > "2018-08-08"), max(days)]
    assert found.about["split"] == (
        "history rolling; only days after 2018-08-08, the last it was trained on: "
        f"{len(days) - late} earlier plays are left out"
    )
    assert "warning" not in found.about
    json.dumps(found.to_json(), allow_nan=False)


def test_another_library_is_asked_about_in_full_on_request_with_a_warning(online, other):
    days = days_of(other)
    early = sum(day <= "2018-08-08" for day in days)
    found = evaluate(online, other, all_days=True, draws=5)
    assert (found.about["examples"], found.about["split"]) == (len(days), "history rolling")
    assert found.about["warning"].startswith(f"{early} of {len(days)} plays lie on days up to 2018-08-08")
    assert found.about["warning"].endswith("a fair test only if these are other people's")


@pytest.mark.parametrize("all_days", [False, True])
def test_where_no_day_is_later_all_are_asked_with_a_warning(online, other, all_days):
    days = days_of(other)
    found = evaluate(trained_until(online, max(days)), other, all_days=all_days, draws=5)
    assert (found.about["examples"], found.about["split"]) == (len(days), "history rolling")
    assert found.about["warning"].startswith(f"{len(days)} of {len(days)} plays lie on days up to {max(days)}")


@pytest.mark.parametrize("all_days", [False, True])
def test_where_every_day_is_later_all_are_asked_and_nothing_is_warned_of(online, other, all_days):
    found = evaluate(trained_until(online, "2018-01-01"), other, all_days=all_days, draws=5)
    assert found.about["examples"] == other.manifest["kept"]
    assert "warning" not in found.about


def test_plays_before_the_snapshot_are_not_asked_of_a_frozen_history(library, online, other):
    with pytest.raises(
        AskedWrongly,
        match=r"nothing is left to ask about \(history frozen; only days after 2018-08-08, .* left out; "
        r"only days from 2018-08-14 on, when the snapshot was taken\): use --history rolling or newer plays",
    ):
        evaluate(online, other, history="frozen")
    with pytest.raises(AskedWrongly, match=r"\(history frozen; only days from 2018-08-14 on"):
        evaluate(online, other, history="frozen", all_days=True)
    with pytest.raises(AskedWrongly, match=r"only the held-out last days .* use --history rolling or newer plays"):
        evaluate(online, library, history="frozen")
    day = online.card["history_as_of_day"] - 10  # as if the snapshot had been taken ten days before
    older = replace(
        online, card={**online.card, "history_as_of_day": day, "history_as_of": "2018-08-04", "library": "another"}
    )
    days = days_of(library)
    for last, first in (("2018-07-29", "2018-08-04"), ("2018-08-08", "2018-08-09")):  # the later of the two decides
        found = evaluate(trained_until(older, last), library, history="frozen", draws=5)
        assert found.about["days"][0] == first
        assert found.about["examples"] == sum(day >= first for day in days)
    with pytest.raises(AskedWrongly, match="history 'melted': expected rolling or frozen"):
        evaluate(online, library, history="melted")


def test_a_library_ingested_by_other_rules_is_warned_of(tmp_path, online):
    registry.dataset("spotify_history").sample(tmp_path / "raw", sessions=30)
    other = ingest("spotify_history", [tmp_path / "raw"], tmp_path / "library", options={"gap_min": "10"})
    warning = evaluate(online, other, draws=5).about["warning"]
    both = (f"{verb} spotify_history with skip_rule=fwdbtn-or-flagged-30s, start_clock=recorded, gap_min={gap}, tz=UTC"
            for verb, gap in (("ingested as", 10), ("trained on", 30)))  # fmt: skip
    assert warning.endswith(", ".join(both))


def test_a_card_says_how_it_came_about(library, online):
    card = online.card
    assert card["library"] == library.fingerprint()
    assert card["trained_on_days"][0] < card["trained_on_days"][1] <= card["tested_on_days"][1] < card["history_as_of"]
    assert sum(card["counts"].values()) == library.manifest["kept"]
    assert card["history_as_of"] == "2018-08-14"  # the day after the last
    assert (card["model"], card["setting"], card["task"], card["seed"]) == ("boosting", "online", "skip", 0)
    assert card["best_baseline"] in BASELINES
    json.dumps(card, allow_nan=False)


def test_the_history_of_a_bundle_is_all_that_the_library_knew(library, online):
    _, rolling = from_library(online.asking, library)
    everything = online.history[()]
    assert (everything.n.tolist(), everything.k.tolist()) == ([library.manifest["kept"]], [library.manifest["skips"]])
    assert online.history[("track",)].n.sum() == library.manifest["kept"]
    assert set(rolling) - set(online.history) == {by for by in rolling if "listener" in by}


def test_settings_that_are_given_are_the_only_ones_tried(library, tmp_path):
    made = train(
        "skip", library, str(tmp_path / "b"), model="logistic", settings={"strength": "0.5", "components": "3"}, draws=5
    )
    assert [t["settings"] for t in made.card["score"]["trials"]] == [{"strength": 0.5, "components": 3, "seed": 0}]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"leafs": "3"}, "no setting of boosting is called 'leafs'; did you mean leaves"),
        ({"leaves": "many"}, "leaves=many: expected a number such as 15"),
        ({"leaves": "1"}, "leaves=1: expected from 2 to 4096"),
    ],
)
def test_settings_that_are_none_are_refused(library, tmp_path, settings, words):
    with pytest.raises(AskedWrongly, match=words):
        train("skip", library, str(tmp_path / "b"), settings=settings, draws=5)
    assert not list(tmp_path.iterdir())


def test_training_is_refused_at_once_where_something_is_in_the_way(library, tmp_path, monkeypatch):
    monkeypatch.setattr("segue.training.prepare", lambda *a, **k: pytest.fail("it began to work"))
    (tmp_path / "letters").mkdir()
    with pytest.raises(AskedWrongly, match="exists already"):
        train("skip", library, str(tmp_path / "letters"))
    with pytest.raises(AskedWrongly, match="is not a bundle"):
        train("skip", library, str(tmp_path / "letters"), overwrite=True)
    with pytest.raises(UnknownName, match="did you mean boosting"):
        train("skip", library, str(tmp_path / "new"), model="bosting")


# ── the mark to beat ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_repeat_last_hands_in_the_last_known_skip_though_skips_are_many():
    """Nine of ten plays are skipped: both of its probabilities lie above one half."""
    held = prepare("skip", small.library("mssd"), "challenge").batch
    many = replace(held, label=np.where(np.arange(len(held)) % 10 == 0, 0, 1).astype(np.int8))
    fitted = RepeatLast().fit(many)
    assert fitted.predict(held).p.min() > 0.5
    last, known = held.column("last_skipped")
    assert known.all()
    assert 0 < last.mean() < 1
    answer = answered_by("repeat-last", [fitted], held, ["maa", "fpa"])
    assert answer.strings.tolist() == [last.tolist()]
    assert answered_by("prior", [fitted], held, ["maa"]).strings.all()
    assert answered_by("repeat-last", [fitted], held, ["log_loss"]).said is None
    aa = metrics.session_aa(last, held.label, held.keys["session"], held.keys["position"]).aa
    assert per_example("maa", answer, held).tolist() == aa.tolist()


# ── several seeds ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def seeded(library):
    return compare("skip", library, models=["prior", "ewma", "boosting"], seeds=3, seed=4, draws=60, budget=1)


def test_models_with_a_seed_are_fitted_from_each_and_tuned_once(seeded, library):
    prior, ewma, boosting = seeded.scores
    assert (prior.seeds, ewma.seeds, boosting.seeds) == ((), (), (4, 5, 6))
    assert [t.settings["seed"] for t in boosting.trials] == [4]
    assert seeded.about["seeds"] == [4, 5, 6]
    alone = compare("skip", library, models=["prior", "ewma", "boosting"], seed=4, draws=60, budget=1)
    assert "seeds" not in alone.about
    assert boosting.by_seed["log_loss"][0] == pytest.approx(alone.scores[2].metrics["log_loss"].value, abs=1e-12)
    assert len({round(v, 9) for v in boosting.by_seed["log_loss"]}) == 3
    assert boosting.metrics["log_loss"].value == pytest.approx(np.mean(boosting.by_seed["log_loss"]))
    assert prior.metrics == alone.scores[0].metrics
    assert [row["model"] for row in seeded.table()] == ["prior", "ewma", "boosting (3 seeds)"]
    assert [s["model"] for s in seeded.to_json()["scores"]] == ["prior", "ewma", "boosting"]


def test_the_answers_of_each_seed_are_kept_apart(seeded):
    rows = seeded.per_example()
    assert [c for c in rows.column_names if c.startswith(("prior", "ewma", "boosting"))] == [
        "prior", "ewma", "boosting#1", "boosting#2", "boosting#3"
    ]  # fmt: skip
    y = rows["skipped"].to_numpy()
    for n, value in enumerate(seeded.scores[2].by_seed["brier"], 1):
        assert np.square(rows[f"boosting#{n}"].to_numpy() - y).mean() == pytest.approx(value)


def test_seeds_go_through_folds_and_make_no_other_result_when_run_again(library):
    one, again = (compare("skip", library, models=["prior", "boosting"], folds=2, seeds=2, **QUICK) for _ in range(2))
    assert timeless(one) == timeless(again)
    assert [s.seeds for s in one.scores] == [(), (0, 1)] * 3
    first, second, every = (s for s in one.scores if s.model == "boosting")
    n = [c["test"] for c in one.about["counts"]]
    for k in range(2):
        parts = [first.by_seed["log_loss"][k], second.by_seed["log_loss"][k]]
        assert every.by_seed["log_loss"][k] == pytest.approx(np.dot(n, parts) / sum(n))


def test_every_model_but_the_best_baseline_has_an_adjusted_p_value(both):
    compared = [s for s in both.scores if not s.is_best_baseline]
    assert len(compared) == 2
    low, high = sorted(compared, key=lambda s: s.p)
    assert low.p_holm == pytest.approx(min(1, 2 * low.p))
    assert high.p_holm == pytest.approx(max(low.p_holm, high.p))
    assert [row["p (Holm)"] == "" for row in both.table()] == [s.is_best_baseline for s in both.scores]


def test_a_flag_is_read_as_true_or_false_and_anything_else_is_refused():
    model = registry.model("skip", "attention")()
    said = {
        word: with_settings(model, "attention", {"own_features": word}).own_features
        for word in ("false", "no", "1", "True")
    }
    assert said == {"false": False, "no": False, "1": True, "True": True}
    with pytest.raises(AskedWrongly, match="own_features=maybe: expected true or false"):
        with_settings(model, "attention", {"own_features": "maybe"})
    with pytest.raises(AskedWrongly, match="epochs=many: expected a number such as 10"):
        with_settings(model, "attention", {"epochs": "many"})
