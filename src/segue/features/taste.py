"""What this listener made of the asked track and its artist before this session."""

from segue.features.feature import feature


@feature("share", "Skip rate of this listener with this artist on earlier days")
def skip_rate_of_listener_with_artist(history):
    return history.rate("listener", "artist")


@feature("share", "Skip rate of this listener with this track on earlier days")
def skip_rate_of_listener_with_track(history):
    return history.rate("listener", "track")


@feature("plays", "Plays of this track by this listener on earlier days")
def plays_of_track_by_listener(history):
    return history.count("listener", "track")


@feature("day", "Days since this listener last played this track")
def days_since_track(history):
    return history.days_since("listener", "track")


@feature("day", "Days since this listener last played this artist")
def days_since_artist(history):
    return history.days_since("listener", "artist")


@feature("share", "Skip rate of this track in this listener's last plays before this session")
def recent_skip_rate_of_track(history):
    return history.recent.mean("skipped", same="track")
