"""Who listens, as far as they said."""

from functools import partial

from segue import schema
from segue.features import countries
from segue.features.feature import feature
from segue.features.words import code

told = partial(feature, task="length")


@told("year", "Age of the listener when the session starts")
def listener_age(session):
    return session.listener_age


@told("category", "Gender of the listener", domain=schema.GENDERS)
def listener_gender(session):
    return code(session.gender)


@told("category", "Part of the world in which the listener's country lies", domain=countries.REGIONS)
def listener_region(session):
    return countries.region(session.country)
