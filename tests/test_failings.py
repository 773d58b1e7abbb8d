"""Where a model fails: planted failures are found and named, and where there are none, none is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from segue.failings import BLIND, GENERAL, TOO_LITTLE, TOO_MUCH, WORSE, in_words, score_slices, visible
from segue.intervals import Interval, resamples
from segue.slices import Slice

N = 8000  # plays of 1,000 sessions


def logistic(z):
    return 1 / (1 + np.exp(-z))


class Logs:
    """Plays whose chances are known; every slice is a quarter of the sessions, `few` is a part of the first."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.session = np.arange(N) // 8
        self.logit = rng.normal(size=N)
        self.label = (rng.random(N) < logistic(self.logit)).astype(np.int8)
        self.mark = np.full(N, 0.5)
        names = ("catalog", "radio", "charts", "playlists")
        self.slices = [Slice("context", n, f"plays from {n}", self.session % 4 == k) for k, n in enumerate(names)]
        self.radio = self.slices[1].rows

    def found(self, p, mark=None, slices=None):
        mark = self.mark if mark is None else mark
        draw = resamples(self.session, draws=200)
        scores = score_slices(slices or self.slices, p, mark, self.label, self.session, draw)
        return {s.name: s for s in scores}, in_words(scores, "prior", "session")


@pytest.fixture(scope="module")
def logs():
    return Logs()


def test_a_model_that_is_right_fails_nowhere_and_what_would_have_been_seen_is_said(logs):
    scores, words = logs.found(logistic(logs.logit))
    assert all(s.fails == () and s.cost == 0 for s in scores.values())
    assert len(words) == 2
    assert words[0].startswith("Over all 8,000 plays it says ")
    assert "which may be chance; its log-loss is better than prior's by ." in words[0]
    assert re.fullmatch(
        r"Nothing stands out in 4 slices beyond what 15 comparisons bring by chance\. Four times in five, depending on the "
        r"slice, a gap would have been seen from \d to \d points on, and a loss against prior from \.0\d\d to \.0\d\d on\.",
        words[1],
    )


def test_fewer_than_one_in_twenty_right_models_are_found_to_fail_anywhere():
    wrong = 0
    for seed in range(30):
        logs = Logs(seed)
        scores, _ = logs.found(logistic(logs.logit))
        wrong += any(s.fails for s in scores.values())
    assert wrong <= 4  # at most 1.5 are expected; more than 4 would come in one of fifty such tests


@pytest.mark.parametrize(("shift", "way", "words"), [(-0.5, TOO_LITTLE, "too little"), (0.5, TOO_MUCH, "too much")])
def test_a_slice_where_it_says_too_much_or_too_little_is_named_with_its_numbers(logs, shift, way, words):
    scores, said = logs.found(logistic(logs.logit + shift * logs.radio))
    assert [n for n, s in scores.items() if s.fails and n != "all plays"] == ["radio"]
    assert scores["radio"].fails == (way,)
    assert np.sign(scores["radio"].gap.value) == np.sign(shift)
    sentence = next(line for line in said if line.startswith("For "))
    found = re.fullmatch(
        rf"For plays from radio, it says (\d+)% where (\d+)% were skipped: (\d+) points {words} \[(\d+), (\d+)\] "
        r"\(n = 2,000\)\.",
        sentence,
    )
    says, skipped, points, low, high = map(int, found.groups())
    assert abs(abs(says - skipped) - points) <= 1
    assert 5 <= low < points < high <= 15
    assert not any("stands out" in line for line in said)


def test_a_slice_whose_outcomes_are_the_other_way_round_is_worse_than_the_baseline_and_than_its_share(logs):
    p = logistic(np.where(logs.radio, -logs.logit, logs.logit))
    scores, said = logs.found(p)
    assert set(scores["radio"].fails) == {WORSE, BLIND}
    assert scores["radio"].auc < 0.35
    assert all(not s.fails for n, s in scores.items() if n != "radio")
    sentence = next(line for line in said if line.startswith("For plays from radio, "))
    assert re.search(
        r"it is worse than prior by \.[34]\d{3} \[\.[34]\d{3}, \.[345]\d{3}\]; saying 5\d\.\d% of every one", sentence
    )


def test_failures_are_told_by_what_they_cost(logs):
    """As much too little in a twentieth of the plays costs less than in a quarter of them; a larger gap there, more."""
    small = (logs.session % 4 == 2) & (logs.session % 20 < 4)
    slices = [logs.slices[1], Slice("context", "some charts", "plays from some charts", small)]
    for shift, first in ((1.0, "radio"), (3.0, "some charts")):
        p = logistic(logs.logit - 0.8 * logs.radio - shift * small)
        scores, said = logs.found(p, slices=slices)
        assert max(slices, key=lambda s: scores[s.name].cost).name == first
        assert next(line.split(",")[0] for line in said if line.startswith("For ")) == f"For plays from {first}"


def test_what_is_off_everywhere_is_said_once_and_a_slice_only_where_it_is_further_off(logs):
    p = logistic(logs.logit + 0.6 + 0.8 * logs.radio)
    scores, said = logs.found(p)
    assert scores["all plays"].fails == (TOO_MUCH,)
    assert TOO_MUCH in scores["radio"].fails
    p = logistic(logs.logit + 0.6)
    scores, said = logs.found(p)
    assert {s.fails for n, s in scores.items() if n != "all plays"} == {(GENERAL,)}
    general = next(line for line in said if line.startswith("As over all plays, it says too much for: "))
    assert general.count("points, n = 2,000)") == 4
    assert any(line.startswith("Nothing more stands out in 4 slices") for line in said)


def test_a_slice_that_is_not_shown_to_beat_the_baseline_is_said(logs):
    p = logistic(np.where(logs.radio, 0.0, logs.logit))  # right on average, and no better than one half
    scores, said = logs.found(p, mark=np.full(N, 0.5001))
    assert scores["radio"].fails == ()
    assert any(line.startswith("Not shown to be better than prior for: plays from radio (") for line in said)
    assert not any(line.startswith("Not shown") for line in logs.found(logistic(logs.logit))[1])


def test_few_plays_or_few_clusters_are_shown_and_not_judged(logs):
    few = np.zeros(N, bool)
    few[: 199 * 8 : 8] = True  # 199 plays of as many sessions
    together = np.zeros(N, bool)
    together[4000:4072] = True  # 72 plays of nine sessions
    slices = [Slice("k", "few", "few plays", few), Slice("k", "nine", "nine sessions", together)]
    scores, said = logs.found(np.where(few | together, 0.999, logistic(logs.logit)), slices=slices)
    for name in ("few", "nine"):
        assert (scores[name].judged, scores[name].p, scores[name].fails) == (False, {}, ())
    assert scores["few"].n == 199
    assert said[-1] == (
        "Too little to judge (under 200 plays, or under 10 sessions): few plays (n = 199); nine sessions (n = 72)."
    )


def test_where_nothing_can_be_judged_it_is_said_and_nothing_else_claimed():
    label, session = np.array([0, 1, 1, 0]), np.zeros(4, int)
    draw = resamples(session, draws=10)
    rows = np.array([True, True, False, False])
    scores = score_slices([Slice("k", "a", "a few", rows)], np.full(4, 0.4), None, label, session, draw)
    said = in_words(scores, None, "session")
    assert said == [
        "Over all 4 plays it says 40% where 50% were skipped: 10 points too little.",
        "Nothing can be judged: that takes 200 plays and 10 clusters (sessions); there are 4 and 1.",
    ]
    assert scores[0].gained is None


def test_a_slice_in_which_all_were_kept_is_scored():
    label = np.zeros(400, np.int8)
    label[:200] = 1
    session = np.arange(400)
    rows = np.arange(400) >= 200
    scores = score_slices(
        [Slice("k", "kept", "those kept", rows)], np.full(400, 0.3), None, label, session, resamples(session, draws=50)
    )
    assert scores[1].skipped == 0
    assert np.isnan(scores[1].auc)
    assert set(scores[1].fails) == {TOO_MUCH, BLIND}


def test_a_difference_that_would_have_been_seen_is_seen_four_times_in_five():
    """One test of the mean of 400: 1.96 + .84 = 2.80 standard errors; in 50 tests the first step of Holm asks for more."""
    error = 1 / 20
    of = Interval(0, -1.959964 * error, 1.959964 * error)
    assert visible(of, 1) == pytest.approx(2.8016 * error, rel=1e-3)
    assert visible(of, 50) == pytest.approx((3.2905 + 0.8416) * error, rel=1e-3)
