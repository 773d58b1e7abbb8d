"""What is known of the asked track: its history with all listeners, and its attributes."""

from segue.features.feature import Feature, feature


@feature("share", "Skip rate of this track on earlier days")
def skip_rate_of_track(history):
    return history.rate("track")


@feature("plays", "Plays of this track on earlier days")
def plays_of_track(history):
    return history.count("track")


@feature("share", "Skip rate of this artist on earlier days")
def skip_rate_of_artist(history):
    return history.rate("artist")


@feature("share", "Skip rate of this track in this kind of list on earlier days")
def skip_rate_of_track_in_context(history):
    return history.rate("track", "context")


def _attribute(name: str, unit: str, sentence: str) -> Feature:
    return feature(unit, sentence, name=name.removeprefix("us_"))(lambda now: getattr(now, name) / 1000)


ATTRIBUTES = (
    _attribute("duration", "1", "Length of the track, in seconds"),
    _attribute("release_year", "year", "Year the track was released"),
    _attribute("us_popularity_estimate", "1", "Estimated percentile of the track's popularity"),
    _attribute("acousticness", "share", "Acousticness of the track"),
    _attribute("danceability", "share", "Danceability of the track"),
    _attribute("energy", "share", "Energy of the track"),
    _attribute("instrumentalness", "share", "Instrumentalness of the track"),
    _attribute("liveness", "share", "Liveness of the track"),
    _attribute("loudness", "dB", "Loudness of the track"),
    _attribute("speechiness", "share", "Speechiness of the track"),
    _attribute("tempo", "bpm", "Tempo of the track"),
    _attribute("valence", "share", "Valence of the track"),
)


@feature("1", "Length of this track less that of the last one, in seconds")
def longer_than_last(past, now):
    return now.duration / 1000 - past.lag("duration") / 1000


@feature("share", "Energy of this track less the mean of the plays so far")
def energy_against_session(past, now):
    return now.energy / 1000 - past.mean("energy") / 1000
