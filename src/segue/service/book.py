"""Sessions that are kept here: what is told of them, and what is asked about them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from segue import schema
from segue.features.columns import Ints
from segue.features.examples import HORIZON, RECENT
from segue.features.history import is_personal
from segue.heard import NOTHING_SAID, OWN, UNKNOWN, Heard, numbers
from segue.live import EPOCH, NEW
from segue.service.desk import Question
from segue.service.listeners import Listeners, day_at, ended_of, table_of
from segue.service.monitor import Monitor
from segue.service.plays import applied, is_on, told
from segue.service.problems import Problem
from segue.service.served import Served
from segue.service.shelf import Shelf
from segue.service.state import State, Stored

TASK = "skip"  # of what is asked with a play, or after it
OF_OPENING = ("hour", "weekday", "context", "premium")  # of a session, by its first play
OF_SESSION = ("listener", "listener_age", "country", "gender", "day")


@dataclass(frozen=True)
class Told:
    """What became of an event."""

    session: str
    play: str
    position: int
    plays: int
    playing: bool
    repeated: bool
    late: bool
    new: bool

    @property
    def kind(self) -> str:
        return "repeated" if self.repeated else "new" if self.new else "completed"

    def as_json(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "new"}


@dataclass(frozen=True)
class Book:
    """All sessions that are kept, for the models that are served."""

    state: State
    listeners: Listeners
    monitor: Monitor
    shelf: Shelf

    # ── told ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def event(self, name: str, event: Any, model: str | None, reasons: int) -> tuple[Told, Question | None, str]:
        """Keep what is told of a play; and what is asked after it. Nothing is changed where it raises Problem."""
        said = told(event)
        about = {c: v for c in OF_SESSION if (v := getattr(event, c)) is not None}
        session = self.state.session(name)
        change = applied(session.plays if session else (), event.id, said, self.shelf.zone)
        asked = asked_of(event)
        served: Served | None = self.shelf.choose(TASK, model, asked) if asked else None
        if served is not None:
            served.check(len(change.plays), asked, len(_coming(event, asked)))
        if session is None:
            began = change.plays[0].began
            session = self.state.open_session(name, about, int(time.time() * 1000) if began == UNKNOWN else began)
            over = session.listener is not None and self.listeners.close_earlier(session)
        else:
            over = self._describe(session, about) or (session.over is not None and not change.repeated)
        if session.over is not None and over:  # history counts it already: taken back, and counted anew
            self.listeners.unsettle(session)
        self.state.write(session, change)
        if over:
            self.listeners.settle(session)
        self.monitor.outcome(session, change, said.get("skipped"))
        play = change.plays[change.at]
        answer = Told(
            name, play.id, change.at + 1, len(change.plays), is_on(change.plays, change.at), change.repeated, change.late,
            change.new,
        )  # fmt: skip
        return answer, self._question(session, served, asked, _coming(event, asked), reasons) if served else None, asked

    def _describe(self, session: Stored, about: Mapping[str, Any]) -> bool:
        """What is added of the session itself. Whether its listener is known from now, and has begun a later one."""
        nobody = session.listener is None
        self.state.describe_session(session, dict(about))
        return nobody and session.listener is not None and self.listeners.close_earlier(session)

    # ── asked ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, name: str, question: Any, model: str | None, reasons: int) -> tuple[Question, str]:
        """About a session's coming plays; or the play that is on, where `question` is None. Raises Problem."""
        session = self._kept(name)
        asked = asked_of(question) if question is not None else "playing"
        if not asked:
            raise Problem(
                422, "nothing is asked: expected next, candidates or queue", field="body", remedy="add one of them"
            )
        served: Served = self.shelf.choose(TASK, model, asked)
        if asked == "playing":
            return self._question_of_playing(session, served, reasons), asked
        coming = _coming(question, asked)
        served.check(len(session.plays), asked, len(coming))
        return self._question(session, served, asked, coming, reasons), asked

    def _question_of_playing(self, session: Stored, served: Served, reasons: int) -> Question:
        if not session.plays or not is_on(session.plays, len(session.plays) - 1):
            raise Problem(
                409, f"no play of session {session.name!r} is on", remedy="name tracks that may come next, with ?track=…; or POST "
                '{"next": …} here',
            )  # fmt: skip
        *before, on = session.plays
        served.check(len(before), "next", 1)
        heard = self._heard(
            session, served, table_of([p.row for p in before[-HORIZON:]]), len(before), table_of([on.row])
        )
        return Question(served, [heard], [[on.said.get("track")]], reasons, session.id)

    def _question(self, session: Stored, served: Served, asked: str, coming: Sequence[Any], reasons: int) -> Question:
        plays = session.plays
        asked_of = numbers(coming, zone=self.shelf.zone)
        heard = self._heard(session, served, table_of([p.row for p in plays[-HORIZON:]]), len(plays), asked_of)
        return Question(served, [heard], [[play.track for play in coming]], reasons, session.id)

    def _heard(self, session: Stored, served: Served, plays: Ints, n_plays: int, coming: Ints) -> Heard:
        bundle = served.bundle
        first = session.plays[0].number("start_ms") if session.plays else int(coming[0, OWN.index("start_ms")])
        start = None if first == UNKNOWN else first
        made = Heard(
            plays, coming, n_plays, bundle.day_of(session.day, start), served.offers == "queue", None,
            session.listener if session.listener is not None else NEW, session.listener_age, session.country, start,
        )  # fmt: skip
        return made if session.listener is None else self._known_of(session, served, made)

    def known_of(self, listener: str, served: Any, heard: Heard) -> Heard:
        """A session that was sent, with what is kept of its listener before it, where it says nothing of that itself."""
        began = 1 << 62 if heard.start_ms is None else heard.start_ms
        return self._known_of(Stored(-1, "", listener, None, None, None, began, ()), served, heard)

    def _known_of(self, session: Stored, served: Any, heard: Heard) -> Heard:
        """With its listener's plays and sessions before it, as far as the bundle reads them."""
        recent, earlier = heard.recent, heard.earlier
        if _reads_recent(served) and not (recent is not None and len(recent)):
            recent = table_of(self.state.recent(session, RECENT))
        if _reads_sessions(served) and not (earlier is not None and len(earlier)):
            assert session.listener is not None
            earlier = ended_of(self.state.ended(session.listener, session.began))
        return replace(heard, recent=recent, earlier=earlier)

    def standing(self, name: str, served: Any) -> Heard:
        """A session as it stands: its plays but for one that is on, how it began, and its listener before it. Raises Problem."""
        session = self._kept(name)
        on = bool(session.plays) and is_on(session.plays, len(session.plays) - 1)
        ended = session.plays[: len(session.plays) - on]
        heard = self._heard(
            session, served, table_of([p.row for p in ended[-HORIZON:]]), len(ended), NOTHING_SAID
        )  # nothing is asked of a play
        opening: dict[str, Any] = {"gender": session.gender}
        for column in OF_OPENING:
            value = session.plays[0].number(column) if session.plays else UNKNOWN
            opening[column] = None if value == UNKNOWN else value
        return replace(heard, opening=opening, playing=on)

    def tracks_of(self, name: str) -> list[str]:
        """What a session has played so far, in order. Raises Problem."""
        return [track for play in self._kept(name).plays if (track := play.said.get("track")) is not None]

    # ── shown, forgotten ──────────────────────────────────────────────────────────────────────────────────────────

    def show(self, name: str) -> dict[str, Any]:
        return self._shown(self._kept(name))

    def forget(self, name: str) -> None:
        session = self._kept(name)
        if session.over is not None:
            self.listeners.unsettle(session)
        self.state.forget_session(session)

    def show_listener(self, listener: str) -> dict[str, Any]:
        """All that is kept of a listener. Raises Problem where nothing is."""
        sessions, earlier = self.state.sessions_of(listener), ended_of(self.state.ended(listener, 1 << 62))
        (counted,) = self.state.db.execute("SELECT count(*) FROM counts WHERE listener = ?", (listener,)).fetchone()
        if not sessions and not counted and not len(earlier):
            raise Problem(404, "nothing is kept of this listener", field="listener", value=listener)
        ended = [
            {name: value for name, value in zip(schema.ENDED, row, strict=True) if value != UNKNOWN}
            for row in earlier.tolist()
        ]
        shown = [self._shown(s) for s in sessions]
        return {"listener": listener, "history": counted, "earlier": ended, "sessions": shown}

    def _shown(self, session: Stored) -> dict[str, Any]:
        """As it is sent: with the day that is used, which is null where neither it nor the first start is known."""
        about = {c: getattr(session, c) for c in OF_SESSION}
        start = session.plays[0].number("start_ms") if session.plays else UNKNOWN
        if session.day is None and start != UNKNOWN:
            about["day"] = date.fromordinal(day_at(start, self.shelf.zone) + EPOCH).isoformat()
        plays = [
            {"id": p.id, "position": i + 1, "playing": is_on(session.plays, i), **p.said}
            for i, p in enumerate(session.plays)
        ]
        return {"session": session.name, **about, "plays": plays}

    def _kept(self, name: str) -> Stored:
        session = self.state.session(name)
        if session is None:
            raise Problem(
                404, f"session {name!r} is not kept here", field="session", value=name,
                remedy="POST its first play to /v1/sessions/{session}/plays",
            )  # fmt: skip
        return session


def asked_of(asked: Any) -> str:
    """Which of next, candidates and queue was given, or ""."""
    return next((name for name in ("next", "candidates", "queue") if getattr(asked, name)), "")


def _coming(asked: Any, kind: str) -> list[Any]:
    if not kind:
        return []
    found = getattr(asked, kind)
    return [found] if kind == "next" else list(found)


def _reads_sessions(served: Any) -> bool:
    return bool(served.bundle.asking.setting.sessions)


def _reads_recent(served: Any) -> bool:
    features = served.bundle.asking.features.values()
    return any(view == "recent" for f in features for view, _ in f.needs)


def reads_listeners(served: Any) -> bool:
    """Anything that is kept of a listener before the session: plays, sessions or counts."""
    return _reads_recent(served) or _reads_sessions(served) or any(is_personal(by) for by in served.bundle.asking.keys)


def heard_of_sent(served: Served, session: Any, asked: str) -> tuple[Heard, list[str | None]]:
    """A session that was sent whole, with its question. Raises Problem."""
    coming = _coming(session, asked)
    served.check(len(session.plays), asked, len(coming), session.length)
    heard = served.bundle.heard(session, coming)
    named = session.listener if session.listener is not None else NEW
    return replace(heard, listener=named), [play.track for play in coming]
