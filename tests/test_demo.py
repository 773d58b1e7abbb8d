"""The demo tells its story from logs to reasons, and touches nothing of anybody's."""

from __future__ import annotations

import json

import pytest

from segue import demo, experiment, training
from segue.bundle import open_bundle
from segue.errors import AskedWrongly
from segue.library import open_library


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The whole story, made short: fewer sessions, two models, one setting each."""
    out = tmp_path_factory.mktemp("demo") / "here"
    lines, tables = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SESSIONS", {"spotify_history": 120, "mssd": 60})
        compare, train = experiment.compare, training.train
        patch.setattr(
            experiment,
            "compare",
            lambda *a, **k: compare(*a, **{**k, "models": ["prior", "logistic"], "budget": 1, "draws": 5}),
        )
        patch.setattr(training, "train", lambda *a, **k: train(*a, **{**k, "settings": {"trees": "10"}, "draws": 5}))
        demo.tell(out, lines.append, lambda rows, title: tables.append((title, rows)))
    return out, lines, tables


def test_three_tables_are_shown_models_beside_baselines(told):
    _, _, tables = told
    assert [title for title, _ in tables] == [
        "three people's exports, online, on their last days", "permuted labels", "sessions data set, challenge"
    ]  # fmt: skip
    for _, rows in tables:
        assert [r["model"] for r in rows] == ["prior", "logistic"]
        assert "accuracy test" not in rows[0]
    assert "MAA" in tables[2][1][0]


def test_what_it_says_is_left_behind_is_there(told):
    out, lines, _ = told
    assert {p.name for p in out.iterdir()} == {
        "made-by-segue-demo", "raw", "spotify_history", "mssd", "comparison.json", "skip.bundle", "session.json"
    }  # fmt: skip
    found = json.loads((out / "comparison.json").read_text(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert [s["model"] for s in found["scores"]] == ["prior", "logistic"]
    session = json.loads((out / "session.json").read_text())
    answer = open_bundle(out / "skip.bundle").predict(session).answers[0]
    said = next(line for line in lines if "the coming play is skipped" in line)
    assert f"{len(session['plays'])} plays so far" in said
    assert f"with probability {answer.probability:.2f}" in said
    assert sum("log-odds" in line for line in lines) == len(answer.reasons) > 0


def test_the_rows_it_reports_add_up(told):
    out, lines, _ = told
    m = open_library(out / "spotify_history").manifest
    assert any(f"spotify_history: {m['rows_in']:,} rows = {m['kept']:,} kept + 3 set aside" in line for line in lines)
    assert m["rows_in"] == m["kept"] + 3


def test_the_coming_play_of_its_session_tells_nothing_that_ends_it(told):
    session = json.loads((told[0] / "session.json").read_text())
    assert set(session) == {"plays", "next"}
    assert set(session["next"]) <= {"track", "artist", "album", "start_ms", "shuffle", "platform"}
    assert len(session["plays"]) >= 5


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(AskedWrongly, match="holds something else: choose another -o"):
        demo.tell(tmp_path, print, print)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
