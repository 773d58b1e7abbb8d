"""What this listener did in sessions before this one."""

from segue.features.feature import Feature, feature
from segue.features.tree import where
from segue.features.words import fading


@feature("share", "Exponentially weighted skip rate of this listener's plays before this session")
def skip_rate_before(history):
    return history.recent.decayed("skipped")


@feature("share", "Slowly forgetting skip rate of this listener's plays before this session")
def skip_rate_before_slow(history):
    return history.recent.decayed("skipped", keep=0.96)


def _across(keep: float) -> Feature:
    """One exponentially weighted rate that runs on from session to session: older sessions fade by this one's length."""

    @feature(
        "share",
        f"Exponentially weighted skip rate across sessions, fading by {keep} a play",
        name=f"skip_rate_across_{round(keep * 100)}",
    )
    def skip_rate_across(past, history):
        recent, faded = history.recent, fading(past.count(), keep)
        here, before = fading(past["age"], keep), fading(recent["age"], keep)
        skips = 65536 * past.sum(past["skipped"] * here) + faded * recent.sum(recent["skipped"] * before)
        plays = 65536 * past.sum(where(past["skipped"] == past["skipped"], here, None)) + faded * recent.sum(
            where(recent["skipped"] == recent["skipped"], before, None)
        )
        return skips / plays

    return skip_rate_across


ACROSS = (_across(0.7), _across(0.8), _across(0.9), _across(0.96))


@feature("share", "Skip rate of this listener on earlier days")
def skip_rate_of_listener(history):
    return history.rate("listener")


@feature("plays", "Plays of this listener on earlier days")
def plays_of_listener(history):
    return history.count("listener")


@feature("share", "Skip rate of this listener with this artist on earlier days")
def skip_rate_of_listener_with_artist(history):
    return history.rate("listener", "artist")


@feature("share", "Skip rate of this listener with this album on earlier days")
def skip_rate_of_listener_with_album(history):
    return history.rate("listener", "album")


@feature("share", "Skip rate of this listener with this track on earlier days")
def skip_rate_of_listener_with_track(history):
    return history.rate("listener", "track")


@feature("plays", "Plays of this track by this listener on earlier days")
def plays_of_track_by_listener(history):
    return history.count("listener", "track")


@feature("plays", "Plays of this artist by this listener on earlier days")
def plays_of_artist_by_listener(history):
    return history.count("listener", "artist")


@feature("day", "Days since this listener last played this track")
def days_since_track(history):
    return history.days_since("listener", "track")


@feature("day", "Days since this listener last played this artist")
def days_since_artist(history):
    return history.days_since("listener", "artist")


@feature("plays", "Times this artist was played in this listener's last plays before this session")
def recent_plays_of_artist(history):
    return history.recent.count(same="artist")


@feature("share", "Skip rate of this artist in this listener's last plays before this session")
def recent_skip_rate_of_artist(history):
    return history.recent.mean("skipped", same="artist")


@feature("share", "Skip rate of this track in this listener's last plays before this session")
def recent_skip_rate_of_track(history):
    return history.recent.mean("skipped", same="track")


@feature("s", "Mean time that this listener's last twenty plays before this session were heard")
def recent_played_s(history):
    return history.recent.mean("played_ms", last=20) / 1000
