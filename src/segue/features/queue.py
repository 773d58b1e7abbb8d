"""How the asked track relates to the other tracks that are asked about with it."""

from segue.features.feature import feature


@feature("plays", "Other asked plays of this artist in the queue")
def queue_of_artist(queue):
    return queue.count(same="artist")
