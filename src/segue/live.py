"""A model at work: a session in, the probability of each asked play and its reasons out, by the numpy evaluator alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from segue import schema
from segue.batch import Array, Batch
from segue.errors import BadInput
from segue.features.build import Ask, attach, build
from segue.features.columns import Columns, from_records, key64
from segue.features.examples import HORIZON, RECENT, Examples
from segue.features.feature import Feature
from segue.features.history import By, History, Snapshot, is_personal
from segue.session import Session, read, records

NEW = "\0someone new"
EPOCH = 719_163  # ordinal of 1970-01-01


@dataclass(frozen=True)
class Answer:
    """The probability that one asked play is skipped, and the features that moved it most."""

    position: int
    track: str | None
    probability: float
    reasons: tuple[dict[str, Any], ...]  # feature, sentence, unit, value (None: unknown), log_odds


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
        batch = self.batch(asked, personal=personal)
        p = self.fitted.predict(batch).p
        named, moved = self._moved(batch)
        order = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :3]
        coming = [asked.next] if asked.next is not None else asked.queue
        answers = []
        for i, play in enumerate(coming):
            reasons = [
                self._reason(batch, i, named[f], float(moved[i, f])) for f in order[i] if abs(moved[i, f]) > 1e-9
            ]
            answers.append(Answer(int(batch.keys["position"][i]), play.track, float(p[i]), tuple(reasons)))
        return Prediction(self.asking.setting.name, tuple(answers), self._notes(asked))

    def _notes(self, session: Session) -> tuple[str, ...]:
        notes = []
        opening = [*session.plays, *([session.next] if session.next else session.queue)][0]
        if self.asking.keys and self._day(session, opening.start_ms) < self.card["history_as_of_day"]:
            notes.append(
                f"the session is older than the bundle's history (as of {self.card['history_as_of']}), which may know how "
                "it went: not a fair test"
            )
        return tuple(notes)

    def batch(self, session: Session, *, personal: History | None = None) -> Batch:
        """The features of a session's asked plays: the live road."""
        examples = self.examples(session)
        history: dict[By, Any] = dict(self.history)
        for by in self.asking.keys:
            if is_personal(by):
                found = (personal or {}).get(by)
                history[by] = found if found is not None else NOBODY
        return build(self.asking, examples, history, labelled=False)

    def examples(self, session: Session) -> Examples:
        """Columns of the session's plays and targets, as a library's would be."""
        queue = self._coming(session)
        zone = self.card["source_options"].get("tz", "UTC")
        before = records(session.recent[-RECENT:], zone=zone)
        n_plays = len(session.plays)
        past = records(session.plays, zone=zone, last=HORIZON)
        coming = records(queue, zone=zone, first_position=n_plays + 1)
        names = self.asking.columns
        own = [n for n in names if n in schema.PLAYS]
        # a target is read for what its setting grants; the rest of its columns stay unknown
        plays, targets = self._columns(before + past, names, own), self._columns(coming, names, own)
        opening = (session.plays or queue)[0]
        day = self._day(session, opening.start_ms)
        n_queued = len(coming) if self.asking.setting.queue else 0
        here, n, m = len(before), len(before) + len(past), 1
        listener = key64(session.listener) if session.listener is not None else 0
        known = np.array([session.listener is not None])
        start = opening.start_ms
        length = session.length if session.length is not None else n_plays + len(coming)
        at = {
            "listener": (np.array([listener]), known),
            "start_ms": (np.array([start or 0]), np.array([start is not None])),
            "day": (np.array([day]), np.ones(m, bool)),
            "length": (np.array([length]), np.ones(m, bool)),
            **from_records(
                [{n: getattr(session, n) for n in ("listener_age", "country")}], ("listener_age", "country")
            ),
        }
        one = np.array([0])
        return Examples(
            plays, targets, at, np.array([n_plays]), (np.array([here]), np.array([n])), (one, np.array([here])),
            (one, np.array([n_queued])), np.zeros(len(coming), np.int64), np.arange(len(coming)),
        )  # fmt: skip

    def _coming(self, session: Session) -> Sequence[Any]:
        setting = self.asking.setting
        if not setting.queue:
            if session.next is None or session.queue:
                raise BadInput(
                    f"session: a bundle of setting {setting.name!r} answers the coming play: give 'next' alone"
                )
            whole = len(session.plays) + 1
            if setting.moments == "last" and (session.length or whole) != whole:
                raise BadInput(
                    f"session: length {session.length}, but {len(session.plays)} plays: setting 'last' asks about the last "
                    "play; give all plays before it"
                )
            return [session.next]
        if session.next is not None or not session.queue:
            raise BadInput(f"session: a bundle of setting {setting.name!r} answers all that follow: give 'queue' alone")
        whole = len(session.plays) + len(session.queue)
        if (session.length or whole) != whole:
            raise BadInput(
                f"session: length {session.length}, but {len(session.plays)} plays and {len(session.queue)} queued"
            )
        if len(session.plays) != whole // 2:
            raise BadInput(
                f"session: {len(session.plays)} plays of {whole}: setting {setting.name!r} is asked after {whole // 2}, "
                "half of them rounded down; move plays between 'plays' and 'queue'"
            )
        return session.queue

    def _columns(self, rows: list[dict[str, Any]], names: Sequence[str], own: Sequence[str]) -> Columns:
        columns = from_records(rows, own)
        attributes = [n for n in names if n in schema.TRACKS]
        if attributes:
            given = from_records(rows, attributes)
            key, known = columns["track"]
            for name, (value, have) in look_up(key, known, self.tracks, attributes).items():
                said, is_said = given[name]
                columns[name] = np.where(is_said, said, value), is_said | have
        return columns

    def _day(self, session: Session, start_ms: int | None) -> int:
        if session.day is not None:
            try:
                return date.fromisoformat(session.day).toordinal() - EPOCH
            except ValueError:
                raise BadInput(f"session: day {session.day!r}: expected a day such as 2024-01-31") from None
        if start_ms is not None:
            zone = self.card["source_options"].get("tz", "UTC")
            local = datetime.fromtimestamp(start_ms / 1000, UTC if zone == "UTC" else ZoneInfo(zone))
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
            return _reason_of_play(batch, i, named, moved, self.asking.features)
        feature = self.asking.features[name]
        value, known = batch.column(name)
        shown: Any = round(float(value[i]), 4) if known[i] else None
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


_EMPTY = np.zeros(0, np.int64)
NOBODY = Snapshot(_EMPTY, _EMPTY, _EMPTY, _EMPTY)  # of whom nothing is on record


def look_up(key: Array, known: Array, tracks: Mapping[str, Array], names: Sequence[str]) -> Columns:
    """Attributes from the bundle's own table: keys sorted, whole thousandths, the smallest int32 for unknown."""
    if "track" not in tracks or not len(tracks["track"]):
        return attach(key, known, None, names)
    place = np.minimum(np.searchsorted(tracks["track"], key), len(tracks["track"]) - 1)
    have = (tracks["track"][place] == key) & known
    found: Columns = {}
    for name in names:
        value = tracks[name][place].astype(np.int64) if name in tracks else np.full(len(key), _UNKNOWN)
        ok = have & (value != _UNKNOWN)
        found[name] = np.where(ok, value, 0), ok
    return found


_UNKNOWN = int(np.iinfo(np.int32).min)


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
            made[name] = np.where(fits, value, _UNKNOWN).astype(np.int32)
    return made if len(made) > 1 else {}
