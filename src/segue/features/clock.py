"""When the play starts, and what the clock says about the time before it."""

from segue.features.feature import feature
from segue.features.tree import clip, where


@feature("s", "Silence before this play, at most ten minutes")
def pause(past, now):
    return clip((now.start_ms - past.lag("end_ms")) / 1000, 0, 600)


@feature("s", "Silence before this session, at most thirty days")
def time_away(now, session, history):
    return clip((session.start_ms - history.recent.lag("end_ms")) / 1000, 0, 2_592_000)


@feature("hour", "Hour of the day")
def hour(now):
    return now.hour


@feature("flag", "It is night: from 22 to 6 o'clock")
def night(now):
    return where(now.hour == now.hour, (now.hour < 6) | (now.hour > 21), None)
