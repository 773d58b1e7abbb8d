"""Where in its session the asked play stands."""

from segue.features.feature import feature


@feature("plays", "Place of the asked play in its session")
def position_in_session(now):
    return now.position


@feature("plays", "How many plays ahead of what is known the asked play lies")
def plays_ahead(now):
    return now.ahead


@feature("share", "Place of the asked play as a share of the session's length")
def place_in_session(now, session):
    return now.position / session.length


@feature("plays", "Plays of the session")
def session_length(session):
    return session.length
