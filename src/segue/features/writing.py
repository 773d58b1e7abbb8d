"""Trees written out as one straight Python function (see `segue.features.straight`).

What is written holds numbered names, operators and numbers: no text of a bundle gets into it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from segue.features.columns import key64
from segue.features.examples import HORIZON
from segue.features.tree import ARITY, FLAGS, PLAYS, Node, chain, is_relational, walk

NEVER = object()  # shared by no play: a column of the target that is not known
AHEAD = ("now", "ahead")  # always known
GIVEN = {
    "NEVER": NEVER,
    "bisect": bisect_right,
    "min": min,
    "range": range,
    "sqrt": sqrt,
    "zip": zip,
}  # all that it may call
BY_AGE = {"age", "const"}  # of what does not depend on more than how long ago a play was
_Window = tuple[int | None, int | None]  # last, lag


@dataclass
class Written:
    """A function `moment`, as text, and what it has to be given."""

    text: str = ""
    columns: dict[str, list[str]] = field(default_factory=lambda: {view: [] for view in PLAYS})
    now: list[tuple[Any, str]] = field(
        default_factory=list
    )  # (view, column) of a target, or (keys, statistic) of history
    given: dict[str, Any] = field(default_factory=lambda: dict(GIVEN))


def write(trees: Sequence[Node]) -> Written:
    made = Written()
    made.text = _Writer(made).text(trees)
    return made


class _Writer:
    """Writes the function. A node's text is a name, or a number; `maybe` holds those names that may be None."""

    def __init__(self, into: Written) -> None:
        self.into = into
        self.maybe: set[str] = {"None"}
        self.flags: set[str] = set()  # names of what is True or False
        self.folds: dict[int, str] = {}  # by node, its name
        self.reads: dict[str, None] = {}  # what the loop that is being written reads of a play
        self.by_age = False  # what is being worked out reads no more of a play than its age
        self.leaves: dict[int, set[str]] = {}
        self.n = 0

    def text(self, trees: Sequence[Node]) -> str:
        folds = [n for n in walk(*trees) if n.op == "fold"]
        for k, fold in enumerate(folds):
            self.folds[id(fold)] = name = f"f{k}"
            if fold.args[1] == "max":
                self.maybe.add(name)
        once = self._loops([f for f in folds if not is_relational(f)])
        # what is read of a target is known once everything is written
        each = self._loops([f for f in folds if is_relational(f)])
        scalars: dict[int, str] = {}
        lines: list[str] = []
        roots = [self._node(tree, "", scalars, lines) for tree in trees]
        targets = ", ".join([*(f"t{i}" for i in range(len(self.into.now))), ""])
        return "\n".join([
            "def moment(sizes, past, recent, queue, sessions, targets, own):",
            "    made = []",
            "    n_past, n_recent, n_queue, n_sessions = sizes",
            *(f"    {', '.join([*(f'{view[0]}{i}' for i in range(len(names))), ''])} = {view}"
              for view, names in self.into.columns.items() if names),
            *_indented(once, 1),
            f"    for ({targets}), me in zip(targets, own):" if targets else "    for _, me in zip(targets, own):",
            *_indented([*each, *lines], 2),
            f"        made.append(({''.join(f'{r}, ' for r in roots)}))",
            "    return made",
        ])  # fmt: skip

    # ── folds ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _loops(self, folds: Iterable[Node]) -> list[str]:
        """A loop for each window: what it reads of a play, then its folds, those that share a column under one test."""
        windows: dict[tuple[str, _Window], list[Node]] = {}
        lines: list[str] = []
        for fold in folds:
            view, how, _, last, lag, _ = fold.args
            lines.append(f"{self.folds[id(fold)]} = {'0' if how == 'sum' else 'None'}")
            if view == "queue":  # without ages
                if lag not in (None, 1):
                    continue
                last = lag = None
            windows.setdefault((view, (last, lag)), []).append(fold)
        for (view, window), some in windows.items():
            lines += self._loop(view, window, some)
        return lines

    def _loop(self, view: str, window: _Window, folds: Sequence[Node]) -> list[str]:
        tests: dict[str | None, list[Node]] = {}
        for fold in folds:
            tests.setdefault(fold.args[5], []).append(fold)
        uses: dict[int, set[str | None]] = {}
        for same, some in tests.items():
            for node in self._read(f.args[2] for f in some):
                uses.setdefault(id(node), set()).add(same)
        names: dict[int, str] = {}
        body: list[str] = []
        before: list[str] = []
        self.reads = {}
        for node in self._read(f.args[2] for f in folds):  # what only one test asks for is worked out where it holds
            if len(uses[id(node)]) > 1 or uses[id(node)] == {None}:
                self._node(node, view, names, body)
        for same, some in tests.items():
            inner: list[str] = []
            for fold in some:
                inner += self._add(fold, self._node(fold.args[2], view, names, inner))
            if same is None:
                body += inner
            elif inner:
                theirs, asked = self._of_play(view, same), self._of_target(("now", same))
                shared = self._fresh()
                before.append(f"{shared} = NEVER if {asked} is None else {asked}")
                body += [f"if {theirs} == {shared}:", *_indented(inner, 1)]
        return [*before, *self._head(view, window), *_indented(body, 1)] if body else []

    def _read(self, roots: Iterable[Node]) -> Iterator[Node]:
        """Nodes that are worked out for the sake of some, arguments first: of a chain that is looked up, what is looked up."""
        done: set[int] = set()

        def below(node: Node) -> Iterator[Node]:
            if id(node) in done:
                return
            done.add(id(node))
            looked_up = chain(node)
            inner = (looked_up[1],) if looked_up is not None else node.args
            for a in inner if not self._leaves(node) <= BY_AGE else ():
                if isinstance(a, Node):
                    yield from below(a)
            yield node

        for root in roots:
            yield from below(root)

    def _head(self, view: str, window: _Window) -> list[str]:
        """The loop's first line, once it is known what it reads of a play."""
        last, lag = window
        low, high = (0, last) if lag is None else (lag - 1, lag)
        cut = "" if high is None else f"[{low or ''}:{high}]"
        over = {name: name[:-1] + cut for name in self.reads if name != "age"}
        if "age" in self.reads or view == "queue" or all(name[:-1] in self.into.given for name in over):
            over["age"] = f"range({low}, {f'n_{view}' if high is None else f'min({high}, n_{view})'})"
        if len(over) == 1:
            ((name, of),) = over.items()
            head = f"for {name} in {of}:"
        else:
            head = f"for {', '.join(over)} in zip({', '.join(over.values())}):"
        return [head, "    if age == me: continue"] if view == "queue" else [head]

    def _add(self, fold: Node, value: str) -> list[str]:
        name, how = self.folds[id(fold)], fold.args[1]
        if value == "None":
            return []
        if how == "sum":
            line = f"{name} += {value}"
            return [f"if {value} is not None: {line}"] if value in self.maybe else [line]
        test = f"{name} is None or {value} > {name}"
        return [f"if {value} is not None and ({test}): {name} = {value}" if value in self.maybe
                else f"if {test}: {name} = {value}"]  # fmt: skip

    # ── nodes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _fresh(self) -> str:
        self.n += 1
        return f"v{self.n}"

    def _node(self, node: Node, view: str, names: dict[int, str], lines: list[str]) -> str:
        """The text of a node: in the loop of a view, or of a target where `view` is empty."""
        found = names.get(id(node))
        if found is not None:
            return found
        op, args = node.op, node.args
        if op == "const":
            return _number(args[0])
        if op == "col":
            made = self._of_play(args[0], args[1]) if args[0] in self.into.columns else self._of_target(args)
        elif op == "asof":
            made = self._of_target(args)
        elif op == "fold":
            made = self.folds[id(node)]
        else:
            made = self._operator(node, view, names, lines)
        names[id(node)] = made
        return made

    def _operator(self, node: Node, view: str, names: dict[int, str], lines: list[str]) -> str:
        if not self.by_age and (leaves := self._leaves(node)) <= BY_AGE:
            return self._table(node, view) if "age" in leaves else _number(self._once(node, view)(0))
        op, looked_up = node.op, chain(node)
        if looked_up is not None:
            text, maybe = self._choose(*looked_up, view, names, lines)
        elif op == "=" and node.args[0] is node.args[1] and node.args[0].whole:  # whether it is known
            value = self._node(node.args[0], view, names, lines)
            text, maybe = f"{value} is not None" if value in self.maybe else "True", False
        else:
            text, maybe = _OPERATORS[op](self, *(self._node(a, view, names, lines) for a in node.args))
        made = self._fresh()
        lines.append(f"{made} = {text}")
        if maybe:
            self.maybe.add(made)
        if op in FLAGS:
            self.flags.add(made)
        return made

    def _leaves(self, node: Node) -> set[str]:
        """What it is made of: constants, the age of a play, other columns …"""
        found = self.leaves.get(id(node))
        if found is None:
            inner = [a for a in node.args if isinstance(a, Node)] if node.op in ARITY else []
            found = set().union(*map(self._leaves, inner)) if inner else {node.args[1] if node.op == "col" else node.op}
            self.leaves[id(node)] = found
        return found

    def _once(self, node: Node, view: str) -> Callable[[int], Any]:
        """What a node gives that reads no more of a play than its age."""
        lines: list[str] = []
        self.by_age = True
        value = self._node(node, view, {}, lines)
        self.by_age = False
        space = {"__builtins__": {}, **self.into.given}
        exec("\n".join(["def once(age):", *_indented([*lines, f"return {value}"], 1)]), space)
        return space["once"]  # type: ignore[no-any-return]

    def _table(self, node: Node, view: str) -> str:
        """By age, worked out now: a column beside those of the plays."""
        values = [*map(self._once(node, view), range(HORIZON))]
        name = f"c{len(self.into.given)}"
        self.into.given[name] = values
        self.reads[f"{name}_"] = None
        if None in values:
            self.maybe.add(f"{name}_")
        return f"{name}_"

    def _choose(
        self, op: str, x: Node, marks: list[Any], results: list[Any], otherwise: Any, view: str, names: dict[int, str],
        lines: list[str],
    ) -> tuple[str, bool]:  # fmt: skip
        """A chain of where(x < mark, result, …) or where(x == mark, result, …), looked up at once."""
        value, table = self._node(x, view, names, lines), f"c{len(self.into.given)}"
        marks = [key64(m) if isinstance(m, str) else m for m in marks]
        if op == "<":
            self.into.given[table] = [*results, otherwise]
            self.into.given[f"{table}_"] = marks
            text = f"{table}[bisect({table}_, {value})]"
            return (f"{_number(otherwise)} if {value} is None else {text}" if value in self.maybe else text), False
        self.into.given[table] = dict(zip(marks, results, strict=True)).get
        return f"{table}({value}, {_number(otherwise)})", False

    def _of_play(self, view: str, name: str) -> str:
        if name == "age":
            if not self.by_age:
                self.reads["age"] = None
            return "age"
        names = self.into.columns[view]
        if name not in names:
            names.append(name)
        made = f"{view[0]}{names.index(name)}_"
        self.maybe.add(made)
        self.reads[made] = None
        return made

    def _of_target(self, of: tuple[Any, str]) -> str:
        """A column of the target or of its session, or history: read before, one value for each target."""
        now = self.into.now
        if of not in now:
            now.append(of)
        made = f"t{now.index(of)}"
        if of != AHEAD:
            self.maybe.add(made)
        return made


def _indented(lines: Iterable[str], by: int) -> list[str]:
    return ["    " * by + line for line in lines]


def _number(value: Any) -> str:
    """A constant as it is written; a text as its key."""
    if value is None:
        return "None"
    return f"({key64(value) if isinstance(value, str) else value!r})"


Text = tuple[str, bool]  # what is written, and whether it may be None


def _unless(w: _Writer, names: Sequence[str], text: str, instead: str = "None") -> str:
    """`text`, where none of these is None."""
    tests = [f"{name} is None" for name in dict.fromkeys(names) if name in w.maybe]
    return f"{instead} if {' or '.join(tests)} else {text}" if tests else text


def _arithmetic(sign: str) -> Callable[..., Text]:
    return lambda w, a, b: (_unless(w, (a, b), f"{a} {sign} {b}"), a in w.maybe or b in w.maybe)


def _divide(w: _Writer, a: str, b: str) -> Text:
    if b[0] == "(" and b != "(0)":
        return _arithmetic("/")(w, a, b)
    tests = [f"{name} is None" for name in dict.fromkeys((a, b)) if name in w.maybe]
    return f"None if {' or '.join([*tests, f'{b} == 0'])} else {a} / {b}", True


def _less(w: _Writer, a: str, b: str) -> Text:
    return _unless(w, (a, b), f"{a} < {b}", "False"), False


def _equal(w: _Writer, a: str, b: str) -> Text:
    return f"{a} is not None and {a} == {b}" if a in w.maybe and b in w.maybe else f"{a} == {b}", False


def _holds(w: _Writer, a: str) -> str:
    return a if a in w.flags else f"{a} == 1"


def _logic(word: str) -> Callable[..., Text]:
    return lambda w, a, b: (f"{_holds(w, a)} {word} {_holds(w, b)}", False)


def _where(w: _Writer, c: str, a: str, b: str) -> Text:
    return f"{a} if {_holds(w, c)} else {b}", a in w.maybe or b in w.maybe


def _clip(w: _Writer, a: str, low: str, high: str) -> Text:
    return _unless(w, (a,), f"{low} if {a} < {low} else {high} if {a} > {high} else {a}"), a in w.maybe


def _root(w: _Writer, a: str) -> Text:
    tests = [f"{a} is None"] if a in w.maybe else []
    return f"None if {' or '.join([*tests, f'not {a} >= 0'])} else sqrt({a})", True


_OPERATORS: Mapping[str, Callable[..., Text]] = {
    "+": _arithmetic("+"), "-": _arithmetic("-"), "*": _arithmetic("*"), "/": _divide, "<": _less, "=": _equal,
    "&": _logic("and"), "|": _logic("or"), "where": _where, "clip": _clip, "sqrt": _root,
}  # fmt: skip
