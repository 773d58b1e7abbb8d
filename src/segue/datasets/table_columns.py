"""Which column of a table of plays is which: told by `--columns`, else by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from segue import schema
from segue.datasets.json_list import said
from segue.errors import AskedWrongly

DETECTED = "detected"
LEFT_OUT = "-"
ONE_PERSON = "*"
DERIVED = (
    "end_day",
    "listener_position",
    "source_row",
    "stop_ms",
    "asked",
    "first_of_artist",
    "first_of_track",
    "session_length",
)
ALIASES = {"start": "start_ms", "end": "end_ms"}
_SYNONYMS = {  # beside the name of the column itself; letters and digits only, the first that is there is taken
    "session_id": ("sessionid", "session", "playlistid", "pid"),
    "position": ("position", "sessionposition", "pos"),
    "listener": ("listener", "listenerid", "userid", "user", "username"),
    "listener_age": ("listenerage", "userage", "age"),
    "country": ("country", "usercountry"),
    "gender": ("gender", "usergender", "sex"),
    "session_title": ("sessiontitle", "playlistname", "playlisttitle"),
    "day": ("day", "date"),
    "track": ("track", "trackid", "trackuri", "spotifytrackuri", "trackidclean", "songid", "songuri", "song", "recordingmbid",
              "recordingid", "itemid"),
    "title": ("title", "trackname", "tracktitle", "songname", "songtitle"),
    "artist": ("artist", "artistid", "artisturi", "artistmbid"),
    "artist_name": ("artistname",),
    "album": ("album", "albumid", "albumuri", "releasembid"),
    "album_name": ("albumname", "albumtitle", "releasename"),
    "start_ms": ("startms", "start", "starttime", "startedat", "playedat", "listenedat", "scrobbledat", "timestamp", "datetime",
                 "time", "uts", "ts"),
    "end_ms": ("endms", "end", "endtime", "endedat"),
    "context": ("context", "contexttype"),
    "no_pause": ("nopause", "nopausebeforeplay"),
    "short_pause": ("shortpause", "shortpausebeforeplay"),
    "long_pause": ("longpause", "longpausebeforeplay"),
    "shuffle": ("shuffle", "isshuffle", "histuserbehaviorisshuffle"),
    "reason_start": ("reasonstart", "histuserbehaviorreasonstart"),
    "reason_end": ("reasonend", "histuserbehaviorreasonend"),
    "played_ms": ("playedms", "msplayed", "listenedms"),
    "skipped": ("skipped", "skip", "isskipped", "wasskipped", "skip2"),
    "hour": ("hour", "hourofday"),
    "n_seeks_forward": ("nseeksforward", "histuserbehaviornseekfwd"),
    "n_seeks_back": ("nseeksback", "histuserbehaviornseekback"),
}  # fmt: skip
NAMED = ("title", "artist_name", "album_name")  # what a track, an artist and an album are called
ROLES = {name: _SYNONYMS.get(name, (name.replace("_", ""),))
         for name in (*(c for c in schema.PLAYS if c not in DERIVED), *NAMED)}  # fmt: skip
_ALL = -2
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_HOW = "say which column is which, such as --columns listener=user,track=song,start=time (see docs/tables.md for what there is)"


@dataclass(frozen=True)
class Layout:
    """Where a table has what."""

    at: dict[str, int]  # role → column, from 0
    header: tuple[str, ...]
    given: frozenset[str]  # roles that the option tells
    doubtful: tuple[str, ...] = ()  # roles that a column's name spoke for, and its values against
    is_of_one: bool = False  # all plays are one person's

    @property
    def unused(self) -> list[str]:
        """The columns that are passed over."""
        return [name for column, name in enumerate(self.header) if column not in self.at.values()]

    @property
    def may_be_titles(self) -> bool:
        """The column of tracks, by its name, may hold titles, which several artists share, as well as ids."""
        is_id = "track" in self.at and any(word in self.column("track").lower() for word in ("id", "uri", "clean"))
        return not is_id and "title" not in self.at and bool(self.at.keys() & {"artist", "artist_name"})

    def column(self, role: str) -> str:
        """What the table calls it."""
        return said(self.header[self.at[role]])

    def without(self, shown: str, roles: Sequence[str]) -> Layout:
        """The same, but for columns whose values are not what their names say.

        Raises
        ------
        AskedWrongly : something is missing now
        """
        at = {role: column for role, column in self.at.items() if role not in roles}
        return _checked(shown, replace(self, at=at, doubtful=tuple(roles)))

    def notes(self, n: int) -> dict[str, int]:
        """How the columns were taken, for the manifest: of so many rows."""
        told = {how: [f"{role} from {self.column(role)!r}" for role in sorted(self.at, key=self.at.__getitem__)
                      if (role in self.given) == (how == "as given")] for how in ("as given", "told by their names")}  # fmt: skip
        made = {f"rows read by columns {', '.join(columns)} ({how})": n for how, columns in told.items() if columns}
        for role in self.doubtful:
            made[f"columns not taken for {role}, as their names say: most of their values are none"] = 1
        if unused := self.unused:
            shown = ", ".join(repr(said(name)) for name in unused[:8]) + (", …" if len(unused) > 8 else "")
            made[f"columns passed over: {shown}"] = len(unused)
        return made

    def lacks(self) -> str:
        """What it takes for plays that is not there; empty where nothing is."""
        has = self.at.keys()
        clock = has & {"start_ms", "end_ms"}
        if not has & {"track", "title"}:
            return "no column says which track was played (track; or title and artist)"
        if "track" not in has and not has & {"artist", "artist_name"}:
            return "a title alone does not tell a track: give the artist, or a column track that does"
        if "session_id" in has:
            return (
                ""
                if clock or "position" in has
                else "no column says in which order a session's plays lie (position, start or end)"
            )
        if "listener" not in has and not self.is_of_one:
            return (
                "no column says whose plays or of which session they are (listener and start, or session_id and position; "
                "listener=* where all are one person's)"
            )
        return (
            ""
            if clock
            else "no column says when a play began or ended (start, end), nor of which session it is (session_id)"
        )


def layout_of(shown: str, header: Sequence[str], columns: str = DETECTED) -> Layout:
    """Which columns of a table are which.

    Parameters
    ----------
    shown : what the file is called
    columns : `role=name` or `role=number`, separated by commas, where the names do not tell; `role=-` leaves one out,
        `listener=*` takes all plays as one person's

    Raises
    ------
    AskedWrongly : the option is not understood, or names a column that is not there; or something is missing
    """
    given = {} if columns == DETECTED else _given(shown, header, columns)
    at = {role: column for role, column in given.items() if column >= 0}
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    for role, synonyms in ROLES.items():
        if role in given:
            continue
        there = [plain.index(name) for name in synonyms if name in plain]
        if free := [column for column in there if column not in at.values()]:
            at[role] = free[0]
    return _checked(
        shown, Layout(at, tuple(header), frozenset(given) & at.keys(), is_of_one=given.get("listener") == _ALL)
    )


def _checked(shown: str, layout: Layout) -> Layout:
    if lacking := layout.lacks():
        raise AskedWrongly(f"{shown}: {lacking}; columns seen: {_seen(layout.header)}; {_HOW}")
    return layout


def delimiter_given(columns: str) -> str | None:
    """The delimiter that the option asks for."""
    for part in columns.split(","):
        role, _, value = (word.strip() for word in part.partition("="))
        if role == "delimiter":
            if value not in DELIMITERS:
                raise AskedWrongly(f"--columns {columns}: delimiter={value}: expected {', '.join(DELIMITERS)}")
            return DELIMITERS[value]
    return None


def _given(shown: str, header: Sequence[str], columns: str) -> dict[str, int]:
    given: dict[str, int] = {}
    for part in columns.split(","):
        word, _, column = (side.strip() for side in part.partition("="))
        role = ALIASES.get(word, word)
        if role == "delimiter" and column:
            continue
        if role not in ROLES or not column or role in given:
            known = ", ".join(sorted(ROLES))
            raise AskedWrongly(
                f"--columns {columns}: {part.strip()!r} is not understood: expected NAME=COLUMN, of {known}"
            )
        if column == LEFT_OUT:
            given[role] = -1
        elif column == ONE_PERSON and role == "listener":
            given[role] = _ALL
        elif column in header:
            given[role] = list(header).index(column)
        elif column.isdecimal() and 1 <= int(column) <= len(header):
            given[role] = int(column) - 1
        else:
            raise AskedWrongly(f"--columns {columns}: {shown} has no column {column!r} (seen: {_seen(header)}); {_HOW}")
    return given


def _seen(header: Sequence[str]) -> str:
    shown = [f"{n} {said(name)[:30]!r}" for n, name in enumerate(header[:12], 1)]
    return ", ".join(shown) + (", …" if len(header) > 12 else "")
