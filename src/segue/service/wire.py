"""What may be sent: a session to be asked about, and a play of a session that is kept here."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from segue.service import plain
from segue.service.problems import Problem
from segue.session import LONGEST, Coming, Play, Session

MOST_CANDIDATES = 500
MOST_SESSIONS = 256  # of one batch
_Id = Annotated[
    str, Field(min_length=1, max_length=200, description="Yours, to send the same play again and lose nothing")
]


def _of_a_calendar(day: str) -> str:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise ValueError("expected a day such as 2024-01-31") from None
    return day


_Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_of_a_calendar)]
_DAY = "Day the session started (2024-01-31); from its first start if left out"
_Candidates = Annotated[
    list[Coming], Field(max_length=MOST_CANDIDATES, description="Plays that may come next, each by itself")
]
_Queue = Annotated[list[Coming], Field(max_length=LONGEST, description="All plays that follow, in this order")]


class Asked(Session):
    """A session so far, and what is asked about: `next`, or `candidates`, or `queue`."""

    candidates: _Candidates = Field(default_factory=list)
    day: _Day | None = Field(None, description=_DAY)

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        one_question(self)
        return self


class Many(BaseModel):
    """Several sessions, each with its question."""

    model_config = ConfigDict(extra="forbid")

    sessions: list[Asked] = Field(min_length=1, max_length=MOST_SESSIONS)


OF_PLAYS = ("next", "queue", "length")  # what a session says that is asked about its plays


def _as_it_stands(schema: dict[str, Any]) -> None:
    for name in OF_PLAYS:
        schema["properties"].pop(name, None)


class Standing(Session):
    """A session as it stands, of which is asked how much longer it goes on."""

    model_config = ConfigDict(json_schema_extra=_as_it_stands)

    playing: bool = Field(False, strict=True, description="Another play has begun: they have not left")
    day: _Day | None = Field(None, description=_DAY)


class ManyStanding(BaseModel):
    """Several such sessions."""

    model_config = ConfigDict(extra="forbid")

    sessions: list[Standing] = Field(min_length=1, max_length=MOST_SESSIONS)


class Question(BaseModel):
    """What is asked about a session that is kept here."""

    model_config = ConfigDict(extra="forbid")

    next: Coming | None = Field(None, description="The play that comes next")
    candidates: _Candidates = Field(default_factory=list)
    queue: _Queue = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        one_question(self)
        return self


def one_question(asked: Any) -> None:
    given = [name for name in ("next", "candidates", "queue") if getattr(asked, name)]
    if len(given) > 1:
        raise ValueError(f"expected one of next, candidates and queue, not {' and '.join(given)}")


class _Event(Play):  # type: ignore[misc]
    """A play of a session: begun, ended, or both."""

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        one_question(self)
        return self


Event: Any = create_model(
    "Event",
    __base__=_Event,
    id=(_Id | None, None),
    listener=(Annotated[str, Field(min_length=1, max_length=1000)] | None, Field(None, description="Who listens")),
    listener_age=(Annotated[int, Field(ge=0, le=150)] | None, Field(None, description="When the session starts")),
    country=(Annotated[str, Field(max_length=1000)] | None, Field(None, description="Of the listener")),
    gender=(
        Annotated[str, Field(max_length=1000)] | None,
        Field(None, description="Of the listener, f or m, where stated"),
    ),
    day=(_Day | None, Field(None, description=_DAY)),
    next=(Coming | None, Field(None, description="Also asked: the play that comes next")),
    candidates=(_Candidates, Field(default_factory=list)),
    queue=(_Queue, Field(default_factory=list)),
)
Event.__doc__ = "A play of a session that is kept here: begun, ended, or both; and what is asked after it."


def read(model: Any, body: bytes) -> Any:
    """A body as one of these, or as a `plain.Plain` of it. Raises Problem."""
    from pydantic import ValidationError

    from segue.service.problems import of_validation

    if not body.strip():
        why = "the body is empty: did curl find the file after -d @?"
        raise Problem(400, why, field="body", remedy="send JSON as /docs shows")
    if (found := plain.read(model, body)) is not None:
        return found
    try:
        return model.model_validate_json(body)
    except ValidationError as cause:
        raise of_validation(cause) from None
    except (RecursionError, ValueError) as cause:  # of numbers and texts that no JSON should hold
        raise Problem(400, f"body: {cause}"[:200], field="body", remedy="send JSON as /docs shows") from None
