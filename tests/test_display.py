"""What a table does without where a terminal is narrow."""

from __future__ import annotations

from segue.display import Pace, _doing, _fitting, _width, reading_bar
from segue.exam import CEILINGS
from segue.intervals import Interval
from segue.metrics import Bins, Calibration
from segue.scores import Comparison, Score

SCORE = Interval(0.5, 0.4, 0.6)
CALIBRATION = Calibration(0.1, 0.1, 1.0, 0.0, Bins(*([],) * 3))


def rows(decides, *metrics):
    shares = dict.fromkeys(m for m in ("maa", "log_loss") if m in metrics)
    made = [
        Score(
            model,
            dict.fromkeys(metrics, SCORE),
            CALIBRATION,
            0.5,
            SCORE,
            p_holm=0.5,
            shares=dict.fromkeys(shares, SCORE),
        )
        for model in ("repeat-last", "boosting", *CEILINGS)
    ]
    return Comparison("skip", "x", tuple(made), decides).table()


def test_beside_maa_a_narrow_table_does_without_log_loss_and_keeps_every_word_whole():
    challenge = rows("maa", "maa", "fpa", "log_loss", "brier", "auc", "accuracy")
    assert _fitting(challenge, 300) == (challenge, [])
    found, left_out = _fitting(challenge, 95)
    assert [" ".join(k.split()) for k in found[0]] == [
        "model", "MAA", "FPA", "MAA gained on best baseline", "p (Holm)", "share of MAA gain"
    ]  # fmt: skip
    assert left_out == ["accuracy", "Brier score", "slope", "AUC", "ECE", "log-loss"]
    assert _width(found) <= 95


def test_where_log_loss_decides_it_stays():
    online = rows("log_loss", "log_loss", "brier", "auc", "accuracy")
    found, left_out = _fitting(online, 80)
    assert [" ".join(k.split()) for k in found[0]] == [
        "model", "log-loss", "log-loss gained on best baseline", "p (Holm)", "share of log-loss gain"
    ]  # fmt: skip
    assert left_out == ["accuracy", "Brier score", "slope", "AUC", "ECE"]
    assert _width(found) <= 80
    assert list(_fitting(online, 1)[0][0]) == list(found[0])


# the pace of reading


def test_pace_and_time_left_are_said_once_there_is_something_to_go_by():
    pace = Pace()
    assert pace.said(0, 1000, 0, 100.0) == ""
    assert pace.said(1, 1000, 0, 100.5) == ""
    assert pace.said(100, 1000, 0, 110.0) == "1:30 left"
    assert pace.said(200, 1000, 123_456, 120.0) == "123,456 plays, 6,170 plays/s, 1:20 left"
    assert pace.said(1000, 1000, 1_000_000, 200.0) == "1,000,000 plays, 10,000 plays/s, 0:00 left"


def test_what_an_earlier_run_had_read_does_not_make_this_one_faster():
    pace = Pace()
    assert pace.said(900, 1000, 90_000, 0.0) == "90,000 plays"
    assert pace.said(910, 1000, 91_000, 10.0) == "91,000 plays, 100 plays/s, 1:30 left"


def test_long_waits_are_said_in_hours():
    pace = Pace()
    pace.said(0, 100_000, 0, 0.0)
    assert pace.said(10, 100_000, 0, 2.0) == "5:33:18 left"


def test_another_thing_to_read_has_a_pace_of_its_own():
    pace = Pace()
    pace.said(0, 50, 0, 0.0)
    assert pace.said(50, 50, 0, 5.0) == "0:00 left"
    assert pace.said(0, 1000, 0, 6.0) == ""
    assert pace.said(100, 1000, 0, 16.0) == "1:30 left"


def test_where_nobody_looks_nothing_is_drawn(capsys):
    with reading_bar() as progress:
        progress(0, 10, "log.csv")
        progress(10, 10, "log.csv", rows=5)
    assert capsys.readouterr() == ("", "")


def test_a_bar_says_its_word_once():
    assert _doing("fitting", "boosting") == "fitting boosting"
    assert _doing("looking", "looking into raw.tar.gz") == "looking into raw.tar.gz"
    assert _doing("training", "measuring a.mp3", "measuring") == "measuring a.mp3"
    assert _doing("training", "ridge, fold 1 of 5", "measuring") == "training ridge, fold 1 of 5"
    assert len(_doing("fitting", "x" * 100)) == 60
