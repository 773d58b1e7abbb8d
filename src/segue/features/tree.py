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
from segue.errors import AskedWrongly, BadInput, UnknownName

ARITY = {"+": 2, "-": 2, "*": 2, "/": 2, "<": 2, "=": 2, "&": 2, "|": 2, "where": 3, "clip": 3, "sqrt": 1}
# besides these, leaves: const; col (view, name); asof (keys, statistic), joined before evaluation; and fold
FLAGS = ("<", "=", "&", "|")
PLAYS = ("past", "recent", "queue", "sessions")  # views of several: their columns mean something within a fold only
NODES, DEPTH, REACH = 20_000, 100, 128  # bounds of a tree, and how far back a fold may be asked to look
_END = 2**63  # of int64


class Node:
    """One node of a tree: `op` and `args`. Equal nodes are the same object, so shared work is done once.

    >>> (const(1) + 2) is (const(1) + 2)
    True
    """

    __slots__ = ("__weakref__", "args", "depth", "folded", "op", "over", "unit", "whole")
    op: str
    args: tuple[Any, ...]
    unit: str  # "1" is a pure number, "text" can only be compared for equality
    over: str  # the view of plays it has a value for each of; "" where it has one value
    whole: bool  # int64: nothing was divided yet
    folded: bool  # holds a fold
    depth: int

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
        return f"{self.op}({', '.join(map(str, self.args))})" if self.depth < 9 else f"{self.op}(…)"


_nodes: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()


def make(op: str, *args: Any) -> Node:
    """The one node with this operator and these arguments."""
    identity = (op, *((id(a) if isinstance(a, Node) else (type(a), a)) for a in args))
    node = _nodes.get(identity)
    if node is None:
        node = object.__new__(Node)
        node.op, node.args, node.unit = op, args, _unit(op, args)
        below = [a for a in args if isinstance(a, Node)]
        node.over, node.whole = _over(op, args, below), _is_whole(op, args)
        node.folded = op == "fold" or any(b.folded for b in below)
        node.depth = 1 + max((b.depth for b in below), default=0)
        if node.depth > DEPTH:
            raise AskedWrongly(f"a tree of more than {DEPTH} levels cannot be evaluated: say it in fewer steps")
        _nodes[identity] = node
    return node


def _over(op: str, args: tuple[Any, ...], below: list[Node]) -> str:
    if op in ("col", "fold"):
        return args[0] if op == "col" and args[0] in PLAYS else ""
    views = sorted({b.over for b in below if b.over})
    if len(views) > 1:
        raise AskedWrongly(f"{op!r} mixes plays of {' and '.join(views)}: fold each of them first")
    return views[0] if views else ""


def _is_whole(op: str, args: tuple[Any, ...]) -> bool:
    if op == "const":
        return not isinstance(args[0], float)
    if op == "where":
        return bool(args[1].whole and args[2].whole)
    if op in ("+", "-", "*", "clip"):
        return all(a.whole for a in args)
    return op not in ("/", "sqrt")


def lift(value: Any) -> Node:
    """A number, a text or None (unknown) becomes a constant."""
    return value if isinstance(value, Node) else const(value)


def const(value: int | float | str | None) -> Node:
    if isinstance(value, bool):
        value = int(value)
    if value is not None and not isinstance(value, (int, float, str)):
        raise AskedWrongly(f"{value!r} cannot stand in a feature: expected a number, a text or None")
    if isinstance(value, str):
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise AskedWrongly(f"{value!r} is no text: it holds half a character")
    elif value is not None and not -_END <= value < _END:
        raise AskedWrongly(f"{value!r} cannot stand in a feature: expected a number from -2**63 to 2**63 - 1")
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
    if x.unit == "text":
        raise AskedWrongly("a text cannot be added up: compare it first, as in past.mean(past['context'] == 'radio')")
    if x.folded:
        raise AskedWrongly("a fold within a fold cannot be said: make the inner one a column of the play")
    if x.over not in ("", view):
        raise AskedWrongly(f"a fold over {view} cannot see plays of {x.over}: fold each view's own columns")
    if not x.whole:
        raise AskedWrongly("a fold adds up whole numbers, exactly: divide what it gives, not what it takes")
    if any(v is not None and not 1 <= v <= REACH for v in (last, lag)):
        raise AskedWrongly(f"last={last}, lag={lag}: a view reaches back from 1 to {REACH} plays")
    if same is not None and view == "sessions":
        raise AskedWrongly(f"same={same!r}: a session shares no column with what is asked about; compare it in x")
    if same is not None and schema.column(same) is None:
        raise UnknownName("column", same, [*schema.PLAYS, *schema.TRACKS])
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


def chain(node: Node) -> tuple[str, Node, list[Any], list[Any], Any] | None:
    """(op, x, marks, results, otherwise) of three or more nested wheres over constants that test the same x."""
    marks, results, op, x = [], [], None, None
    while node.op == "where" and node.args[0].op in ("<", "=") and node.args[1].op == "const":
        test = node.args[0]
        if test.args[1].op != "const" or (x is not None and (test.args[0] is not x or test.op != op)):
            return None
        op, x = test.op, test.args[0]
        marks.append(test.args[1].args[0])
        results.append(node.args[1].args[0])
        node = node.args[2]
    if op is None or x is None or node.op != "const" or len(marks) < 3:
        return None
    constants = [*results, node.args[0]]
    if any(type(c) is not int for c in constants) or any(m is None for m in marks) or len(set(marks)) < len(marks):
        return None
    if op == "<" and (any(isinstance(m, str) for m in marks) or marks != sorted(marks)):
        return None
    if len({isinstance(m, str) for m in marks}) > 1:
        return None
    return op, x, marks, results, node.args[0]


def is_relational(fold: Node) -> bool:
    """Whether a fold has a value of its own for each target, rather than one for each moment."""
    view, _, x, _, _, same = fold.args
    return same is not None or view == "queue" or any(_of_target(n) for n in walk(x))


def _of_target(node: Node) -> bool:
    return node.op == "asof" or (node.op == "col" and node.args[0] in ("now", "session"))


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
        known = schema.of_view(view, name)
        return "1" if known is None else "text" if known.kind == "text" else known.unit
    if op == "fold":
        return units[0]
    named = {u for u in units if u != "1"}
    if op != "=" and "text" in named:
        raise AskedWrongly(f"{op!r} cannot be used on text: texts can only be compared with ==")
    if op == "clip":
        low, high = (a.args[0] if a.op == "const" else None for a in args[1:])
        if low is None or high is None or low > high:
            raise AskedWrongly(f"clip between {low} and {high}: expected two numbers, the lower one first")
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
    listed: list[list[Any]] = []
    for node in walk(*roots.values()):
        number[id(node)] = len(listed)
        listed.append([node.op, *({"n": number[id(a)]} if isinstance(a, Node) else a for a in node.args)])
    return {"nodes": listed, "roots": {name: number[id(root)] for name, root in roots.items()}}


def from_json(written: Mapping[str, Any]) -> dict[str, Node]:
    """Read trees back, trusting nothing: operators, arities, names and bounds are checked."""
    made: list[Node] = []
    try:
        if len(written["nodes"]) > NODES:
            raise ValueError(f"{len(written['nodes'])} nodes where {NODES} are the most")
        for entry in written["nodes"]:
            op, *raw = entry
            args = [made[_earlier(a["n"], made)] if isinstance(a, dict) else a for a in raw]
            made.append(_rebuild(op, args))
        roots = {str(name): made[_earlier(i, made)] for name, i in written["roots"].items()}
        for name, root in roots.items():
            check_root(name, root)
        return roots
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, AskedWrongly) as cause:
        raise BadInput(f"not a feature tree ({cause}): expected nodes and roots as segue writes them") from cause


def check_root(name: str, root: Node) -> None:
    """Refuse a feature that is not one number."""
    if root.unit == "text":
        raise AskedWrongly(f"feature {name!r} is a text: use code(...) or compare it with ==")
    if root.over:
        raise AskedWrongly(f"feature {name!r} has a value for every play of {root.over}: choose with lag, mean or so")


def _earlier(i: Any, made: list[Node]) -> int:
    if type(i) is not int or not 0 <= i < len(made):
        raise ValueError(f"node {i!r} does not stand before its use")
    return i


def _rebuild(op: str, args: list[Any]) -> Node:
    if op == "const" and len(args) == 1:
        return const(args[0])
    if op == "col" and len(args) == 2 and _speaks(*args):
        return make("col", *args)
    if op == "asof" and len(args) == 2 and isinstance(args[0], list) and args[1] in ("n", "k", "days"):
        if all(isinstance(k, str) and schema.column(k) for k in args[0]):
            return make("asof", tuple(args[0]), args[1])
    elif op == "fold" and len(args) == 6 and args[0] in PLAYS and args[1] in ("sum", "max"):
        view, how, x, last, lag, same = args
        if isinstance(x, Node) and all(v is None or type(v) is int for v in (last, lag)):
            return fold(view, how, x, last, lag, same)
    elif ARITY.get(op) == len(args) and all(isinstance(a, Node) for a in args):
        return make(op, *args)
    raise ValueError(f"{op!r} with {len(args)} arguments of which one is unknown or of another kind")


def _speaks(view: Any, name: Any) -> bool:
    """Whether there is such a column in such a view; whether it is granted, a task's setting says."""
    if view == "session":
        return name in schema.SESSION
    if view == "now" and name in ("position", "ahead"):
        return True
    if name == "age":
        return view in ("past", "recent", "sessions")
    return view in ("now", *PLAYS) and schema.of_view(view, name) is not None
