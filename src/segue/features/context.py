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


@feature("flag", "The listener changed the kind of list before this play")
def context_switch(now):
    return now.context_switch


@feature("flag", "Shuffle is on")
def shuffle(now):
    return now.shuffle


@feature("flag", "The listener has a paid account")
def premium(now):
    return now.premium


@feature("flag", "The player is offline")
def offline(now):
    return now.offline


@feature("flag", "There was no pause before this play")
def no_pause(now):
    return now.no_pause


@feature("flag", "There was a short pause before this play")
def short_pause(now):
    return now.short_pause


@feature("flag", "There was a long pause before this play")
def long_pause(now):
    return now.long_pause


@feature("share", "Plays so far with a change of list")
def context_switch_rate(past):
    return past.mean("context_switch")
