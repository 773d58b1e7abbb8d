"""`explain`: on which plays, what is told of a bundle, and how it is printed and written."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import segue
import small
from segue import checks, cli
from segue.bundle import open_bundle
from segue.display_explain import fitting, markdown, slice_rows, tables
from segue.errors import AskedWrongly
from segue.explanation import explain
from segue.library import Library
from segue.training import evaluate, train

QUICK = {"repeats": 1, "rows": 200, "draws": 20}
DOCS = Path(__file__).parents[1] / "docs" / "explain.md"


@dataclass(frozen=True, repr=False)
class Changed(Library):
    """A library whose plays are read through a function."""

    change: object = None

    def plays(self, columns=None):
        for part in super().plays(None):
            made = self.change(part)
            yield made if columns is None else made.select(columns)

    def fingerprint(self):
        return "another"


def changed(library, change):
    return Changed(library.path, library.manifest, change)


def set_column(plays, name, values):
    return plays.set_column(plays.column_names.index(name), name, values)


@pytest.fixture(scope="module")
def online():
    return open_bundle(small.bundle("online"))


@pytest.fixture(scope="module")
def library():
    return small.library("spotify_history")


@pytest.fixture(scope="module")
def found(online, library):
    return explain(online, library, **QUICK)


# ── which plays ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_asks_about_the_plays_that_evaluate_asks_about(found, online, library):
    scored = evaluate(online, library, draws=20)
    own = next(s for s in scored.scores if s.model == "boosting")
    whole = found.slices[0]
    assert (whole.name, whole.n) == ("all plays", scored.about["examples"])
    assert whole.log_loss.value == pytest.approx(own.metrics["log_loss"].value, abs=1e-12)
    assert whole.gained.value == pytest.approx(own.difference.value, abs=1e-12)
    assert (found.about["split"], found.about["intervals"]) == (scored.about["split"], scored.about["intervals"])
    assert found.baseline == online.card["best_baseline"]


def test_importance_is_measured_on_some_plays_and_slices_on_all(found, online):
    assert found.about["explained_on"] <= 200 < found.about["examples"] == found.slices[0].n
    assert {f.name for f in found.features} == set(online.fitted.columns)


def test_every_kind_of_slice_but_the_unknown_holds_plays_once(found):
    kinds = {}
    for s in found.slices[1:]:
        kinds[s.kind] = kinds.get(s.kind, 0) + s.n
    assert len(kinds) >= 6
    assert {n for k, n in kinds.items() if k != "last play"} == {found.slices[0].n}
    assert kinds["last play"] < found.slices[0].n  # the first of a session has none


def test_where_no_day_is_later_it_warns_as_evaluate_does(online, library):
    other = changed(library, lambda plays: plays)
    last = max(str(d) for part in library.plays(["day"]) for d in part["day"].to_pylist())
    done = replace(online, card={**online.card, "trained_on_days": ["2018-01-01", last]})
    found = explain(done, other, **QUICK)
    assert "a fair test only if these are other people's" in found.about["warning"]


def test_a_library_of_unknown_outcomes_is_refused_in_one_line(online, library):
    silent = changed(library, lambda p: set_column(p, "skipped", pa.nulls(len(p), pa.int64())))
    with pytest.raises(
        AskedWrongly, match=r"holds no play with a known outcome that setting 'online' can ask about: use a lib"
    ):
        explain(online, silent, **QUICK)
    with pytest.raises(AskedWrongly, match="holds no play with a known outcome"):
        evaluate(online, silent)


@pytest.mark.parametrize("given", [{"rows": -1}, {"repeats": 0}])
def test_numbers_out_of_bounds_are_refused(online, library, given):
    with pytest.raises(AskedWrongly, match=r"expected rows of 0 \(all\) or more, and at least one repeat"):
        explain(online, library, **given)


def test_one_day_of_one_listener_has_no_intervals_and_nothing_is_judged(online, library):
    def first_day_of_one(plays):
        plays = plays.filter(pc.equal(plays["listener"], plays["listener"][0]))
        return plays.filter(pc.equal(plays["day"], pc.max(plays["day"])))

    found = explain(online, changed(library, first_day_of_one), **QUICK)
    assert 0 < found.slices[0].n < 200
    assert np.isnan(found.slices[0].gap.low)
    assert not any(s.judged for s in found.slices)
    assert any(
        line.startswith("Nothing can be judged: that takes 200 plays and 10 clusters (days)") for line in found.in_words
    )
    assert "nan" not in repr(found).replace("\n", " ").split("log-loss lost")[1].partition("Over all")[2]
    assert "nan" not in markdown(found)
    json.dumps(found.to_json(), allow_nan=False)


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def radio(tmp_path_factory):
    """Sessions in which all plays from radio are skipped where they were kept, and kept where they were skipped."""
    library = checks.sample_library("mssd", tmp_path_factory.mktemp("radio"), sessions=400, seed=1)
    bundle = train("skip", library, str(tmp_path_factory.mktemp("b") / "b"), settings={"trees": "40"}, draws=20)

    def flip(plays):
        skipped = plays["skipped"]
        turned = pc.if_else(pc.equal(plays["context"].cast(pa.string()), "radio"), pc.subtract(1, skipped), skipped)
        return set_column(plays, "skipped", turned)

    return explain(bundle, changed(library, flip), all_days=True, **QUICK)


def test_a_model_that_is_blind_in_one_kind_of_list_is_found_and_the_list_is_named(radio):
    worst = max(radio.slices[1:], key=lambda s: s.cost)
    assert (worst.kind, worst.name) == ("context", "radio")
    first = next(line for line in radio.in_words if line.startswith("For "))
    assert first.startswith("For plays from radio, ")
    others = [s for s in radio.slices if s.kind == "context" and s.name != "radio"]
    assert others
    assert not any(s.fails for s in others)


@pytest.mark.parametrize("setting", ["online", "challenge"])
def test_contributions_add_up_to_the_answers(setting):
    source = {"online": "spotify_history", "challenge": "mssd"}[setting]
    found = explain(str(small.bundle(setting)), str(small.library(source).path), **QUICK)
    assert found.about["additive_within"] < 1e-9
    assert found.setting == setting
    assert found.about["counted_in"] == "log_loss"
    assert found.groups[0].lost.value > 0


def test_a_baseline_that_reads_nothing_has_nothing_to_explain_and_still_slices(tmp_path, library):
    bundle = train("skip", library, str(tmp_path / "b"), model="prior", draws=20)
    found = explain(bundle, library, **QUICK)
    assert (found.features, found.groups) == ((), ())
    assert found.in_words[0] == "prior reads no feature: there is nothing to permute or to explain."
    assert len(found.slices) > 10
    assert found.slices[0].gained is not None  # against the best of the others
    json.dumps(found.to_json(), allow_nan=False)


def test_where_the_bundle_holds_the_best_baseline_itself_no_mark_is_held_against_it(tmp_path, library, online):
    best = online.card["best_baseline"]
    bundle = train("skip", library, str(tmp_path / "b"), model=best, draws=20)
    found = explain(bundle, library, **QUICK)
    assert found.baseline is None
    assert found.in_words[0].startswith(f"{best} is a baseline of one feature: little is to be explained")
    assert all(s.gained is None for s in found.slices)
    assert "gained" not in markdown(found)


def test_one_seed_gives_one_result(found, online, library):
    again = explain(online, library, **QUICK)
    assert again.to_json() == found.to_json()
    assert explain(online, library, seed=1, **QUICK).to_json()["features"] != found.to_json()["features"]


def test_it_is_on_the_public_face_and_prints_words(found):
    assert segue.explain is explain
    assert repr(found).splitlines()[1:] == list(found.in_words)


# ── how it is shown ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_narrow_table_does_without_and_says_what(found):
    _, rows, dropped = tables(found)[-1]
    assert fitting(rows, 300, dropped) == (rows, [])
    narrow, left_out = fitting(rows, 80, dropped)
    assert [" ".join(k.split()) for k in narrow[0]][:2] == ["slice", "plays"]
    assert left_out == list(dropped[: len(left_out)]) != []
    assert len(narrow) == len(rows)


def test_slices_stand_below_the_name_of_their_kind(found):
    rows = slice_rows(found)
    assert rows[0]["slice"] == "all plays"
    assert (rows[1]["slice"], rows[1]["plays"]) == ("place in session", "")
    assert rows[2]["slice"] == "  1"
    assert sum(row["plays"] != "" for row in rows) == len(found.slices)


def test_a_report_holds_every_feature_every_slice_and_all_that_is_said(found):
    page = markdown(found)
    assert page.startswith("# What moves boosting's answers, and where they fail\n")
    for sentence in found.in_words:
        assert f"- {sentence}\n" in page
    for feature in found.features:
        assert f"| {feature.name} | {feature.group} | " in page
    assert len(re.findall(r"^\|   ", page, re.M)) == len(found.slices) - 1
    assert page.count("\n## ") == 4


@pytest.fixture
def run(capsys, monkeypatch):
    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return started


def verb(*more):
    return (
        "explain",
        small.bundle("online"),
        small.library("spotify_history").path,
        "--rows",
        "300",
        "--repeats",
        "1",
        *more,
    )


def test_the_verb_prints_tables_and_words_and_writes_the_same(run, tmp_path):
    status, out, err = run(*verb("-o", tmp_path / "r.md"))
    assert (status, err) == (0, "")
    for said in (
        "Groups of features, on ",
        "Features, on ",
        "Slices of ",
        "In words",
        "Intervals: 95 %, bootstrap by day",
    ):
        assert said in out
    page = (tmp_path / "r.md").read_text()
    said = [line.removeprefix("· ") for line in out.splitlines() if line.startswith("· ")]
    assert len(said) >= 2
    assert all(f"- {sentence}\n" in page for sentence in said)
    assert [p.name for p in tmp_path.iterdir()] == ["r.md"]


def test_the_verb_as_json_is_all_of_it(run):
    status, out, _ = run(*verb("--json"))
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert status == 0
    assert {"in_words", "groups", "features", "slices", "examples", "base_log_odds"} <= set(found)
    assert {"name", "group", "log_loss_lost", "log_odds_moved", "direction"} <= set(found["features"][0])
    assert {"kind", "n", "gap", "gained", "p_holm", "fails", "cost"} <= set(found["slices"][0])


def test_a_report_replaces_only_a_report_and_only_if_asked(run, tmp_path):
    place = tmp_path / "r.md"
    for held, more, words in (
        ("# What moves", [], "exists already: choose another -o, or give --overwrite"),
        ("my notes", ["--overwrite"], "is not a report, --overwrite would delete what it holds: choose another -o"),
    ):
        place.write_text(held)
        status, out, err = run(*verb("-o", place, *more))
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert words in err
        assert place.read_text() == held
    place.write_text("# What moves")
    assert run(*verb("-o", place, "--overwrite"))[0] == 0
    assert "## Groups of features" in place.read_text()
    for nowhere in (tmp_path, tmp_path / "none" / "r.md"):
        status, out, err = run(*verb("-o", nowhere))
        assert (status, out) == (2, "")
        assert "expected a file in a folder that exists, such as report.md" in err


def test_a_report_that_cannot_be_finished_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "r.md")

    monkeypatch.setattr("os.replace", fail)
    status, _, err = run(*verb("-o", tmp_path / "r.md"))
    assert (status, err) == (1, "segue: r.md: No space left on device; check the path, its rights and the disk\n")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_the_page_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    commands = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert len(commands) >= 2
    places = {"skip.bundle": small.bundle("online"), "library/": small.library("spotify_history").path}
    for command in commands:
        words = [str(places.get(word, word)) for word in shlex.split(command)]
        assert words[:2] == ["segue", "explain"]
        assert run(*words[1:])[0] == 0, command
