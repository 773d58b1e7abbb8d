"""The baselines by hand: tables drawn towards the mean, and a line through a rate."""

from __future__ import annotations

import numpy as np
import pytest

from segue.batch import Batch
from segue.errors import AskedWrongly, BadInput, Tampered, UnknownName
from segue.models.baseline import Ewma, PositionTable, Prior, RepeatLast
from segue.models.model import Table, log_odds, logistic


def batch(label, **columns):
    known = np.array([[v is not None for v in c] for c in columns.values()]).T.reshape(len(label), len(columns))
    values = np.array([[0 if v is None else v for v in c] for c in columns.values()], np.float32).T
    return Batch(tuple(columns), values.reshape(len(label), len(columns)), known, np.array(label, np.int8), {})


def test_the_prior_is_the_share_of_skips():
    fitted = Prior().fit(batch([1, 0, 0, 0]))
    assert fitted.columns == ()
    assert fitted.predict(batch([0, 1])).p == pytest.approx([0.25, 0.25], abs=1e-4)
    assert fitted.explain(batch([0, 1])).shape == (2, 0)


def test_the_prior_of_many_plays_is_their_share():
    assert Prior().fit(batch([1] * 300 + [0] * 700)).predict(batch([0])).p[0] == pytest.approx(0.3, abs=1e-3)


def test_repeat_last_is_the_share_of_skips_after_a_skip_after_a_keep_and_at_the_start():
    train = batch([1, 1, 1, 0, 0, 0, 0, 1], last_skipped=[1, 1, 1, 1, 0, 0, 0, None])
    mean = (4 + 1) / (8 + 2)
    expected = [(3 + 10 * mean) / 14, (0 + 10 * mean) / 13, (1 + 10 * mean) / 11]
    fitted = RepeatLast().fit(train)
    asked = batch([0] * 3, last_skipped=[1, 0, None])
    assert fitted.columns == ("last_skipped",)
    assert fitted.predict(asked).p == pytest.approx(expected)
    assert fitted.explain(asked)[:, 0] == pytest.approx(log_odds(np.array(expected)) - log_odds(mean))


def test_the_position_table_tells_places_apart_up_to_its_last():
    train = batch([1, 1, 0, 0, 0, 0], position_in_session=[1, 1, 2, 3, 4, 500])
    mean = 3 / 8
    fitted = PositionTable(places=3).fit(train)
    expected = [(2 + 10 * mean) / 12, 10 * mean / 11, 10 * mean / 13, 10 * mean / 13]
    assert fitted.predict(batch([0] * 4, position_in_session=[1, 2, 3, 999])).p == pytest.approx(expected)
    assert fitted.predict(batch([0], position_in_session=[None])).p == pytest.approx([mean])


def test_ewma_is_a_line_through_the_rate_on_a_logistic_scale():
    rate = [0.0] * 50 + [1.0] * 50 + [None] * 10
    label = [0] * 40 + [1] * 10 + [1] * 40 + [0] * 10 + [1] * 10
    fitted = Ewma().fit(batch(label, skip_rate_across_80=rate))
    p = fitted.predict(batch([0] * 3, skip_rate_across_80=[0.0, 1.0, None])).p
    assert p == pytest.approx([0.2, 0.8, 61 / 112], abs=2e-3)
    assert fitted.columns == ("skip_rate_across_80",)
    moved = fitted.explain(batch([0] * 3, skip_rate_across_80=[0.5, 1.0, None]))[:, 0]
    assert moved == pytest.approx([0, fitted.slope / 2, 0])


@pytest.mark.parametrize("rate", [[None] * 4, [None, None, None, 0.5]])
def test_ewma_of_nothing_known_is_the_share_of_skips(rate):
    fitted = Ewma(keep=90).fit(batch([1, 0, 0, 0], skip_rate_across_90=rate))
    assert fitted.predict(batch([0] * 2, skip_rate_across_90=[None, 1.0])).p == pytest.approx([1 / 3, 1 / 3])


def test_ewma_where_all_known_plays_are_skipped_is_finite():
    fitted = Ewma().fit(batch([1] * 4, skip_rate_across_80=[0.1, 0.2, 0.3, 0.4]))
    assert fitted.predict(batch([0], skip_rate_across_80=[0.1])).p == pytest.approx([5 / 6])


@pytest.mark.parametrize("model", [Prior(), RepeatLast(), PositionTable(), Ewma()], ids=lambda m: type(m).__name__)
def test_saved_and_opened_a_baseline_answers_the_same(model):
    train = batch([1, 0, 1, 0], last_skipped=[1, 0, None, 0], position_in_session=[1, 2, 3, 4],
                  skip_rate_across_80=[0.5, 0.1, None, 0.2])  # fmt: skip
    fitted = model.fit(train)
    again = type(model).open(*fitted.save())
    assert np.array_equal(again.predict(train).p, fitted.predict(train).p)
    assert again.columns == fitted.columns


@pytest.mark.parametrize("model", [Prior, RepeatLast, PositionTable, Ewma])
def test_the_settings_that_tuning_tries_are_different_and_begin_with_the_default(model):
    grid = model().grid()
    assert grid[0] == model()
    assert len(set(grid)) == len(grid) <= 6
    assert model.sentence[0].islower()


@pytest.mark.parametrize("table", [[], [[0.0]], [np.nan], [np.inf]])
def test_a_table_that_is_none_is_refused(table):
    with pytest.raises(Tampered, match="is damaged: get the bundle again"):
        Table.restore({"column": None, "mean": 0.0}, {"table": np.array(table)})


def test_an_ewma_of_no_numbers_is_refused():
    with pytest.raises(BadInput, match="are not finite numbers"):
        Ewma.open({"column": "x", "slope": float("nan"), "intercept": 0, "unknown": 0, "mean_rate": 0}, {})


def test_places_and_rates_that_are_not_there_are_refused():
    with pytest.raises(AskedWrongly, match=r"places=0: expected from 1 to 10000"):
        PositionTable(places=0)
    with pytest.raises(UnknownName, match="no column of the batch is called 'skip_rate_across_81'; did you mean"):
        Ewma(keep=81).fit(batch([1, 0], skip_rate_across_80=[0.1, 0.2]))


def test_log_odds_become_probabilities_that_are_never_0_or_1():
    p = logistic(np.array([-1e9, -1.0, 0.0, np.log(3), 1e9]))
    assert p[2:4] == pytest.approx([0.5, 0.75])
    assert 0 < p[0] < 1e-12
    assert 1 - 1e-12 < p[4] < 1
