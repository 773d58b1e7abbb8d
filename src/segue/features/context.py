"""Where the play comes from and how the player is set."""

from segue import schema
from segue.features.feature import feature
from segue.features.words import code


@feature("category", "Kind of list it is played from", domain=schema.CONTEXTS)
def context(now):
    return code(now.context)


@feature("category", "Kind of device", domain=schema.PLATFORMS)
def platform(now):
    return code(now.platform)


@feature("category", "What started the play", domain=schema.REASONS_START)
def reason_start(now):
    return code(now.reason_start)


@feature("flag", "Shuffle is on")
def shuffle(now):
    return now.shuffle


@feature("flag", "The listener has a paid account")
def premium(now):
    return now.premium


@feature("flag", "There was a long pause before this play")
def long_pause(now):
    return now.long_pause
