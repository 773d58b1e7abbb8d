"""Bodies that say nothing unusual, read in one pass over what is said; all others are left to their model, and to its sentences.

    {"track": "a", "skipped": true}     all fields are known, each of its usual kind and within its bounds: read here
    {"track": "a", "skipped": "yes"}    something else: None, and the model says what is wrong, or makes of it what it can

The rules are taken from the model itself: a field of a kind that is not understood here makes every body that gives it unusual.
"""  # fmt: skip

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from segue import session

_NUMBER = (session.number, session.flag, session.milliseconds)


class Plain:
    """What was said, as the model has it: a field that was not said has its usual value."""

    @property
    def model_fields_set(self) -> Any:
        return self.__dict__.keys()


class _Unusual(Exception):
    """Left to the model."""


Rule = tuple[str, Any, float, float, Callable[[Any], Any]]  # field, kind, its bounds, what is made of another kind


class _Reader:
    def __init__(self, model: type[BaseModel]) -> None:
        given = {name: f.get_default(call_default_factory=True) for name, f in model.model_fields.items()}
        usual = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}  # shared: nobody adds to it
        self._kind: type[Plain] = type(model.__name__, (Plain,), usual)
        self._rules = dict(pair for name, f in model.model_fields.items() for pair in _rules(name, f))
        self._required = {name for name, f in model.model_fields.items() if f.is_required()}
        self._checks = [getattr(model, name) for name in model.__pydantic_decorators__.model_validators]

    def __call__(self, said: Any) -> Plain:
        """Raises _Unusual."""
        if type(said) is not dict:
            raise _Unusual
        rules: dict[str, Rule] = self._rules
        made: dict[str, Any] = {}
        size: Any
        for name, value in said.items():
            rule = rules.get(name)
            if rule is None:
                raise _Unusual
            field, kind, low, high, otherwise = rule
            if type(value) is not kind:
                value = otherwise(value)
            else:
                size = len(value) if kind is str else value
                if not low <= size <= high:
                    raise _Unusual
            made[field] = value
        if len(made) < len(said) or not self._required <= made.keys():  # said under two names, or not at all
            raise _Unusual
        plain = self._kind()
        plain.__dict__ = made
        try:
            for check in self._checks:
                check(plain)
        except ValueError:
            raise _Unusual from None
        return plain


@cache
def _reader(model: type[BaseModel]) -> _Reader | None:
    """None where a model has more ways to say no than are understood here."""
    held = model.__pydantic_decorators__
    after = all(one.info.mode == "after" for one in held.model_validators.values())
    return (
        _Reader(model)
        if after and not held.field_validators and not held.root_validators and not held.validators
        else None
    )


def read(model: type[BaseModel], body: bytes) -> Any | None:
    """A body as the model would have it, in a `Plain`; None where it is unusual."""
    reader = _reader(model)
    if reader is None:
        return None
    try:
        text = body.decode()
        half = "\\ud" in text or "\\uD" in text  # as half a character can be written, which the model refuses
        return None if half else reader(json.loads(text))
    except (_Unusual, ValueError, OverflowError, RecursionError):
        return None


def _rules(name: str, field: FieldInfo) -> list[tuple[str, Rule]]:
    found = _rule(name, field)
    alias = field.validation_alias
    names = [name] if alias is None else [str(n) for n in alias.choices] if isinstance(alias, AliasChoices) else []
    return [(n, found) for n in names] if found is not None else []


def _rule(name: str, field: FieldInfo) -> Rule | None:
    """None for a field of which no more is understood than its name."""
    inner, optional = _without_none(field.annotation)
    limits = _limits(field.metadata)
    if get_origin(inner) is Annotated:
        inner, *more = get_args(inner)
        told = _limits(more)
        limits = None if limits is None or told is None or limits.keys() & told.keys() else limits | told
    if limits is None:
        return None
    low, high = limits.get("low", -float("inf")), limits.get("high", float("inf"))
    nothing = _nothing if optional else _unusual
    before = limits.get("before")
    of_list = get_origin(inner) is list
    one = get_args(inner)[0] if of_list else inner
    if isinstance(one, type) and issubclass(one, BaseModel):
        reader = _reader(one)
        if reader is None:
            return None
        return name, _Never, 0, 0, _list_of(reader, low, high) if of_list else _or(nothing, reader)
    if inner is str and before is None:
        return name, str, low, high, nothing
    if inner is int and (before is None or before in _NUMBER):
        made = _of_bool if before is session.flag else _of_text if before is session.milliseconds else _unusual
        return name, int, low, high, _or(nothing, _bounded(made, low, high))
    if inner is float and before is session.number:
        return name, float, low, high, _or(nothing, _bounded(_of_int, low, high))
    return None


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        some = [a for a in get_args(annotation) if a is not type(None)]
        return (some[0], True) if len(some) == 1 else (None, True)
    return annotation, False


def _limits(metadata: list[Any]) -> dict[str, Any] | None:
    """Bounds, and what is made of a value before; None where there is anything else."""
    made: dict[str, Any] = {}
    for one in metadata:
        if isinstance(one, FieldInfo):
            found = _limits(one.metadata)
        elif isinstance(one, BeforeValidator):
            found = {"before": one.func}
        else:
            bounds = {ours: getattr(one, theirs) for theirs, ours in _BOUNDS.items() if hasattr(one, theirs)}
            found = bounds if len(bounds) == 1 else None  # something else, or several at once
        if found is None or made.keys() & found.keys():  # or one that was said before
            return None
        made |= found
    return made


_BOUNDS = {"ge": "low", "min_length": "low", "le": "high", "max_length": "high"}


class _Never:
    """Of no value: each is made into something."""


def _nothing(value: Any) -> None:
    if value is not None:
        raise _Unusual


def _unusual(value: Any) -> Any:
    raise _Unusual


def _or(nothing: Callable[[Any], Any], made: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: nothing(value) if value is None else made(value)


def _bounded(made: Callable[[Any], Any], low: float, high: float) -> Callable[[Any], Any]:
    def of(value: Any) -> Any:
        found = made(value)
        if not low <= found <= high:
            raise _Unusual
        return found

    return of


def _of_bool(value: Any) -> int:
    if type(value) is not bool:
        raise _Unusual
    return int(value)


def _of_text(value: Any) -> int:
    if type(value) is not str:
        raise _Unusual
    return int(session.milliseconds(value))


def _of_int(value: Any) -> float:
    if type(value) is not int:
        raise _Unusual
    return float(value)


def _list_of(reader: _Reader, low: float, high: float) -> Callable[[Any], list[Plain]]:
    def of(value: Any) -> list[Plain]:
        if type(value) is not list or not low <= len(value) <= high:
            raise _Unusual
        return [reader(one) for one in value]

    return of
