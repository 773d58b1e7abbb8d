"""The laws, run over the registries: a newcomer is covered the day it is added.

1  what is not granted is invisible     `invisible`
2  live equals batch equals oracle      `agrees_with_oracle`, `live_equals_batch`
3  tables are sound                     `sound_features`, `order_is_irrelevant`
4  models learn signal and only signal  `sound_model`, `learns_nothing_from_noise`, `learns_nothing_of_lengths`
5  sources load and say whose they are  `sound_source`
6  metrics match hand-worked cases      `sound_metrics`
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from segue import metrics, registry, schema, stay_checks
from segue.batch import Array, Batch, Stay, Values
from segue.errors import SegueError
from segue.features import oracle
from segue.features.build import Ask, build, from_library, table
from segue.features.columns import Columns
from segue.features.examples import RECENT, SESSIONS
from segue.features.feature import Feature
from segue.features.history import Snapshot, is_personal, roll
from segue.features.steps import Steps, everything
from segue.library import Library, ingest, open_library
from segue.live import Bundle
from segue.tasks.task import Setting, Task
from segue.tensors import Tensors

STRUCTURE = ("session_id", "position", "listener", "listener_position", "day", "end_day", "asked", "source_row")
ROUNDING = 2e-6  # by which a network's answer may differ with what is answered beside it: sums of float32
NOISE = 0.002  # log-loss that a model may seem to gain where there is nothing to learn


class LawBroken(SegueError):
    """A law of the house does not hold; the message says which, where, and what was found."""


def all_steps(setting: Setting, features: Mapping[str, Feature]) -> Steps:
    """Everything that tensors may hold in a setting, in stretches so short that sessions are cut."""
    return replace(everything(setting, features), length=8)


def sample_library(source: str, folder: Path, sessions: int = 120, seed: int = 0) -> Library:
    """The made-up sample of a source, ingested."""
    registry.dataset(source).sample(folder / "raw", sessions=sessions, seed=seed)
    return ingest(source, [folder / "raw"], folder / "library")


# ── 1: what is not granted is invisible ─────────────────────────────────────────────────────────────────────────────


def invisible(asking: Ask, library: Library, *, moments: int = 40, seed: int = 0) -> None:
    """Change every cell that is not granted at a moment, in any row: its features and tensors stay the same."""
    rng = np.random.default_rng(seed)
    parts = [_columns(asking, library, plays) for plays in library.plays()]
    for _ in range(moments):
        number = int(rng.integers(len(parts)))
        examples = asking.task.examples(parts[number], asking.setting)
        if not len(examples):
            continue
        n = int(rng.integers(len(examples)))
        honest = _one(asking, parts, number, n, parts[number])
        changed = [_changed(asking, part, parts[number], examples, n, part is parts[number], rng) for part in parts]
        after = _one(asking, changed, number, n, parts[number])
        for name, before, now in zip(asking.features, honest.values[0], after.values[0], strict=True):
            f = list(asking.features).index(name)
            if before != now or honest.known[0, f] != after.known[0, f]:
                raise LawBroken(
                    f"law 1: feature {name!r} changed from {before} to {now} when only cells not granted in setting "
                    f"{asking.setting.name!r} were changed: it looks ahead"
                )
        if honest.tensors is not None and after.tensors is not None:
            now = after.tensors.seen_by(0)
            for field, cells in honest.tensors.seen_by(0).items():
                if not np.array_equal(cells, now[field]):
                    raise LawBroken(f"law 1: tensor {field!r} shows cells not granted in {asking.setting.name!r}")


def _columns(asking: Ask, library: Library, plays: Any) -> Columns:
    names = sorted({*asking.columns, *schema.PLAYS, *(c for c in asking.columns if c in schema.TRACKS)})
    return table(plays, library.tracks(), names)


def _one(asking: Ask, parts: list[Columns], number: int, n: int, laid_out_by: Columns) -> Batch:
    """Example n of one part, with history rolled over all parts; laid out by the honest table, read from this one."""
    examples = asking.task.examples(laid_out_by, asking.setting)
    as_changed = asking.task.examples(parts[number], asking.setting)  # a moment's place does not depend on cells
    session = as_changed.session
    one = replace(examples.only(np.array([n])), plays=parts[number], targets=parts[number],
                  session=session | {"day": examples.session["day"]}, ended=as_changed.ended)  # fmt: skip
    return build(asking, one, roll(parts, asking.keys), labelled=False)


def _changed(
    asking: Ask, part: Columns, own: Columns, examples: Any, n: int, same_part: bool, rng: np.random.Generator
) -> Columns:
    """A copy with random cells wherever example n is not granted to look."""
    target, moment = int(examples.target[n]), int(examples.moment[n])
    granted = asking.setting.grants(asking.options)
    day = own["day"][0][target]
    rows = np.arange(len(part["day"][0]))
    hidden = part["end_day"][0] >= day  # history may not know these sessions
    in_session, first = np.zeros(len(rows), bool), 0
    if same_part:
        in_session = part["session_id"][0] == part["session_id"][0][target]
        first = int(rows[in_session].min())
        listener, known = part["listener"]
        earlier = (listener == listener[target]) & known & known[target] & (rows < first)
        hidden &= ~earlier & ~in_session
        hidden |= in_session & (part["position"][0] > examples.asked_after[moment])
    made: Columns = {}
    for name, (value, is_known) in part.items():
        random = rng.integers(-5, 2_000_000, len(rows))
        if (column := schema.PLAYS.get(name)) is not None and column.kind == "flag":
            random = rng.integers(0, 2, len(rows))
        change = hidden.copy()
        if name in STRUCTURE:  # what says where a play belongs is never granted as a value
            change |= in_session
        if name in ("session_id", "listener"):  # who listened is known of every session
            change[:] = False
        if name == "position" and same_part:  # of what has been heard, and of the asked play, the place is known
            change &= value > examples.asked_after[moment]
            change[target] = False
        if name in ("day", "end_day"):  # later than it was, or history would rightly know it
            random = day + rng.integers(0, 400, len(rows))
        if same_part:
            if name in granted["now"]:
                change[target] = False
            if name in asking.setting.queue:
                change[in_session] = False
            if (column := schema.PLAYS.get(name)) is not None and column.known == "session" and name != "listener":
                change[in_session] = name not in granted["session"]  # every row of the session tells it
            if name in granted["session"] and name in schema.PLAYS:  # what is said of the session is its first play's
                change[first] = False
            if name == "session_length":  # every row of the session tells it
                change[in_session] = "length" not in granted["session"]
        made[name] = (np.where(change, random, value), np.where(change, rng.random(len(rows)) < 0.8, is_known))
    return made


# ── 2: live equals batch equals oracle ──────────────────────────────────────────────────────────────────────────────


def arrow_plays(asking: Ask, library: Library) -> Any:
    """All plays of a library as the oracle reads them: whole numbers, with their tracks' attributes beside them."""
    import pyarrow as pa

    plays = pa.concat_tables(list(library.plays()))
    names = [n for n in asking.columns if n in schema.TRACKS]
    for name, (value, known) in table(plays, library.tracks(), [*names, "track"]).items():
        if name != "track":
            plays = plays.append_column(name, pa.array(value, pa.int64(), mask=~np.asarray(known)))
    return plays


def agrees_with_oracle(asking: Ask, library: Library, engine: Any) -> int:
    """Every feature of every example, by the evaluator and by the oracle on an engine: how many cells were compared."""
    import pyarrow as pa

    batch, _ = from_library(asking, library)
    plays = arrow_plays(asking, library)
    offsets = np.cumsum([0, *(p["kept"] for p in library.parts)])
    row = batch.keys["row"] + offsets[batch.keys["part"]]
    asked = pa.table({"example": np.arange(len(batch)), "session_id": plays["session_id"].take(pa.array(row)),
                      "asked_after": batch.keys["asked_after"], "target": batch.keys["position"]})  # fmt: skip
    trees = {name: f.tree for name, f in asking.features.items()}
    answer = engine.to_arrow(oracle.features(trees, engine.table(plays), engine.table(asked)))
    answer = answer.sort_by("example")
    if answer.num_rows != len(batch):
        raise LawBroken(f"law 2: {len(batch)} examples, but the oracle on {engine.name} has {answer.num_rows}")
    for f, name in enumerate(batch.columns):
        value = np.asarray(answer[name].to_numpy(zero_copy_only=False), np.float64)
        known = ~np.isnan(value)
        wrong = (known != batch.known[:, f]) | (
            known & (np.where(known, value, 0).astype(np.float32) != batch.values[:, f])
        )
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise LawBroken(
                f"law 2: feature {name!r} of example {i} is {batch.values[i, f]} here, {value[i]} on {engine.name}"
            )
    return int(batch.values.size)


def live_equals_batch(asking: Ask, library: Library, *, moments: int = 40, seed: int = 0) -> int:
    """Sessions of a library put into JSON and asked live, against the frozen batch: how many cells were compared."""
    rng = np.random.default_rng(seed)
    parts = list(library.plays())
    tracks = library.tracks()
    rolling = roll((_columns(asking, library, p) for p in parts), asking.keys)
    as_of = 1 + max(
        (int(np.asarray(p["day"].cast("int32").fill_null(0)).max()) for p in parts if p.num_rows), default=0
    )
    snapshot = {by: h if is_personal(by) else h.snapshot(as_of) for by, h in rolling.items()}
    shared = {by: h for by, h in snapshot.items() if isinstance(h, Snapshot)}
    card = {"source_options": library.manifest["options"], "history_as_of_day": as_of}
    words = _attributes(asking, tracks)
    live = Bundle(card, asking, None, shared, words, {})
    compared = 0
    for plays in parts:
        examples = asking.task.examples(_columns(asking, library, plays), asking.setting)
        batch = build(asking, examples, snapshot, labelled=False)
        rows = plays.to_pylist()
        for moment in rng.permutation(np.unique(examples.moment))[: max(1, moments // len(parts))]:
            mine = np.flatnonzero(examples.moment == moment)
            session = _as_json(asking, rows, examples, int(moment), mine)
            if session is None:
                continue
            answer = live.batch(_read(session), personal={b: h for b, h in snapshot.items() if is_personal(b)})
            same = np.array_equal(answer.values, batch.values[mine]) and np.array_equal(answer.known, batch.known[mine])
            if not same:
                i, f = np.argwhere((answer.values != batch.values[mine]) | (answer.known != batch.known[mine]))[0]
                raise LawBroken(
                    f"law 2: feature {batch.columns[f]!r} is {answer.values[i, f]} live and {batch.values[mine][i, f]} in "
                    f"the batch (session {session.get('day')}, play {batch.keys['position'][mine][i]})"
                )
            compared += answer.values.size
            if answer.tensors is not None and batch.tensors is not None:
                for i, n in enumerate(mine):
                    _same_tensors(answer.tensors, i, batch.tensors, int(n))
    return compared


def _same_tensors(live: Tensors, i: int, batch: Tensors, n: int) -> None:
    seen = batch.seen_by(n)
    for field, cells in live.seen_by(i).items():
        if not np.array_equal(cells, seen[field]):
            raise LawBroken(f"law 2: tensor {field!r} is not the same live and in the batch")


def _attributes(asking: Ask, tracks: Any) -> dict[str, Array]:
    from segue.live import vocabulary

    return vocabulary(tracks, [n for n in asking.columns if n in schema.TRACKS])


def _read(session: Mapping[str, Any]) -> Any:
    from segue.session import read

    return read(session)


def _as_json(asking: Ask, rows: list[dict[str, Any]], examples: Any, moment: int, mine: Array) -> dict[str, Any] | None:
    """A moment of a library as a session in JSON; None where the session has holes, which JSON cannot say."""
    begin, end = int(examples.past[0][moment]), int(examples.past[1][moment])
    past, targets = rows[begin:end], [rows[int(i)] for i in examples.target[mine]]
    recent = rows[int(examples.recent[0][moment]) : int(examples.recent[1][moment])][-RECENT:]
    if asking.setting.moments == "start":  # what is asked about is the session
        targets = [rows[begin]]
    whole = past if asking.setting.moments == "start" else past + targets
    if [r["position"] for r in whole] != list(range(1, len(whole) + 1)):
        return None
    if (
        asking.setting.moments not in ("each", "start") and len(past) + len(targets) != targets[0]["session_length"]
    ):  # some are not asked
        return None
    granted = asking.setting.now | set(asking.options)

    def said_of(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """What is known of a play; hour and weekday are left to be worked out from the start, where there is one."""
        derived = ("hour", "weekday") if row["start_ms"] is not None and "start_ms" in names else ()
        return {n: row[n] for n in names if n in schema.PLAYS and row[n] is not None and n not in derived}

    ended = [c.name for c in schema.PLAYS.values()
             if c.known in ("content", "start", "option", "end") and not c.name.startswith("first_of")]  # fmt: skip
    coming = [said_of(t, granted) for t in targets]
    said: dict[str, Any] = {"plays": [said_of(r, ended) for r in past], "recent": [said_of(r, ended) for r in recent]}
    opening = (past or targets)[0]
    if opening["start_ms"] is None or "start_ms" not in (ended if past else granted):
        said["day"] = str(opening["day"] or date(1970, 1, 1))  # else it is worked out, too; unknown is day 0 in a batch
    if asking.setting.moments == "start":
        return _stay_as_json(
            said, rows[int(examples.past[0][moment])], examples, moment, granted=asking.setting.session
        )
    if targets[0]["listener"] is not None:
        said["listener"] = targets[0]["listener"]
    of_session = asking.setting.session & {"listener_age", "country"}
    said |= {name: opening[name] for name in of_session if opening[name] is not None}
    if asking.setting.moments != "each":
        said["length"] = targets[0]["session_length"]
    return said | ({"queue": coming} if asking.setting.queue else {"next": coming[0]})


def _stay_as_json(
    said: dict[str, Any], opening: Mapping[str, Any], examples: Any, moment: int, *, granted: Iterable[str]
) -> dict[str, Any]:
    """A session about which it is asked how long it lasts, with the listener's sessions before it."""
    derived = ("hour", "weekday") if opening["start_ms"] is not None else ()
    names = [n for n in granted if opening[n] is not None and n not in derived]
    if not said["plays"]:
        said |= {n: opening[n] for n in names if n not in ("listener", "listener_age", "country", "gender")}
        said.setdefault("day", str(opening["day"] or date(1970, 1, 1)))
    said |= {n: opening[n] for n in names if n in ("listener", "listener_age", "country", "gender")}
    begin, end = (int(bound[moment]) for bound in examples.earlier)
    earlier = [{n: int(v[i]) for n, (v, k) in examples.ended.items() if k[i] and n != "lasted_ms"}
               for i in range(max(begin, end - SESSIONS), end)]  # fmt: skip
    return said | {"earlier": earlier}


# ── 3: tables are sound ─────────────────────────────────────────────────────────────────────────────────────────────


def sound_features(features: Mapping[str, Feature], batch: Batch) -> None:
    """Every feature has a unit and a sentence, and finite values, 0 where unknown."""
    for name, feature in features.items():
        if not feature.unit or not feature.sentence:
            raise LawBroken(f"law 3: feature {name!r} lacks a unit or a sentence")
    if not np.isfinite(batch.values).all():
        f = int(np.argwhere(~np.isfinite(batch.values))[0][1])
        raise LawBroken(f"law 3: feature {batch.columns[f]!r} holds a value that is not finite")
    if batch.values[~batch.known].any():
        raise LawBroken("law 3: a cell that is unknown holds a value other than 0")


def order_is_irrelevant(before: Library, after: Library) -> None:
    """Two libraries of the same logs, their input rows in another order, hold the same plays."""
    columns = [c for c in schema.PLAYS if c != "source_row"]
    key = [("session_id", "ascending"), ("position", "ascending")]
    for one, other in zip(_whole(before, columns, key), _whole(after, columns, key), strict=True):
        if one != other:
            raise LawBroken(f"law 3: with input rows in another order, {one} became {other}")


def _whole(library: Library, columns: list[str], key: Any) -> list[dict[str, Any]]:
    import pyarrow as pa

    rows: list[dict[str, Any]] = pa.concat_tables(list(library.plays(columns))).sort_by(key).to_pylist()
    return rows


# ── 4: models ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sound_model(model: Any, train: Batch, held: Batch, valid: Batch | None = None) -> Any:
    """Fit twice, save and open, ask one by one, hide the labels, ask about the unseen: the answers stay what they are."""
    first, again = (model.fit(train) if valid is None else model.fit(train, valid) for _ in range(2))
    p = _answers(first, held)
    is_network = held.tensors is not None and getattr(model, "reads", "") == "steps"
    slack = ROUNDING if is_network or held.earlier is not None else 0.0
    if not np.array_equal(p, _answers(again, held)):
        raise LawBroken("law 4: fitted twice with one seed, it answers differently")
    hidden = replace(held, label=np.full(len(held), -1, np.int8), also={}, elsewhere=())
    try:
        reads = not np.array_equal(p, _answers(first, hidden))
    except KeyError:
        reads = True
    if reads:
        raise LawBroken("law 4: its answers change when the labels of the asked plays are hidden: it reads them")
    if not _alike(p, _answers(type(model).open(*_through_disk(*first.save())), held), slack):
        raise LawBroken("law 4: saved and opened, it answers differently")
    some = np.random.default_rng(0).permutation(len(held))[:25]
    if not all(_alike(_answers(first, held.take(np.array([i])))[0], p[i], slack) for i in some):
        raise LawBroken("law 4: a play asked alone gets another answer than in a batch")
    unseen = replace(held.take(some), known=np.zeros_like(held.known[some]), values=np.zeros_like(held.values[some]),
                     tensors=held.tensors and _unknown(held.tensors.take(some)))  # fmt: skip
    if not np.isfinite(_answers(first, stay_checks.of_somebody_new(unseen))).all():
        raise LawBroken("law 4: no answer where nothing is known")
    if is_network:
        _sees_no_further(first, held, p[:, 0], some, slack)
    if held.earlier is not None:
        together, of_new = stay_checks.asked_together(held, some, n_new=5)
        expected = np.concatenate([p[some], _answers(first, of_new)])
        if not _alike(_answers(first, together), expected, slack):
            raise LawBroken("law 4: asked beside others, an answer changes with their earlier sessions: it reads them")
    return first


def _answers(fitted: Any, batch: Batch) -> Array:
    """(N, K) every number of its answers: chances, values, or points of curves."""
    answer = fitted.predict(batch)
    if isinstance(answer, Stay):
        return np.hstack([c.alive for c in (answer.seconds, answer.tracks) if c is not None]).astype(np.float64)
    return np.asarray(answer.values if isinstance(answer, Values) else answer.p[:, None], np.float64)


def _alike(one: Array, other: Array, slack: float) -> bool:
    return bool((np.abs(one - other) <= slack * np.maximum(1.0, np.abs(other))).all())


def _unknown(tensors: Tensors) -> Tensors:
    """Plays of which nothing is known, of tracks that nobody has heard."""
    past, queue = (replace(g, values=np.zeros_like(g.values), known=np.zeros_like(g.known), ids=np.full_like(g.ids, 7))
                   for g in (tensors.past, tensors.queue))  # fmt: skip
    return replace(tensors, past=past, queue=queue)


def _sees_no_further(fitted: Any, held: Batch, p: Array, some: Array, slack: float) -> None:
    """Change every cell of the tensors that an example does not see: its answer stays."""
    tensors, rng = held.tensors, np.random.default_rng(0)
    if tensors is None:
        return
    for n in some:
        row, place = int(tensors.row[n]), int(tensors.place[n])
        past, queue = tensors.past, tensors.queue
        hidden = [np.arange(past.width) >= tensors.sees[row, place], np.arange(queue.width) != place]
        if tensors.together:
            hidden[1] = tensors.sees[row] < 0
        grids = []
        for grid, places in zip((past, queue), hidden, strict=True):
            values, known, ids = grid.values.copy(), grid.known.copy(), grid.ids.copy()
            values[row, places] = rng.integers(0, 3, values[row, places].shape)
            known[row, places] = True
            ids[row, places] = rng.choice(grid.ids.ravel(), ids[row, places].shape) if grid.ids.size else 0
            grids.append(replace(grid, values=values, known=known, ids=ids))
        changed = replace(held, tensors=replace(tensors, past=grids[0], queue=grids[1])).take(np.array([n]))
        if abs(fitted.predict(changed).p[0] - p[n]) > slack:
            raise LawBroken(
                "law 4: an answer changes with plays that are not seen at its moment: the network looks ahead"
            )


def learns_nothing_from_noise(model: Any, train: Batch, held: Batch, mark: float) -> float:
    """Fitted and tested on labels permuted across sessions at equal position: the log-loss gained over `mark`."""
    loss = float(metrics.log_loss(model.fit(train).predict(held).p, held.label).mean())
    if mark - loss >= NOISE:
        raise LawBroken(f"law 4: labels are noise, yet it gains {mark - loss:.4f} of log-loss: something leaks")
    return mark - loss


def learns_nothing_of_lengths(model: Any, train: Batch, valid: Batch, test: Batch) -> float:
    """The same of lengths that were dealt anew (`segue.noise.Dealt`): the share of the error of everybody's lengths gained."""
    found = stay_checks.gain_on_noise(model, train, valid, test)
    if stay_checks.is_gain(found):
        raise LawBroken(f"law 4: lengths are noise, yet it gains {found.value:.1%} on everybody's: something leaks")
    return found.value


def _through_disk(settings: dict[str, Any], arrays: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    import json

    from safetensors.numpy import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()} or {"empty": np.zeros(1)}, path)
        return json.loads(json.dumps(settings)), {k: v for k, v in load_file(path).items() if k != "empty"}


# ── 5 and 6 ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sound_source(name: str, folder: Path) -> Library:
    """The sample loads, no row is lost, (session, position) is unique, licence and citation are there."""
    source = registry.dataset(name)
    if not source.licence or not source.citation:
        raise LawBroken(f"law 5: source {name!r} lacks a licence or a citation")
    library = sample_library(name, folder)
    m = library.manifest
    counted = m["kept"] + sum(m["set_aside"].values()) + sum(m["rejected"].values())
    if m["rows_in"] != counted:
        raise LawBroken(f"law 5: source {name!r} read {m['rows_in']} rows but accounts for {counted}")
    keys = [(r["session_id"], r["position"]) for t in library.plays(["session_id", "position"]) for r in t.to_pylist()]
    if len(set(keys)) < len(keys) or not keys:
        raise LawBroken(f"law 5: source {name!r}: (session, position) is not unique, or nothing was kept")
    return open_library(library.path)


def sound_metrics(task: Task) -> None:
    """The deciding metrics give what was worked out by hand (FIELD: truth 11111 against one wrong answer)."""
    if task.answer == "stay":
        for name, (said, by_hand) in stay_checks.worked_by_hand().items():
            if not np.allclose(said, by_hand):
                raise LawBroken(f"law 6: {name} is {said}, by hand {by_hand}")
        return
    worked = {"01111": 0.543, "10111": 0.643, "11011": 0.710, "11101": 0.760, "11110": 0.800}
    for answer, expected in worked.items():
        found = metrics.average_accuracy(np.array([c == "1" for c in answer]))
        if round(found, 3) != expected:
            raise LawBroken(f"law 6: average accuracy of {answer} is {found:.3f}, by hand {expected}")
    loss = metrics.log_loss(np.array([0.5, 0.25]), np.array([1, 0]))
    if not np.allclose(loss, [np.log(2), np.log(4 / 3)]):
        raise LawBroken(f"law 6: log-loss is {loss}, by hand ln 2 and ln 4/3 ({task.name})")
