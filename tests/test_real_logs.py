"""Real logs: every sum is that of the files' own rows, and every known defect is met as often as the files have it."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[1] / "benchmarks" / "real_logs.py"
spec = importlib.util.spec_from_file_location("real_logs", PLACE)
real_logs = sys.modules["real_logs"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real_logs)
CASES = {case.place: case for case in real_logs.CASES}
KNOWN = {  # rows in the files; kept, set aside, rejected; sessions and known defects
    "mssd": (206, (206, 0, 0), 12, 3),
    "mpd": (562_217, (562_217, 0, 0), 5_689, 9),
    "mpd_original/slice_0_first_29_playlists.json": (1_448, (1_448, 0, 0), 29, 1),
    "mpd_original/slice_0_first_37_playlists.json": (2_023, (2_023, 0, 0), 37, 1),
    "mpd_original/slice_0_cut_off.json.truncated": (2_024, (2_023, 0, 1), 37, 3),
    "spotify_history": (9_986, (9_914, 70, 2), 1_616, 11),
    "spotify_account": (45_875, (45_875, 0, 0), 1_840, 4),
    "scrobbles": (42_674, (42_673, 0, 1), 4_418, 4),
    "lastfm1k": (5_000, (5_000, 0, 0), 316, 6),
}


@pytest.mark.parametrize("place", [pytest.param(p, marks=[pytest.mark.slow] if p == "mpd" else []) for p in CASES])
def test_the_sums_are_those_of_the_files_and_every_known_defect_is_counted(data, tmp_path, place):
    found = real_logs.outcome_of(CASES[place], data, tmp_path / "out")
    assert found.is_equal
    assert [defect for defect in found.defects if not defect.is_equal] == []
    kept = found.manifest["kept"], found.set_aside, found.rejected
    assert (found.rows, kept, found.manifest["sessions"], len(found.defects)) == KNOWN[place]


def test_a_row_that_is_lost_or_a_defect_that_is_missed_is_seen(data, tmp_path):
    case = CASES["spotify_history"]
    found = real_logs.outcome_of(replace(case, rows=lambda place: 9_987, tracks=""), data, tmp_path / "out")
    assert not found.is_equal
    missed = replace(found.defects[0], by_segue=0)
    assert not missed.is_equal
    shown = list(real_logs.rows_of(replace(found, defects=[missed])))
    assert (shown[0]["sums equal?"], shown[0]["n"]) == ("NO", f"{missed.in_files:,} in the files, 0 BY SEGUE")


def test_the_playlists_that_several_files_hold_are_kept_once(data, tmp_path):
    import segue

    told = segue.ingest(None, data / "mpd_original", tmp_path / "out").manifest
    assert (told["rows_in"], told["kept"], told["sessions"]) == (5_495, 2_023, 37)
    assert told["rejected"]["same playlist"] == 3_471


def test_without_real_data_it_is_said_and_nothing_fails(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(real_logs, "DATA", tmp_path / "nowhere")
    assert real_logs.main() == 0
    assert capsys.readouterr().out.startswith("skipped: no real data at ")
