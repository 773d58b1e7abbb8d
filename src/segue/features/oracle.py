"""The oracle: the same trees as Ibis expressions, by another road, on any engine.

It joins examples to plays on the session and position ≤ asked_after, groups by example, and takes one conditional
aggregate per fold. The laws hold the evaluator against it; it is also the way to get features in pure SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
from ibis import _

from segue import schema
from segue.features.examples import HORIZON, RECENT, SESSIONS
from segue.features.tree import Node, walk


def features(trees: Mapping[str, Node], plays: Any, examples: Any, as_of: Any = None) -> Any:
    """One row per example and one column per tree (null where unknown), as an Ibis table.

    Parameters
    ----------
    plays : table of plays (`schema.PLAYS` and the tracks' attributes that the trees speak of)
    examples : table of `example` (any unique number), `session_id`, `asked_after`, `target` (a position)
    as_of : a date: track and artist history as known before that day (frozen); None: before the session's day (rolling)
    """
    first = plays.group_by("session_id").agg(
        s_first=plays.listener_position.min(),
        s_length=plays.session_length.max(),
        s_position=plays.position.min(),
    )
    said = {f"s_{c}": plays[c] for c in schema.SESSION if c in plays.columns and c != "listener"}
    opening = plays.select("session_id", s_position="position", **said)
    target = plays.rename({f"n_{c}": c for c in plays.columns if c != "session_id"})
    now = examples.join(target, ["session_id", examples.target == target.n_position])
    now = now.join(first, "session_id").left_join(opening, ["session_id", "s_position"])
    now = now.drop([c for c in now.columns if c.endswith("_right")]).cache()
    nodes = list(walk(*trees.values()))
    for keys in dict.fromkeys(n.args[0] for n in nodes if n.op == "asof"):
        now = _asof(now, plays, keys, as_of)
    ended, now = _ended(plays, now) if any(n.op == "fold" and n.args[0] == "sessions" for n in nodes) else (plays, now)
    played = plays.rename({f"p_{c}": c for c in plays.columns})
    # what each view sees, and how far back a play lies
    sees: dict[str, tuple[list[Any], Any]] = {
        "past": ([now.session_id == played.p_session_id, played.p_position <= now.asked_after,
                  now.asked_after - played.p_position < HORIZON], lambda t: t.asked_after - t.p_position),
        "recent": ([now.n_listener == played.p_listener, played.p_listener_position < now.s_first,
                    now.s_first - played.p_listener_position <= RECENT],
                   lambda t: t.s_first - 1 - t.p_listener_position),
        "queue": ([now.session_id == played.p_session_id, played.p_position > now.asked_after,
                   played.p_position != now.target], lambda t: ibis.literal(0, "int64")),
    }  # fmt: skip
    if ended is not plays:
        sees["sessions"] = ([now.n_listener == ended.e_listener, ended.e_rank < now.s_rank,
                             now.s_rank - ended.e_rank <= SESSIONS], lambda t: t.s_rank - 1 - t.e_rank)  # fmt: skip
    result = now
    for view, (joined_on, age) in sees.items():
        folds = [n for n in nodes if n.op == "fold" and n.args[0] == view]
        if folds:
            pairs = now.join(ended if view == "sessions" else played, joined_on)
            pairs = pairs.mutate(age=age(pairs))
            totals = pairs.group_by("example").agg(**{f"f{id(n)}": _fold(n, pairs) for n in folds}).cache()
            result = result.left_join(totals, "example").drop("example_right")
    return result.select("example", **{name: _say(tree, result, {}).cast("float64") for name, tree in trees.items()})


def _ended(plays: Any, now: Any) -> tuple[Any, Any]:
    """A row for each session of somebody known, and the examples with the place of theirs among all of the listener's."""
    t = plays.group_by("session_id").mutate(f=_.listener_position.min())
    opening = t.listener_position == t.f
    began = ibis.coalesce(t.start_ms, t.stop_ms - t.played_ms)
    whole = t.mutate(began=began, opening=opening).filter(_.listener.notnull()).group_by("session_id").agg(
        e_listener=_.listener.max(), e_first=_.f.max(), p_start_ms=_.began.max(where=_.opening), p_end_ms=_.stop_ms.max(),
        p_n_plays=_.session_length.max(), skips=_.skipped.sum().cast("int64"), told=_.skipped.count(), rows=_.count(),
        p_hour=_.hour.max(where=_.opening), p_weekday=_.weekday.max(where=_.opening),
    )  # fmt: skip
    lasted = whole.p_end_ms - whole.p_start_ms
    whole = whole.mutate(
        p_lasted_ms=ibis.ifelse(lasted < 0, 0, lasted),
        p_n_skipped=ibis.ifelse(whole.told == whole.rows, whole.skips, ibis.null("int64")),
        e_rank=ibis.row_number().over(ibis.window(group_by="e_listener", order_by="e_first")).cast("int64"),
    ).cache()
    ranks = whole.select("session_id", s_rank="e_rank")
    joined = now.left_join(ranks, "session_id")
    return whole.drop("session_id"), joined.drop([c for c in joined.columns if c.endswith("_right")]).cache()


def _fold(node: Node, pairs: Any) -> Any:
    _, how, x, last, lag, same = node.args
    value = _say(x, pairs, {})
    condition = pairs.example.notnull() & value.notnull()  # a column of the pairs, even where x is a constant
    if last is not None:
        condition &= pairs.age < last
    if lag is not None:
        condition &= pairs.age == lag - 1
    if same is not None:
        condition &= pairs[f"p_{same}"] == pairs[f"n_{same}"]
    kept = ibis.ifelse(condition, value, ibis.null("int64"))
    return (kept.sum() if how == "sum" else kept.max()).cast("int64")


def _asof(table: Any, plays: Any, keys: tuple[str, ...], as_of: Any) -> Any:
    """Joins n, k and the last day of a key: a plain join and a sum, where the evaluator searches running totals."""
    name = "_".join(keys)
    known = plays.filter(plays.skipped.notnull())
    known = known.group_by(h_end=known.end_day, **{f"h_{k}": known[k] for k in keys}).agg(
        h_plays=known.count(), h_skips=known.skipped.sum()
    )
    until = table.n_day if as_of is None or "listener" in keys else ibis.literal(as_of, "date")
    asked = table.select("example", until=until, **{f"a_{k}": table[f"n_{k}"] for k in keys})
    pairs = asked.join(known, [known.h_end < asked.until, *(asked[f"a_{k}"] == known[f"h_{k}"] for k in keys)])
    totals = pairs.group_by("example").agg(
        **{f"{name}_n": pairs.h_plays.sum().cast("int64"), f"{name}_k": pairs.h_skips.sum().cast("int64"),
           f"{name}_last": pairs.h_end.max()}
    ).cache()  # fmt: skip
    return table.left_join(totals, "example").drop("example_right")


def _say(node: Node, table: Any, done: dict[int, Any]) -> Any:
    if id(node) not in done:
        done[id(node)] = _speak(node, table, done)
    return done[id(node)]


def _speak(node: Node, table: Any, done: dict[int, Any]) -> Any:
    op, args = node.op, node.args
    if op == "const":
        if args[0] is None:
            return ibis.literal(0, "int64").nullif(0)  # to ibis, x == null() would ask whether x is null
        return ibis.literal(args[0], "int64" if isinstance(args[0], int) else None)
    if op == "col":
        view, name = args
        if view == "now":
            return table.target - table.asked_after if name == "ahead" else table[f"n_{name}"]
        if view == "session":
            return table[f"s_{name}"] if name != "listener" else table.n_listener
        return table.age if name == "age" else table[f"p_{name}"]
    if op == "fold":
        total = table[f"f{id(node)}"]
        return total.fill_null(0) if args[1] == "sum" else total
    if op == "asof":
        name = "_".join(args[0])
        if args[1] == "days":
            return table.n_day.delta(table[f"{name}_last"], unit="day").cast("int64")
        count = table[f"{name}_{args[1]}"].fill_null(0)
        for key in args[0]:
            count = ibis.ifelse(table[f"n_{key}"].isnull(), ibis.null("int64"), count)
        return count
    return _OPERATORS[op](*(_say(a, table, done) for a in args))


def _flag(condition: Any) -> Any:
    return ibis.ifelse(condition, 1, 0).cast("int64")  # an unknown condition takes the other branch


_OPERATORS: dict[str, Any] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a.cast("float64") / b.cast("float64").nullif(0.0),
    "<": lambda a, b: _flag(a < b),
    "=": lambda a, b: _flag(a == b),
    "&": lambda a, b: _flag((a == 1) & (b == 1)),
    "|": lambda a, b: _flag((a == 1).fill_null(False) | (b == 1).fill_null(False)),
    "where": lambda c, a, b: ibis.ifelse(c == 1, a, b),
    "clip": lambda a, low, high: ibis.ifelse(a < low, low, ibis.ifelse(a > high, high, a)),
    "sqrt": lambda a: ibis.ifelse(a >= 0, a, ibis.null()).cast("float64").sqrt(),
}
