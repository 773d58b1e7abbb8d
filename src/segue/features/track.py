"""What all listeners made of the asked track and its artist on earlier days."""

from segue.features.feature import feature


@feature("share", "Skip rate of this track on earlier days")
def skip_rate_of_track(history):
    return history.rate("track")


@feature("plays", "Plays of this track on earlier days")
def plays_of_track(history):
    return history.count("track")


@feature("share", "Skip rate of this track in this kind of list on earlier days")
def skip_rate_of_track_in_context(history):
    return history.rate("track", "context")


@feature("share", "Skip rate of this track on earlier days where shuffle was set as it is now")
def skip_rate_of_track_in_shuffle(history):
    return history.rate("track", "shuffle")


@feature("share", "Skip rate of this artist on earlier days")
def skip_rate_of_artist(history):
    return history.rate("artist")


@feature("plays", "Plays of this artist on earlier days")
def plays_of_artist(history):
    return history.count("artist")
