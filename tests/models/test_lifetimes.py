"""Accelerated failure times: laws of whole lengths, stretched by what is known, and what remains by them."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from segue.errors import AskedWrongly, MissingExtra, Tampered
from segue.models.lifetimes import LogNormal, Weibull, covariates
from segue.models.stays import Shrunk
from segue.survival import gone, median
from segue.survival_scores import crps_seconds
from stays_by_hand import split, stays

lifelines = pytest.importorskip("lifelines")

EACH = pytest.mark.parametrize("model", [Weibull(penalty=1.0), LogNormal(penalty=1.0)], ids=["weibull", "lognormal"])


@cache
def by_hour(seed=0, matters=True):
    """Who begins in the evening stays four times as long, with a log-normal spread of a half."""
    rng = np.random.default_rng(seed)
    hours = rng.choice([6, 18], (30, 30))
    middle = np.where(hours == 18, 20, 5) if matters else 10
    plays = np.clip(np.rint(middle * np.exp(0.5 * rng.normal(size=hours.shape))), 1, None).astype(int)
    return split(stays(plays.tolist(), hours.tolist()), 6)


@cache
def fitted(law):
    return {"weibull": Weibull(penalty=1.0), "lognormal": LogNormal(penalty=1.0)}[law].fit(by_hour()[0])


def at_start(batch):
    return batch.take(batch.keys["asked_after"] == 0)


@EACH
def test_it_finds_that_evenings_are_longer(model):
    test = at_start(by_hour()[1])
    answer = fitted(model.law).predict(test)
    evening = test.column("start_hour")[0] == 18
    for curve, unit in ((answer.tracks, 1), (answer.seconds, 180)):
        said = median(curve) / unit
        assert said[evening].mean() == pytest.approx(20, rel=0.15)
        assert said[~evening].mean() == pytest.approx(5, rel=0.15)


@EACH
def test_a_clock_that_does_not_matter_moves_nothing(model):
    train, test = (replace(b, earlier=None) for b in by_hour(matters=False))
    said = median(model.fit(train).predict(at_start(test)).tracks)
    assert said == pytest.approx(10, rel=0.25)


def test_the_law_that_made_the_lengths_is_nearer_to_them_than_the_other():
    train, test = by_hour()
    left = test.also["remaining_ms"] / 1000
    models = {"normal": fitted("lognormal"), "weibull": fitted("weibull"), "shrunk": Shrunk().fit(train)}
    score = {name: crps_seconds(model.predict(test).seconds, left).mean() for name, model in models.items()}
    assert score["normal"] < score["weibull"] < 0.75 * score["shrunk"]


@EACH
def test_its_numbers_are_those_of_lifelines(model):
    import pandas

    train, _ = by_hour()
    found = fitted(model.law)
    start = at_start(train)
    x = found.encoder.encode(covariates(start.select(found.columns), found.places))
    names = [f"x{i}" for i in range(x.shape[1])]
    table = pandas.DataFrame(x, columns=names).assign(t=start.also["remaining_ms"] / 1000, e=1)
    kind = {"weibull": lifelines.WeibullAFTFitter, "lognormal": lifelines.LogNormalAFTFitter}[found.law]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas to come
        there = kind(penalizer=model.penalty / len(table)).fit(table, "t", "e")
    test = at_start(train).take(slice(0, 25))
    curve = found.predict(test).seconds
    times = [600.0, 1800.0, 7200.0]
    wanted = there.predict_survival_function(table[names].iloc[:25], times=times).to_numpy().T
    assert np.stack([1 - gone(curve, t) for t in times], 1) == pytest.approx(wanted, abs=1e-4)


def test_what_remains_follows_from_the_whole():
    _, test = by_hour()
    found = fitted("lognormal")
    later = test.take(test.keys["asked_after"] == 3)
    start = at_start(test).take(np.isin(at_start(test).keys["session"], later.keys["session"]))
    whole, rest = found.predict(start).tracks, found.predict(later).tracks
    assert rest.alive[:, 2] == pytest.approx(whole.alive[:, 5] / whole.alive[:, 2], abs=1e-5)
    assert (whole.alive[:, 0] == 1).all()  # a session that begins has a play


@EACH
def test_sessions_cut_short_make_lengths_longer(model):
    rng = np.random.default_rng(0)
    plays = np.clip(np.rint(np.array([12, 4]) * np.exp(0.3 * rng.normal(size=(60, 2)))), 1, None).astype(int).tolist()
    seen, cut = (replace(stays(plays, open_last=o), earlier=None) for o in (False, True))
    said = [median(model.fit(b).predict(at_start(b)).tracks).mean() for b in (seen, cut)]
    assert said[1] > said[0] + 1


@EACH
def test_saved_and_opened_it_answers_the_same_to_the_bit(model):
    _, test = by_hour()
    found = fitted(model.law)
    again = type(model).open(*found.save())
    for name in ("seconds", "tracks"):
        assert np.array_equal(getattr(again.predict(test), name).alive, getattr(found.predict(test), name).alive)
    assert again.columns == found.columns


def test_it_answers_where_lifelines_is_not_installed_and_says_what_to_install_to_fit(monkeypatch):
    train, test = by_hour()
    saved = fitted("lognormal").save()
    monkeypatch.setitem(sys.modules, "lifelines", None)
    assert LogNormal.open(*saved).predict(test).tracks.alive.shape[0] == len(test)
    with pytest.raises(MissingExtra, match=r"lifelines is not installed; run: pip install 'segue\[length\]'"):
        LogNormal().fit(train)


@EACH
def test_what_is_unknown_is_as_usual(model):
    _, test = by_hour()
    found = fitted(model.law)
    unknown = replace(test, known=test.known & np.array([True, True, False, False, False]), earlier=None)
    unknown = replace(unknown, values=np.where(unknown.known, unknown.values, 0))
    said = median(found.predict(at_start(unknown)).tracks)
    assert (said == said[0]).all()
    assert 4 < said[0] < 25


@EACH
def test_without_a_clock_only_tracks_are_told(model):
    plays = np.random.default_rng(0).integers(2, 10, (20, 6)).tolist()
    batch = at_start(stays(plays, clock=False))
    answer = model.fit(batch).predict(batch)
    assert answer.seconds is None
    assert 3 < np.mean(median(answer.tracks)) < 8


@EACH
def test_one_listener_is_enough(model):
    rng = np.random.default_rng(0)
    batch = stays([rng.integers(3, 9, 40).tolist()])
    assert median(model.fit(batch).predict(at_start(batch)).tracks).mean() == pytest.approx(5.5, abs=1)


def test_at_most_so_many_sessions_are_learned_from_and_the_seed_says_which():
    train, test = by_hour()
    train, few = replace(train, earlier=None), LogNormal(sessions=60)
    one, again, other = (replace(few, seed=s).fit(train).predict(test).tracks.alive for s in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_what_cannot_be_learned_is_refused():
    later = stays([[10, 12]] * 3)
    with pytest.raises(AskedWrongly, match="no session is known from its start"):
        Weibull().fit(later.take(later.keys["asked_after"] >= 10))
    still = stays([[4]] * 5, open_last=True)
    with pytest.raises(AskedWrongly, match="no session was seen to end"):
        Weibull().fit(still)
    alike = stays([[7] * 6] * 5)
    with pytest.raises(AskedWrongly, match="lengths settle on no weibull law: give more sessions"):
        Weibull(penalty=0.0).fit(alike)
    with pytest.raises(AskedWrongly, match="penalty=-1: expected from 0"):
        Weibull(penalty=-1)


def test_damaged_numbers_are_refused():
    settings, arrays = fitted("weibull").save()
    for broken in (
        {**arrays, "weights.n_plays": arrays["weights.n_plays"] * np.nan},
        {**arrays, "weights.n_plays": arrays["weights.n_plays"][1:]},
        {**arrays, "n_plays.at": arrays["n_plays.at"][::-1]},
    ):
        with pytest.raises(Tampered):
            Weibull.open(settings, broken)
    for wrong in ({"law": "gamma"}, {"kinds": ["lasted_ms"]}, {"described": []}):
        with pytest.raises(Tampered):
            Weibull.open({**settings, **wrong}, arrays)
