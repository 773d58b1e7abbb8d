"""A feature is a small tree: closed operators over columns, folds and history. Nodes are shared, never copied.

One truth table, the same on numpy, DuckDB and Spark (`tests/features/test_operators.py` holds it):
arithmetic with an unknown is unknown; x/0 is unknown; a comparison with an unknown is 0; `a & b` and `a | b` read an
unknown as 0; `where` reads an unknown condition as 0; there is no "not".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

from segue import schema
from segue.errors import AskedWrongly, BadInput

ARITY = {"+": 2, "-": 2, "*": 2, "/": 2, "<": 2, "=": 2, "&": 2, "|": 2, "where": 3, "clip": 3, "sqrt": 1}
LEAVES = ("const", "col", "asof")  # col: (view, name); asof: (keys, statistic), joined before evaluation
FLAGS = ("<", "=", "&", "|")
VIEWS = ("now", "session", "past", "recent", "queue")


class Node:
    """One node of a tree: `op` and `args`. Equal nodes are the same object, so shared work is done once.

    >>> (const(1) + 2) is (const(1) + 2)
    True
    """

    __slots__ = ("__weakref__", "args", "op", "unit")
    op: str
    args: tuple[Any, ...]
    unit: str  # "1" is a pure number, "text" can only be compared for equality

    def __add__(self, other: Any) -> Node: return make("+", self, lift(other))  # fmt: skip
    def __radd__(self, other: Any) -> Node: return make("+", lift(other), self)  # fmt: skip
    def __sub__(self, other: Any) -> Node: return make("-", self, lift(other))  # fmt: skip
    def __rsub__(self, other: Any) -> Node: return make("-", lift(other), self)  # fmt: skip
    def __mul__(self, other: Any) -> Node: return make("*", self, lift(other))  # fmt: skip
    def __rmul__(self, other: Any) -> Node: return make("*", lift(other), self)  # fmt: skip
    def __truediv__(self, other: Any) -> Node: return make("/", self, lift(other))  # fmt: skip
    def __rtruediv__(self, other: Any) -> Node: return make("/", lift(other), self)  # fmt: skip
    def __lt__(self, other: Any) -> Node: return make("<", self, lift(other))  # fmt: skip
    def __gt__(self, other: Any) -> Node: return make("<", lift(other), self)  # fmt: skip
    def __eq__(self, other: Any) -> Node: return make("=", self, lift(other))  # type: ignore[override]  # fmt: skip
    def __and__(self, other: Any) -> Node: return make("&", self, lift(other))  # fmt: skip
    def __or__(self, other: Any) -> Node: return make("|", self, lift(other))  # fmt: skip
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise AskedWrongly("a feature has no truth value while it is traced: use & and | and where(), not and, or, if")

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.args))})"


_nodes: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()


def make(op: str, *args: Any) -> Node:
    """The one node with this operator and these arguments."""
    identity = (op, *((id(a) if isinstance(a, Node) else (type(a), a)) for a in args))
    node = _nodes.get(identity)
    if node is None:
        node = object.__new__(Node)
        node.op, node.args, node.unit = op, args, _unit(op, args)
        _nodes[identity] = node
    return node


def lift(value: Any) -> Node:
    """A number, a text or None (unknown) becomes a constant."""
    return value if isinstance(value, Node) else const(value)


def const(value: int | float | str | None) -> Node:
    if isinstance(value, bool):
        value = int(value)
    if value is not None and not isinstance(value, (int, float, str)):
        raise AskedWrongly(f"{value!r} cannot stand in a feature: expected a number, a text or None")
    return make("const", value)


def where(condition: Any, then: Any, otherwise: Any) -> Node:
    return make("where", lift(condition), lift(then), lift(otherwise))


def clip(x: Any, low: float, high: float) -> Node:
    return make("clip", lift(x), const(low), const(high))


def sqrt(x: Any) -> Node:
    """The one root that closes `similarity`; of a negative number: unknown. IEEE rounds it alike everywhere."""
    return make("sqrt", lift(x))


def fold(view: str, how: str, x: Node, last: int | None, lag: int | None, same: str | None) -> Node:
    """Sum or maximum of `x` over the plays that a view sees; see `words`."""
    if any(node.op == "fold" for node in walk(x)):
        raise AskedWrongly("a fold within a fold cannot be said: make the inner one a column of the play")
    return make("fold", view, how, x, last, lag, same)


def walk(*roots: Node) -> Iterator[Node]:
    """Every node once, arguments before those that use them."""
    done: set[int] = set()
    stack: list[tuple[Node, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in node.args if isinstance(a, Node))


def needs(root: Node) -> set[tuple[str, str]]:
    """What a tree speaks of, as (view, column) pairs; history is ('history', 'key,key')."""
    found = set()
    for node in walk(root):
        if node.op == "col":
            found.add((node.args[0], node.args[1]))
        elif node.op == "asof":
            found.add(("history", ",".join(node.args[0])))
        elif node.op == "fold":
            found.add((node.args[0], ""))
            if node.args[5] is not None:
                found |= {(node.args[0], node.args[5]), ("now", node.args[5])}
    return found


def _unit(op: str, args: tuple[Any, ...]) -> str:
    units = [a.unit for a in args if isinstance(a, Node)]
    if op == "const":
        return "text" if isinstance(args[0], str) else "1"
    if op == "col":
        view, name = args
        known = schema.SESSION.get(name) if view == "session" else schema.column(name)
        return "1" if known is None else "text" if known.kind == "text" else known.unit
    if op == "fold":
        return units[0]
    named = {u for u in units if u != "1"}
    if op in ("+", "-", "*", "/", "clip", "sqrt", "<") and "text" in named:
        raise AskedWrongly(f"{op!r} cannot be used on text: texts can only be compared with ==")
    if op in ("<", "=", "+", "-") and len(named) > 1:
        raise AskedWrongly(f"{op!r} mixes {' and '.join(sorted(named))}: bring both to one unit first")
    if op == "=" and "text" in named and "1" in units and not all(u == "text" for u in units):
        raise AskedWrongly("a text is compared with a number: expected two texts")
    if op == "asof":
        return "day" if args[1] == "days" else "1"
    if op in FLAGS:
        return "1"
    if op == "/":
        if units[0] == units[1]:
            return "1"
        if units[1] == "1":
            thousand = args[1].op == "const" and args[1].args[0] == 1000
            return "s" if thousand and units[0] == "ms" else units[0]
        return f"{units[0]}/{units[1]}"
    if op == "*" and units[0] != "1" and units[1] != "1":
        return f"{units[0]}·{units[1]}"
    return next(iter(sorted(named)), "1")


def to_json(roots: Mapping[str, Node]) -> dict[str, Any]:
    """Trees as plain data: one list of nodes, each naming earlier ones by number (`{"n": 3}`)."""
    number: dict[int, int] = {}
    listed = []
    for node in walk(*roots.values()):
        number[id(node)] = len(listed)
        listed.append([node.op, *({"n": number[id(a)]} if isinstance(a, Node) else a for a in node.args)])
    return {"nodes": listed, "roots": {name: number[id(root)] for name, root in roots.items()}}


def from_json(written: Mapping[str, Any]) -> dict[str, Node]:
    """Read trees back, trusting nothing: operators, arities, names and bounds are checked."""
    made: list[Node] = []
    try:
        for entry in written["nodes"]:
            op, *raw = entry
            args = [made[_earlier(a["n"], made)] if isinstance(a, dict) else a for a in raw]
            made.append(_rebuild(op, args))
        return {str(name): made[_earlier(i, made)] for name, i in written["roots"].items()}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as cause:
        raise BadInput(f"not a feature tree ({cause}): expected nodes and roots as segue writes them") from cause


def _earlier(i: Any, made: list[Node]) -> int:
    if type(i) is not int or not 0 <= i < len(made):
        raise ValueError(f"node {i!r} does not stand before its use")
    return i


def _rebuild(op: str, args: list[Any]) -> Node:
    if op == "const" and len(args) == 1:
        return const(args[0])
    if op == "col" and len(args) == 2 and args[0] in VIEWS and isinstance(args[1], str):
        return make("col", *args)
    if op == "asof" and len(args) == 2 and args[1] in ("n", "k", "days"):
        return make("asof", tuple(str(k) for k in args[0]), args[1])
    if op == "fold" and len(args) == 6 and args[0] in VIEWS and args[1] in ("sum", "max") and isinstance(args[2], Node):
        view, how, x, last, lag, same = args
        if all(v is None or (type(v) is int and 1 <= v <= 128) for v in (last, lag)):
            return fold(view, how, x, last, lag, None if same is None else str(same))
    if ARITY.get(op) == len(args) and all(isinstance(a, Node) for a in args):
        return make(op, *args)
    raise ValueError(f"unknown node {op!r} with {len(args)} arguments")
