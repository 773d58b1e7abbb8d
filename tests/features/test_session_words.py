"""What is said of a listener, age and country: worked out by hand on every road, and held to the laws."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from by_hand import plays, session
from segue import checks, registry
from segue.batch import Batch
from segue.checks import LawBroken
from segue.engines import Embedded
from segue.errors import NotGranted
from segue.features.build import Ask, ask, from_library
from segue.features.feature import Feature, feature
from segue.features.tree import make
from segue.features.words import History, Session
from segue.library import Library

SESSION, HISTORY = Session(), History()


@feature("year", "Age of the listener")
def age(session):
    return session.listener_age


@feature("flag", "The listener is from Germany")
def from_germany(session):
    return session.country == "Germany"


@feature("share", "Skip rate of plays from the listener's country, as of yesterday")
def skip_rate_of_country(history):
    return history.rate("country")


@feature("plays", "Plays by listeners of this age from this country, as of yesterday")
def plays_of_country_and_age(history):
    return history.count("country", "listener_age")


SAID = {f.name: f for f in (age, from_germany, skip_rate_of_country, plays_of_country_and_age)}
TABLE = plays(
    session("a1", listener="a", listener_age=30, country="Germany", day=1, start_ms=[0, 9], skipped=[1, 0]),
    session("a2", listener="a", listener_age=31, country="Germany", day=2, start_ms=[20, 29], skipped=[1, None]),
    session("b1", listener="b", listener_age=30, country="Peru", day=2, start_ms=[10, 19], skipped=[0, 0]),
    session("c1", listener="c", day=3, start_ms=[30, 39], skipped=[1, 1]),
    session("a3", listener="a", listener_age=31, country="Germany", day=3, start_ms=[40, None], skipped=[0, 0]),
)


def test_the_age_is_the_sessions_and_a_country_is_compared_as_a_text(road):
    found = road({"age": SESSION.listener_age, "german": SESSION.country == "Germany"}, TABLE)
    assert found == {
        "age": [30, 30, 31, 31, 30, 30, None, None, 31, 31],
        "german": [1, 1, 1, 1, 0, 0, 0, 0, 1, 1],
    }


def test_history_counts_by_country_and_by_age(road):
    found = road({
        "country": HISTORY.count("country"), "age": HISTORY.count("listener_age"),
        "both": HISTORY.count("country", "listener_age"), "rate": HISTORY.rate("country"),
        "days": HISTORY.days_since("country"),
    }, TABLE)  # fmt: skip
    half, third = 5 / 10, pytest.approx((2 * 5 + 10 * 2) / (13 * 5))
    assert found == {
        "country": [0, 0, 2, 2, 0, 0, None, None, 3, 3],
        "age": [0, 0, 0, 0, 2, 2, None, None, 1, 1],
        "both": [0, 0, 0, 0, 0, 0, None, None, 1, 1],
        "rate": [None, None, half, half, half, half, None, None, third, third],
        "days": [None, None, 1, 1, None, None, None, None, 1, 1],
    }


def library(folder) -> Library:
    """Two listeners who say who they are and one who does not, over four weeks; a part each."""
    parts = []
    for n, (who, told) in enumerate(
        {"a": {"listener_age": 30, "country": "Germany"}, "b": {"country": "Peru"}, "c": {}}.items()
    ):
        sessions = [
            session(f"{who}{day}", listener=who, day=day, skipped=[(day * k + n) % 3 // 2 for k in range(1, 6)], track="t",
                    start_ms=[(day * 100 + k) * 864_000 + n for k in range(5)], **told)
            for day in range(1, 29)
        ]  # fmt: skip
        pq.write_table(plays(*sessions), folder / f"{n}.parquet")
        parts.append({"path": f"{n}.parquet", "kept": 5 * 28})
    pq.write_table(pa.table({"track": ["t"]}), folder / "tracks.parquet")
    return Library(folder, {"parts": parts, "options": {}})


def asking(features, setting="online") -> Ask:
    task = registry.task("skip")
    return ask(task, task.setting(setting), features)


def test_laws_1_and_2_hold_for_what_is_said_of_a_listener(tmp_path):
    known = library(tmp_path)
    question = asking(SAID)
    assert list(question.features) == list(SAID)
    batch: Batch = from_library(question, known)[0]
    assert [int(batch.known[:, f].sum()) for f in range(4)] == [140, 420, 270, 140]
    checks.invisible(question, known, moments=60)
    assert checks.agrees_with_oracle(question, known, Embedded()) == 4 * 420
    assert checks.live_equals_batch(question, known, moments=60) > 200


def test_in_the_challenge_nobody_says_who_they_are():
    assert asking(SAID | {"x": registry.features()["last_skipped"]}, "challenge").features.keys() == {"x"}
    task = registry.task("skip")
    with pytest.raises(NotGranted, match=r"session.listener_age is not granted in setting 'challenge'"):
        ask(task, task.setting("challenge"), SAID, names=["age"])


def test_law_1_catches_an_age_that_the_challenge_does_not_grant(tmp_path):
    known = library(tmp_path)
    task = registry.task("skip")
    question = ask(task, task.setting("challenge"), registry.features(), names=["last_skipped"])
    for leak in (SESSION.listener_age, make("col", "now", "listener_age"), HISTORY.count("country")):
        looks = Ask(task, question.setting, {"leak": Feature("leak", "1", "What nobody said", leak)})
        with pytest.raises(LawBroken, match=r"law 1: feature 'leak' changed .* it looks ahead"):
            checks.invisible(looks, known, moments=60)
