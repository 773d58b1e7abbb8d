"""What may be sent of a list that is to go on: tracks by their ids or names, a title, and which proposals are wanted."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from segue.service.plays import MOST as MOST_TRACKS

MOST_PROPOSED = 100
MOST_NAMED = 20  # tracks by names: each is searched for
MOST_CONDITIONS = 10
_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_ID = {"type": "object", "required": ["track"], "additionalProperties": False,
       "properties": {"track": {"type": "string", "minLength": 1, "maxLength": 1000}}}  # fmt: skip
_SEED = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 1000}, _ID]}


class Seed(BaseModel):
    """A track of the list: as somebody calls it, or by its id and nothing else."""

    model_config = ConfigDict(extra="forbid")

    said: _Text | None = None
    track: _Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_text_or_id(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"said": value}
        if not isinstance(value, dict) or "track" not in value or "said" in value:
            raise ValueError('expected an id or a name, or {"track": an id}')
        return value


_Seed = Annotated[Seed, WithJsonSchema(_SEED)]


def _number(value: Any) -> Any:
    if isinstance(value, str | bool):
        raise ValueError("expected a number")
    return value


class Wanted(BaseModel):
    """Which proposals are wanted."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    title: Annotated[str, Field(max_length=1000)] | None = Field(None, description="What the list is called")
    k: Annotated[int, Field(ge=1, le=MOST_PROPOSED), BeforeValidator(_number)] = Field(20, description="Tracks wanted")
    per_artist: Annotated[int, Field(ge=0, le=MOST_PROPOSED), BeforeValidator(_number)] = Field(
        0, description="Tracks of one artist at most; 0: any"
    )
    where: list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list, max_length=MOST_CONDITIONS, description="Conditions on attributes, as energy>=0.6"
    )
    diversity: Annotated[float, Field(ge=0, le=1), BeforeValidator(_number)] = Field(
        0.0, description="0: by score alone; towards 1, tracks unlike those before"
    )
    again: bool = Field(False, description="What stands in the list already may be proposed again")


class Continued(Wanted):
    """A list that is to go on: some of its tracks in order, its title, or both."""

    tracks: list[_Seed] = Field(
        default_factory=list, max_length=MOST_TRACKS,
        description="In order, each an id or words of its names, of which the nearest is taken; or as {\"track\": id}, "
        "which is left out where it is not known",
    )  # fmt: skip
