"""A model at work: a session in, the probability of each asked play and its reasons out, by the numpy evaluator alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from segue import schema
from segue.batch import Array, Batch
from segue.catalogue import Catalogue
from segue.errors import BadInput
from segue.features import words
from segue.features.build import Ask, attach, build
from segue.features.columns import Columns, Ints, from_records, place_of
from segue.features.examples import HORIZON, RECENT, Examples
from segue.features.feature import Feature
from segue.features.history import By, History, Snapshot, is_personal
from segue.features.tree import Node, walk
from segue.heard import NOTHING_SAID, OWN, UNKNOWN, Heard, columns, ended_columns, ended_rows, numbers, together
from segue.live_rows import KEPT, NO_VALUE, LiveRows, few
from segue.session import Session, clock_at, ended_records, read

NEW = "\0someone new"
EPOCH = 719_163  # ordinal of 1970-01-01
REASONS = 3  # features that an answer names
NAMELESS = Catalogue({})


@dataclass(frozen=True)
class Answer:
    """The probability that one asked play is skipped, and the features that moved it most."""

    position: int
    track: str | None
    probability: float
    reasons: tuple[dict[str, Any], ...]  # feature, sentence, unit, value (None: unknown, or of no play), log_odds


@dataclass(frozen=True, repr=False)
class Prediction:
    """Answers for the asked plays, in order."""

    setting: str
    answers: tuple[Answer, ...]
    notes: tuple[str, ...] = ()  # what keeps the answer from being what it seems

    def __repr__(self) -> str:
        lines = [f"Note: {note}." for note in self.notes]
        for a in self.answers:
            lines.append(f"play {a.position}{f', {a.track}' if a.track else ''}: P(skip) {a.probability:.3f}")
            lines += [f"  {r['log_odds']:+.2f}  {r['sentence']}: {r['value']}" for r in a.reasons]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "setting": self.setting,
            "notes": list(self.notes),
            "answers": [vars(a) | {"reasons": list(a.reasons)} for a in self.answers],
        }

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{a.position}</td><td>{escape(a.track or '')}</td><td>{a.probability:.3f}</td><td>"
            + "<br>".join(escape(f"{r['sentence']}: {r['value']} ({r['log_odds']:+.2f})") for r in a.reasons)
            + "</td></tr>"
            for a in self.answers
        )
        return f"<table><tr><th>position</th><th>track</th><th>P(skip)</th><th>what moved it</th></tr>{rows}</table>"


@dataclass(frozen=True, repr=False)
class Bundle:
    """An opened bundle: it answers sessions with the numpy evaluator; no query engine starts."""

    card: dict[str, Any]
    asking: Ask
    fitted: Any
    history: dict[By, Snapshot]
    tracks: dict[str, Array]
    baselines: dict[str, Any]  # fitted on the same days, to be evaluated beside it
    catalogue: Catalogue = NAMELESS  # names of tracks, to be searched

    def predict(self, session: Mapping[str, Any] | Session, *, personal: History | None = None) -> Prediction:
        """Will the coming play (or each of the queue) be skipped?

        Parameters
        ----------
        session : see `segue.session`
        personal : history keyed by listener, from a library (`listener_history`); None: nothing is known of them

        Raises
        ------
        BadInput : the session is not as `segue.session` says, or asks what the bundle's setting does not answer
        """
        asked = read(session)
        if asked.listener is None:  # nobody named: as for someone new, of whom nothing is on record
            asked = asked.model_copy(update={"listener": NEW})
        heard = self.heard(asked)
        batch = self.batch_of([heard], personal=personal)
        coming = [asked.next] if asked.next is not None else asked.queue
        answers = self.answers(batch, [play.track for play in coming], self.chances(batch))
        return Prediction(self.asking.setting.name, tuple(answers), self.notes(heard))

    def chances(self, batch: Batch) -> Array:
        """(N,) of every asked play, that it is skipped."""
        p: Array = self.fitted.predict(batch).p
        return p

    def answers(self, batch: Batch, tracks: Sequence[str | None], p: Array, *, reasons: int = REASONS) -> list[Answer]:
        """The asked plays of a batch with their chances p (N,), and so many features that moved each most."""
        if not reasons:
            return [Answer(*said, ()) for said in zip(batch.keys["position"].tolist(), tracks, p.tolist(), strict=True)]
        named, moved = self._moved(batch)
        order = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :reasons]
        answers = []
        for i, track in enumerate(tracks):
            why = [self._reason(batch, i, named[f], float(moved[i, f])) for f in order[i] if abs(moved[i, f]) > 1e-9]
            answers.append(Answer(int(batch.keys["position"][i]), track, float(p[i]), tuple(why)))
        return answers

    def notes(self, heard: Heard) -> tuple[str, ...]:
        """What keeps the answers about a session from being what they seem."""
        notes = []
        if self.asking.keys and heard.day < self.card["history_as_of_day"]:
            notes.append(
                f"the session is older than the bundle's history (as of {self.card['history_as_of']}), which may know how "
                "it went: not a fair test"
            )
        asked = [key for key in heard.coming[:, _TRACK].tolist() if key != UNKNOWN]
        if new := len(asked) - sum(map(self._knows, asked)):
            which = f"{new} of {len(asked)} asked tracks {'is' if new == 1 else 'are'}"
            which = which if len(asked) > 1 else "the asked track is"
            notes.append(f"{which} not known to this bundle: answered by the session and by what is said here alone")
        return tuple(notes)

    @cached_property
    def _knows(self) -> Callable[[int], bool]:
        """Whether the bundle knows anything of a track; true of each, where it reads nothing of tracks."""
        held = [self.tracks["track"]] if "track" in self.tracks else []
        held += [self.history["track",].keys] if ("track",) in self.history else []
        return lru_cache(KEPT)(lambda key: not held or any(place_of(keys, key) >= 0 for keys in held))

    @cached_property
    def _rates(self) -> dict[str, By]:
        """Features that are the skip rate of a key of history, each with that key."""
        return {name: by for name, f in self.asking.features.items() if f.unit == "share" and (by := rated(f.tree))}

    def _is_of_nothing(self, batch: Batch, i: int, name: str) -> bool:
        """Whether a feature is a skip rate whose key history knows no play of: the number is that of all, not its own."""
        by = self._rates.get(name)
        return by is not None and by in batch.counts and not batch.counts[by][i]

    def batch(self, session: Session, *, personal: History | None = None) -> Batch:
        """The features of a session's asked plays: the live road."""
        return self.batch_of([self.heard(session)], personal=personal)

    def batch_of(self, sessions: Sequence[Heard], *, personal: Mapping[By, Any] | None = None) -> Batch:
        """The features of the asked plays of several sessions, one after the other, in one go."""
        history: dict[By, Any] = dict(self.history)
        for by in self.asking.keys:
            if is_personal(by):
                found = (personal or {}).get(by)
                history[by] = found if found is not None else NOBODY
        if self._rows is not None and few(sessions):
            return self._rows.batch(sessions, history)
        return build(self.asking, self._examples(sessions), history, labelled=False)

    @cached_property
    def _rows(self) -> LiveRows | None:
        """How few sessions are read, where they can be."""
        return LiveRows.of(self.asking, self.tracks, self.history)

    def heard(self, session: Session, coming: Sequence[Any] | None = None) -> Heard:
        """A session as whole numbers, with what is asked about.

        Parameters
        ----------
        coming : the asked plays, by someone who has seen that the setting answers them (`refuses`); None: `next` or the queue

        Raises
        ------
        BadInput : the session asks what the bundle's setting does not answer, or its day is none
        """
        queue = self._coming(session) if coming is None else coming
        of_session = self.asking.setting.moments == "start"
        zone, opening = self.zone, (session.plays or queue or [session])[0]
        more = self._opening(session) if of_session else {}
        return Heard(
            plays=numbers(session.plays, zone=zone, last=HORIZON),
            coming=NOTHING_SAID if of_session else numbers(queue, zone=zone), **more,
            n_plays=len(session.plays), day=self.day_of(session.day, opening.start_ms),
            queued=bool(self.asking.setting.queue), recent=numbers(session.recent[-RECENT:], zone=zone),
            listener=session.listener, listener_age=session.listener_age, country=session.country,
            start_ms=opening.start_ms, length=session.length,
        )  # fmt: skip

    def _opening(self, session: Session) -> dict[str, Any]:
        """What was known when a session began, and the listener's sessions before it."""
        first = session.plays[0] if session.plays else None
        of = first if first is not None else session
        hour, weekday, began = of.hour, of.weekday, of.start_ms
        if began is not None and hour is None:
            hour, weekday = clock_at(began, self.zone)
        said = {name: getattr(of, name) for name in ("context", "premium")}
        return {
            "opening": said | {"gender": session.gender, "hour": hour, "weekday": weekday},
            "earlier": ended_rows(ended_records(session.earlier, zone=self.zone)),
        }

    @property
    def zone(self) -> str:
        """Of the listener's clock."""
        return str(self.card["source_options"].get("tz", "UTC"))

    def _examples(self, sessions: Sequence[Heard]) -> Examples:
        """Columns of the sessions' plays and targets, as a library's would be; each session is one moment."""
        n_past, n_recent, n_coming = (
            np.array(sizes, np.int64)
            for sizes in zip(*((len(s.plays), 0 if s.recent is None else len(s.recent), len(s.coming)) for s in sessions),
                             strict=True)
        )  # fmt: skip
        blocks = [block for s in sessions for block in (s.recent, s.plays) if block is not None and len(block)]
        # one table: plays, then targets. A target is read for what its setting grants
        table = self._columns(together([*blocks, *(s.coming for s in sessions)]))
        ends, coming_ends = np.cumsum(n_recent + n_past), np.cumsum(n_coming)
        begins, coming_begins = ends - n_past, coming_ends - n_coming
        n_told, moment = int(ends[-1]), np.repeat(np.arange(len(sessions)), n_coming)
        row, n_plays = np.arange(n_told + len(moment)), np.array([s.n_plays for s in sessions], np.int64)
        follows = np.array([s.queued for s in sessions])[moment]
        place = np.where(follows, row[: len(moment)] - coming_begins[moment], 0)
        # the last play's place is how many there were; of plays in sessions before, places are not asked
        position = np.empty(len(row), np.int64)
        position[:n_told] = np.repeat(n_plays - ends + 1, n_recent + n_past) + row[:n_told]
        position[n_told:] = n_plays[moment] + 1 + place
        if self.asking.setting.moments == "start":  # of a session, which stands at its last known play
            position[n_told:] = np.maximum(n_plays, 1)[moment]
        every = np.ones(len(row), bool)
        table["position"], table["asked"] = (position, every), (every.astype(np.int64), every)
        session = np.full(len(row), -1)
        session[n_told:] = moment  # asked together, and told apart
        table["session_id"] = session, every
        queue_ends = coming_ends if self.asking.setting.queue else coming_begins
        ended, earlier = self._earlier(sessions)
        return Examples(
            table, table, self._at(sessions), n_plays, (begins, ends), (begins - n_recent, begins),
            (n_told + coming_begins, n_told + queue_ends), moment, row[n_told:], ended=ended, earlier=earlier,
        )  # fmt: skip

    def _earlier(self, sessions: Sequence[Heard]) -> tuple[Columns, tuple[Ints, Ints] | None]:
        """The listeners' sessions before, one table, and which of its rows are whose."""
        if not self.asking.setting.sessions:
            return {}, None
        tables = [s.earlier if s.earlier is not None else ended_rows([]) for s in sessions]
        end = np.cumsum([len(t) for t in tables])
        return ended_columns(np.concatenate(tables)), (end - [len(t) for t in tables], end)

    def _at(self, sessions: Sequence[Heard]) -> Columns:
        """What is known of the sessions themselves."""
        said = [
            {"listener": s.listener, "listener_age": s.listener_age, "country": s.country, "start_ms": s.start_ms,
             "day": s.day, "length": s.n_plays + len(s.coming) if s.length is None else s.length}
            for s in sessions
        ]  # fmt: skip
        names = ["listener", "listener_age", "country", "start_ms", "day", "length"]
        if self.asking.setting.moments == "start":
            said = [one | dict(s.opening or {}) for one, s in zip(said, sessions, strict=True)]
            names += ["gender", "hour", "weekday", "context", "premium"]
        return from_records(said, names)

    def _coming(self, session: Session) -> Sequence[Any]:
        one, queue = [session.next] if session.next is not None else [], session.queue
        why = self.refuses(len(session.plays), len(one), len(queue), session.length)
        if why:
            raise BadInput(f"session: {why}")
        return one or queue

    def refuses(self, n_plays: int, n_next: int, n_queued: int, length: int | None = None) -> str:
        """Why a session of so many plays cannot be asked about so many plays, or ""; each `next` by itself, or a queue."""
        setting = self.asking.setting
        if setting.moments == "start":
            return (
                "how long they stay is asked of a session as it stands: leave 'next' and 'queue' out"
                if n_next or n_queued
                else ""
            )
        if not setting.queue:
            if not n_next or n_queued:
                return f"a bundle of setting {setting.name!r} answers the coming play: give 'next' alone"
            if setting.moments == "last" and (length or n_plays + 1) != n_plays + 1:
                return f"length {length}, but {n_plays} plays: setting 'last' asks about the last play; give all plays before it"
            return ""
        if n_next or not n_queued:
            return f"a bundle of setting {setting.name!r} answers all that follow: give 'queue' alone"
        whole = n_plays + n_queued
        if (length or whole) != whole:
            return f"length {length}, but {n_plays} plays and {n_queued} queued"
        if n_plays != whole // 2:
            return (
                f"{n_plays} plays of {whole}: setting {setting.name!r} is asked after {whole // 2}, half of them rounded "
                "down; move plays between 'plays' and 'queue'"
            )
        return ""

    def _columns(self, table: Array) -> Columns:
        made = columns(table, self.asking.columns)
        attributes = [n for n in self.asking.columns if n in schema.TRACKS]
        found = look_up(*made["track"], self.tracks, attributes) if attributes else {}
        if table.shape[1] > len(OWN):  # some were said
            for name, (value, have) in found.items():
                said, is_said = made[name]
                found[name] = np.where(is_said, said, value), is_said | have
        return made | found

    def day_of(self, said: str | None, start_ms: int | None) -> int:
        """The day a session started: as said, or on the clock of its first play, or the first that the bundle knows not."""
        if said is not None:
            try:
                return date.fromisoformat(said).toordinal() - EPOCH
            except ValueError:
                raise BadInput(f"session: day {said!r}: expected a day such as 2024-01-31") from None
        if start_ms is not None:
            local = datetime.fromtimestamp(start_ms / 1000, UTC if self.zone == "UTC" else ZoneInfo(self.zone))
            return local.date().toordinal() - EPOCH
        return int(self.card["history_as_of_day"])

    def _moved(self, batch: Batch) -> tuple[list[tuple[str, str]], Array]:
        """What moved each answer: pairs of where and what, and by how much in log-odds."""
        if hasattr(self.fitted, "reasons"):
            return self.fitted.reasons(batch)  # type: ignore[no-any-return]
        return [("own", c) for c in self.fitted.columns], self.fitted.explain(batch)

    def _reason(self, batch: Batch, i: int, named: tuple[str, str], moved: float) -> dict[str, Any]:
        view, name = named
        if view != "own":
            made = _reason_of_play(batch, i, named, moved, self.asking.features)
            return made | {"value": None} if view == "queue" and self._is_of_nothing(batch, i, name) else made
        feature = self.asking.features[name]
        value, known = batch.column(name)
        shown: Any = round(float(value[i]), 4) if known[i] and not self._is_of_nothing(batch, i, name) else None
        if shown is not None and feature.domain:
            shown = dict(enumerate(feature.domain, 1)).get(shown, "other")
        return {
            "feature": name,
            "sentence": feature.sentence,
            "unit": feature.unit,
            "value": shown,
            "log_odds": round(moved, 4),
        }

    def __repr__(self) -> str:
        c = self.card
        return f"Bundle({c.get('task')}, {c.get('setting')}, {c.get('model')}, {len(self.asking.features)} features)"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(json.dumps(self.card, indent=1, ensure_ascii=False)[:4000])}</pre>"


def _reason_of_play(
    batch: Batch, i: int, named: tuple[str, str], moved: float, features: Mapping[str, Feature]
) -> dict[str, Any]:
    """What a network read of a heard play, or in a column of all of them or of the asked play."""
    view, name = named
    tensors = batch.tensors
    assert tensors is not None
    row, place = int(tensors.row[i]), int(tensors.place[i])
    made: dict[str, Any] = {"unit": "1", "value": None, "log_odds": round(moved, 4)}
    if view == "play":
        at = int(tensors.sees[row].max()) - int(name)
        c = tensors.past.columns.index("skipped") if "skipped" in tensors.past.columns else -1
        if c >= 0 and tensors.past.known[row, at, c]:
            made["value"] = "skipped" if tensors.past.values[row, at, c] else "heard out"
        back = "The last play" if name == "1" else f"The play {name} plays ago"
        return made | {"feature": f"play -{name}", "sentence": f"{back} and what came of it"}
    sentence = told(name, {n: f.sentence for n, f in features.items()})
    if view == "past":
        return made | {
            "feature": f"past.{name}",
            "sentence": f"Of the plays heard: {sentence[0].lower()}{sentence[1:]}",
        }
    queue = tensors.queue
    c = queue.columns.index(name)
    made["unit"] = "category" if name in queue.domains else queue.units.get(name, "1")
    if queue.known[row, place, c]:
        value = round(float(queue.values[row, place, c]), 4)
        made["value"] = (
            dict(enumerate(queue.domains[name], 1)).get(int(value), "other") if name in queue.domains else value
        )
    return made | {"feature": f"queue.{name}", "sentence": sentence}


def told(name: str, sentences: Mapping[str, str]) -> str:
    """What a column of plays, or a history that is asked of every play, says."""
    column = schema.column(name)
    return column.sentence if column else sentences.get(name, name.replace("_", " "))


def rated(tree: Node) -> By:
    """The key whose skip rate a tree is; () where it is something else."""
    keys = {node.args[0] for node in walk(tree) if node.op == "asof"} - {()}
    by: By = keys.pop() if len(keys) == 1 else ()
    return by if by and tree is words.History().rate(*by) else ()


_TRACK = OWN.index("track")
_EMPTY = np.zeros(0, np.int64)
NOBODY = Snapshot(_EMPTY, _EMPTY, _EMPTY, _EMPTY)  # of whom nothing is on record


def look_up(key: Array, known: Array, tracks: Mapping[str, Array], names: Sequence[str]) -> Columns:
    """Attributes from the bundle's own table: keys sorted, whole thousandths, the smallest int32 for unknown."""
    if "track" not in tracks or not len(tracks["track"]):
        return attach(key, known, None, names)
    place = np.minimum(np.searchsorted(tracks["track"], key), len(tracks["track"]) - 1)
    have = (tracks["track"][place] == key) & known
    nothing = np.zeros(len(key), np.int64), np.zeros(len(key), bool)
    found: Columns = dict.fromkeys(names, nothing)
    there = [name for name in names if name in tracks]
    if there:
        values = np.array([tracks[name].take(place) for name in there])
        ok = have & (values != NO_VALUE)
        found |= zip(there, zip(np.where(ok, values, _ZERO), ok, strict=True), strict=True)
    return found


_ZERO = np.int64(0)


def vocabulary(tracks: Any, names: Sequence[str]) -> dict[str, Array]:
    """That table, of an arrow table of tracks; empty where no attribute of any is known."""
    from segue.features.columns import from_arrow

    if tracks is None or not names:
        return {}
    key = np.unique(from_arrow(tracks, ["track"])["track"][0])
    made: dict[str, Array] = {"track": key}
    for name, (value, known) in attach(key, np.ones(len(key), bool), tracks, names).items():
        fits = known & (np.abs(value) < 2**31 - 1)
        if fits.any():
            made[name] = np.where(fits, value, NO_VALUE).astype(np.int32)
    return made if len(made) > 1 else {}
