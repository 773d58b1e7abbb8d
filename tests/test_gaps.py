from __future__ import annotations

import pyarrow.parquet as pq
import pytest

import by_hand
import small
from figures.looked import library as made
from segue.errors import AskedWrongly
from segue.gaps import cut, heard_in, sensitivity, streams

MIN = 60_000
# 1, then 12, then 25 minutes of silence
PLAYS = {"start_ms": [0, 4 * MIN, 18 * MIN, 45 * MIN], "stop_ms": [3 * MIN, 6 * MIN, 20 * MIN, 47 * MIN]}


def heard(**columns):
    return heard_in(by_hand.plays(by_hand.session(**({"listener": "anna"} | columns))))


def cut_at(found, gap_min):
    minutes, n = cut(found, found.silence(), gap_min)
    return list(zip(minutes.tolist(), n.tolist(), strict=True))


def test_the_table_is_counted_as_by_hand(tmp_path):
    library = made(tmp_path, by_hand.plays(by_hand.session(listener="anna", **PLAYS)))
    names = ["gap_min", "sessions", "median_min", "mean_min", "median_plays", "share_single"]
    assert sensitivity(library, (30, 10, 20)).to_pylist() == [
        dict(zip(names, row, strict=True))
        for row in (
            (10, 3, 2.0, pytest.approx(10 / 3), 1.0, pytest.approx(2 / 3)),  # 6, 2 and 2 minutes; 2, 1 and 1 plays
            (20, 2, 11.0, 11.0, 2.0, 0.5),  # 20 and 2 minutes; 3 plays and 1
            (30, 1, 47.0, 47.0, 4.0, 0.0),
        )
    ]
    assert sensitivity(library)["gap_min"].to_pylist() == [10, 20, 30, 60]


def test_a_silence_of_exactly_the_gap_stays_inside():
    assert cut_at(heard(**PLAYS), 12) == [(20.0, 3), (2.0, 1)]
    assert cut_at(heard(**PLAYS), 11) == [(6.0, 2), (2.0, 1), (2.0, 1)]


def test_silence_is_counted_from_the_end_of_all_plays_so_far():
    found = heard(start_ms=[0, 10 * MIN, 65 * MIN], stop_ms=[60 * MIN, 12 * MIN, 66 * MIN])
    assert found.silence()[1:].tolist() == [-50 * MIN, 5 * MIN]


def test_no_listener_goes_on_where_another_stopped():
    table = by_hand.plays(
        by_hand.session("a", listener="anna", start_ms=[90 * MIN], stop_ms=[93 * MIN]),
        by_hand.session("b", listener="bert", start_ms=[0, 94 * MIN], stop_ms=[3 * MIN, 95 * MIN]),
        by_hand.session("c", listener="cleo", start_ms=[1 * MIN], stop_ms=[2 * MIN]),
    )
    assert cut_at(heard_in(table), 60) == [(3.0, 1), (3.0, 1), (1.0, 1), (1.0, 1)]
    assert heard_in(table).silence()[2] == 91 * MIN


def test_a_start_that_is_not_recorded_is_the_end_less_the_time_heard_else_less_four_minutes():
    assert heard(start_ms=[None, None], stop_ms=[20 * MIN, 40 * MIN], played_ms=[2 * MIN, None]).began.tolist() == [
        18 * MIN,
        36 * MIN,
    ]


def test_plays_of_one_second_without_a_start_began_with_the_earliest_of_them():
    """As the account data has them: which of a minute came first nobody knows."""
    found = heard(
        start_ms=[None] * 4, stop_ms=[600_000, 600_001, 600_002, 661_000], played_ms=[1_000, 500_000, 30_000, 5_000]
    )
    assert found.began.tolist() == [100_001, 100_001, 100_001, 656_000]


def test_a_start_that_the_clock_puts_after_the_end_is_no_silence():
    assert heard(start_ms=[0, 50 * MIN], stop_ms=[3 * MIN, 10 * MIN]).silence()[1] == 7 * MIN


def test_plays_without_a_listener_or_a_clock_are_left_out(tmp_path):
    table = by_hand.plays(
        by_hand.session("a", listener="anna", start_ms=[0, None, 4 * MIN], stop_ms=[3 * MIN, None, 5 * MIN]),
        by_hand.session("b", start_ms=[0], stop_ms=[3 * MIN]),
    )
    (row,) = sensitivity(made(tmp_path, table), [10]).to_pylist()
    assert (row["sessions"], row["median_plays"], row["median_min"]) == (1, 2, 5)


@pytest.mark.parametrize("source", ["mssd", "mpd"])
def test_where_there_is_nothing_to_cut_is_said(source):
    with pytest.raises(AskedWrongly, match=rf"no play of {source} has both a listener and a clock"):
        sensitivity(small.library(source))


@pytest.mark.parametrize("gap", [0, 10_081])
def test_a_gap_that_is_none_is_refused(gap):
    with pytest.raises(AskedWrongly, match=rf"^gap {gap}: expected minutes from 1 to 10080$"):
        sensitivity(small.library("lastfm1k"), [30, gap])


def test_parts_are_read_apart_and_put_together(tmp_path):
    library = made(tmp_path, by_hand.plays(by_hand.session("a", listener="anna", **PLAYS)))
    pq.write_table(by_hand.plays(by_hand.session("b", listener="bert", **PLAYS)), tmp_path / "other.parquet")
    pq.write_table(by_hand.plays(), tmp_path / "empty.parquet")
    library.manifest["parts"] += [{"path": "other.parquet"}, {"path": "empty.parquet"}]
    assert sensitivity(library)["sessions"].to_pylist() == [6, 4, 2, 2]


@pytest.mark.parametrize("source", ["spotify_history", "spotify_account"])
def test_where_ends_are_recorded_the_gap_of_the_library_makes_its_very_sessions(source):
    library = small.library(source)
    sizes = [n for found in streams(library) for _, n in cut_at(found, int(library.manifest["options"]["gap_min"]))]
    own = [n for table in library.plays(["position", "session_length"])
           for k, n in zip(*(table[c].to_pylist() for c in table.column_names), strict=True) if k == 1]  # fmt: skip
    assert sizes == own
