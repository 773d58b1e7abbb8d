"""The demo tells its story from a made-up world to reasons, and touches nothing of anybody's."""

from __future__ import annotations

import json

import pytest

from segue import demo, experiment, training
from segue.bundle import open_bundle
from segue.errors import AskedWrongly
from segue.library import open_library
from segue.metrics import check_submission


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The whole story, made short: fewer sessions, one model, one setting each."""
    out = tmp_path_factory.mktemp("demo") / "here"
    lines, tables = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SESSIONS", 300)
        look = demo.explore
        patch.setattr(demo, "explore", lambda *a, **k: look(*a, **k, only=["levels", "skip-runs"]))
        compare, train = experiment.compare, training.train
        patch.setattr(
            experiment, "compare",
            lambda *a, **k: compare(*a, **{**k, "models": ["repeat-last", "logistic"], "budget": 1, "draws": 5}),
        )  # fmt: skip
        patch.setattr(training, "train", lambda *a, **k: train(*a, **{**k, "settings": {"trees": "10"}, "draws": 5}))
        demo.tell(out, lines.append, lambda rows, title: tables.append((title, rows)))
    return out, lines, tables


def test_model_baseline_and_ceiling_stand_side_by_side_in_words(told):
    _, _, tables = told
    (_, online), (_, permuted), (_, halves), (_, sealed), (_, stays) = tables
    who = ["repeat-last", "logistic", "ceiling, tracks unknown", "ceiling"]
    assert [r["who"] for r in online] == [r["who"] for r in halves] == who
    assert [r["who"] for r in permuted] == who[:2]
    assert online[0]["how"] == "says of each play what the last one did"
    assert online[0]["of what can be gained"] == "0%"
    assert online[-1]["of what can be gained"] == "100%"
    assert "of what can be gained" not in permuted[0]
    assert "MAA" in halves[0]
    assert "MAA" not in online[0]
    assert [r["answers"] for r in sealed] == ["submission", "repeat-last", "ceiling"]
    assert [r["share of MAA gain"] for r in sealed[1:]] == ["0", "1"]
    assert [r["who"] for r in stays] == ["user-mean", "user-median", "shrunk", "hazard"]
    assert [bool(r["80 % intervals hold"]) for r in stays] == [False, False, True, True]


def test_what_it_says_is_left_behind_is_there(told):
    out, lines, _ = told
    assert {p.name for p in out.iterdir()} == {
        "made-by-segue-demo", "raw", "library", "comparison.json", "skip.bundle", "challenge.bundle", "session.json",
        "submission.txt", "report.html", "listening", "length.bundle", "listening.json",
    }  # fmt: skip
    assert "Content-Security-Policy" in (out / "report.html").read_text(encoding="utf-8")
    assert any("skipped" in line for line in lines[lines.index(next(s for s in lines if s.startswith("\n5."))) + 1 :])
    found = json.loads((out / "comparison.json").read_text(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert [s["model"] for s in found["scores"]][:2] == ["repeat-last", "logistic"]
    session = json.loads((out / "session.json").read_text())
    answer = open_bundle(out / "skip.bundle").predict(session).answers[0]
    said = next(line for line in lines if "the coming play is skipped" in line)
    assert f"{len(session['plays'])} plays so far" in said
    assert f"with probability {answer.probability:.2f}" in said
    assert sum("log-odds" in line for line in lines) == len(answer.reasons) > 0
    assert (out / "raw" / "spotify_history").is_dir()
    told = open_bundle(out / "length.bundle").predict(json.loads((out / "listening.json").read_text()))
    assert any(f"after 20 plays: {told.minutes.median:.0f} more minutes" in line for line in lines)


def test_its_submission_has_a_line_for_each_session_of_the_test_set(told):
    out, lines, _ = told
    written = (out / "submission.txt").read_text().splitlines(keepends=True)
    assert len(check_submission(written, [len(line.strip()) for line in written])) == 30
    assert any("30 lines, one a session" in line for line in lines)


def test_the_rows_it_reports_add_up(told):
    out, lines, _ = told
    m = open_library(out / "library").manifest
    assert m["sessions"] == 300
    assert any(f"{m['rows_in']:,} rows = {m['kept']:,} kept + 0 rejected" in line for line in lines)
    assert m["rows_in"] == m["kept"]


def test_the_coming_play_of_its_session_tells_nothing_that_ends_it(told):
    session = json.loads((told[0] / "session.json").read_text())
    assert set(session) == {"day", "plays", "next"}
    assert not set(session["next"]) & {
        "skipped",
        "skip_1",
        "skip_3",
        "not_skipped",
        "reason_end",
        "reason_start",
        "session_length",
    }
    assert len(session["plays"]) >= 11


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(AskedWrongly, match="holds something else: choose another -o"):
        demo.tell(tmp_path, print, print)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
