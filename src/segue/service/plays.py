"""What becomes of a session when something is told of one of its plays: events may come twice, late, or out of order.

    told                                        what becomes of it
    a new id, or none and another track         a new play: at its place by its start, else at the end
    an id that is there                         what was not known is added; what was is compared (409 where it differs)
    nothing but how it ended, without an id     the play that is on has ended
    a new play while one is on                  that one is over; of its end nothing is known, unless it is told by its id
"""  # fmt: skip

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from segue import schema
from segue.heard import COLUMNS, FIRST_OF, OWN, UNKNOWN, row
from segue.service.problems import Problem, shown
from segue.session import CLOCKS_DIFFER_MS, CONTRARY

MOST = 1_000  # plays of one session
OF_PLAY = tuple(c for c in (*schema.PLAYS, *schema.TRACKS) if c in schema.TRACKS or c in OWN)
_ENDS = frozenset(c.name for c in schema.PLAYS.values() if c.known == "end")
_PLACE = {name: i for i, name in enumerate(OWN)}
_NAMES, _OF_TRACKS = frozenset(OF_PLAY), frozenset(schema.TRACKS)
_ONE, _NARROW, _WIDE = (struct.Struct(f"={n}q") for n in (1, len(OWN), len(OWN) + len(schema.TRACKS)))

_key = _ONE.unpack_from
_FIRST = [(name, 8 * _PLACE[name]) for name in FIRST_OF]  # where they stand in a row


class Kept(NamedTuple):
    """A play that is kept: as it was told, and as the evaluator reads it."""

    id: str
    text: str  # the fields that are known, as JSON
    row: bytes = b""  # int64 of `heard.OWN`, or of all `heard.COLUMNS` where attributes of the track were told
    open: bool = False  # it has begun, and nothing is known of its end

    @classmethod
    def of(cls, id: str, said: Mapping[str, Any]) -> Kept:
        return cls(id, to_json(dict(said)).decode(), open=not (_ENDS & said.keys()))

    @property
    def said(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.text)
        return said

    def number(self, name: str) -> int:
        """A column of its row, as `segue.heard` has it; `heard.UNKNOWN` where not known."""
        found: int = _ONE.unpack_from(self.row, 8 * _PLACE[name])[0]
        return found

    @property
    def began(self) -> int:
        """When it began: as its start is recorded, else its end less the time it was heard; `heard.UNKNOWN` where neither is."""
        start, end, played = map(self.number, ("start_ms", "end_ms", "played_ms"))
        return end - played if start == UNKNOWN and UNKNOWN not in (end, played) else start


class Change(NamedTuple):
    """What an event did."""

    plays: tuple[Kept, ...]  # all of the session, in order
    at: int  # which of them it was about
    new: bool = False
    repeated: bool = False
    late: bool = False  # plays after it were known already
    changed: tuple[int, ...] = ()  # those to be written: places in `plays`


def is_on(plays: Sequence[Kept], at: int) -> bool:
    """Only the last play can be on: one that was on when another began is over."""
    return at == len(plays) - 1 and plays[at].open


def told(event: Any) -> dict[str, Any]:
    """The fields of a play that an event gives."""
    return {name: v for name in event.model_fields_set if name in _NAMES and (v := getattr(event, name)) is not None}


def applied(plays: Sequence[Kept], id: str | None, said: Mapping[str, Any], zone: str) -> Change:
    """A session's plays after an event. Raises Problem (409, 422), and then nothing has changed."""
    at = _which(plays, id, said)
    if at is not None:
        return _completed(plays, at, said, zone)
    if "track" not in said:
        raise Problem(
            422, f"track: {'no play is on' if id is None else f'play {id!r} is not known here'}, so its track must be said",
            field="track", remedy="add the track that was played",
        )  # fmt: skip
    if len(plays) >= MOST:
        raise Problem(
            409, f"the session has {len(plays)} plays already, {MOST} at most are kept", remedy="begin another session"
        )
    return added(plays, id, said, zone)


def added(plays: Sequence[Kept], id: str | None, said: Mapping[str, Any], zone: str) -> Change:
    """A session's plays with a new one, at its place by its start; without a track, too, as a library may have it."""
    place = _place(plays, said.get("start_ms"))
    name = id or f"play-{len(plays) + 1}"
    if id is None and any(name == p.id for p in plays):  # a name of ours that the client has used, too
        name = f"{name}-of-{len(plays) + 1}"
    after = [*plays[:place], Kept.of(name, said), *plays[place:]]
    late = place < len(plays)
    changed = _written(after, place, said, zone, moved=late)
    return Change(tuple(after), place, new=True, late=late, changed=changed)


def _which(plays: Sequence[Kept], id: str | None, said: Mapping[str, Any]) -> int | None:
    """The play that an event is about, if it is there."""
    if id is not None:
        return next((i for i in range(len(plays) - 1, -1, -1) if plays[i].id == id), None)
    if not plays or not plays[-1].open or not (_ENDS & said.keys()):
        return None
    on = plays[-1].said
    same = all(said.get(name, on.get(name)) == on.get(name) for name in ("track", "start_ms"))
    return len(plays) - 1 if same else None


def _completed(plays: Sequence[Kept], at: int, said: Mapping[str, Any], zone: str) -> Change:
    old, known = plays[at], plays[at].said
    for name, value in said.items():
        if name in known and known[name] != value:
            raise Problem(
                409, f"{name}: play {old.id!r} is known with {shown(known[name])!r}, and was now sent with {shown(value)!r}",
                field=name, value=shown(value), remedy="send another play under another id, or the same fields again",
            )  # fmt: skip
    added = {name: value for name, value in said.items() if name not in known}
    if not added:
        return Change(tuple(plays), at, repeated=True, late=at < len(plays) - 1)
    whole = known | added
    fresh, start, end = Kept.of(old.id, whole), whole.get("start_ms"), whole.get("end_ms")
    if start is not None and end is not None and end < start - CLOCKS_DIFFER_MS:
        raise Problem(
            422, f"end_ms: play {old.id!r} ended at {end}, more than an hour before its start at {start}", field="end_ms",
            value=end, remedy="send milliseconds since 1970, or a time such as 2024-01-31T10:00:00Z",
        )  # fmt: skip
    if whole.get("skipped") and whole.get("not_skipped"):
        name = "not_skipped" if "not_skipped" in added else "skipped"
        raise Problem(
            422, f"{name}: of play {old.id!r} expected {CONTRARY}", field=name, value=added[name],
            remedy="leave out the one that is wrong",
        )  # fmt: skip
    rest = (*plays[:at], *plays[at + 1 :])
    place = _place(rest, start) if "start_ms" in added else at
    after = [*rest[:place], fresh, *rest[place:]]
    moved = place != at or bool({"artist", "track"} & added.keys())
    changed = _written(after, place, whole, zone, moved=moved)
    return Change(tuple(after), place, late=place < len(after) - 1, changed=changed)


def _place(plays: Sequence[Kept], start: int | None) -> int:
    """Before the plays that began later; a play whose start is not known stays where it is."""
    at = len(plays)
    while start is not None and at and plays[at - 1].number("start_ms") > start:
        at -= 1
    return at


def _written(plays: list[Kept], at: int, said: Mapping[str, Any], zone: str, *, moved: bool) -> tuple[int, ...]:
    """Give the play that says this its row, and those after it where it may be another one that is first of its artist: which."""
    changed = tuple(range(at, len(plays))) if moved else (at,)
    seen = [{_key(p.row, place)[0] for p in plays[:at]} for _, place in _FIRST]
    for i in changed:
        of_it = said if i == at else plays[i].said
        cells = row(of_it, zone, seen, len(OWN) if _OF_TRACKS.isdisjoint(of_it) else len(COLUMNS))
        plays[i] = plays[i]._replace(row=(_NARROW if len(cells) == len(OWN) else _WIDE).pack(*cells))
        for (name, _), keys in zip(_FIRST, seen, strict=True):
            keys.add(cells[_PLACE[name]])
    return changed
