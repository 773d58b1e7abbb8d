"""The columns of a play: what each one means, its unit, its domain, and above all *when it is known*.

`known` says from when on a column may be spoken of:

| known     | meaning                                                                              |
|-----------|--------------------------------------------------------------------------------------|
| `key`     | names the row (session, position); never a value for a feature                        |
| `session` | known when the session starts, and the same for all its plays                         |
| `content` | a property of the track itself, known as soon as the track is                         |
| `start`   | known when the play starts                                                            |
| `option`  | known when the play starts, but copies how the last one ended: granted only on request |
| `end`     | known after the play has ended                                                        |
| `length`  | known only where a setting grants the session's length                                |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segue.errors import BadInput

CONTEXTS = ("editorial_playlist", "user_collection", "catalog", "radio", "charts", "personalized_playlist")
REASONS_START = (
    "appload", "backbtn", "clickrow", "clickside", "endplay", "fwdbtn",
    "playbtn", "popup", "remote", "trackdone", "trackerror", "uriopen",
)  # fmt: skip
REASONS_END = (
    "appload", "backbtn", "clickrow", "clickside", "endplay", "fwdbtn", "logout", "popup", "remote",
    "trackdone", "trackerror", "uriopen", "unexpected-exit", "unexpected-exit-while-paused",
)  # fmt: skip
GENDERS = ("f", "m")
PLATFORMS = ("android", "ios", "windows", "osx", "linux", "web_player", "cast", "partner")


@dataclass(frozen=True)
class Column:
    """One column of the table of plays."""

    name: str
    kind: str  # "int" | "flag" (0/1) | "text" | "day": everything but text is an int64 to the evaluator
    known: str
    sentence: str
    unit: str = "1"
    domain: tuple[str, ...] = ()  # of a text column: the values we know; any other value is "other"


def _table(columns: Iterable[Column]) -> dict[str, Column]:
    return {c.name: c for c in columns}


PLAYS: dict[str, Column] = _table(
    [
        Column("session_id", "text", "key", "The session this play belongs to"),
        Column("position", "int", "key", "Place of the play in its session, from 1"),
        Column("listener", "text", "session", "Who listened; null where the source does not say"),
        Column("listener_age", "int", "session", "Age of the listener when the session started", "year"),
        Column("country", "text", "session", "Country of the listener"),
        Column("gender", "text", "session", "Gender of the listener, where they stated it", domain=GENDERS),
        Column("session_title", "text", "session", "Title of the playlist; null where it is no playlist"),
        Column("day", "day", "key", "Day the session started (for MSSD: the file's day)", "day"),
        Column("end_day", "day", "key", "Day the session ended: from the next day on, history may know it", "day"),
        Column("listener_position", "int", "key", "Place of the play in all plays of its listener, from 1"),
        Column("source_row", "int", "key", "Row of the play in its source, which breaks ties"),
        Column(
            "stop_ms",
            "int",
            "key",
            "Clock at the end of the play, as recorded or else estimated: to measure sessions by",
            "ms",
        ),
        Column("asked", "flag", "key", "1 where the play may be asked about (0: it overlaps the play before it)"),
        Column("track", "text", "content", "Identity of the track"),
        Column("artist", "text", "content", "Identity of the artist"),
        Column("album", "text", "content", "Identity of the album"),
        Column("start_ms", "int", "start", "Clock at the start of the play, UTC; null where not recorded", "ms"),
        Column("hour", "int", "start", "Hour of the day at the start of the play, on the source's clock", "hour"),
        Column("weekday", "int", "start", "Day of the week at the start of the play, Monday 0"),
        Column("context", "text", "start", "Kind of list it was played from", domain=CONTEXTS),
        Column("context_switch", "flag", "start", "The listener changed the kind of list before this play"),
        Column("no_pause", "flag", "start", "There was no pause before this play"),
        Column("short_pause", "flag", "start", "There was a short pause before this play"),
        Column("long_pause", "flag", "start", "There was a long pause before this play"),
        Column("shuffle", "flag", "start", "Shuffle was on"),
        Column("premium", "flag", "start", "The listener had a paid account"),
        Column("offline", "flag", "start", "The player was offline"),
        Column("platform", "text", "start", "Kind of device", domain=PLATFORMS),
        Column("reason_start", "text", "option", "What started the play", domain=REASONS_START),
        Column("reason_end", "text", "end", "What ended the play", domain=REASONS_END),
        Column("end_ms", "int", "end", "Clock at the end of the play, UTC", "ms"),
        Column("played_ms", "int", "end", "Time the track was heard", "ms"),
        Column("skipped", "flag", "end", "The play was skipped: the label; null where the source cannot say"),
        Column("skip_1", "flag", "end", "Played very briefly"),
        Column("skip_3", "flag", "end", "Most of it was played, then skipped"),
        Column("not_skipped", "flag", "end", "Played to its end"),
        Column("n_seeks_forward", "int", "end", "Times the listener sought forward within the play"),
        Column("n_seeks_back", "int", "end", "Times the listener sought back within the play"),
        Column("first_of_artist", "flag", "end", "No earlier play of the session was by this artist"),
        Column("first_of_track", "flag", "end", "No earlier play of the session was of this track"),
        Column("session_length", "int", "length", "Plays of the session"),
    ]
)

# attributes are kept as thousandths, whole numbers: sums of them are exact on every engine
_VECTOR = [f"acoustic_vector_{i}" for i in range(8)]
_ATTRIBUTES = [
    "duration", "release_year", "us_popularity_estimate", "acousticness", "beat_strength", "bounciness", "danceability",
    "dyn_range_mean", "energy", "flatness", "instrumentalness", "key", "liveness", "loudness", "mechanism", "mode",
    "organism", "speechiness", "tempo", "time_signature", "valence", *_VECTOR,
]  # fmt: skip
TRACKS: dict[str, Column] = _table(
    Column(name, "int", "option" if name == "us_popularity_estimate" else "content",
           f"The track's {name.replace('_', ' ')}, in thousandths") for name in _ATTRIBUTES
)  # fmt: skip
"""Attributes of a track, joined to plays by `track` when features are built.

The popularity estimate is, as far as we know, of October 2018, after the plays of the data set it comes with: it is granted
on request only.
"""

SESSION: dict[str, Column] = _table(
    [
        Column("listener", "text", "session", "Who listens"),
        Column("listener_age", "int", "session", "Age of the listener when the session starts", "year"),
        Column("country", "text", "session", "Country of the listener"),
        Column("gender", "text", "session", "Gender of the listener", domain=GENDERS),
        Column("start_ms", "int", "session", "Clock at the start of the session, UTC", "ms"),
        Column("hour", "int", "session", "Hour of the day at the start of the session", "hour"),
        Column("weekday", "int", "session", "Day of the week at the start of the session, Monday 0"),
        Column("context", "text", "session", "Kind of list the first play was started from", domain=CONTEXTS),
        Column("premium", "flag", "session", "The listener had a paid account when the session started"),
        Column("length", "int", "length", "Plays of the session"),
    ]
)

ENDED: dict[str, Column] = _table(
    [
        Column("start_ms", "int", "end", "Clock at the start of the session, UTC", "ms"),
        Column("end_ms", "int", "end", "Clock at the end of its last play, as recorded or else estimated", "ms"),
        Column("lasted_ms", "int", "end", "Time from the start of its first play to the end of its last", "ms"),
        Column("n_plays", "int", "end", "Plays of the session"),
        Column("n_skipped", "int", "end", "Plays of it that were skipped; null where that is not known of all"),
        Column("hour", "int", "end", "Hour of the day at the start of the session", "hour"),
        Column("weekday", "int", "end", "Day of the week at the start of the session, Monday 0"),
    ]
)
"""A session of the listener that had ended before the asked one began: what `history.sessions` sees."""

EVENT_COLUMNS: tuple[str, ...] = tuple(PLAYS)


def column(name: str) -> Column | None:
    """Look a play's column up, whether it is the play's own or its track's."""
    return PLAYS.get(name) or TRACKS.get(name)


def of_view(view: str, name: str) -> Column | None:
    """Look a column up as a view of features calls it."""
    return ENDED.get(name) if view == "sessions" else SESSION.get(name) if view == "session" else column(name)


def check(names: Iterable[str], types: dict[str, str] | None = None) -> None:
    """Refuse a table that is not a table of plays.

    Parameters
    ----------
    names : the table's column names
    types : column name → arrow type name, checked where given

    Raises
    ------
    BadInput : a column is missing, or a number is kept as text
    """
    have = set(names)
    missing = [c for c in PLAYS if c not in have]
    if missing:
        raise BadInput(
            f"the table of plays lacks {', '.join(missing)}: it needs all of schema.PLAYS; "
            "read it with a segue source, or add the columns as nulls"
        )
    for name, kind in (types or {}).items():
        known = PLAYS.get(name)
        if known is None:
            continue
        wanted = {"text": ("string", "large_string"), "day": ("date32[day]",)}.get(known.kind, ("int64",))
        if kind not in wanted:
            raise BadInput(f"column {name!r} is {kind}: expected {wanted[0]}; cast it before writing the library")
