"""From plays to a batch: the trees of some features, evaluated for every example of a task's setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from segue import schema
from segue.batch import Array, Batch, Earlier, concat
from segue.features.columns import Columns, from_arrow, play_columns, take, thousandths
from segue.features.evaluator import evaluate
from segue.features.examples import Examples
from segue.features.feature import Feature
from segue.features.history import By, History, Rolling, Snapshot, asked, columns_of, is_personal, join, roll
from segue.features.steps import Steps, check, tensors
from segue.features.tree import Node
from segue.tasks.task import Setting, Task
from segue.tensors import Tensors

FRAME = ("session_id", "position", "listener", "day", "end_day", "asked", "session_length", "start_ms", "track",
         "listener_position")  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """One question, fully said: a task in a setting, with options granted, and the features (all that are granted)."""

    task: Task
    setting: Setting
    features: Mapping[str, Feature]
    options: tuple[str, ...] = ()
    steps: Steps | None = None

    @cached_property
    def columns(self) -> list[str]:
        """The columns of plays that it reads."""
        needs = {pair for f in self.features.values() for pair in f.needs}
        own = (
            play_columns(needs) | set(FRAME) | set(self.task.reads) | ({self.task.label} if self.task.label else set())
        )
        own |= self.steps.columns if self.steps else set()
        own |= set(self.task.auxiliary)
        return sorted(own)

    @cached_property
    def trees(self) -> tuple[Node, ...]:
        return tuple(f.tree for f in self.features.values())

    @cached_property
    def keys(self) -> list[By]:
        """The keys of history that it reads."""
        return asked(self.trees)


def ask(
    task: Task, setting: Setting, features: dict[str, Feature], *, names: Iterable[str] | None = None,
    options: Iterable[str] = (), steps: Steps | None = None,
) -> Ask:  # fmt: skip
    """Choose the features that a setting grants, and refuse what it does not."""
    chosen, _ = task.choose(setting, features, names, options)
    if steps:
        check(steps, setting, chosen, options)
    return Ask(task, setting, chosen, tuple(options), steps)


@dataclass(frozen=True)
class Attributes:
    """Attributes of tracks by their keys, whole thousandths: made once, and joined to the plays of every part."""

    keys: Array  # sorted
    columns: Columns

    @classmethod
    def of(cls, tracks: Any, names: Sequence[str]) -> Attributes:
        """From an arrow table of `track` and attributes, or None."""
        if tracks is None or not tracks.num_rows:
            return cls(np.zeros(0, np.int64), {n: (np.zeros(0, np.int64), np.zeros(0, bool)) for n in names})
        keys = from_arrow(tracks, ["track"])["track"][0]
        order = np.argsort(keys, kind="stable")
        found: Columns = {}
        for name in names:
            values = thousandths(np.asarray(tracks[name].to_numpy(zero_copy_only=False), np.float64))
            ok = np.isfinite(values) & (np.abs(values) < 2**52)
            found[name] = (np.where(ok, values, 0).astype(np.int64)[order], ok[order])
        return cls(keys[order], found)

    def attach(self, key: Array, known: Array) -> Columns:
        """The attributes of some tracks; unknown for a track that the table lacks."""
        if not len(self.keys):
            return {n: (np.zeros(len(key), np.int64), np.zeros(len(key), bool)) for n in self.columns}
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        have = (self.keys[place] == key) & known
        return {n: (np.where(have, value[place], 0), have & ok[place]) for n, (value, ok) in self.columns.items()}


def attach(key: Array, known: Array, tracks: Any, names: Sequence[str]) -> Columns:
    """Attributes of tracks by their keys; unknown for a track that the table lacks."""
    return Attributes.of(tracks, names).attach(key, known)


def table(plays: Any, tracks: Any, names: Sequence[str]) -> Columns:
    """Columns of plays with their tracks' attributes beside them, as thousandths.

    Parameters
    ----------
    plays : arrow table of plays
    tracks : arrow table of `track` and attributes; or None; or `Attributes` with all those among the names
    names : the columns wanted
    """
    own = [n for n in names if n in schema.PLAYS]
    columns = from_arrow(plays, own)
    attributes = [n for n in names if n in schema.TRACKS]
    if attributes:
        key, known = columns["track"] if "track" in columns else from_arrow(plays, ["track"])["track"]
        known_tracks = tracks if isinstance(tracks, Attributes) else Attributes.of(tracks, attributes)
        columns |= known_tracks.attach(key, known)
    return columns


def attributes(asking: Ask, library: Any) -> Attributes:
    """What a question reads of a library's tracks."""
    names = [n for n in asking.columns if n in schema.TRACKS]
    return Attributes.of(library.tracks() if names else None, names)


def rolled(asking: Ask, library: Any) -> dict[By, Rolling]:
    """The rolling history that a question reads, of all plays of a library, in bounded memory (see `history.roll`).

    For examples and tensors on disk it is counted by several processes: `kept.counted`.
    """
    names = columns_of(asking.keys)
    return roll((from_arrow(plays, names) for plays in library.plays(names)), asking.keys) if asking.keys else {}


def pieces(plays: Any, rows: int) -> Iterator[Any]:
    """A part's table of plays cut where features do not see across, into tables of `rows` plays or a few more.

    Between two listeners, or two sessions of nobody known; a listener's own plays stay together, however many. A table of
    no plays is one piece.
    """
    import pyarrow.compute as pc

    listener, session = plays["listener"], plays["session_id"]
    alike = [pc.equal(c.slice(1), c.slice(0, max(0, len(c) - 1))) for c in (listener, session)]
    cuts = 1 + np.flatnonzero(~np.asarray(pc.coalesce(*alike), bool))  # an unknown listener is like nobody
    at = np.searchsorted(cuts, np.arange(rows, len(plays), rows))
    edges = [0, *np.unique(cuts[at[at < len(cuts)]]).tolist(), len(plays)]
    yield from (plays.slice(low, high - low) for low, high in pairwise(edges))


def build(asking: Ask, examples: Examples, history: History, *, labelled: bool = True, part: int = 0) -> Batch:
    """Evaluate one part's examples into a batch; where `labelled`, plays whose label is unknown are left out."""
    plays, task = examples.targets, asking.task
    if labelled and task.label:
        examples = examples.only(plays[task.label][1][examples.target])
    if asking.keys:
        examples = replace(examples, asof=_asof(asking.keys, examples, plays, history))
    features = list(asking.features.values())
    values, known = _evaluated(asking, examples)
    moment, target = examples.moment, examples.target
    label, also = np.full(len(target), -1, np.int8), {}
    if labelled and task.outcomes is not None:
        label, also = task.outcomes(examples)
    elif labelled:
        label = np.where(plays[task.label][1], plays[task.label][0], -1)[target].astype(np.int8)
        also = {n: np.where(plays[n][1], plays[n][0], -1)[target] for n in task.auxiliary}
    return Batch(
        columns=tuple(asking.features), values=values, known=known,
        label=label, also=also,
        keys={
            "session": plays["session_id"][0][target], "listener": examples.session["listener"][0][moment],
            "day": examples.session["day"][0][moment], "position": plays["position"][0][target],
            "asked_after": examples.asked_after[moment], "part": np.full(len(target), part), "row": target,
        },
        domains={f.name: f.domain for f in features if f.domain}, units={f.name: f.unit for f in features},
        kind="steps" if asking.steps else "rows",
        tensors=_tensors(asking, asking.steps, examples, history) if asking.steps else None,
        earlier=_earlier(examples),
        counts={} if labelled else {by: n for (by, what), (n, _) in examples.asof.items() if what == "n"},
    )  # fmt: skip


OF_SESSION = {"session", "sessions", "recent", "history"}  # views that show the same to every moment of a session


def _evaluated(asking: Ask, examples: Examples) -> tuple[Array, Array]:
    """Values and what is known (N, F). Where sessions are asked about, what is the same throughout a session is worked out once."""
    opens = np.append(True, examples.past[0][1:] != examples.past[0][:-1])
    if asking.setting.now or len(examples) != len(opens) or opens.sum() * 2 > len(opens):
        return evaluate(asking.trees, examples)
    own = [{view for view, _ in f.needs} <= OF_SESSION for f in asking.features.values()]
    if not any(own):
        return evaluate(asking.trees, examples)
    first = np.flatnonzero(opens)
    once = replace(
        examples, session=take(examples.session, first), asked_after=examples.asked_after[first], moment=np.arange(len(first)),
        past=_at(examples.past, first), recent=_at(examples.recent, first), queue=_at(examples.queue, first),
        earlier=examples.earlier and _at(examples.earlier, first), target=examples.target[first],
        asof={k: (v[first], known[first]) for k, (v, known) in examples.asof.items()},
    )  # fmt: skip
    values, known = np.zeros((len(opens), len(own)), np.float32), np.zeros((len(opens), len(own)), bool)
    of, split = np.cumsum(opens) - 1, np.array(own)
    for of_session, some, rows in ((True, once, of), (False, examples, slice(None))):
        chosen = np.flatnonzero(split == of_session)
        if len(chosen):
            v, k = evaluate(tuple(asking.trees[i] for i in chosen), some)
            values[:, chosen], known[:, chosen] = v[rows], k[rows]
    return values, known


def _at(bounds: tuple[Array, Array], rows: Array) -> tuple[Array, Array]:
    return bounds[0][rows], bounds[1][rows]


def _asof(keys: Sequence[By], examples: Examples, plays: Columns, history: History) -> dict[tuple[By, str], Any]:
    """History of the targets: a key is the target's where granted, else the moment's."""
    wanted = {name for by in keys for name in by}
    of_session = {c for c in wanted if c in schema.PLAYS and schema.PLAYS[c].known == "session"}
    now = take({c: plays[c] for c in wanted - of_session}, examples.target)
    now |= take({c: examples.session[c] for c in of_session}, examples.moment)
    return join(history, keys, now, examples.session["day"][0][examples.moment])


def _earlier(examples: Examples) -> Earlier | None:
    if examples.earlier is None:
        return None
    begin, end = (bound[examples.moment] for bound in examples.earlier)
    table = [examples.ended[name] for name in schema.ENDED]
    values, known = (np.stack([column[i] for column in table], 1) for i in (0, 1))
    return Earlier(tuple(schema.ENDED), values.astype(np.float64), known, begin, end)


def _tensors(asking: Ask, steps: Steps, examples: Examples, history: History) -> Tensors:
    def cells(names: Sequence[str], moment: Array, rows: Array, of_past: bool) -> tuple[Array, Array]:
        trees = tuple(asking.features[name].tree for name in names)
        plays = examples.plays if of_past else examples.targets
        asked_of = replace(examples, targets=plays, moment=moment, target=rows, asof={})
        return evaluate(trees, replace(asked_of, asof=_asof(asked(trees), asked_of, plays, history)))

    return tensors(steps, asking.features, examples, bool(asking.setting.queue), cells)


def frozen(rolling: History, personal: History, as_of: int | None) -> dict[By, Any]:
    """Track and artist history as it stood before a day; a listener's own always rolls on."""
    made: dict[By, Any] = {}
    for by, totals in rolling.items():
        if is_personal(by):
            made[by] = personal[by]
        else:
            made[by] = totals if isinstance(totals, Snapshot) or as_of is None else totals.snapshot(as_of)
    return made


def from_library(
    asking: Ask, library: Any, *, snapshot: History | None = None, shifts: Sequence[int] = (),
    kept: Callable[[Batch, int], Array | None] | None = None,
    progress: Callable[[int, int, str], None] = lambda done, n, name: None,
) -> tuple[Batch, History]:  # fmt: skip
    """All examples of a library, part by part.

    Parameters
    ----------
    snapshot : history to freeze tracks and artists at (a bundle's); None: every day sees the days before it
    shifts : also ask the same sessions so many plays later (or earlier), to train on: `elsewhere` in the batch
    kept : which of a part's examples are kept, by these and how many plays the part has; None: all. What is not kept is never
        held beside them

    Returns
    -------
    batch, and the rolling history it was built with (to make a bundle's snapshot of)
    """
    names = asking.columns
    known_tracks = attributes(asking, library)
    rolling = rolled(asking, library)
    history: History = rolling if snapshot is None else frozen({**rolling, **snapshot}, rolling, None)
    batches = []
    stored = [n for n in names if n in schema.PLAYS]
    for number, plays in enumerate(library.plays(stored)):
        progress(number, len(library.parts), "features")
        columns = table(plays, known_tracks, names)

        def asked_at(shift: int, columns: Columns = columns, number: int = number) -> Batch:
            setting = replace(asking.setting, shift=shift)
            return build(asking, asking.task.examples(columns, setting), history, part=number)

        made = asked_at(0)
        made = replace(made, elsewhere=tuple(asked_at(s) for s in shifts)) if shifts else made
        rows = None if kept is None else kept(made, len(plays))
        batches.append(made if rows is None else made.take(rows).alone())
    progress(len(library.parts), len(library.parts), "features")
    return concat(batches), rolling
