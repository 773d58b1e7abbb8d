"""A submission is scored by what was held out."""

from __future__ import annotations

import json

import pytest
import typer

from segue import cli_challenge
from segue.challenge_score import score
from segue.errors import AskedWrongly, BadInput


def uri(n):
    return f"spotify:track:{n:022d}"


@pytest.fixture
def folder(tmp_path):
    """Two playlists, 20 tracks by five artists held out of each; answered in full below."""
    playlists = [
        {"name": "a", "pid": pid, "num_holdouts": 20, "num_samples": n, "num_tracks": 20 + n,
         "tracks": [{"pos": place, "track_uri": uri(900 + place)} for place in range(n)]}
        for pid, n in ((7, 0), (9, 5))
    ]  # fmt: skip
    held_out = [{"pid": 7, "category": "title", "tracks": [uri(n) for n in range(20)]},
                {"pid": 9, "category": "title, first 5", "tracks": [uri(n) for n in range(20)]}]  # fmt: skip
    artists = {uri(n): f"artist {n % 5}" for n in range(40)}
    (tmp_path / "challenge_set.json").write_text(json.dumps({"version": "v1", "playlists": playlists}))
    (tmp_path / "truth.json").write_text(json.dumps({"version": "v1", "artists": artists, "held_out": held_out}))
    return tmp_path


def submit(folder, first_of_7, first_of_9=()):
    rows = []
    for pid, first in ((7, first_of_7), (9, first_of_9)):
        rest = [n for n in range(100, 700) if n not in first][: 500 - len(first)]
        rows.append(",".join([str(pid), *map(uri, [*first, *rest])]))
    path = folder / "submission.csv"
    path.write_text("\n".join(["#hello", "team_info,main,us,us@example.org", "", *rows]) + "\n")
    return path


def test_scores_equal_those_worked_out_by_hand(folder):
    """Of pid 7 tracks 0 and 1 stand first, then a miss by artist 0, 18 others that nobody knows; 0 of pid 9 comes 31st."""
    path = submit(folder, [0, 1, 25], [*range(800, 830), 0])
    found = score(path, folder / "challenge_set.json", draws=20)
    assert dict(found.playlists) == {"title": 1, "title, first 5": 1, "all": 2}
    one, other = found.metrics["title"], found.metrics["title, first 5"]
    assert one["r_precision"].value == 2 / 20
    assert one["r_precision_artists"].value == (2 + 0.25) / 20
    assert one["r_precision_artists_once"].value == 2 / 20  # artist 0 has a hit
    assert one["ndcg_of_hits"].value == 1
    assert (one["clicks"].value, other["clicks"].value) == (0, 3)
    assert other["r_precision"].value == 0
    assert other["found"].value == 1 / 20
    assert found.metrics["all"]["r_precision"].value == 0.05
    low, high = (getattr(found.metrics["all"]["r_precision"], end) for end in ("low", "high"))
    assert (low, high) == (0, 0.1)


def test_what_would_be_refused_is_not_scored(folder):
    path = submit(folder, [0, 1])
    path.write_text(path.read_text().replace(f",{uri(0)}", "", 1))
    with pytest.raises(
        BadInput, match=r"would be refused, for 1 problems \(line 4: pid 7: 499 tracks: expected exactly 500"
    ):
        score(path, folder)


def test_a_truth_that_is_missing_broken_or_of_another_challenge_is_refused(folder):
    path, truth = submit(folder, [0]), folder / "truth.json"
    said = json.loads(truth.read_text())
    truth.rename(folder / "elsewhere.json")
    with pytest.raises(AskedWrongly, match=r"truth\.json: no such file; give the truth"):
        score(path, folder)
    assert score(path, folder, truth=folder / "elsewhere.json", draws=5).playlists["all"] == 2
    for broken in ("{", "[]", "null", '{"held_out": [{}], "artists": {}}', '{"held_out": [], "artists": []}'):
        truth.write_text(broken)
        with pytest.raises(BadInput, match="is not what segue challenge make wrote"):
            score(path, folder)
    truth.write_text(json.dumps(said | {"held_out": said["held_out"][:1]}))
    with pytest.raises(BadInput, match="of another challenge: pid 9 is in one of them only"):
        score(path, folder)
    truth.write_text(json.dumps(said | {"held_out": [{"pid": 7, "category": "title", "tracks": []}]}))
    with pytest.raises(BadInput, match="pid 7 has nothing held out"):
        score(path, folder)


def run(capsys, *words):
    command = typer.main.get_command(cli_challenge.challenge)
    with pytest.raises(SystemExit) as end:
        command.main(list(map(str, words)), prog_name="segue challenge")
    assert not end.value.code
    return capsys.readouterr().out


def test_the_verb_prints_a_table_or_json(folder, capsys):
    path = submit(folder, [0, 1, 25])
    text = run(capsys, "score", path, folder / "challenge_set.json")
    assert "R-precision" in text
    assert "title, first 5" in text
    said = json.loads(run(capsys, "score", path, folder / "challenge_set.json", "--json"))
    assert list(said) == ["submission", "all", "categories", "intervals"]
    assert list(said["categories"]) == ["title", "title, first 5"]
    assert said["categories"]["title"]["r_precision"] == {"value": 0.1, "low": None, "high": None}  # of one playlist
    assert said["all"]["playlists"] == 2
