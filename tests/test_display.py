"""What a table does without where a terminal is narrow."""

from __future__ import annotations

from segue.display import _fitting, _width
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
