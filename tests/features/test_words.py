"""Typos, futures and mixed units are found when a feature is traced; trees are shared, and travel as plain data."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from by_hand import by_numpy, plays, session
from segue import registry
from segue.errors import AskedWrongly, BadInput, NotGranted, UnknownName
from segue.features import tree
from segue.features.feature import feature
from segue.features.tree import clip, const, from_json, needs, sqrt, to_json, where
from segue.features.words import History, Now, Plays, Session, code

NOW, SESSION, PAST, QUEUE, HISTORY = Now(), Session(), Plays("past"), Plays("queue"), History()


def trace(say, unit="1"):
    return feature(unit, "A sentence", name="f")(say)


def refusal(error, say, unit="1"):
    """The message with which a feature is refused at registration."""
    with pytest.raises(error) as caught:
        trace(say, unit)
    assert type(caught.value) is error
    return str(caught.value)


def test_the_future_is_not_granted_and_the_message_says_what_to_use():
    assert refusal(NotGranted, lambda now: now.skipped) == (
        "'skipped' is known only after the track ends; use past.lag('skipped') or past.mean('skipped')"
    )
    assert refusal(NotGranted, lambda now: now.end_ms) == (
        "'end_ms' is known only after the track ends; use past.lag('end_ms') or past.mean('end_ms')"
    )


@pytest.mark.parametrize("name", ["session_length", "listener", "day", "source_row", "asked"])
def test_what_is_no_value_of_the_asked_play_is_not_granted(name):
    message = f"{name!r} is not a value of the asked play; see schema.PLAYS for what is known when"
    assert refusal(NotGranted, lambda now: getattr(now, name)) == message


@pytest.mark.parametrize("name", ["session_length", "end_day", "source_row", "asked", "position", "listener"])
def test_a_play_of_the_past_does_not_tell_its_sessions_length_or_its_place_in_the_source(name):
    message = f"{name!r} belongs to the whole session, not to a play that has ended; see schema.PLAYS"
    assert refusal(NotGranted, lambda past: past.lag(name)) == message
    assert refusal(NotGranted, lambda history: history.recent.lag(name)) == message


def test_of_the_queue_only_content_is_known():
    message = "'skipped' of a queued play is not known yet; of the queue only the tracks' content is"
    assert refusal(NotGranted, lambda queue: queue.mean("skipped")) == message
    assert refusal(NotGranted, lambda queue: queue.mean("shuffle")) == message.replace("skipped", "shuffle")
    assert refusal(NotGranted, lambda queue: queue.mean("age")) == message.replace("skipped", "age")


def test_a_key_of_history_is_known_when_the_play_starts():
    message = "'skipped' cannot be a key of history: it is not known when the play starts"
    assert refusal(NotGranted, lambda history: history.rate("track", "skipped")) == message
    assert refusal(NotGranted, lambda history: history.count("reason_start")).startswith("'reason_start' cannot be")


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (lambda now: now.artits, "no column is called 'artits'; did you mean artist or start_ms?"),
        (
            lambda past: past.mean("skiped"),
            "no column is called 'skiped'; did you mean skipped or asked or not_skipped?",
        ),
        (lambda past: past.count(same="albun"), "no column is called 'albun'; did you mean album or valence?"),
        (lambda history: history.rate("trak"), "no column is called 'trak'; did you mean track?"),
        (lambda session: session.lenght, "no column of the session is called 'lenght'; did you mean length?"),
        (lambda passed: passed.lag("skipped"), "no view is called 'passed'; did you mean past?"),
        (lambda future: future.lag("skipped"), "no view is called 'future'; known: history, now, past, queue, session"),
        (lambda zzz: 1, "no view is called 'zzz'; known: history, now, past, queue, session"),
    ],
)
def test_a_typo_is_told_the_nearest_names(say, message):
    assert refusal(UnknownName, say) == message


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (lambda now: now.start_ms + now.hour, "'+' mixes hour and ms: bring both to one unit first"),
        (lambda now: now.start_ms - now.hour, "'-' mixes hour and ms: bring both to one unit first"),
        (lambda now: now.start_ms < now.hour, "'<' mixes hour and ms: bring both to one unit first"),
        (lambda now: now.start_ms == now.hour, "'=' mixes hour and ms: bring both to one unit first"),
        (lambda now: now.artist + 1, "'+' cannot be used on text: texts can only be compared with =="),
        (lambda now: now.artist < now.album, "'<' cannot be used on text: texts can only be compared with =="),
        (lambda now: now.artist & 1, "'&' cannot be used on text: texts can only be compared with =="),
        (lambda now: where(1, now.artist, None), "'where' cannot be used on text: texts can only be compared with =="),
        (lambda now: now.artist == 3, "a text is compared with a number: expected two texts"),
        (lambda now: now.hour == "3", "'=' mixes hour and text: bring both to one unit first"),
        (lambda now: now.shuffle == "3", "a text is compared with a number: expected two texts"),
        (lambda now: now.artist, "feature 'f' is a text: use code(...) or compare it with =="),
        (
            lambda past: past.sum("artist"),
            "a text cannot be added up: compare it first, as in past.mean(past['context'] == 'radio')",
        ),
        (
            lambda past: past.lag("artist"),
            "a text cannot be added up: compare it first, as in past.mean(past['context'] == 'radio')",
        ),
        (
            lambda past: past.sum(past["skipped"] * past.mean("skipped")),
            "a fold within a fold cannot be said: make the inner one a column of the play",
        ),
        (lambda past: past["skipped"], "feature 'f' has a value for every play of past: choose with lag, mean or so"),
        (
            lambda history: history.recent["skipped"] + 1,
            "feature 'f' has a value for every play of recent: choose with lag, mean or so",
        ),
        (
            lambda past, history: past.sum(history.recent["skipped"]),
            "a fold over past cannot see plays of recent: fold each view's own columns",
        ),
        (
            lambda past, history: past.sum(past["skipped"] + history.recent["skipped"]),
            "'+' mixes plays of past and recent: fold each of them first",
        ),
        (
            lambda past: past.mean(past["played_ms"] / 1000),
            "a fold adds up whole numbers, exactly: divide what it gives, not what it takes",
        ),
        (
            lambda past: past.sum(past["skipped"] * 0.5),
            "a fold adds up whole numbers, exactly: divide what it gives, not what it takes",
        ),
        (lambda past: past.sum("skipped", last=0), "last=0, lag=None: a view reaches back from 1 to 128 plays"),
        (lambda past: past.lag("skipped", 129), "last=None, lag=129: a view reaches back from 1 to 128 plays"),
        (lambda now: clip(now.hour, 6, 5), "clip between 6 and 5: expected two numbers, the lower one first"),
        (lambda now: code(now.hour), "col(now, hour) has no list of values in the schema: compare it with == instead"),
        (
            lambda now: code(now.artist == "a"),
            "=(col(now, artist), const(a)) has no list of values in the schema: compare it with == instead",
        ),
        (lambda now: now.hour + {}, "{} cannot stand in a feature: expected a number, a text or None"),
        (lambda: float("nan"), "nan cannot stand in a feature: expected a number from -2**63 to 2**63 - 1"),
        (lambda: float("inf"), "inf cannot stand in a feature: expected a number from -2**63 to 2**63 - 1"),
        (lambda: 2**63, "9223372036854775808 cannot stand in a feature: expected a number from -2**63 to 2**63 - 1"),
        (lambda now: now.artist == "\ud800", "'\\ud800' is no text: it holds half a character"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_a_remedy(say, message):
    assert refusal(AskedWrongly, say) == message


@pytest.mark.parametrize(
    "say",
    [
        lambda now: now.shuffle and now.premium,
        lambda now: now.shuffle or now.premium,
        lambda now: not now.shuffle,
        lambda now: 1 if now.shuffle else 0,
        lambda now: 5 < now.hour < 9,
        lambda now: now.hour != 9,
        lambda now: now.hour in (1, 2),
        lambda now: max(now.hour, 9),
    ],
)
def test_pythons_own_and_or_not_if_are_refused_while_tracing(say):
    assert refusal(AskedWrongly, say) == (
        "a feature has no truth value while it is traced: use & and | and where(), not and, or, if"
    )


@pytest.mark.parametrize(
    ("x", "unit"),
    [
        (NOW.start_ms, "ms"), (NOW.start_ms / 1000, "s"), (NOW.start_ms / 60, "ms"), (NOW.start_ms / NOW.start_ms, "1"),
        (NOW.start_ms / NOW.hour, "ms/hour"), (NOW.start_ms * NOW.hour, "ms·hour"), (NOW.start_ms * 2, "ms"),
        (NOW.start_ms - SESSION.start_ms, "ms"), (NOW.start_ms + 5, "ms"), (NOW.start_ms < 5, "1"),
        (1 / NOW.hour, "1/hour"), (PAST.sum("played_ms"), "ms"), (PAST.mean("played_ms") / 1000, "s"),
        (PAST.count("played_ms"), "1"), (HISTORY.days_since("track"), "day"), (HISTORY.rate("track"), "1"),
        (where(NOW.shuffle, NOW.hour, None), "hour"),
        (clip(NOW.hour, 0, 5), "hour"), (NOW.artist, "text"), (NOW.artist == NOW.album, "1"), (sqrt(NOW.energy), "1"),
    ],
)  # fmt: skip
def test_units_follow_from_the_columns(x, unit):
    assert x.unit == unit


def test_a_unit_that_the_tree_does_not_measure_is_refused():
    assert refusal(AskedWrongly, lambda now: now.start_ms, "s") == "feature 'f' says 's' but its tree measures 'ms'"
    assert refusal(AskedWrongly, lambda now: now.hour, "day") == "feature 'f' says 'day' but its tree measures 'hour'"
    assert refusal(AskedWrongly, lambda now: now.energy, "s") == "feature 'f' says 's' but its tree measures '1'"
    assert refusal(AskedWrongly, lambda now: now.hour, "furlong").startswith(
        "feature 'f' has the unit 'furlong': expected"
    )


def test_equal_trees_are_one_object():
    assert PAST.mean("skipped") is PAST.mean(PAST["skipped"])
    assert PAST.mean("skipped") is PAST.sum("skipped") / PAST.count("skipped")
    assert PAST.count("skipped") is PAST.sum(PAST["skipped"] == PAST["skipped"])
    assert PAST.count() is PAST.sum(const(1) == const(1))
    assert HISTORY.recent.lag("skipped") is Plays("recent").fold("max", "skipped", lag=1)
    assert NOW.hour + 1 is Now().hour + 1


def test_trees_that_differ_are_different_objects():
    assert PAST.mean("skipped") is not HISTORY.recent.mean("skipped")
    assert PAST.mean("skipped", last=5) is not PAST.mean("skipped", last=6)
    assert PAST.sum("skipped", last=1) is not PAST.fold("sum", "skipped", lag=1)
    assert NOW.hour + 1 is not 1 + NOW.hour
    assert const(1) is not const(1.0)
    assert const(0) is not const(None)
    assert const(True) is const(1)


def test_a_features_tree_tells_what_it_needs():
    x = PAST.mean("skipped", same="artist") + HISTORY.rate("listener", "track") + SESSION.start_ms * 0 + QUEUE.count()
    assert needs(x) == {
        ("past", ""), ("past", "skipped"), ("past", "artist"), ("now", "artist"), ("history", "listener,track"),
        ("history", ""), ("session", "start_ms"), ("queue", ""),
    }  # fmt: skip


def test_all_registered_trees_go_out_as_json_and_come_back_as_the_same_objects():
    trees = {name: f.tree for name, f in registry.features().items()}
    again = from_json(json.loads(json.dumps(to_json(trees))))
    assert list(again) == list(trees)
    assert [n for n in trees if again[n] is not trees[n]] == []


def test_json_names_earlier_nodes_by_number_and_shares_them():
    x = PAST.lag("skipped") + 1
    assert to_json({"x": x, "y": x * x}) == {
        "nodes": [
            ["const", 1],
            ["col", "past", "skipped"],
            ["fold", "past", "max", {"n": 1}, None, 1, None],
            ["+", {"n": 2}, {"n": 0}],
            ["*", {"n": 3}, {"n": 3}],
        ],
        "roots": {"x": 3, "y": 4},
    }


ONE = ["const", 1]


@pytest.mark.parametrize(
    "nodes",
    [
        [["+", {"n": 1}, {"n": 1}], ONE],  # names a later node
        [["+", {"n": 0}, {"n": 0}]],  # names itself
        [ONE, ["+", {"n": -1}, {"n": 0}]],
        [ONE, ["+", {"n": False}, {"n": 0}]],
        [ONE, ["+", {"n": 0.0}, {"n": 0}]],
        [ONE, ["+", {"m": 0}, {"n": 0}]],
        [ONE, ["+", {"n": 0}]],
        [ONE, ["+", 1, 2]],
        [ONE, ["not", {"n": 0}]],
        [ONE, [["+"], {"n": 0}, {"n": 0}]],
        [ONE, {}],
        [ONE, []],
        [ONE, None],
        [ONE, "const"],
        [["const", [1]]],
        [["const", {"n": 0}]],
        [["const", float("nan")]],
        [["const", 10**400]],
        [["const", "\udc00"]],
        [["const"]],
        [["col", "now", "secret"]],
        [["col", "now", "age"]],
        [["col", "queue", "age"]],
        [["col", "session", "skipped"]],
        [["col", "sessions", "skipped"]],  # of a session it is told how many were
        [ONE, ["fold", "sessions", "sum", {"n": 0}, None, None, "artist"]],
        [["col", "future", "skipped"]],
        [["col", "past", ["skipped"]]],
        [["col", "past", "skipped"]],  # a root that has a value for every play
        [["col", "now", "artist"]],  # a root that is a text
        [["asof", "track", "n"]],
        [["asof", ["secret"], "n"]],
        [["asof", ["track"], "mean"]],
        [["asof", [["track"]], "n"]],
        [ONE, ["fold", "now", "sum", {"n": 0}, None, None, None]],
        [ONE, ["fold", "past", "mean", {"n": 0}, None, None, None]],
        [ONE, ["fold", "past", "sum", 1, None, None, None]],
        [ONE, ["fold", "past", "sum", {"n": 0}, 0, None, None]],
        [ONE, ["fold", "past", "sum", {"n": 0}, 129, None, None]],
        [ONE, ["fold", "past", "sum", {"n": 0}, None, True, None]],
        [ONE, ["fold", "past", "sum", {"n": 0}, None, None, "secret"]],
        [ONE, ["fold", "past", "sum", {"n": 0}, None, None, ["artist"]]],
        [ONE, ["fold", "past", "sum", {"n": 0}, None, None, None], ["fold", "past", "sum", {"n": 1}, None, None, None]],
        [["col", "recent", "skipped"], ["fold", "past", "sum", {"n": 0}, None, None, None]],
        [["const", "a"], ["fold", "past", "max", {"n": 0}, None, None, None]],
        [ONE, ["const", None], ["clip", {"n": 0}, {"n": 0}, {"n": 1}]],
        [ONE, ["col", "now", "hour"], ["clip", {"n": 0}, {"n": 1}, {"n": 0}]],
        [["const", "a"], ONE, ["=", {"n": 0}, {"n": 1}]],
    ],
)  # fmt: skip
def test_what_segue_did_not_write_is_refused(nodes):
    with pytest.raises(BadInput, match=r"not a feature tree \(.+\): expected nodes and roots as segue writes them"):
        from_json({"nodes": nodes, "roots": {"x": len(nodes) - 1}})


@pytest.mark.parametrize(
    "written",
    [
        None, [], "nodes", 3, {}, {"nodes": [ONE]}, {"roots": {"x": 0}}, {"nodes": 3, "roots": {}},
        {"nodes": [ONE], "roots": ["x"]}, {"nodes": [ONE], "roots": {"x": 1}}, {"nodes": [ONE], "roots": {"x": "0"}},
        {"nodes": [ONE], "roots": {"x": None}}, {"nodes": None, "roots": {}},
    ],
)  # fmt: skip
def test_what_is_not_even_nodes_and_roots_is_refused(written):
    with pytest.raises(BadInput, match="not a feature tree"):
        from_json(written)


def tower(levels, op="+"):
    nodes = [["const", 0], *([op, {"n": i}, {"n": i}] for i in range(levels - 1))]
    return {"nodes": nodes, "roots": {"x": levels - 1}}


def test_the_deepest_tree_is_a_hundred_levels_and_evaluates_at_once():
    began = time.monotonic()
    root = from_json(tower(100))["x"]  # written out, it would have 2 ** 99 leaves
    assert by_numpy({"x": root}, plays(session(skipped=[1]))) == {"x": [0]}
    assert len(repr(root)) < 1000
    assert time.monotonic() - began < 5
    with pytest.raises(BadInput, match="a tree of more than 100 levels cannot be evaluated"):
        from_json(tower(101))
    with pytest.raises(AskedWrongly, match="a tree of more than 100 levels cannot be evaluated"):
        root + 1


def test_more_than_twenty_thousand_nodes_are_refused():
    with pytest.raises(BadInput, match="20001 nodes where 20000 are the most"):
        from_json({"nodes": [["const", i] for i in range(20_001)], "roots": {}})
    assert from_json({"nodes": [["const", i] for i in range(20_000)], "roots": {"x": 19_999}})["x"] is const(19_999)


def test_ten_thousand_folds_over_a_large_tree_are_read_at_once():
    nodes = [["const", 1], *(["+", {"n": i // 2}, {"n": i // 2}] for i in range(9_999))]
    nodes += [["fold", "past", "sum", {"n": i}, None, None, None] for i in range(10_000)]
    began = time.monotonic()
    from_json({"nodes": nodes, "roots": {"x": 19_999}})
    assert time.monotonic() - began < 5


SOME = ["pause", "skip_rate_of_artist_so_far", "night", "days_since_artist", "skip_run", "queue_of_artist", "premium"]
WRITTEN = to_json({name: registry.features()[name].tree for name in SOME})
NAMES = ["const", "col", "fold", "asof", "past", "recent", "now", "queue", "sum", "artist"]
SCALARS = st.none() | st.booleans() | st.integers(-3, 60) | st.integers() | st.floats() | st.text(max_size=3)
JUNK = st.recursive(
    SCALARS | st.sampled_from([*tree.ARITY, *NAMES]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["n", "x"]), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, deadline=2000)
@given(data=st.data())
def test_hostile_json_is_refused_or_gives_trees_that_can_be_evaluated(data):
    written = json.loads(json.dumps(WRITTEN))
    for _ in range(data.draw(st.integers(1, 3))):
        place = written["nodes"]
        i = data.draw(st.integers(0, len(place) - 1))
        if data.draw(st.booleans()) and isinstance(place[i], list) and place[i]:
            place = place[i]
            i = data.draw(st.integers(0, len(place) - 1))
        place[i] = data.draw(JUNK)
    try:
        found = from_json(written)
    except BadInput:
        return
    with np.errstate(all="ignore"):
        by_numpy(found, plays(session(skipped=[1, 0, None], artist=["a", "a", None])))
