"""How the last plays of this session ended, and how long they were heard."""

from segue.features.feature import feature
from segue.features.tree import Node, where
from segue.features.words import Plays


def ended(past: Plays, why: str) -> Node:
    """1 where a play ended for this reason, 0 where for another, unknown where it is not said."""
    reason = past["reason_end"]
    return where(reason == reason, reason == why, None)


@feature("s", "Time the last play was heard")
def last_played_s(past):
    return past.lag("played_ms") / 1000


@feature("s", "Mean time that the last five plays were heard")
def mean_played_s_of_last_5(past):
    return past.mean("played_ms", last=5) / 1000


@feature("share", "Plays so far that were ended by the track's own end")
def trackdone_rate(past):
    return past.mean(ended(past, "trackdone"))


@feature("flag", "The last play was ended by the track's own end")
def last_ended_trackdone(past):
    return past.lag(ended(past, "trackdone"))


@feature("flag", "The last play was ended by the forward button")
def last_ended_fwdbtn(past):
    return past.lag(ended(past, "fwdbtn"))


@feature("share", "Plays so far that brought an artist new to the session")
def variety_of_artists(past):
    return past.mean("first_of_artist")
