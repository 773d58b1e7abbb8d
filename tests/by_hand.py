"""Small tables of plays written out by hand, and the roads on which trees are evaluated over them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import groupby
from unittest import mock

import numpy as np
import pyarrow as pa

from segue import schema
from segue.features import evaluator, oracle, tree
from segue.features.build import Ask, build, frozen
from segue.features.columns import from_arrow
from segue.features.feature import Feature
from segue.features.history import asked, roll
from segue.features.straight import gapless
from segue.features.words import SOUND
from segue.tasks import length, skip

ARROW = {"text": pa.string(), "day": pa.date32()}


def session(name="s", **columns):
    """One session: a list is a column, anything else is the same for all its plays; days are those of January 2024."""
    n = max((len(v) for v in columns.values() if isinstance(v, list)), default=1)
    columns = {"session_id": name, "position": list(range(1, n + 1)), "day": 1, "asked": 1, **columns}
    columns.setdefault("end_day", columns["day"])
    columns = {c: v if isinstance(v, list) else [v] * n for c, v in columns.items()}
    columns.setdefault("session_length", [max(columns["position"])] * n)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plays(*sessions, **more_columns):
    """An arrow table of all of schema's columns (unknown where not said) and of more whole-number columns."""
    rows = [dict(row, source_row=i) for i, row in enumerate(row for rows in sessions for row in rows)]
    for _, same in groupby(rows, key=lambda r: r.get("listener") or r["session_id"]):
        for i, row in enumerate(same, 1):
            row["listener_position"] = i
    for row in rows:
        row |= {c: date(2024, 1, row[c]) for c in ("day", "end_day")}
    kinds = {c.name: c.kind for c in (*schema.PLAYS.values(), *schema.TRACKS.values())} | more_columns
    return pa.table({c: pa.array([r.get(c) for r in rows], ARROW.get(k, pa.int64())) for c, k in kinds.items()})


def any_plays(pick, n_sessions=3, n_plays=6):
    """Two listeners and two sessions of nobody known, with unknowns, holes, repeats; `pick` chooses from a list."""
    sessions = []
    for listener in ("L", "M", None, None):
        day = 1
        for i in range(1 if listener is None else pick(range(1, n_sessions + 1))):
            day += pick([0, 0, 1, 3])
            positions = [1]
            while len(positions) < n_plays and pick([0, 1, 1, 1, 1, 1]):
                positions.append(positions[-1] + pick([1, 1, 1, 1, 2, 3]))
            columns = {c: [pick(v) for _ in positions] for c, v in CELLS.items()}
            columns |= _sounds(pick, positions)
            sessions.append(
                session(f"{listener or len(sessions)}-{i}", listener=listener, day=day, end_day=day + pick([0, 0, 1]),
                        position=positions, session_length=positions[-1] + pick([0, 0, 1]), **columns)
            )  # fmt: skip
    return plays(*sessions)


def _sounds(pick, positions):
    """How each play sounds: mostly known throughout and near some others, for a distance needs all of it."""
    of_kind = {"near": [0, 0, 1, 333], "far": [-2000, 0, 333], "partly": CELLS["energy"], "not known": [None]}
    kinds = [pick(["near", "near", "near", "far", "partly", "not known"]) for _ in positions]
    return {name: [pick(of_kind[kind]) for kind in kinds] for name in SOUND}


def _cells():
    few = {
        "asked": [1, 1, 1, 1, 1, 0], "artist": ["a", "a", "b", None], "album": ["u", "v", None],
        "track": ["t", "u", None], "context": [None, "radio", "catalog", "moon"], "platform": [None, "ios", "moon"],
        "start_ms": [None, 1, 90_061_000, 200_000_500], "end_ms": [None, 0, 90_061_999, 200_500_000],
        "played_ms": [None, 0, 29_999, 30_000], "hour": [None, 0, 6, 21, 22], "weekday": [None, 0, 4, 5],
        "n_seeks_forward": [None, 0, 2], "n_seeks_back": [None, 0, 1], "reason_start": [None, "trackdone", "moon"],
        "reason_end": [None, "trackdone", "fwdbtn", "backbtn", "endplay", "logout", "unexpected-exit-while-paused"],
    }  # fmt: skip
    flags = {c.name: [None, 0, 1, 1] for c in schema.PLAYS.values() if c.kind == "flag" and c.name != "asked"}
    return few | flags | {c: [None, -2000, 0, 1, 333] for c in schema.TRACKS}


CELLS = _cells()


def moments(table, setting):
    """(session, asked_after, target) of every example, told play by play and not as the task does it."""
    found = []
    for name, rows in groupby(table.select(["session_id", "position", "session_length", "asked"]).to_pylist(),
                              key=lambda r: r["session_id"]):  # fmt: skip
        before = 0
        for row in rows:
            half = row["session_length"] // 2
            after = before if setting == "online" else half
            if row["asked"] and row["position"] > after:
                found.append((name, after, row["position"]))
            before = row["position"]
    return found


def by_numpy(trees: Mapping[str, tree.Node], table, setting="online", as_of=None):
    """The evaluator: a list of numbers (None where unknown) for each tree, one an example."""
    rolling = roll([from_arrow(table, table.column_names)], asked(trees.values()))
    day = None if as_of is None else date(2024, 1, as_of).toordinal() - date(1970, 1, 1).toordinal()
    return with_history(trees, table, frozen(rolling, rolling, day), setting)


def by_blocks_and_straight(made, examples):
    """What `made` builds of these examples by numpy; the straight way, where it can be gone, says the same."""
    with mock.patch.object(evaluator, "few", return_value=False):
        batch = made()
    if gapless(examples):
        with mock.patch.object(evaluator, "few", return_value=True):
            other = made()
        assert np.array_equal(batch.values, other.values)
        assert np.array_equal(batch.known, other.known)
    return batch


def with_history(trees, table, history, setting="online"):
    """The evaluator, given the history that it is joined to."""
    columns = from_arrow(table, table.column_names)
    features = {n: Feature(n, "1", n, t) for n, t in trees.items()}
    asking = Ask(skip.TASK, skip.TASK.settings[setting], features)
    examples = skip.examples(columns, asking.setting)
    batch = by_blocks_and_straight(lambda: build(asking, examples, history, labelled=False), examples)
    assert np.isfinite(batch.values).all()
    assert not batch.values[~batch.known].any()
    return {n: [float(v) if k else None for v, k in zip(*batch.column(n), strict=True)] for n in trees}


def at_moments(features: Mapping[str, Feature], table, engine=None, landmarks=None):
    """Features of `length`, a list of numbers for each, one a moment: at the start and after each play of each session.

    With an engine, the oracle says the same.
    """
    asking = Ask(length.TASK, length.STAY, features)
    examples = length.examples(from_arrow(table, asking.columns), length.STAY, landmarks=landmarks)
    batch = by_blocks_and_straight(lambda: build(asking, examples, {}, labelled=False), examples)
    assert np.isfinite(batch.values).all()
    assert not batch.values[~batch.known].any()
    found = {n: [float(v) if k else None for v, k in zip(*batch.column(n), strict=True)] for n in features}
    if engine is not None:
        session = table["session_id"].take(pa.array(batch.keys["row"]))
        asked = pa.table({"example": np.arange(len(batch)), "session_id": session, "asked_after": batch.keys["asked_after"],
                          "target": batch.keys["position"]})  # fmt: skip
        trees = {n: f.tree for n, f in features.items()}
        said = engine.to_arrow(oracle.features(trees, engine.table(table), engine.table(asked))).sort_by("example")
        for n in features:
            assert [None if v is None else float(np.float32(v)) for v in said[n].to_pylist()] == found[n], n
    return found


def by_oracle(engine, trees: Mapping[str, tree.Node], table, setting="online", as_of=None):
    """The Ibis road on an engine, in the same order."""
    asking = [("example", "session_id", "asked_after", "target")]
    asking += [(i, *moment) for i, moment in enumerate(moments(table, setting))]
    examples = pa.table(dict(zip(asking[0], (list(c) for c in zip(*asking[1:], strict=True)), strict=True)))
    day = None if as_of is None else date(2024, 1, as_of)
    found = engine.to_arrow(oracle.features(trees, engine.table(table), engine.table(examples), day)).sort_by("example")
    assert found["example"].to_pylist() == list(range(len(examples)))
    return {n: [None if v is None else float(np.float32(v)) for v in found[n].to_pylist()] for n in trees}
