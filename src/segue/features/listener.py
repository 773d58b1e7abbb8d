"""What this listener did in sessions before this one."""

from segue.features.feature import feature


@feature("share", "Exponentially weighted skip rate of this listener's plays before this session")
def skip_rate_before(history):
    return history.recent.decayed("skipped")


@feature("share", "Slowly forgetting skip rate of this listener's plays before this session")
def skip_rate_before_slow(history):
    return history.recent.decayed("skipped", keep=0.96)


@feature("share", "Exponentially weighted skip rate across sessions, this one's plays first")
def skip_rate_across(past, history):
    here, before = past.count("skipped", last=5), history.recent.sum("skipped", last=20)
    return (3 * past.sum("skipped", last=5) + before) / (3 * here + history.recent.count("skipped", last=20))


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
