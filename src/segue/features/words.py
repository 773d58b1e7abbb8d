"""The words a feature may use: `now`, `session`, `queue`, `past`, `history`. There is no word for the future.

A view is symbolic: a feature's function runs on views once, when it is registered, and leaves a tree.
"""

from __future__ import annotations

from collections.abc import Iterator

from segue import schema
from segue.errors import AskedWrongly, NotGranted, UnknownName
from segue.features import tree
from segue.features.tree import Node, lift, where

SHRINK = 10  # plays that a key needs before its own rate outweighs the rate of all
SOUND = (*(f"acoustic_vector_{i}" for i in range(8)), "acousticness", "danceability", "energy", "mechanism", "organism",
         "valence")  # what `apart` compares: all of them lie about as far from each other  # fmt: skip
FARTHEST = 1_000_000  # of one difference, in thousandths
_BLOCKS = (1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64)  # ages at which the weight of `decayed` steps down


def fading(age: Node, keep: float) -> Node:
    """The weight keep**age, as 65536ths, constant over short blocks of age and 0 from 64 plays on."""
    weight = lift(0)
    for low, high in reversed(list(zip((0, *_BLOCKS), _BLOCKS, strict=False))):
        weight = where(age < high, round(sum(keep**a for a in range(low, high)) / (high - low) * 65536), weight)
    return weight


class Now:
    """What is known of the asked play at its start: `now.start_ms`, `now.shuffle`, `now.artist`."""

    def __getattr__(self, name: str) -> Node:
        known = schema.column(name)
        if name in ("position", "ahead"):
            return tree.make("col", "now", name)
        if name.startswith("__"):
            raise AttributeError(name)
        if known is None:
            raise UnknownName("column", name, [*schema.PLAYS, *schema.TRACKS])
        if known.known == "end":
            raise NotGranted(
                f"{name!r} is known only after the track ends; use past.lag({name!r}) or past.mean({name!r})"
            )
        if known.known not in ("content", "start", "option"):
            raise NotGranted(f"{name!r} is not a value of the asked play; see schema.PLAYS for what is known when")
        return tree.make("col", "now", name)


class Session:
    """What is known when the session starts: `session.start_ms`; its `length` only where a setting grants it."""

    def __getattr__(self, name: str) -> Node:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in schema.SESSION:
            raise UnknownName("column of the session", name, schema.SESSION)
        return tree.make("col", "session", name)


class Plays:
    """A view of several plays, newest first. Every word is one or two folds.

    `x` is a column's name or an expression over this view's columns, `view["skipped"]`. A play where `x` is unknown is
    passed over, but keeps its place when plays are counted back:

        age          4    3    2    1    0
        skipped      1    ?    0    1    0      sum 2, count 4, mean 1/2
        last=2       .    .    .    1    0      the last two plays
        lag=2        .    .    .    1    .      the second last play
        same="artist"                           only plays that share the asked play's artist
    """

    def __init__(self, view: str) -> None:
        self._view = view

    def __getitem__(self, name: str) -> Node:
        known = schema.of_view(self._view, name)
        if known is None and name != "age":
            columns = schema.ENDED if self._view == "sessions" else [*schema.PLAYS, *schema.TRACKS]
            raise UnknownName("column of a session" if self._view == "sessions" else "column", name, columns)
        if known is not None and known.known in ("key", "length", "session"):
            raise NotGranted(f"{name!r} belongs to the whole session, not to a play that has ended; see schema.PLAYS")
        if self._view == "queue" and (known is None or known.known != "content"):
            raise NotGranted(f"{name!r} of a queued play is not known yet; of the queue only the tracks' content is")
        return tree.make("col", self._view, name)

    def fold(
        self, how: str, x: str | Node, *, last: int | None = None, lag: int | None = None, same: str | None = None
    ) -> Node:
        """Sum (0 over nothing) or max (unknown over nothing) of x over the plays seen."""
        return tree.fold(self._view, how, self[x] if isinstance(x, str) else lift(x), last, lag, same)

    def sum(self, x: str | Node, *, last: int | None = None, same: str | None = None) -> Node:
        return self.fold("sum", x, last=last, same=same)

    def count(self, x: str | Node | None = None, *, last: int | None = None, same: str | None = None) -> Node:
        """How many plays (with x known)."""
        node = lift(1) if x is None else self[x] if isinstance(x, str) else x
        return self.fold("sum", node == node, last=last, same=same)

    def mean(self, x: str | Node, *, last: int | None = None, same: str | None = None) -> Node:
        """Mean of x over the plays where it is known; unknown over nothing."""
        return self.fold("sum", x, last=last, same=same) / self.count(x, last=last, same=same)

    def lag(self, x: str | Node, n: int = 1) -> Node:
        """x of the n-th last play."""
        return self.fold("max", x, lag=n)

    def least(self, x: str | Node) -> Node:
        """The least x; unknown over nothing."""
        return 0 - self.fold("max", 0 - (self[x] if isinstance(x, str) else x))

    def since(self, flag: str | Node, *, same: str | None = None) -> Node:
        """Plays since the last one with this flag: 0 if it was the last play, unknown if there was none."""
        node = self[flag] if isinstance(flag, str) else flag
        return 0 - self.fold("max", where(node, 0 - self["age"], None), same=same)

    def run(self, flag: str | Node) -> Node:
        """Length of the unbroken run of this flag up to now; plays where it is unknown do not break it."""
        node = self[flag] if isinstance(flag, str) else flag
        broken = self.since(node == 0)
        return where(broken == broken, broken, self.count())

    def decayed(self, x: str | Node, keep: float = 0.8, *, same: str | None = None) -> Node:
        """Mean of x with weights that fall by `keep` a play, as whole numbers constant over short blocks of age."""
        node = self[x] if isinstance(x, str) else x
        weight = fading(self["age"], keep)
        return self.fold("sum", node * weight, same=same) / self.fold(
            "sum", where(node == node, weight, None), same=same
        )

    def apart(self) -> Node:
        """How far each play sounds from the asked track: the squared distance, in millionths; unknown where one of them is.

        Between their acoustic vectors and six shares that say how they sound. No difference counts for more than 1,000, so
        that no distance is beyond 1.4e13, whatever a table of tracks may hold:

            acoustic_vector_0 = .3 and .1, energy = .8 and .5, the rest alike      200² + 300² = 130,000

        Near is then `past.apart() < 600**2`, and the nearest play's distance `sqrt(past.least(past.apart()))`.
        """
        now, total = Now(), lift(0)
        for name in SOUND:
            gap = tree.clip(getattr(now, name) - self[name], -FARTHEST, FARTHEST)
            total = total + gap * gap
        return total

    def similarity(self, to: str | Node) -> Node:
        """Cosine between the asked track's acoustic vector and the sum of those of plays with this flag."""
        flag = self[to] if isinstance(to, str) else to
        now, total, dot, norm, own = Now(), None, lift(0), lift(0), lift(0)
        for name in schema.TRACKS:
            if name.startswith("acoustic_vector_"):
                total, asked = self.sum(flag * self[name]), getattr(now, name)
                dot, norm, own = dot + asked * total, norm + total * total, own + asked * asked
        return dot / (tree.sqrt(norm) * tree.sqrt(own))


class History:
    """What earlier days knew of a key (a column, or several): plays and skips from sessions that had *ended* before the
    day on which the asked session starts. `recent` sees this listener's last 64 plays before this session."""

    @property
    def recent(self) -> Plays:
        return Plays("recent")

    @property
    def sessions(self) -> Plays:
        """This listener's last sessions that had ended before this one began, newest first; `schema.ENDED` has their columns."""
        return Plays("sessions")

    def count(self, *by: str) -> Node:
        """Plays of this key on earlier days; 0 where it is new, unknown where the key is not said."""
        return tree.make("asof", _keys(by), "n")

    def rate(self, *by: str) -> Node:
        """Share of them that were skipped, drawn towards the share of all by ten plays' worth."""
        n, k = tree.make("asof", _keys(by), "n"), tree.make("asof", _keys(by), "k")
        all_n, all_k = tree.make("asof", (), "n"), tree.make("asof", (), "k")
        return (k * all_n + SHRINK * all_k) / ((n + SHRINK) * all_n)

    def days_since(self, *by: str) -> Node:
        """Days since the key was last played; unknown where it never was."""
        return tree.make("asof", _keys(by), "days")


def _keys(by: tuple[str, ...]) -> tuple[str, ...]:
    for name in by:
        known = schema.column(name)
        if known is None:
            raise UnknownName("column", name, schema.PLAYS)
        if known.known not in ("content", "start", "session"):
            raise NotGranted(f"{name!r} cannot be a key of history: it is not known when the play starts")
    return by


def code(x: Node) -> Node:
    """A text column as a whole number: its place in the schema's list from 1, 0 for any other text."""
    known = schema.column(x.args[1]) if x.op == "col" else None
    if known is None or not known.domain:
        raise AskedWrongly(f"{x!r} has no list of values in the schema: compare it with == instead")
    result = where(x == x, 0, None)
    for number, value in enumerate(known.domain, 1):
        result = where(x == value, number, result)
    return result


def views(names: Iterator[str]) -> dict[str, object]:
    """The views that a feature's function asks for by the names of its parameters."""
    have: dict[str, object] = {
        "now": Now(), "session": Session(), "queue": Plays("queue"), "past": Plays("past"), "history": History(),
    }  # fmt: skip
    asked = list(names)
    for name in asked:
        if name not in have:
            raise UnknownName("view", name, have)
    return {name: have[name] for name in asked}
