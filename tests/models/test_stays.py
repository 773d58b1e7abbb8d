"""The marks: one number from everybody or from the listener's own sessions; and the listener's curve, drawn together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from segue import registry
from segue.batch import Stay
from segue.errors import AskedWrongly, Tampered
from segue.models.stays import EwmaOfSessions, GlobalMedian, Previous, Shrunk, UserMean, UserMedian
from segue.stay_checks import of_somebody_new
from segue.survival import median
from segue.survival_scores import crps_tracks
from stays_by_hand import PLAY_S, error, shuffled, split, stays

OWN = [UserMean(), UserMedian(), Previous(), EwmaOfSessions()]


def two_kinds(listeners=20, days=30, seed=0):
    """Half of the listeners hear about three plays a session, half about ten."""
    rng = np.random.default_rng(seed)
    return stays(
        [
            rng.integers(8, 13, days).tolist() if who % 2 else rng.integers(1, 6, days).tolist()
            for who in range(listeners)
        ]
    )


def at(batch, k, listener=0, day=-1):
    days = np.unique(batch.keys["day"])
    rows = (batch.keys["asked_after"] == k) & (batch.keys["listener"] == listener) & (batch.keys["day"] == days[day])
    return batch.take(np.flatnonzero(rows))


def tracks(model, batch):
    return model.fit(batch).predict(batch).values[:, 1]


def test_the_middle_of_all_is_that_of_all_who_came_as_far():
    batch = stays([[1], [3], [8]])
    found = GlobalMedian().fit(batch).predict(batch)
    assert found.names == ("seconds", "tracks")
    said = dict(zip(batch.keys["asked_after"].tolist(), found.values.tolist(), strict=True))
    assert said[0] == [3 * PLAY_S, 3]
    assert said[1] == [2 * PLAY_S, 2]
    assert said[2] == [3.5 * PLAY_S, 3.5]  # of 1 and 6
    assert said[7] == [PLAY_S, 1]


def test_censored_sessions_are_in_no_median_where_others_are():
    batch = stays([[3, 9]], open_last=True)
    assert GlobalMedian().fit(batch).predict(at(batch, 0)).values[0, 1] == 3
    alone = stays([[9]], open_last=True)
    assert GlobalMedian().fit(alone).predict(at(alone, 0)).values[0, 1] == 9


@pytest.mark.parametrize(
    ("model", "at_start", "after_3"),
    [
        (UserMean(), 5, 2),
        (UserMedian(), 4, 1),
        (Previous(), 3, 0),
        (EwmaOfSessions(fading=0.5), 4, 1),
    ],  # (3 + 4/2 + 8/4) / 1.75
)
def test_the_listeners_own_sessions_say_what_remains(model, at_start, after_3):
    batch = stays([[8, 4, 3, 8]])  # of the fourth: 8, 4 and 3 were before; those that came to 3 plays: 5, 1, 0 more
    found = model.fit(batch).predict
    assert found(at(batch, 0)).values[0, 1] == pytest.approx(at_start)
    assert found(at(batch, 3)).values[0].tolist() == pytest.approx([after_3 * PLAY_S, after_3])


def test_who_has_outlasted_all_of_their_own_is_told_what_all_do():
    batch = stays([[2, 2, 8], [8, 8, 8]])
    for model in OWN:
        fitted = model.fit(batch)
        late = at(batch, 7)
        assert fitted.predict(late).values.tolist() == GlobalMedian().fit(batch).predict(late).values.tolist()


def test_who_is_new_is_told_what_all_do():
    batch = stays([[2, 5, 8], [8, 8, 9]])
    of_all = GlobalMedian().fit(batch).predict(batch).values
    for model in OWN:
        assert model.fit(batch).predict(of_somebody_new(batch)).values.tolist() == of_all.tolist()
        assert model.fit(batch).predict(replace(batch, earlier=None)).values.tolist() == of_all.tolist()


def test_between_two_landmarks_the_one_before_counts_and_before_the_first_the_first():
    batch = stays([[10]])
    fitted = GlobalMedian().fit(batch.take(batch.keys["asked_after"] >= 2))
    asked = replace(batch, keys=batch.keys | {"asked_after": np.array([0, 2, 4, 6, 9, 10, 99])})
    assert fitted.predict(asked).values[:, 1].tolist() == [8, 8, 7, 5, 3, 0, 0]
    again = GlobalMedian.open(*fitted.save())
    assert again.predict(asked).values.tolist() == fitted.predict(asked).values.tolist()


def test_without_a_clock_seconds_are_not_known():
    batch = stays([[3, 4, 5]], clock=False)
    assert set(GlobalMedian().fit(batch).predict(batch).values[:, 0]) == {-1}
    assert UserMean().fit(batch).predict(at(batch, 0)).values.tolist() == [[-1, 3.5]]
    assert Shrunk().fit(batch).predict(batch).seconds is None


def test_where_listeners_are_of_two_kinds_their_own_sessions_say_more_than_everybodys():
    train, test = split(two_kinds(), 6)
    of_all = error(GlobalMedian().fit(train).predict(test).values[:, 1], test)
    for model in OWN:
        assert error(model.fit(train).predict(test).values[:, 1], test) < 0.75 * of_all, model.how
    shrunk = Shrunk().fit(train).predict(test)
    assert error(median(shrunk.tracks, whole=True), test) < 0.6 * of_all


def test_where_lengths_are_chance_the_curve_of_a_listener_is_that_of_all():
    train, test = split(shuffled(two_kinds()), 6)
    fitted = Shrunk().fit(train)
    assert fitted.tracks.between < 0.02
    own, all_ = fitted.predict(test), fitted.predict(of_somebody_new(test))
    left = test.also["remaining_tracks"]
    assert crps_tracks(own.tracks, left).mean() == pytest.approx(crps_tracks(all_.tracks, left).mean(), rel=0.03)


def test_the_curve_of_somebody_new_is_that_of_all_sessions():
    train, _ = split(two_kinds(), 6)
    start = of_somebody_new(train.take(train.keys["asked_after"] == 0)).take(np.arange(1))
    alive = Shrunk().fit(train).predict(start).tracks.alive[0]
    length = train.also["remaining_tracks"][train.keys["asked_after"] == 0]
    for n in (1, 3, 5, 9, 11):
        assert alive[n] == pytest.approx((length > n).mean(), abs=0.08), n


def test_a_listener_with_few_sessions_lies_between_all_and_their_own():
    train, _ = split(two_kinds(), 6)
    fitted = Shrunk().fit(train)
    batch = stays([[10] * 30])
    said = [median(fitted.predict(at(batch, 0, day=n)).tracks)[0] for n in (0, 1, 29)]
    assert said[0] < said[1] < said[2]
    assert said[2] == pytest.approx(10, abs=1)


@pytest.mark.parametrize("name", ["global-median", "user-mean", "user-median", "previous", "ewma", "shrunk"])
@pytest.mark.parametrize("clock", [True, False])
def test_saved_and_opened_it_says_the_same(name, clock):
    batch = stays([[3, 4, 5, 9], [2, 1, 7, 1]], clock=clock)
    model = registry.model("length", name)
    fitted = model().fit(batch)
    settings, arrays = fitted.save()
    again = model.open(json.loads(json.dumps(settings)), {n: np.array(a) for n, a in arrays.items()})
    one, other = fitted.predict(batch), again.predict(batch)
    if isinstance(one, Stay):
        assert np.array_equal(one.tracks.alive, other.tracks.alive)
        assert clock is False or np.array_equal(one.seconds.alive, other.seconds.alive)
    else:
        assert np.array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("settings", "arrays"),
    [
        ({}, {"marks": np.array([0.0, 0.0])}), ({}, {"marks": np.array([-1.0, 2.0])}), ({}, {"middle": np.zeros((2, 1))}),
        ({}, {"middle": np.full((2, 2), np.nan)}), ({}, {"marks": np.zeros(0), "middle": np.zeros((0, 2))}),
        ({"how": "mode"}, {}), ({"keep": float("inf")}, {}),
    ],
)  # fmt: skip
def test_damaged_marks_are_refused(settings, arrays):
    sound = {"marks": np.array([0.0, 1.0]), "middle": np.ones((2, 2))}
    with pytest.raises(Tampered, match="the marks of lengths are damaged"):
        UserMean.open({"how": "mean", "keep": 1.0} | settings, sound | arrays)


def test_without_any_session_nothing_can_be_learned():
    with pytest.raises(AskedWrongly, match="there is no session to learn from"):
        Shrunk().fit(stays([[2]]).take(np.zeros(0, int)))


def test_the_fading_is_bounded():
    with pytest.raises(AskedWrongly, match="fading"):
        EwmaOfSessions(fading=0)
    assert len({m.fading for m in EwmaOfSessions().grid()}) == 4
