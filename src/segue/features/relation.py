"""How the asked track relates to what was kept or skipped before it in this session."""

from segue.features.feature import feature


@feature("share", "Known plays so far by this artist that were skipped")
def skip_rate_of_artist_so_far(past):
    return past.mean("skipped", same="artist")


@feature("plays", "Known plays so far by this artist")
def plays_of_artist_so_far(past):
    return past.count("skipped", same="artist")


@feature("share", "Known plays so far from this album that were skipped")
def skip_rate_of_album_so_far(past):
    return past.mean("skipped", same="album")


@feature("plays", "Known plays so far from this album")
def plays_of_album_so_far(past):
    return past.count("skipped", same="album")


@feature("share", "Known plays so far of this track that were skipped")
def skip_rate_of_track_so_far(past):
    return past.mean("skipped", same="track")


@feature("plays", "Known plays so far of this track")
def plays_of_track_so_far(past):
    return past.count("skipped", same="track")


@feature("share", "Known plays so far from this kind of list that were skipped")
def skip_rate_of_context_so_far(past):
    return past.mean("skipped", same="context")


@feature("plays", "Plays since this artist was last skipped")
def plays_since_artist_skipped(past):
    return past.since("skipped", same="artist")


@feature("score", "Likeness in sound to what was skipped so far")
def similarity_to_skipped(past):
    return past.similarity(to="skipped")


@feature("score", "Likeness in sound to what was kept so far")
def similarity_to_kept(past):
    return past.similarity(to=past["skipped"] == 0)


@feature("plays", "Other asked plays of this artist in the queue")
def queue_of_artist(queue):
    return queue.count(same="artist")


@feature("plays", "Other asked plays of this track in the queue")
def queue_of_track(queue):
    return queue.count(same="track")


@feature("share", "Mean energy of the other asked plays in the queue")
def queue_energy(queue):
    return queue.mean("energy") / 1000
