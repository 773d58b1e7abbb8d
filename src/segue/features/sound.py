"""How the asked track sounds, and what else its attributes say of it."""

from segue.features.feature import Feature, feature


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
    _attribute("mechanism", "share", "Mechanism of the track: how electronic it sounds"),
    _attribute("organism", "share", "Organism of the track: how acoustic it sounds"),
    _attribute("speechiness", "share", "Speechiness of the track"),
    _attribute("valence", "share", "Valence of the track"),
)
VECTOR = tuple(
    _attribute(
        f"acoustic_vector_{i}", "1", f"Number {i} of the track's acoustic vector, which places it among all sounds"
    )
    for i in range(8)
)
