"""What the listener has just done in this session."""

from segue.features.feature import feature
from segue.features.tree import Node, where
from segue.features.words import Plays


def ended(past: Plays, *reasons: str) -> Node:
    """1 where a play ended for one of these reasons, 0 where for another, unknown where it is not said."""
    reason = past["reason_end"]
    found = reason == reasons[0]
    for other in reasons[1:]:
        found = found | (reason == other)
    return where(reason == reason, found, None)


@feature("flag", "The last play was skipped")
def last_skipped(past):
    return past.lag("skipped")


@feature("flag", "The second last play was skipped")
def second_last_skipped(past):
    return past.lag("skipped", 2)


@feature("flag", "The third last play was skipped")
def third_last_skipped(past):
    return past.lag("skipped", 3)


@feature("share", "Plays of this session so far that were skipped")
def skip_rate_of_session(past):
    return past.mean("skipped")


@feature("share", "Last five plays that were skipped")
def skip_rate_of_last_5(past):
    return past.mean("skipped", last=5)


@feature("share", "Exponentially weighted skip rate of this session")
def skip_rate_decayed(past):
    return past.decayed("skipped")


@feature("plays", "Plays since the last skip")
def plays_since_skip(past):
    return past.since("skipped")


@feature("plays", "Length of the run of skips up to now")
def skip_run(past):
    return past.run("skipped")


@feature("plays", "Length of the run of plays that were kept up to now")
def kept_run(past):
    return past.run(1 - past["skipped"])  # unlike == 0, unknown where the skip is


@feature("plays", "Plays so far in this session")
def plays_so_far(now):
    return now.position - now.ahead


@feature("plays", "Place of the asked play in its session")
def position_in_session(now):
    return now.position


@feature("plays", "How many plays ahead of what is known the asked play lies")
def plays_ahead(now):
    return now.ahead


@feature("share", "Place of the asked play as a share of the session's length")
def place_in_session(now, session):
    return now.position / session.length


@feature("plays", "Plays of the session")
def session_length(session):
    return session.length


@feature("s", "Time the last play was heard")
def last_played_s(past):
    return past.lag("played_ms") / 1000


@feature("s", "Mean time that the last five plays were heard")
def mean_played_s_of_last_5(past):
    return past.mean("played_ms", last=5) / 1000


@feature("share", "Last five plays that were heard for less than thirty seconds")
def brief_plays_of_last_5(past):
    return past.mean(where(past["played_ms"] == past["played_ms"], past["played_ms"] < 30_000, None), last=5)


@feature("flag", "The last play was skipped very briefly after its start")
def last_skipped_at_once(past):
    return past.lag("skip_1")


@feature("flag", "The last play was heard to its end")
def last_heard_out(past):
    return past.lag("not_skipped")


@feature("share", "Plays so far that were ended by the track's own end")
def trackdone_rate(past):
    return past.mean(ended(past, "trackdone"))


@feature("flag", "The last play was ended by the track's own end")
def last_ended_trackdone(past):
    return past.lag(ended(past, "trackdone"))


@feature("flag", "The last play was ended by the forward button")
def last_ended_fwdbtn(past):
    return past.lag(ended(past, "fwdbtn"))


@feature("flag", "The last play was ended by the back button")
def last_ended_backbtn(past):
    return past.lag(ended(past, "backbtn"))


@feature("flag", "The last play was ended by choosing something else")
def last_ended_endplay(past):
    return past.lag(ended(past, "endplay"))


@feature("flag", "The last play was ended by leaving")
def last_ended_logout(past):
    return past.lag(ended(past, "logout", "unexpected-exit-while-paused"))


@feature("plays", "Seeks forward in the last five plays")
def seeks_forward_of_last_5(past):
    return past.sum("n_seeks_forward", last=5)


@feature("plays", "Seeks back in the last five plays")
def seeks_back_of_last_5(past):
    return past.sum("n_seeks_back", last=5)


@feature("share", "Plays so far that brought an artist new to the session")
def variety_of_artists(past):
    return past.mean("first_of_artist")
