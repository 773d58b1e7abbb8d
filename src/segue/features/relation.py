"""What became of the same artist, track or kind of list earlier in this session."""

from segue.features.feature import feature


@feature("share", "Known plays so far by this artist that were skipped")
def skip_rate_of_artist_so_far(past):
    return past.mean("skipped", same="artist")


@feature("share", "Known plays so far of this track that were skipped")
def skip_rate_of_track_so_far(past):
    return past.mean("skipped", same="track")


@feature("plays", "Known plays so far of this track")
def plays_of_track_so_far(past):
    return past.count("skipped", same="track")


@feature("share", "Known plays so far from this kind of list that were skipped")
def skip_rate_of_context_so_far(past):
    return past.mean("skipped", same="context")
