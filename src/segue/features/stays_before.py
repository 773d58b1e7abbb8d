"""How long this listener stayed before: in the last sessions that had ended when this one began."""

from functools import partial

from segue.features.feature import Feature, feature
from segue.features.staying import LONGEST_S
from segue.features.tree import Node, clip, where

HOUR, DAY = 3_600_000, 86_400_000
MINUTES = (2, 5, 10, 20, 40, 60, 90, 120, 240)
PLAYS = (1, 2, 4, 7, 12, 20, 35, 60)

told = partial(feature, task="length")


def share_of(sessions, condition: Node, among: Node) -> Node:
    """Share of the sessions for which `among` is known that meet a condition."""
    return sessions.mean(where(among == among, condition, None))


def _near(session, sessions) -> Node:
    apart = session.hour - sessions["hour"]
    return ((apart < 3) & (apart > -3)) | (apart > 21) | (apart < -21)


@told("s", "Time from the end of the listener's last session to the start of this one, at most ninety days")
def absence(session, history):
    return clip((session.start_ms - history.sessions.lag("end_ms")) / 1000, 0, 7_776_000)


@told("plays", "Sessions of this listener before this one, at most 64")
def sessions_before(history):
    return history.sessions.count()


@told("plays", "Sessions of this listener that began in the week before this one")
def sessions_this_week(session, history):
    return history.sessions.sum(session.start_ms - history.sessions["start_ms"] < 7 * DAY)


@told("plays", "Sessions of this listener that began in the day before this one")
def sessions_this_day(session, history):
    return history.sessions.sum(session.start_ms - history.sessions["start_ms"] < DAY)


@told("s", "How long the listener's last session lasted, at most a week")
def last_session_s(history):
    return clip(history.sessions.lag("lasted_ms") / 1000, 0, LONGEST_S)


@told("s", "How long the second last session lasted, at most a week")
def second_last_session_s(history):
    return clip(history.sessions.lag("lasted_ms", 2) / 1000, 0, LONGEST_S)


@told("s", "Mean length of the listener's last sessions")
def mean_session_s(history):
    return history.sessions.mean("lasted_ms") / 1000


@told("s", "Exponentially weighted length of the listener's last sessions")
def session_s_decayed(history):
    return history.sessions.decayed("lasted_ms", 0.7) / 1000


@told("plays", "Plays of the listener's last session")
def last_session_plays(history):
    return history.sessions.lag("n_plays")


@told("plays", "Plays of the second last session")
def second_last_session_plays(history):
    return history.sessions.lag("n_plays", 2)


@told("plays", "Mean number of plays of the listener's last sessions")
def mean_session_plays(history):
    return history.sessions.mean("n_plays")


@told("plays", "Exponentially weighted number of plays of the listener's last sessions")
def session_plays_decayed(history):
    return history.sessions.decayed("n_plays", 0.7)


@told("share", "Plays of the listener's last session that were skipped")
def last_session_skip_rate(history):
    return history.sessions.lag("n_skipped") / history.sessions.lag("n_plays")


@told("s", "Mean length of the listener's last sessions that started within two hours of this one's clock")
def mean_session_s_at_this_hour(session, history):
    near = _near(session, history.sessions)
    return history.sessions.mean(where(near, history.sessions["lasted_ms"], None)) / 1000


@told("plays", "Mean number of plays of the listener's last sessions that started within two hours of this one's clock")
def mean_session_plays_at_this_hour(session, history):
    return history.sessions.mean(where(_near(session, history.sessions), history.sessions["n_plays"], None))


def _lasted(minutes: int) -> Feature:
    @told("share", f"The listener's last sessions that lasted more than {minutes} minutes",
             name=f"share_over_{minutes}_min")  # fmt: skip
    def lasted(history):
        return share_of(
            history.sessions, history.sessions["lasted_ms"] > minutes * 60_000, history.sessions["lasted_ms"]
        )

    return lasted


def _counted(plays: int) -> Feature:
    @told("share", f"The listener's last sessions of more than {plays} plays", name=f"share_over_{plays}_plays")
    def counted(history):
        return share_of(history.sessions, history.sessions["n_plays"] > plays, history.sessions["n_plays"])

    return counted


LASTED = tuple(_lasted(minutes) for minutes in MINUTES)
COUNTED = tuple(_counted(plays) for plays in PLAYS)
