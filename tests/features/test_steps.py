"""Plays laid out in rows for networks, by hand: which row, which place, and how much of the past each asked play sees."""

from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from segue import registry, schema
from segue.errors import AskedWrongly, NotGranted
from segue.features.build import ask, build, frozen
from segue.features.columns import from_arrow, key64
from segue.features.feature import Feature
from segue.features.history import roll
from segue.features.steps import Steps, asked_columns, check, everything, is_history
from segue.features.words import History, Now, Plays
from segue.tasks.skip import CHALLENGE, LAST, ONLINE, TASK

NOW, PAST, HISTORY = Now(), Plays("past"), History()
FEATURES = {
    "rate": Feature("rate", "share", "Skip rate of the track", HISTORY.rate("track")),
    "n": Feature("n", "plays", "Plays of the track", HISTORY.count("track")),
    "so_far": Feature("so_far", "share", "Skip rate of the session", PAST.mean("skipped")),
    "loudly": Feature("loudly", "1", "Loudness", NOW.loudness),
}


def laid_out(setting, *sessions, past=("played_ms",), queue=(), length=64, labelled=False):
    """The tensors of some sessions."""
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    asking = ask(TASK, setting, FEATURES, steps=Steps(past, queue, length))
    rolling = roll([columns], asking.keys)
    return build(asking, TASK.examples(columns, setting), frozen(rolling, rolling, None), labelled=labelled).tensors


def heard(tensors):
    """The one column of the past, row by row, up to the last play that any target of the row sees."""
    seen = np.maximum(tensors.sees.max(axis=1), 0)
    assert not any(tensors.past.known[r, n:].any() for r, n in enumerate(seen))
    return [tensors.past.values[r, :n, 0].tolist() for r, n in enumerate(seen)]


def counted(n, **columns):
    """A session whose n-th play was heard for n ms."""
    return session(skipped=[0] * n, played_ms=list(range(1, n + 1)), **columns)


def test_challenge_lays_a_session_in_one_row_and_every_target_sees_its_first_half():
    found = laid_out(CHALLENGE, counted(4, name="a"), counted(5, name="b"), counted(2, name="c"), counted(1, name="d"))
    assert found.sees.tolist() == [[2, 2, -1], [2, 2, 2], [1, -1, -1], [0, -1, -1]]
    assert found.position.tolist() == [[3, 4, 0], [3, 4, 5], [2, 0, 0], [1, 0, 0]]
    assert heard(found) == [[1, 2], [1, 2], [1], []]
    assert (found.row.tolist(), found.place.tolist()) == ([0, 0, 1, 1, 1, 2, 3], [0, 1, 0, 1, 2, 0, 0])
    assert (len(found), found.together) == (4, True)


def test_online_lays_a_session_in_one_row_and_each_play_sees_those_before_it():
    found = laid_out(ONLINE, counted(4, name="a"), counted(1, name="b"), counted(2, name="c"))
    assert found.sees.tolist() == [[0, 1, 2, 3], [0, -1, -1, -1], [0, 1, -1, -1]]
    assert found.position.tolist() == [[1, 2, 3, 4], [1, 0, 0, 0], [1, 2, 0, 0]]
    assert heard(found) == [[1, 2, 3], [], [1]]
    assert (found.row.tolist(), found.place.tolist()) == ([0, 0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 0, 0, 1])
    assert not found.together


def test_last_lays_out_all_plays_but_the_last_which_is_asked_about():
    found = laid_out(LAST, counted(4, name="a"), counted(1, name="b"))
    assert (found.sees.tolist(), found.position.tolist()) == ([[3], [0]], [[4], [1]])
    assert heard(found) == [[1, 2, 3], []]
    assert (found.row.tolist(), found.place.tolist(), found.together) == ([0, 1], [0, 0], False)


@pytest.mark.parametrize(
    ("setting", "queue"),
    [
        (CHALLENGE, [[30, 40, 50], [21, 0, 0]]),
        (ONLINE, [[10, 20, 30, 40, 50], [11, 21, 0, 0, 0]]),
        (LAST, [[50], [21]]),
    ],
)
def test_the_asked_plays_stand_in_the_queue_in_the_order_of_playing(setting, queue):
    sessions = session("a", energy=[10, 20, 30, 40, 50]), session("b", energy=[11, 21])
    found = laid_out(setting, *sessions, past=(), queue=("energy",)).queue
    assert found.values[..., 0].tolist() == queue
    assert found.known[..., 0].tolist() == [[x > 0 for x in row] for row in queue]


def test_a_long_session_is_cut_into_stretches_of_which_a_play_sees_half_to_all_but_one():
    found = laid_out(ONLINE, counted(18), length=8)
    pad = [-1] * 4
    assert found.sees.tolist() == [
        [0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, *pad], [4, 5, 6, 7, *pad], [4, 5, -1, -1, *pad],
    ]  # fmt: skip
    assert found.position.tolist() == [
        [1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 0, 0, 0, 0], [13, 14, 15, 16, 0, 0, 0, 0], [17, 18, 0, 0, 0, 0, 0, 0],
    ]  # fmt: skip
    assert heard(found) == [
        [1, 2, 3, 4, 5, 6, 7],
        [5, 6, 7, 8, 9, 10, 11],
        [9, 10, 11, 12, 13, 14, 15],
        [13, 14, 15, 16, 17],
    ]
    assert found.row.tolist() == [0] * 8 + [1] * 4 + [2] * 4 + [3] * 2
    assert found.place.tolist() == [*range(8), *range(4), *range(4), 0, 1]


def test_with_length_64_the_70th_play_sees_those_from_the_33rd_on_and_the_100th_those_from_the_65th_on():
    found = laid_out(ONLINE, counted(100))
    of = {int(found.position[r, q]): (r, int(found.sees[r, q])) for r, q in np.argwhere(found.sees >= 0)}
    assert sorted(of) == list(range(1, 101))
    for play, first in ((64, 1), (65, 33), (70, 33), (96, 33), (97, 65), (100, 65)):
        row, sees = of[play]
        assert found.past.values[row, :sees, 0].tolist() == list(range(first, play))


@pytest.mark.parametrize(
    ("n", "seen"), [(10, [1, 2, 3, 4, 5]), (15, [*range(1, 8)]), (16, [5, 6, 7, 8]), (26, [*range(9, 14)])]
)
def test_the_half_of_a_long_session_is_cut_as_the_plays_of_a_long_session_are(n, seen):
    found = laid_out(CHALLENGE, counted(n), length=8)
    assert heard(found) == [seen]
    assert found.sees.tolist() == [[len(seen)] * (n - n // 2)]


def test_the_stretches_of_one_session_do_not_reach_into_the_session_before():
    found = laid_out(ONLINE, counted(9, name="a"), counted(3, name="b"), length=8)
    assert heard(found) == [[1, 2, 3, 4, 5, 6, 7], [5, 6, 7, 8], [1, 2]]
    assert found.row.tolist() == [0] * 8 + [1] + [2] * 3


def test_over_a_hole_a_play_sees_the_plays_that_there_are():
    online = laid_out(ONLINE, session(position=[2, 3, 7], played_ms=[20, 30, 70]))
    assert (online.sees.tolist(), online.position.tolist(), heard(online)) == ([[0, 1, 2]], [[2, 3, 7]], [[20, 30]])
    challenge = laid_out(CHALLENGE, session(position=[1, 2, 5, 6], played_ms=[10, 20, 50, 60]))
    assert (challenge.sees.tolist(), heard(challenge)) == ([[2, 2]], [[10, 20]])
    empty = laid_out(CHALLENGE, session(position=[6, 7], session_length=10, played_ms=[60, 70]))
    assert (empty.sees.tolist(), heard(empty)) == ([[0, 0]], [[]])


def test_a_play_that_may_not_be_asked_about_is_heard_and_not_asked():
    found = laid_out(ONLINE, session(played_ms=[1, 2, 3], asked=[1, 0, 1]))
    assert (found.sees.tolist(), found.position.tolist(), heard(found)) == ([[0, 2]], [[1, 3]], [[1, 2]])


def test_a_play_of_unknown_label_is_heard_and_stays_in_a_queue_that_is_granted():
    some = session(skipped=[1, 0, None, 1], played_ms=[1, 2, 3, 4])
    online = laid_out(ONLINE, some, labelled=True)
    assert (online.sees.tolist(), online.position.tolist(), heard(online)) == ([[0, 1, 3]], [[1, 2, 4]], [[1, 2, 3]])
    assert (online.row.tolist(), online.place.tolist()) == ([0, 0, 0], [0, 1, 2])
    challenge = laid_out(CHALLENGE, some, labelled=True)
    assert (challenge.sees.tolist(), challenge.position.tolist()) == ([[2, 2]], [[3, 4]])
    assert (challenge.row.tolist(), challenge.place.tolist()) == ([0], [1])


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE, LAST])
def test_a_session_without_a_label_has_no_row(setting):
    unsaid, said = session("a", skipped=[None] * 3, played_ms=[7, 8, 9]), counted(3, name="b")
    both, alone = (laid_out(setting, *some, labelled=True) for some in ((unsaid, said), (said,)))
    for name in ("sees", "position", "row", "place"):
        assert getattr(both, name).tolist() == getattr(alone, name).tolist()
    assert heard(both) == heard(alone)


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE, LAST])
def test_no_plays_are_no_rows(setting):
    found = laid_out(setting, past=("skipped", "track", "rate"), queue=("energy", "track", "rate"))
    assert (len(found), found.row.tolist(), found.place.tolist()) == (0, [], [])
    assert found.past.values.shape == (0, 1, 2)
    assert found.queue.ids.shape == (0, 1, 1)


def test_a_text_with_a_list_of_values_is_its_place_there_and_any_other_text_is_a_key():
    found = laid_out(
        ONLINE, session(reason_end=["appload", "trackdone", "moon", None, "logout"], track=["t", None, "u", "t", "v"]),
        past=("reason_end", "track"), queue=("track", "context"),
    )  # fmt: skip
    assert (found.past.columns, found.past.texts) == (("reason_end",), ("track",))
    assert found.past.values[0, :, 0].tolist() == [1, 10, 0, 0]  # any other is 0 and known, one that is not said is not
    assert found.past.known[0, :, 0].tolist() == [True, True, True, False]
    assert found.past.ids[0, :, 0].tolist() == [key64("t"), 0, key64("u"), key64("t")]
    assert found.queue.ids[0, :, 0].tolist() == [key64("t"), 0, key64("u"), key64("t"), key64("v")]
    assert found.past.domains == {"reason_end": schema.REASONS_END}
    assert found.queue.domains == {"context": schema.CONTEXTS}


def test_what_is_unknown_is_0_and_a_place_without_a_play_is_0_and_unknown():
    found = laid_out(
        CHALLENGE, session("a", skipped=[None, 1, 0, 0], energy=[5, None, 7, None], track=[None, "t", "u", None]),
        session("b", skipped=[1], energy=[8], track=["v"]), past=("skipped", "energy", "track"), queue=("energy", "track"),
    )  # fmt: skip
    assert found.past.values.tolist() == [[[0, 5], [1, 0]], [[0, 0], [0, 0]]]
    assert found.past.known.tolist() == [[[False, True], [True, False]], [[False, False]] * 2]
    assert found.past.ids.tolist() == [[[0], [key64("t")]], [[0], [0]]]
    assert found.queue.values.tolist() == [[[7], [0]], [[8], [0]]]
    assert found.queue.known.tolist() == [[[True], [False]], [[True], [False]]]
    assert found.queue.ids.tolist() == [[[key64("u")], [0]], [[key64("v")], [0]]]
    assert (found.past.values.dtype, found.past.ids.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE])
def test_history_is_asked_of_every_play_heard_or_asked_as_of_the_day_on_which_its_session_started(setting):
    found = laid_out(
        setting, session("a", track=["t", "t", "u", "t"], skipped=[1, 1, 0, 0], day=1),
        session("b", track=["v", "t", "u", None], skipped=[1, 1, 1, 1], day=2),
        past=("rate", "skipped", "n"), queue=("n", "rate"),
    )  # fmt: skip
    assert (found.past.columns, found.queue.columns) == (("rate", "skipped", "n"), ("n", "rate"))
    asked = slice(0 if setting is ONLINE else 2, 4)
    new, t, u = (np.float32(x) for x in (5 / 10, 7 / 13, 5 / 11))  # drawn to the share of all by ten plays' worth
    n, rate = found.queue.values[..., 0], found.queue.values[..., 1]
    assert n.tolist() == [[0, 0, 0, 0][asked], [0, 3, 1, 0][asked]]  # the skips of its own day are not known yet
    assert rate.tolist() == [[0, 0, 0, 0][asked], [new, t, u, 0][asked]]
    assert found.queue.known[0].tolist() == [[True, False]] * len(n[0])  # nobody had skipped or kept anything
    assert found.queue.known[1].tolist() == [[True, True], [True, True], [True, True], [False, False]][asked]
    heard = slice(0, 3 if setting is ONLINE else 2)
    assert found.past.values[1].tolist() == [[new, 1, 0], [t, 1, 3], [u, 1, 1]][heard]
    assert found.past.known[1].all()
    assert found.past.known[0].tolist() == [[False, True, True]] * len(found.past.known[0])


def test_grids_tell_the_units_of_their_numbers():
    found = laid_out(
        ONLINE, counted(2), past=("played_ms", "skipped", "n", "rate", "energy"), queue=("hour", "shuffle")
    )
    assert found.past.units == {"played_ms": "ms", "skipped": "flag", "n": "plays", "rate": "share", "energy": "1"}
    assert found.queue.units == {"hour": "hour", "shuffle": "flag"}


def test_what_speaks_of_history_alone_can_be_asked_of_any_play():
    assert [name for name, f in FEATURES.items() if is_history(f)] == ["rate", "n"]
    assert is_history(Feature("f", "1", "F", HISTORY.rate("track") - HISTORY.rate("artist")))
    assert not is_history(Feature("f", "1", "F", HISTORY.rate("track") - PAST.mean("skipped")))
    assert not is_history(Feature("f", "1", "F", HISTORY.recent.mean("skipped")))


TRACK = {"track", "artist", "album", *schema.TRACKS} - {"us_popularity_estimate"}
START = {"hour", "weekday", "context", "context_switch", "no_pause", "short_pause", "long_pause", "shuffle", "premium",
         "offline", "platform"}  # fmt: skip
END = {"reason_start", "reason_end", "played_ms", "skipped", "skip_1", "skip_3", "not_skipped", "n_seeks_forward",
       "n_seeks_back", "first_of_artist", "first_of_track"}  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "options", "queue"),
    [
        (ONLINE, (), TRACK | START),
        (ONLINE, ("reason_start",), TRACK | START | {"reason_start"}),
        (ONLINE, ("us_popularity_estimate",), TRACK | START),
        (CHALLENGE, (), TRACK),
        (LAST, (), TRACK),
        (LAST, ("us_popularity_estimate",), TRACK),
    ],
)
def test_everything_is_all_that_is_granted_but_instants_and_then_the_histories(setting, options, queue):
    found = everything(setting, FEATURES, options)
    assert found.past == (*sorted(TRACK | START | END), "rate", "n")
    assert found.queue == (*sorted(queue), "rate", "n")
    check(found, setting, FEATURES, options)


@pytest.mark.parametrize("setting", [ONLINE, CHALLENGE, LAST])
def test_of_the_registered_features_everything_names_the_histories_that_are_granted(setting):
    chosen, _ = TASK.choose(setting, registry.features(), None)
    names = set(everything(setting, chosen).past)
    assert {"skip_rate_of_track", "plays_of_track", "skip_rate_of_artist"} < names
    personal = {"skip_rate_of_listener", "plays_of_track_by_listener", "skip_rate_of_track_in_context"}
    assert names & personal == (personal if setting is ONLINE else set())
    check(everything(setting, chosen), setting, chosen)


def test_of_the_asked_plays_a_queue_that_is_granted_tells_what_all_of_them_tell():
    assert asked_columns(CHALLENGE) == TRACK
    assert "shuffle" in asked_columns(ONLINE)
    assert "shuffle" not in asked_columns(LAST)


@pytest.mark.parametrize(
    ("setting", "view", "name"),
    [
        (ONLINE, "past", "session_length"),
        (ONLINE, "past", "position"),
        (ONLINE, "past", "day"),
        (ONLINE, "past", "listener"),
        (ONLINE, "past", "age"),
        (ONLINE, "past", "source_row"),
        (ONLINE, "past", "so_far"),
        (ONLINE, "past", "loudly"),
        (ONLINE, "past", "us_popularity_estimate"),
        (ONLINE, "queue", "skipped"),
        (ONLINE, "queue", "end_ms"),
        (ONLINE, "queue", "reason_start"),
        (ONLINE, "queue", "ahead"),
        (ONLINE, "queue", "so_far"),
        (ONLINE, "queue", "us_popularity_estimate"),
        (CHALLENGE, "queue", "shuffle"),
        (CHALLENGE, "queue", "position"),
        (CHALLENGE, "queue", "skip_1"),
        (LAST, "queue", "skipped"),
        (LAST, "queue", "hour"),
        (LAST, "past", "session_length"),
        (LAST, "past", "rate of none"),
    ],
)
def test_what_is_not_granted_is_refused(setting, view, name):
    with pytest.raises(NotGranted) as refused:
        check(Steps(**{"past": (), view: (name,)}), setting, FEATURES)
    assert str(refused.value) == f"{view}.steps({name!r}) is not granted in setting {setting.name!r}"


def test_a_history_that_was_not_chosen_is_refused():
    check(Steps(("rate",), ("rate",)), CHALLENGE, FEATURES)
    with pytest.raises(NotGranted, match=r"past.steps\('rate'\) is not granted in setting 'challenge'"):
        check(Steps(("rate",)), CHALLENGE, {"so_far": FEATURES["so_far"]})


def test_an_option_grants_its_column_to_the_asked_plays():
    check(Steps((), ("reason_start",)), ONLINE, FEATURES, ["reason_start"])
    check(Steps((), ("us_popularity_estimate",)), LAST, FEATURES, ["us_popularity_estimate"])
    with pytest.raises(NotGranted, match=r"queue.steps\('reason_start'\) is not granted"):
        check(Steps((), ("reason_start",)), ONLINE, FEATURES, ["us_popularity_estimate"])


def test_a_queue_tells_of_no_play_what_an_option_grants_of_the_asked_play_alone():
    late = "us_popularity_estimate"
    assert late not in everything(CHALLENGE, FEATURES, [late]).queue
    with pytest.raises(NotGranted, match=rf"queue.steps\('{late}'\) is not granted in setting 'challenge'"):
        check(Steps((), (late,)), CHALLENGE, FEATURES, [late])


def test_a_name_that_a_column_and_a_feature_share_is_the_column():
    shared = Feature("energy", "share", "Skip rate so far", Plays("past").mean("skipped"))
    table = plays(session(energy=[10, 20, 30], skipped=[1, 0, 1]))
    columns = from_arrow(table, table.column_names)
    asking = ask(TASK, ONLINE, {"energy": shared}, steps=Steps(("energy",), ("energy",)))
    found = build(asking, TASK.examples(columns, ONLINE), {})
    assert found.tensors.past.values[0, :, 0].tolist() == [10, 20]


@pytest.mark.parametrize("length", [1, 0, -4])
def test_a_length_of_less_than_two_is_refused(length):
    with pytest.raises(AskedWrongly, match=f"steps of length {length}: expected at least 2 plays back"):
        Steps(("energy",), length=length)
