"""How this session began, and how far it has come."""

from functools import partial

from segue import schema
from segue.features.feature import feature
from segue.features.tree import Node, clip, where
from segue.features.words import Plays, Session, code

GUESS_MS = 240_000  # about what a track takes
LONGEST_S = 604_800  # of a session, as far as features tell

told = partial(feature, task="length")


def so_far(past: Plays, session: Session) -> Node:
    """Time from the start of the session to the end of its last known play; in logs of starts, four minutes after its start."""
    began = where(
        session.start_ms == session.start_ms, session.start_ms, past.least(past["end_ms"] - past["played_ms"])
    )
    last = past.fold("max", "end_ms", last=1)
    last = where(last == last, last, past.lag("start_ms") + GUESS_MS)
    passed = last - began
    return where(past.count() == 0, 0, where(passed < 0, 0, passed))


@told("s", "Time since this session started, at most a week")
def time_so_far(past, session):
    return clip(so_far(past, session) / 1000, 0, LONGEST_S)


@told("plays", "Known plays of this session, at most 128")
def plays_so_far(past):
    return past.count()


@told("s", "Mean time that the plays so far took")
def time_a_play(past, session):
    return clip(so_far(past, session) / 1000, 0, LONGEST_S) / past.count()


@told("s", "Time from the start of the second last play to that of the last, at most an hour")
def time_between_starts(past):
    return clip((past.lag("start_ms") - past.lag("start_ms", 2)) / 1000, 0, 3600)


@told("plays", "Plays so far that were skipped")
def skips_so_far(past):
    return past.sum("skipped")


@told("share", "Plays so far of a track heard before in this session")
def share_of_repeats(past):
    return 1 - past.mean("first_of_track")


@told("share", "The last ten plays that were of a track heard before in this session")
def share_of_repeats_of_last_10(past):
    return 1 - past.mean("first_of_track", last=10)


@told("share", "The last ten plays that brought an artist new to the session")
def variety_of_last_10(past):
    return past.mean("first_of_artist", last=10)


@told("category", "How the last play ended", domain=schema.REASONS_END)
def last_reason_end(past):
    return past.fold("max", code(past["reason_end"]), last=1)


@told("hour", "Hour of the day when the session started")
def start_hour(session):
    return session.hour


@told("category", "Day of the week when the session started", domain=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
def start_weekday(session):
    return session.weekday + 1


@told("flag", "The session started on a Saturday or a Sunday")
def start_weekend(session):
    return where(session.weekday == session.weekday, session.weekday > 4, None)


@told("category", "Kind of list that the session started from", domain=schema.CONTEXTS)
def start_context(session):
    return code(session.context)


@told("flag", "The listener had a paid account when the session started")
def start_premium(session):
    return session.premium
