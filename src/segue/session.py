"""The JSON of a session, as `predict` and the service read it: what is known, and what is asked about.

`plays` have ended and are known in full. `next` (or `queue`) is asked about: of it only what is known at its start can
be said, and anything else is refused. docs/session.md has the schema with examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from segue import schema
from segue.errors import BadInput

CLOCKS_DIFFER_MS = 3_600_000  # real exports hold starts minutes after the end: another clock wrote them
CONTRARY = "skipped and not_skipped not both to be true: a play was skipped, or played to its end"
LONGEST = 5_000  # plays of one session, queue or recent list: more is a mistake
SHORT = {"start": "start_ms", "end": "end_ms"}  # either may be said
LARGEST = 2e6  # of a track's attributes: thousandths beyond it would not fit a bundle's int32


def milliseconds(value: Any) -> Any:
    """A time as text becomes milliseconds since 1970; a bare number is taken as such."""
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise ValueError("expected milliseconds since 1970, or a time such as 2024-01-31T10:00:00Z") from None
        return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
    return number(value)


def number(value: Any) -> Any:
    """A number, and nothing that would be read as one."""
    if isinstance(value, str | bytes | bool):
        raise ValueError("expected a number")
    return value


def flag(value: Any) -> Any:
    """0 or 1, which may be said as false or true."""
    if isinstance(value, str | bytes):
        raise ValueError("expected true, false, 0 or 1")
    return int(value) if isinstance(value, bool) else value


_Time = Annotated[int, BeforeValidator(milliseconds), Field(ge=-(2**45), le=2**45)]
_Int = Annotated[int, BeforeValidator(number), Field(ge=-(2**45), le=2**45)]
_Flag = Annotated[int, BeforeValidator(flag), Field(ge=0, le=1)]
_Attribute = Annotated[float, BeforeValidator(number), Field(ge=-LARGEST, le=LARGEST)]
_Text = Annotated[str, Field(max_length=1000)]
_DERIVED = ("first_of_artist", "first_of_track")


_BOUNDS = {"hour": (0, 23), "weekday": (0, 6), "played_ms": (0, 604_800_000)}


def _kind(column: schema.Column) -> Any:
    if column.name in _BOUNDS or column.name.startswith("n_seeks"):
        low, high = _BOUNDS.get(column.name, (0, 2**31))
        return Annotated[int, BeforeValidator(number), Field(ge=low, le=high)]
    if column.unit == "ms" and column.name != "played_ms":
        return _Time
    return {"text": _Text, "flag": _Flag}.get(column.kind, _Int)


def _fields(known: Sequence[str]) -> dict[str, Any]:
    short = {name: AliasChoices(name, short) for short, name in SHORT.items()}
    own = {
        c.name: (_kind(c) | None, Field(None, description=c.sentence, validation_alias=short.get(c.name)))
        for c in schema.PLAYS.values()
        if c.known in known and c.name not in _DERIVED
    }
    attributes = {
        c: (_Attribute | None, Field(None, description=f"The track's {c.replace('_', ' ')}")) for c in schema.TRACKS
    }
    return own | attributes


class _Base(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        start, end = getattr(self, "start_ms", None), getattr(self, "end_ms", None)
        if start is not None and end is not None and end < start - CLOCKS_DIFFER_MS:
            raise ValueError("expected the end of a play not to lie more than an hour before its start")
        if getattr(self, "skipped", None) and getattr(self, "not_skipped", None):
            raise ValueError(f"expected {CONTRARY}")
        return self


Coming: Any = create_model("Coming", __base__=_Base, **_fields(("content", "start", "option")))
Coming.__doc__ = "A play that is asked about: what is known when it starts."
Play: Any = create_model("Play", __base__=_Base, **_fields(("content", "start", "option", "end")))
Play.__doc__ = "A play that has ended."


class Ended(BaseModel):
    """A session of the listener that ended before this one began."""

    model_config = ConfigDict(extra="forbid")

    start_ms: _Time | None = Field(
        None, description="When it began", validation_alias=AliasChoices("start_ms", "start")
    )
    end_ms: _Time | None = Field(
        None, description="When its last play ended", validation_alias=AliasChoices("end_ms", "end")
    )
    n_plays: int = Field(ge=1, le=1_000_000, description="Plays of it")
    n_skipped: int | None = Field(None, ge=0, le=1_000_000, description="Plays of it that were skipped")
    hour: int | None = Field(None, ge=0, le=23, description="Hour of the day when it began; from its start if left out")
    weekday: int | None = Field(None, ge=0, le=6, description="Day of the week when it began, Monday 0; likewise")


class Session(BaseModel):
    """A session so far, and what is asked about."""

    model_config = ConfigDict(extra="forbid")

    plays: list[Play] = Field(default_factory=list, max_length=LONGEST, description="Plays that have ended, in order")
    next: Coming | None = Field(None, description="The coming play (setting online)")
    queue: list[Coming] = Field(
        default_factory=list, max_length=LONGEST, description="All plays that follow, in order (setting challenge)"
    )
    length: int | None = Field(None, ge=1, le=LONGEST, description="Plays of the whole session (setting challenge)")
    listener: _Text | None = Field(None, description="Who listens; only to look up their history in a library")
    listener_age: int | None = Field(None, ge=0, le=150, description="Age of the listener when the session starts")
    country: _Text | None = Field(None, description="Country of the listener")
    gender: _Text | None = Field(None, description="Gender of the listener, f or m, where they stated it")
    start_ms: _Time | None = Field(
        None,
        description="When the session began (setting stay); from its first play if left out",
        validation_alias=AliasChoices("start_ms", "start"),
    )
    hour: int | None = Field(None, ge=0, le=23, description="Hour of the day when it began; from its start if left out")
    weekday: int | None = Field(None, ge=0, le=6, description="Day of the week when it began, Monday 0; likewise")
    context: _Text | None = Field(None, description="Kind of list its first play was started from (setting stay)")
    premium: _Flag | None = Field(None, description="The listener has a paid account (setting stay)")
    earlier: list[Ended] = Field(
        default_factory=list, max_length=LONGEST, description="This listener's sessions before, in order (setting stay)"
    )
    recent: list[Play] = Field(
        default_factory=list, max_length=LONGEST, description="This listener's last plays of sessions before, in order"
    )
    day: _Text | None = Field(
        None, description="Day the session started (2024-01-31); from its first start if left out"
    )


def read(value: Mapping[str, Any] | Session) -> Session:
    """Check a session at the door.

    >>> read({"plays": [{"track": "a", "skipped": True}], "next": {"track": "b"}}).plays[0].skipped
    1
    >>> read({"next": {"track": "b", "skipped": True}})
    Traceback (most recent call last):
        ...
    segue.errors.BadInput: session: next.skipped is known only after the play has ended: leave it out
    """
    if isinstance(value, Session):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"session: {_shown(value)} is not an object: expected {{'plays': […], 'next': {{…}}}}")
    try:
        return Session.model_validate(dict(value))
    except ValidationError as cause:
        raise BadInput(f"session: {_sentence(cause)}") from None


def _sentence(cause: ValidationError) -> str:
    first = cause.errors()[0]
    where = ".".join(str(p) for p in first["loc"] if p != "function-before")
    name = str(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        known = schema.PLAYS.get(SHORT.get(name, name))
        if known is not None and known.known == "end":
            return f"{where} is known only after the play has ended: leave it out"
        return f"{where} is not a column of a play: see docs/session.md for those there are"
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {_shown(first['input'])}; {said[0].lower()}{said[1:]}"


def _shown(value: Any) -> str:
    try:
        return repr(value)[:80]
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        return f"a {type(value).__name__}"


def ended_records(sessions: Sequence[Ended], *, zone: str = "UTC") -> list[dict[str, Any]]:
    """Sessions before this one as rows of `schema.ENDED`."""
    rows = []
    for one in sessions:
        row = dict(one.__dict__)
        known = one.start_ms is not None and one.end_ms is not None
        row["lasted_ms"] = max(0, one.end_ms - one.start_ms) if known else None  # type: ignore[operator]
        if one.start_ms is not None and one.hour is None:
            row["hour"], row["weekday"] = clock_at(one.start_ms, zone)
        rows.append(row)
    return rows


def clock_at(start_ms: int, zone: str) -> tuple[int, int]:
    """Hour of the day and day of the week, Monday 0, on a clock."""
    local = datetime.fromtimestamp(start_ms / 1000, UTC if zone == "UTC" else ZoneInfo(zone))
    return local.hour, local.weekday()


def schema_json() -> dict[str, Any]:
    """The JSON schema of a session."""
    return Session.model_json_schema()
