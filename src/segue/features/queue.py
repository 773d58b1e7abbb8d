"""How the asked track relates to the other tracks that are asked about with it."""

from segue.features.feature import feature


@feature("plays", "Other asked plays of this artist in the queue")
def queue_of_artist(queue):
    return queue.count(same="artist")


@feature("share", "Mean energy of the other asked plays in the queue")
def queue_energy(queue):
    return queue.mean("energy") / 1000
