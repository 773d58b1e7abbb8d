"""Moments and targets laid out by hand, and what each setting grants and refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from by_hand import plays, session
from segue import registry, schema
from segue.errors import AskedWrongly, NotGranted, UnknownName
from segue.features.build import Steps, ask, build
from segue.features.columns import from_arrow, key64
from segue.features.feature import Feature
from segue.features.words import History, Now, Plays, Session
from segue.tasks.skip import CHALLENGE, LAST, ONLINE, TASK

NOW, PAST, QUEUE, HISTORY, SESSION = Now(), Plays("past"), Plays("queue"), History(), Session()


def laid_out(setting, *sessions):
    """The examples of some sessions, as plain lists."""
    table = plays(*sessions)
    x = TASK.examples(from_arrow(table, table.column_names), setting)
    return {
        "asked_after": x.asked_after.tolist(), "past": pairs(x.past), "recent": pairs(x.recent), "queue": pairs(x.queue),
        "moment": x.moment.tolist(), "target": x.target.tolist(),
    }  # fmt: skip


def pairs(ranges):
    return list(zip(*(r.tolist() for r in ranges), strict=True))


def test_online_asks_about_each_play_after_the_one_before():
    assert laid_out(ONLINE, session("a", skipped=[1, 0, 1]), session("b", skipped=[0, 0])) == {
        "asked_after": [0, 1, 2, 0, 1],
        "past": [(0, 0), (0, 1), (0, 2), (3, 3), (3, 4)],
        "recent": [(0, 0)] * 5,
        "queue": [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)],
        "moment": [0, 1, 2, 3, 4],
        "target": [0, 1, 2, 3, 4],
    }


def test_challenge_asks_at_half_about_all_that_follows_and_an_odd_session_is_asked_about_more():
    sessions = [session(name, skipped=[0] * n) for name, n in (("a", 5), ("b", 4), ("c", 1), ("d", 2))]
    assert laid_out(CHALLENGE, *sessions) == {
        "asked_after": [2, 2, 0, 1],
        "past": [(0, 2), (5, 7), (9, 9), (10, 11)],
        "recent": [(0, 0)] * 4,
        "queue": [(2, 5), (7, 9), (9, 10), (11, 12)],
        "moment": [0, 0, 0, 1, 1, 2, 3],
        "target": [2, 3, 4, 7, 8, 9, 11],
    }


@pytest.mark.parametrize(
    ("positions", "length", "asked_after", "past", "targets"),
    [
        ([1, 2, 3, 4, 5, 6, 7], 7, 3, (0, 3), [3, 4, 5, 6]),
        ([1, 2, 5, 6], 6, 3, (0, 2), [2, 3]),  # 3 and 4 are missing
        ([1, 2, 3, 4], 10, 5, (0, 4), []),  # the second half is missing
        ([6, 7], 10, 5, (0, 0), [0, 1]),  # the first half is missing
        ([1], 1, 0, (0, 0), [0]),
    ],
)
def test_challenge_counts_by_position_and_length_and_not_by_rows(positions, length, asked_after, past, targets):
    found = laid_out(CHALLENGE, session(position=positions, session_length=length, skipped=[0] * len(positions)))
    assert (found["asked_after"], found["past"], found["target"]) == ([asked_after], [past], targets)


def test_online_is_asked_after_the_position_before_even_over_a_hole():
    assert laid_out(ONLINE, session(position=[2, 3, 7], skipped=[0] * 3))["asked_after"] == [0, 2, 3]


def test_a_play_that_overlaps_the_one_before_is_no_target_and_stays_in_the_past():
    overlapping = session(skipped=[1, 0, 1, 1], asked=[1, 0, 1, 0])
    online = laid_out(ONLINE, overlapping)
    assert (online["moment"], online["target"]) == ([0, 2], [0, 2])
    assert online["past"][2] == (0, 2)
    challenge = laid_out(CHALLENGE, overlapping)
    assert (challenge["moment"], challenge["target"], challenge["queue"]) == ([0], [2], [(2, 4)])


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_plays_none_of_which_may_be_asked_about_give_no_examples(setting):
    found = laid_out(setting, session(skipped=[1, 0], asked=[0, 0]))
    assert found["moment"] == found["target"] == []


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_an_empty_table_has_no_examples(setting):
    assert laid_out(setting) == {
        "asked_after": [], "past": [], "recent": [], "queue": [], "moment": [], "target": [],
    }  # fmt: skip


def test_recent_is_up_to_64_plays_of_this_listener_before_the_session_opened():
    found = laid_out(
        ONLINE,
        session("a", listener="L", skipped=[0] * 60),
        session("b", listener="L", skipped=[0] * 10),
        session("c", listener="L", skipped=[0]),
        session("d", listener="M", skipped=[0, 0]),
        session("e", skipped=[0]),
        session("f", skipped=[0]),
        session("g", listener="N", skipped=[0]),
        session("h", listener="N", skipped=[0]),
    )
    spans = [(begin, end) if begin < end else None for begin, end in found["recent"]]
    assert spans == [None] * 60 + [(0, 60)] * 10 + [(6, 70)] + [None] * 2 + [None] * 3 + [(75, 76)]


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_of_the_session_its_opening_is_known(setting):
    table = plays(session("a", listener="L", day=3, start_ms=[5, 6], skipped=[0, 0]), session("b", skipped=[0]))
    x = TASK.examples(from_arrow(table, table.column_names), setting)
    first = [0, 0, 2] if setting is ONLINE else [0, 2]
    start, known = x.session["start_ms"]
    assert (start.tolist(), known.tolist()) == ([[5, 0][i > 1] for i in first], [i < 2 for i in first])
    assert x.session["length"][0].tolist() == [[2, 1][i > 1] for i in first]
    assert x.session["listener"][0].tolist() == [[key64("L"), 0][i > 1] for i in first]


def refusal(setting, tree, options=()):
    return setting.refuses(Feature("f", "1", "A sentence", tree), options)


def test_online_grants_what_is_known_as_the_play_starts():
    for tree in (
        NOW.artist, NOW.hour, NOW.energy, NOW.position, NOW.ahead, SESSION.start_ms, SESSION.listener, PAST.mean("skipped"),
        PAST.mean(PAST["reason_end"] == "trackdone"), PAST.count(same="context"), HISTORY.recent.decayed("skipped"),
        HISTORY.rate("listener", "track"), HISTORY.rate("context"),
    ):  # fmt: skip
        assert refusal(ONLINE, tree) is None


def test_online_refuses_the_queue_the_length_and_what_was_not_asked_for():
    assert refusal(ONLINE, QUEUE.count()) == "queue is not granted in setting 'online'"
    assert refusal(ONLINE, SESSION.length) == "session.length is not granted in setting 'online'"
    assert refusal(ONLINE, NOW.reason_start == "fwdbtn") == "now.reason_start is not granted in setting 'online'"
    assert refusal(ONLINE, PAST.count(same="skipped")) == "now.skipped is not granted in setting 'online'"
    assert refusal(ONLINE, PAST.count(same="session_length")) == "now.session_length is not granted in setting 'online'"


def test_challenge_grants_the_length_and_the_tracks_of_the_second_half():
    for tree in (SESSION.length, QUEUE.count(same="artist"), QUEUE.mean("energy"), NOW.artist, PAST.mean("skipped"),
                 HISTORY.rate("track")):  # fmt: skip
        assert refusal(CHALLENGE, tree) is None


def test_challenge_refuses_what_is_known_only_as_each_play_starts():
    assert refusal(CHALLENGE, NOW.shuffle) == "now.shuffle is not granted in setting 'challenge'"
    assert refusal(CHALLENGE, SESSION.start_ms) == "session.start_ms is not granted in setting 'challenge'"
    assert refusal(CHALLENGE, PAST.count(same="context")) == "now.context is not granted in setting 'challenge'"
    assert refusal(CHALLENGE, HISTORY.rate("listener", "track")) == (
        "history by 'listener,track' needs 'listener', which setting 'challenge' does not grant"
    )
    assert refusal(CHALLENGE, HISTORY.count("track", "context")) == (
        "history by 'track,context' needs 'context', which setting 'challenge' does not grant"
    )


def test_an_option_grants_its_column_and_only_where_the_setting_has_it():
    tree = NOW.reason_start == "fwdbtn"
    assert refusal(ONLINE, tree, ["reason_start"]) is None
    assert ONLINE.grants(["reason_start"])["now"] - ONLINE.grants()["now"] == {"reason_start"}
    with pytest.raises(
        UnknownName, match="no option of setting online is called 'reason_strat'; did you mean reason_start"
    ):
        refusal(ONLINE, tree, ["reason_strat"])
    with pytest.raises(
        UnknownName, match=r"no option of setting challenge is called 'reason_start'; known: us_popularity_estimate$"
    ):
        refusal(CHALLENGE, tree, ["reason_start"])
    with pytest.raises(UnknownName, match="no option of setting online is called 'skipped'"):
        ONLINE.grants(["skipped"])


def test_the_options_of_each_setting():
    assert ONLINE.options == ("reason_start", "us_popularity_estimate")
    assert CHALLENGE.options == ("us_popularity_estimate",)


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_the_popularity_estimate_is_granted_on_request_and_of_the_asked_play_only(setting):
    late, option = "us_popularity_estimate", ["us_popularity_estimate"]
    assert refusal(setting, NOW.us_popularity_estimate) == f"now.{late} is not granted in setting '{setting.name}'"
    assert refusal(setting, NOW.us_popularity_estimate, option) is None
    for view in ("past", "recent", "queue"):
        for granted in (setting.grants(), setting.grants(option)):
            assert late not in granted[view]
    for view, seen in {"past": PAST, "recent": HISTORY.recent}.items():
        said = f"{view}.{late} is not granted in setting '{setting.name}'"
        assert refusal(setting, seen.mean(late), option) == said
    with pytest.raises(NotGranted, match=f"'{late}' of a queued play is not known yet"):
        QUEUE.mean(late)
    with pytest.raises(NotGranted, match=rf"past.steps\('{late}'\) is not granted in setting '{setting.name}'"):
        ask(TASK, setting, registry.features(), options=option, steps=Steps((late,)))
    features = registry.features()
    assert "popularity_estimate" not in ask(TASK, setting, features).features
    assert "popularity_estimate" in ask(TASK, setting, features, options=option).features


@pytest.mark.parametrize("name", ["first_of_artist", "first_of_track"])
def test_what_was_new_to_a_session_is_told_of_this_session_and_not_of_those_before(name):
    assert refusal(ONLINE, PAST.mean(name)) is None
    assert refusal(ONLINE, HISTORY.recent.mean(name)) == f"recent.{name} is not granted in setting 'online'"


def test_past_and_recent_differ_in_what_was_new_to_the_session_alone():
    granted = ONLINE.grants()
    assert granted["past"] ^ granted["recent"] == {"first_of_artist", "first_of_track"}


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_no_setting_grants_anything_that_is_known_at_the_end_of_the_asked_play(setting):
    late = {c.name for c in schema.PLAYS.values() if c.known == "end"}
    assert {"skipped", "end_ms", "reason_end", "played_ms"} < late
    granted = setting.grants(setting.options)
    assert not late & (granted["now"] | granted["queue"] | granted["session"])
    assert late < granted["past"]


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_the_past_never_tells_how_long_its_session_is_or_when_it_ends(setting):
    whole = {c.name for c in schema.PLAYS.values() if c.known in ("key", "length")}
    assert {"session_length", "end_day", "source_row"} <= whole
    assert not whole & (setting.grants()["past"] | setting.grants()["recent"])


def test_all_that_is_granted_is_chosen_and_the_rest_is_left_out_with_the_reason():
    features = {
        "a": Feature("a", "1", "A", NOW.shuffle),
        "b": Feature("b", "1", "B", QUEUE.count()),
        "c": Feature("c", "1", "C", NOW.energy),
    }
    chosen, left_out = TASK.choose(ONLINE, features, None)
    assert (list(chosen), left_out) == (["a", "c"], {"b": "queue is not granted in setting 'online'"})
    chosen, left_out = TASK.choose(CHALLENGE, features, None)
    assert (list(chosen), left_out) == (["b", "c"], {"a": "now.shuffle is not granted in setting 'challenge'"})


def test_features_asked_for_by_name_come_in_that_order_or_are_refused():
    features = registry.features()
    chosen, left_out = TASK.choose(ONLINE, features, ["night", "pause"])
    assert (list(chosen), left_out) == (["night", "pause"], {})
    with pytest.raises(NotGranted) as refused:
        TASK.choose(ONLINE, features, ["pause", "session_length"])
    assert str(refused.value) == (
        "feature 'session_length' cannot be used: session.length is not granted in setting 'online'; "
        "leave it out or choose another setting"
    )
    with pytest.raises(UnknownName, match="no feature is called 'puase'; did you mean pause"):
        TASK.choose(ONLINE, features, ["puase"])
    with pytest.raises(AskedWrongly, match="no feature was asked for"):
        TASK.choose(ONLINE, features, [])


def test_reason_start_is_built_only_where_the_option_is_given():
    features = registry.features()
    assert "reason_start" not in ask(TASK, ONLINE, features).features
    assert "reason_start" in ask(TASK, ONLINE, features, options=["reason_start"]).features


@pytest.mark.parametrize(
    ("setting", "steps", "message"),
    [
        (ONLINE, Steps(("session_length",)), "past.steps('session_length') is not granted in setting 'online'"),
        (ONLINE, Steps(("secret",)), "past.steps('secret') is not granted in setting 'online'"),
        (ONLINE, Steps(("skipped",), ("skipped",)), "queue.steps('skipped') is not granted in setting 'online'"),
        (CHALLENGE, Steps(("skipped",), ("skipped",)), "queue.steps('skipped') is not granted in setting 'challenge'"),
    ],
)
def test_tensors_are_granted_like_features(setting, steps, message):
    with pytest.raises(NotGranted) as refused:
        ask(TASK, setting, registry.features(), steps=steps)
    assert str(refused.value) == message


def test_settings_are_found_by_name_and_online_is_the_one_not_named():
    assert TASK.setting(None) is ONLINE
    assert TASK.setting("challenge") is CHALLENGE
    with pytest.raises(UnknownName, match="no setting of skip is called 'onlin'; did you mean online"):
        TASK.setting("onlin")


def test_last_asks_about_the_last_play_after_all_before_it():
    sessions = [session(name, skipped=[0] * n) for name, n in (("a", 5), ("b", 2), ("c", 1))]
    assert laid_out(LAST, *sessions) == {
        "asked_after": [4, 1, 0],
        "past": [(0, 4), (5, 6), (7, 7)],
        "recent": [(0, 0)] * 3,
        "queue": [(4, 4), (6, 6), (7, 7)],
        "moment": [0, 1, 2],
        "target": [4, 6, 7],
    }


@pytest.mark.parametrize(
    ("positions", "length", "asked_after", "past", "targets"),
    [
        ([1, 2, 5], 5, 4, (0, 2), [2]),  # 3 and 4 are missing
        ([1, 2, 3], 5, 4, (0, 3), []),  # the last is missing
        ([5], 5, 4, (0, 0), [0]),  # all before it are missing
    ],
)
def test_last_counts_by_position_and_length_and_not_by_rows(positions, length, asked_after, past, targets):
    found = laid_out(LAST, session(position=positions, session_length=length, skipped=[0] * len(positions)))
    assert (found["asked_after"], found["past"], found["target"]) == ([asked_after], [past], targets)


def test_last_does_not_ask_about_a_last_play_that_overlaps_the_one_before():
    found = laid_out(LAST, session("a", skipped=[1, 0], asked=[1, 0]), session("b", skipped=[1, 0], asked=[0, 1]))
    assert (found["moment"], found["target"], found["past"]) == ([1], [3], [(0, 1), (2, 3)])


def test_last_has_no_examples_of_an_empty_table():
    assert set(map(tuple, laid_out(LAST).values())) == {()}


def test_last_grants_the_length_and_the_track_and_no_queue():
    for tree in (SESSION.length, NOW.artist, NOW.energy, NOW.position, PAST.mean("skipped"), PAST.count(same="artist"),
                 HISTORY.rate("track")):  # fmt: skip
        assert refusal(LAST, tree) is None
    assert refusal(LAST, QUEUE.count()) == "queue is not granted in setting 'last'"
    assert refusal(LAST, QUEUE.mean("energy")) == "queue is not granted in setting 'last'"
    assert refusal(LAST, NOW.shuffle) == "now.shuffle is not granted in setting 'last'"
    assert refusal(LAST, SESSION.start_ms) == "session.start_ms is not granted in setting 'last'"
    assert refusal(LAST, HISTORY.rate("listener")) == (
        "history by 'listener' needs 'listener', which setting 'last' does not grant"
    )
    assert refusal(LAST, NOW.us_popularity_estimate, ["us_popularity_estimate"]) is None
    assert TASK.setting("last") is LAST


def test_in_last_nothing_is_granted_that_is_known_at_the_end_of_the_asked_play():
    granted = LAST.grants(LAST.options)
    late = {c.name for c in schema.PLAYS.values() if c.known == "end"}
    assert not late & (granted["now"] | granted["queue"] | granted["session"])
    assert late < granted["past"]
    assert "session_length" not in granted["past"] | granted["recent"]


@pytest.mark.parametrize(
    ("shift", "asked_after", "n_targets"),
    [
        (-1, [1, 1, 2, 0], [4, 1, 4, 1]),
        (0, [2, 1, 3, 0], [3, 1, 3, 1]),
        (1, [3, 1, 4, 0], [2, 1, 2, 1]),
        (2, [4, 1, 5, 0], [1, 1, 1, 1]),
        (9, [4, 1, 5, 0], [1, 1, 1, 1]),
        (-9, [1, 1, 1, 0], [4, 1, 5, 1]),
    ],
)
def test_a_shift_asks_so_many_plays_later_and_leaves_one_to_hear_and_one_to_ask_about(shift, asked_after, n_targets):
    sessions = [session(name, skipped=[0] * n) for name, n in (("a", 5), ("b", 2), ("c", 6), ("d", 1))]
    found = laid_out(replace(CHALLENGE, shift=shift), *sessions)
    first = [0, 5, 7, 13]
    assert found["asked_after"] == asked_after
    assert found["past"] == [(f, f + n) for f, n in zip(first, asked_after, strict=True)]
    assert [found["moment"].count(m) for m in range(4)] == n_targets
    assert found["queue"] == [(f + n, f + n + q) for f, n, q in zip(first, asked_after, n_targets, strict=True)]


def test_a_shift_moves_no_moment_but_the_half():
    some = session("a", skipped=[0] * 5)
    for setting in (ONLINE, LAST):
        assert laid_out(replace(setting, shift=1), some) == laid_out(setting, some)


def test_the_nested_skips_are_labels_to_train_on_and_never_granted():
    granted = {name: setting.grants(setting.options) for name, setting in TASK.settings.items()}
    assert {"skip_1", "skip_3", "not_skipped"} < set(TASK.auxiliary)
    assert set(TASK.auxiliary) <= set(schema.PLAYS)
    for views in granted.values():
        assert not {"skip_1", "skip_3", "not_skipped"} & (views["now"] | views["queue"])


def built(setting, *sessions, labelled=True):
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    asking = ask(TASK, setting, {"p": Feature("p", "1", "Place", NOW.position)})
    return build(asking, TASK.examples(columns, setting), {}, labelled=labelled)


def test_what_else_happened_with_the_asked_play_stands_beside_its_label():
    some = session(skipped=[0, 1, None, 0], skip_1=[0, 1, 1, None], n_seeks_back=[3, 2, 1, 0])
    found = built(ONLINE, some)
    assert found.also["skip_1"].tolist() == [0, 1, -1]
    assert found.also["n_seeks_back"].tolist() == [3, 2, 0]
    assert found.also["premium"].tolist() == [-1] * 3
    assert set(found.also) == set(TASK.auxiliary)
    assert built(CHALLENGE, some).also["n_seeks_back"].tolist() == [0]
    assert built(ONLINE, some, labelled=False).also == {}
