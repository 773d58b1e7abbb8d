"""The truth of simulated stays: found for each example, right as often as it says, refused where it is of other logs."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from segue.errors import AskedWrongly, BadInput
from segue.features.columns import from_arrow
from segue.library import ingest
from segue.simulate.lastfm1k import simulate
from segue.simulate.stays import REACH
from segue.simulate.whole_plays import PAUSES, SLOTS, shares
from segue.stay_truth import KNOWING, open_truth
from segue.survival import SECONDS, TRACKS

MOMENTS = (0, 1, 2, 5, 12, 30)


@cache
def made() -> Path:
    place = Path(tempfile.mkdtemp(prefix="segue-stays-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return simulate("stays-1", place / "raw", listeners=60, days=200, seed=5).path


@cache
def truth():
    return open_truth(made() / "truth")


def asked(k: int) -> dict[str, np.ndarray]:
    """Every session that came as far as k plays, asked about then."""
    session = truth().session[truth().logged >= k]
    return {"session": session, "asked_after": np.full(len(session), k)}


def column(alive, times, t):
    return alive[:, list(times).index(t)].astype(np.float64)


# ── the curves ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_curve_is_the_law_worked_by_hand():
    """One session, after two plays: moods by Bayes, the chance to stay by products of the hazards."""
    t = truth()
    row = int(np.argmax((t.logged > 3) & (np.abs(t.prior[:, 0] - 0.5) < 0.3)))
    leaves = t.law.leaving[:, t.own[row] + REACH]  # after play 1, 2 …
    mood = t.prior[row] * (1 - leaves[:, 0])  # the second play had come
    mood /= mood.sum()
    stay = t.of({"session": t.session[[row]], "asked_after": np.array([2])})
    for j in (0, 1, 3, 20):
        wanted = mood @ np.prod(1 - leaves[:, 1 : 2 + j], axis=1)
        assert column(stay.tracks.alive, TRACKS, j)[0] == pytest.approx(wanted, abs=1e-6)
    assert column(stay.seconds.alive, SECONDS, 0)[0] == pytest.approx(mood @ (1 - leaves[:, 1]), abs=1e-6)
    assert (
        column(stay.seconds.alive, SECONDS, 60)[0] == column(stay.seconds.alive, SECONDS, 0)[0]
    )  # no track is over so soon


def test_a_pause_comes_before_the_next_play_and_none_before_the_first():
    """By 90 s only a play of the shortest duration can be over, after no pause at all, which is one in 21."""
    t = truth()
    shortest = shares()[0] / SLOTS
    for k, chance in ((0, shortest), (1, shortest / PAUSES)):
        stay = t.of(asked(k))
        one = column(stay.tracks.alive, TRACKS, 0) - column(
            stay.tracks.alive, TRACKS, 1
        )  # the chance of just one further play
        fallen = column(stay.seconds.alive, SECONDS, 60) - column(stay.seconds.alive, SECONDS, 90)
        assert fallen == pytest.approx(one * chance, abs=3e-7)
        assert fallen.max() > 1e-5


def test_at_the_start_a_play_will_come():
    stay = truth().of(asked(0))
    assert (stay.tracks.alive[:, 0] == 1).all()
    assert (stay.seconds.alive[:, : list(SECONDS).index(60) + 1] == 1).all()
    assert (stay.seconds.alive[:, list(SECONDS).index(120)] < 1).all()


@pytest.mark.parametrize("k", MOMENTS)
def test_as_many_stay_as_the_truth_says(k):
    """At every time of both grids, within four standard errors; and where the truth says most, as where it says least."""
    stay, (seconds, tracks) = truth().of(asked(k)), truth().remaining(asked(k))
    for curve, remaining in ((stay.seconds, seconds), (stay.tracks, tracks)):
        for i, t in enumerate(curve.times):
            p = curve.alive[:, i].astype(np.float64)
            for some in (np.ones(len(p), bool), p < np.median(p), p >= np.median(p)):
                if some.any():
                    error = np.sqrt((p[some] * (1 - p[some])).sum())
                    assert abs((p - (remaining > t))[some].sum()) <= 4 * error + 0.5, (k, t)


@pytest.mark.parametrize("k", MOMENTS)
def test_ranks_of_what_happened_are_uniform(k):
    """The randomised transform of tracks: a tenth of outcomes in each tenth of the truth. Of whole numbers up to 20."""
    stay, (_, tracks) = truth().of(asked(k)), truth().remaining(asked(k))
    some = tracks < 20
    n, alive = np.flatnonzero(some), stay.tracks.alive.astype(np.float64)
    above, at = alive[n, tracks[some]], np.where(tracks[some] > 0, alive[n, tracks[some] - 1], 1)
    rank = 1 - (above + np.random.default_rng(k).random(len(n)) * (at - above))
    until = 1 - alive[:, 19]  # ranks go no further where more than 19 came
    for low, high in zip(np.arange(10) / 10, np.arange(1, 11) / 10, strict=True):
        wanted = np.clip(until, low, high) - low
        found = (rank >= low) & (rank < high)
        assert abs(found.sum() - wanted.sum()) <= 4 * np.sqrt((wanted * (1 - wanted)).sum()), (k, low)


def test_who_knows_more_is_right_more_often():
    """Log-loss of more than five further plays: the listener alone, the earlier sessions, the mood itself."""
    losses = []
    for knowing in ("listener", "past", "mood"):
        p = column(truth().of(asked(1), knowing=knowing).tracks.alive, TRACKS, 5)
        happened = truth().remaining(asked(1))[1] > 5
        losses.append(-np.log(np.where(happened, p, 1 - p)).mean())
    assert losses[0] > losses[1] + 0.02 > losses[2] + 0.04


def test_who_has_to_learn_the_listeners_numbers_is_right_as_often_as_it_says_and_knows_less():
    kept = np.isin(truth().session, truth().session[::3])
    for k in (0, 2, 12):
        keys = {"session": truth().session[kept & (truth().logged >= k)]}
        keys["asked_after"] = np.full(len(keys["session"]), k)
        known, learned = truth().of(keys), truth().of(keys, knowing="learned")
        _, tracks = truth().remaining(keys)
        losses = []
        for stay in (known, learned):
            p, happened = column(stay.tracks.alive, TRACKS, 5), tracks > 5
            losses.append(-np.log(np.where(happened, p, 1 - p)).mean())
            assert abs((p - happened).sum()) <= 4 * np.sqrt((p * (1 - p)).sum())
        assert losses[1] > losses[0]


def test_the_order_and_number_of_examples_are_those_asked_for():
    t = truth()
    rows = np.array([5, 900, 5, 33])
    keys = {"session": t.session[rows], "asked_after": np.array([0, 1, 1, 0])}
    stay = t.of(keys)
    assert stay.seconds.alive.shape == (4, len(SECONDS))
    for i in range(4):
        one = t.of({name: values[[i]] for name, values in keys.items()})
        assert stay.tracks.alive[i].tolist() == pytest.approx(one.tracks.alive[0].tolist(), abs=1e-7)
    assert len(t.of({"session": t.session[:0], "asked_after": np.zeros(0, int)}).seconds.alive) == 0


# ── whose truth it is ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sessions_of_a_library_are_found(tmp_path):
    raw = simulate("stays-1", tmp_path / "raw", listeners=3, days=30).path
    library = ingest("lastfm1k", [raw], tmp_path / "library")
    keys = []
    for part in library.plays(["session_id", "position", "session_length"]):
        of = from_arrow(part, ["session_id", "position", "session_length"])
        keys.append(np.stack([of[name][0] for name in ("session_id", "position", "session_length")]))
    session, position, length = np.concatenate(keys, axis=1)
    t = open_truth(raw / "truth")
    found = {"session": session, "asked_after": position}
    stay = t.of(found, remaining_tracks=length - position)
    assert len(stay.tracks.alive) == len(session)
    assert (t.remaining(found)[1] == length - position)[: len(session)].mean() > 0.9  # but for sessions cut at the end
    with pytest.raises(
        BadInput, match=r"moments are of sessions of another length in .*truth: .*ingested with --gap-min 30"
    ):
        t.of(found, remaining_tracks=length - position + 1)
    with pytest.raises(BadInput, match=r"are of sessions that are not in .*truth: give the truth folder of these logs"):
        truth().of(found)
    with pytest.raises(BadInput, match=r"moments are of sessions of another length"):
        t.of({"session": session[:1], "asked_after": length[:1] + 1})
    with pytest.raises(AskedWrongly, match=f"knowing 'all': expected {', '.join(KNOWING)}"):
        t.of(found, knowing="all")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda place: (place / "world.json").unlink(), AskedWrongly, "holds no world.json: expected the truth folder of"),
        (lambda place: (place / "world.json").write_text("{"), BadInput, "is not JSON .*: simulate the world again"),
        (lambda place: said(place, files="mpd"), AskedWrongly, "is no truth of stays: expected what segue simulate lastfm1k"),
        (lambda place: said(place, format=2), AskedWrongly, "is of format 2: expected 1; simulate the world"),
        (lambda place: said(place, version=9), AskedWrongly, "is of version 9 of stays-1, and this is version 1: simulate"),
        (lambda place: said(place, world="stays-7"), AskedWrongly, "no world is called 'stays-7'; did you mean stays-1?"),
        (lambda place: (place / "listeners.parquet").unlink(), BadInput, "is not as a simulator of stays writes it"),
        (lambda place: shutil.rmtree(place / "sessions"), BadInput, "is not as a simulator of stays writes it"),
    ],
)  # fmt: skip
def test_a_truth_that_cannot_be_read_is_one_line(tmp_path, change, kind, words):
    place = simulate("stays-1", tmp_path / "raw", listeners=1, days=5).path / "truth"
    change(place)
    with pytest.raises(kind, match=words):
        open_truth(place)


def said(place: Path, **other) -> None:
    world = json.loads((place / "world.json").read_text())
    (place / "world.json").write_text(json.dumps(world | other))
