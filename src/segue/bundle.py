"""A bundle: a trained answer as a folder of data. Never code, never a listener's data, never half written.

card.json             what it answers, how it was trained, how well it did
features.json         the trees of its features
model.json            the model's plain settings      model.safetensors      its arrays
history.safetensors   plays and skips per track and artist, as of a day
tracks.safetensors    attributes of tracks, where a feature asks for them
baselines.*           the baselines fitted on the same days, likewise
golden.json           made-up requests and the answers they gave when it was written
hashes.json           of all the others
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from segue import registry, schema
from segue.batch import Array, Batch
from segue.errors import AskedWrongly, BadInput, Tampered
from segue.features import tree
from segue.features.build import Ask, attach, build
from segue.features.columns import Columns, from_records, key64
from segue.features.evaluator import HORIZON, RECENT, Examples
from segue.features.feature import Feature
from segue.features.history import By, History, Snapshot, is_personal
from segue.session import Session, read, records

FORMAT = 1
LARGEST = 4 << 30  # bytes of one file: more is not a bundle
AGAIN = "get the bundle again from its source"
_EPOCH = 719_163  # ordinal of 1970-01-01
_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, OSError)


@dataclass(frozen=True)
class Answer:
    """The probability that one asked play is skipped, and the features that moved it most."""

    position: int
    track: str | None
    probability: float
    reasons: tuple[dict[str, Any], ...]  # feature, sentence, unit, value (None: unknown), log_odds


@dataclass(frozen=True)
class Prediction:
    """Answers for the asked plays, in order."""

    setting: str
    answers: tuple[Answer, ...]

    def to_json(self) -> dict[str, Any]:
        return {"setting": self.setting, "answers": [vars(a) | {"reasons": list(a.reasons)} for a in self.answers]}

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
        batch = self.batch(asked, personal=personal)
        p = self.fitted.predict(batch).p
        moved = self.fitted.explain(batch)
        order = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :3]
        coming = [asked.next] if asked.next is not None else asked.queue
        answers = []
        for i, play in enumerate(coming):
            reasons = [self._reason(batch, i, int(f), float(moved[i, f])) for f in order[i] if abs(moved[i, f]) > 1e-9]
            answers.append(Answer(int(batch.keys["position"][i]), play.track, float(p[i]), tuple(reasons)))
        return Prediction(self.asking.setting.name, tuple(answers))

    def batch(self, session: Session, *, personal: History | None = None) -> Batch:
        """The features of a session's asked plays: the live road."""
        examples = self.examples(session)
        history: dict[By, Any] = dict(self.history)
        for by in self.asking.keys:
            if is_personal(by):
                found = (personal or {}).get(by)
                history[by] = found if found is not None else _NOBODY
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
        n_queued = 0 if self.asking.setting.moments == "each" else len(coming)
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
        }
        one = np.array([0])
        return Examples(
            plays, targets, at, np.array([n_plays]), (np.array([here]), np.array([n])), (one, np.array([here])),
            (one, np.array([n_queued])), np.zeros(len(coming), np.int64), np.arange(len(coming)),
        )  # fmt: skip

    def _coming(self, session: Session) -> Sequence[Any]:
        setting = self.asking.setting
        if setting.moments == "each":
            if session.next is None or session.queue:
                raise BadInput(
                    f"session: a bundle of setting {setting.name!r} answers the coming play: give 'next' alone"
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
            for name, (value, have) in _attach(key, known, self.tracks, attributes).items():
                said, is_said = given[name]
                columns[name] = np.where(is_said, said, value), is_said | have
        return columns

    def _day(self, session: Session, start_ms: int | None) -> int:
        if session.day is not None:
            try:
                return date.fromisoformat(session.day).toordinal() - _EPOCH
            except ValueError:
                raise BadInput(f"session: day {session.day!r}: expected a day such as 2024-01-31") from None
        if start_ms is not None:
            zone = self.card["source_options"].get("tz", "UTC")
            local = datetime.fromtimestamp(start_ms / 1000, UTC if zone == "UTC" else ZoneInfo(zone))
            return local.date().toordinal() - _EPOCH
        return int(self.card["history_as_of_day"])

    def _reason(self, batch: Batch, i: int, f: int, moved: float) -> dict[str, Any]:
        name = self.fitted.columns[f]
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


_EMPTY = np.zeros(0, np.int64)
_NOBODY = Snapshot(_EMPTY, _EMPTY, _EMPTY, _EMPTY)


def _attach(key: Array, known: Array, tracks: Mapping[str, Array], names: Sequence[str]) -> Columns:
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


def save(
    path: str | Path, *, asking: Ask, model: str, fitted: Any, history: History, tracks: Any, card: dict[str, Any],
    baselines: Mapping[str, Any] | None = None, overwrite: bool = False,
) -> Bundle:  # fmt: skip
    """Write a bundle aside, check that it opens and answers its golden requests, then rename it."""
    from safetensors.numpy import save_file

    target = free(path, overwrite)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        settings, arrays = fitted.save()
        shared = {by: h for by, h in history.items() if not is_personal(by)}
        words = vocabulary(tracks, [n for n in asking.columns if n in schema.TRACKS])
        written = tree.to_json({n: f.tree for n, f in asking.features.items()})
        written["about"] = {n: [f.unit, f.sentence, list(f.domain)] for n, f in asking.features.items()}
        whole = card | {"format": FORMAT, "task": asking.task.name, "setting": asking.setting.name, "model": model,
                        "options": list(asking.options)}  # fmt: skip
        _write(aside / "card.json", whole)
        _write(aside / "features.json", written)
        _write(aside / "model.json", settings)
        save_file(_flat(arrays), aside / "model.safetensors")
        marks = {name: one.save() for name, one in (baselines or {}).items()}
        _write(aside / "baselines.json", {name: said for name, (said, _) in marks.items()})
        save_file(_flat({f"{n}|{k}": a for n, (_, held) in marks.items() for k, a in held.items()}),
                  aside / "baselines.safetensors")  # fmt: skip
        parts = {
            f"{','.join(by)}|{field}": getattr(h, field)
            for by, h in shared.items()
            for field in ("keys", "n", "k", "day")
        }
        save_file(_flat(parts), aside / "history.safetensors")
        save_file(_flat(words), aside / "tracks.safetensors")
        bundle = Bundle(
            whole, asking, fitted, {by: h for by, h in shared.items() if isinstance(h, Snapshot)}, words, {}
        )
        golden = [{"request": r, "answer": bundle.predict(r).to_json()} for r in _requests(asking.setting.moments)]
        _write(aside / "golden.json", golden)
        _write(aside / "hashes.json", {p.name: _sha256(p) for p in sorted(aside.iterdir())})
        opened = open_bundle(aside)
        if target.exists():
            old = target.with_name(f".{target.name}.old.{os.getpid()}")
            os.replace(target, old)
            os.replace(aside, target)
            shutil.rmtree(old)
        else:
            os.replace(aside, target)
        return opened
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def free(path: str | Path, overwrite: bool) -> Path:
    """Where a bundle may be written: nothing is there, or an older bundle that may go."""
    target = Path(path).expanduser()
    if target.exists() and not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    if target.exists() and not (target / "hashes.json").is_file():
        raise AskedWrongly(f"{target} is not a bundle, --overwrite would delete what it holds: choose another -o")
    return target


def open_bundle(path: str | Path) -> Bundle:
    """Open a bundle, trusting nothing in it.

    Raises
    ------
    AskedWrongly : there is none
    Tampered : a file is missing, added, changed or damaged, or the golden requests are answered otherwise
    """
    from safetensors import SafetensorError

    folder = Path(path).expanduser()
    if not (folder / "hashes.json").is_file():
        raise AskedWrongly(f"{folder} is not a bundle (no hashes.json): run segue train skip LIBRARY -o {folder}")
    _verify(folder)
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        written_in = card["format"]
    except _DAMAGE as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    if written_in != FORMAT:
        raise BadInput(f"{folder} was written in format {written_in}, this segue reads {FORMAT}: train again")
    try:
        _check_card(card)
        written = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        trees = tree.from_json(written)
        features = {}
        for name, root in trees.items():
            unit, sentence, domain = written["about"][name]
            features[name] = Feature(name, str(unit), str(sentence), root, tuple(map(str, domain)))
        task = registry.task(card["task"])
        asking = Ask(task, task.setting(card["setting"]), features, tuple(card["options"]))
        for feature in features.values():
            why = asking.setting.refuses(feature, asking.options)
            if why:
                raise Tampered(f"{folder}: feature {feature.name!r} looks ahead ({why}): {AGAIN}")
        settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        fitted = registry.model(card["task"], card["model"]).open(settings, _arrays(folder / "model.safetensors"))
        baselines = _baselines(folder, str(card["task"]))
        missing = [c for one in (fitted, *baselines.values()) for c in one.columns if c not in features]
        if missing:
            raise Tampered(f"{folder}: the model reads {missing[0]!r}, which is not among its features: {AGAIN}")
        bundle = Bundle(card, asking, fitted, _history(folder), _tracks(folder), baselines)
        golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        if [case["request"] for case in golden] != _requests(asking.setting.moments):
            raise Tampered(f"{folder}: golden.json does not hold the golden requests: {AGAIN}")
        for case in golden:
            _same(bundle.predict(case["request"]).to_json(), case["answer"], folder)
    except (*_DAMAGE, SafetensorError, AskedWrongly, BadInput) as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    return bundle


def _same(answer: dict[str, Any], golden: dict[str, Any], folder: Path) -> None:
    """The probabilities of a golden answer, to 1e-9: another machine's exp may differ in its last bit."""
    now, then = answer["answers"], golden["answers"]
    if len(now) != len(then) or not all(
        abs(a["probability"] - b["probability"]) <= 1e-9 for a, b in zip(now, then, strict=True)
    ):
        raise Tampered(f"{folder} answers a golden request otherwise than when it was written: {AGAIN}")


def _verify(folder: Path) -> None:
    try:
        hashes = json.loads((folder / "hashes.json").read_text(encoding="utf-8"))
        names = {p.name for p in folder.iterdir()} - {"hashes.json"}
        if not isinstance(hashes, dict) or names != set(hashes):
            odd = sorted(names ^ set(hashes))
            raise Tampered(f"{folder}: {odd[0]} is missing or does not belong there: {AGAIN}")
        for name, expected in hashes.items():
            path = folder / name
            if (
                (folder / "hashes.json").is_symlink()
                or path.is_symlink()
                or not path.is_file()
                or path.stat().st_size > LARGEST
                or _sha256(path) != expected
            ):
                raise Tampered(f"{folder}: {name} is not what was written: {AGAIN}")
    except (ValueError, OSError, TypeError, RecursionError) as cause:
        raise Tampered(f"{folder} is damaged ({cause}): {AGAIN}") from cause


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def _flat(arrays: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(a) for name, a in arrays.items()} or {"empty": np.zeros(1)}


def _arrays(path: Path) -> dict[str, Array]:
    from safetensors.numpy import load_file

    arrays: dict[str, Array] = load_file(path)
    return arrays


def _baselines(folder: Path, task: str) -> dict[str, Any]:
    settings = json.loads((folder / "baselines.json").read_text(encoding="utf-8"))
    arrays = _arrays(folder / "baselines.safetensors")
    found = {}
    for name, said in settings.items():
        own = {key.split("|", 1)[1]: a for key, a in arrays.items() if key.startswith(f"{name}|")}
        found[name] = registry.model(task, name).open(said, own)
    return found


def _check_card(card: dict[str, Any]) -> None:
    """What is read of it later must be of the kind it was written in."""
    kinds = {"source_options": dict, "history_as_of_day": int, "history_as_of": str, "library": str, "best_baseline": str,
             "trained_on_days": list, "tested_on_days": list, "features": list, "baselines": list, "score": dict,
             "skip_rule": str}  # fmt: skip
    for name, kind in kinds.items():
        if type(card[name]) is not kind:
            raise TypeError(f"{name} of the card is {type(card[name]).__name__}, expected {kind.__name__}")
    if card["best_baseline"] not in [mark["model"] for mark in card["baselines"]]:
        raise ValueError(f"best baseline {card['best_baseline']!r} is none of its baselines")
    ZoneInfo(card["source_options"].get("tz", "UTC"))
    date.fromordinal(card["history_as_of_day"] + _EPOCH)


def _tracks(folder: Path) -> dict[str, Array]:
    tracks = {name: a for name, a in _arrays(folder / "tracks.safetensors").items() if name != "empty"}
    key = tracks.get("track", _EMPTY)
    if any(a.shape != key.shape or a.dtype != (np.int64 if a is key else np.int32) for a in tracks.values()):
        raise Tampered(f"{folder}: the attributes of tracks are damaged: {AGAIN}")
    return tracks


def _history(folder: Path) -> dict[By, Snapshot]:
    parts = {k: v for k, v in _arrays(folder / "history.safetensors").items() if "|" in k}
    found: dict[By, Snapshot] = {}
    for name in {k.rsplit("|", 1)[0] for k in parts}:
        keys, n, k, day = (parts[f"{name}|{field}"] for field in ("keys", "n", "k", "day"))
        if is_personal(tuple(name.split(","))):
            raise Tampered(f"{folder} holds history of listeners, which no bundle does: {AGAIN}")
        if any(a.dtype != np.int64 or a.shape != keys.shape or a.ndim != 1 for a in (keys, n, k, day)):
            raise Tampered(f"{folder}: history by {name!r} is damaged: {AGAIN}")
        if (keys[1:] <= keys[:-1]).any() or (n < 0).any() or (k < 0).any() or (k > n).any():
            raise Tampered(f"{folder}: history by {name!r} holds impossible counts: {AGAIN}")
        found[tuple(name.split(",")) if name else ()] = Snapshot(keys, n, k, day)
    return found


def vocabulary(tracks: Any, names: Sequence[str]) -> dict[str, Array]:
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


def _requests(moments: str) -> list[dict[str, Any]]:
    return [_golden(moments, n) for n in range(3)]


def _golden(moments: str, n: int) -> dict[str, Any]:
    """A made-up request: nobody's plays."""
    rng = np.random.default_rng(n)
    start = 1_700_000_000_000
    plays = []
    for i in range(4 * n):
        skipped = bool(rng.random() < 0.5)
        played = int(rng.integers(2_000, 20_000)) if skipped else 200_000
        plays.append({"track": f"golden-{rng.integers(6)}", "artist": f"golden-{rng.integers(3)}", "start_ms": start,
                      "end_ms": start + played, "played_ms": played, "skipped": skipped, "shuffle": i % 2 == 0,
                      "reason_end": "fwdbtn" if skipped else "trackdone", "context": "catalog"})  # fmt: skip
        start += played + 1000
    coming = {"track": "golden-1", "artist": "golden-1"}
    if moments == "each":
        return {"plays": plays, "next": coming | {"start_ms": start, "shuffle": True, "context": "radio"}}
    return {"plays": plays, "queue": [coming] * (4 * n + 1)}
