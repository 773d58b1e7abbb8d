"""What is put in groups: tracks by their attributes, listeners or sessions by their habits; and words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue import schema
from segue.clusters import Labels, Points, kmeans
from segue.figures.choosing import Choice, choose
from segue.figures.figure import NothingToSay
from segue.figures.scope import CATEGORIES, Scope, scale, well_known

MOST, MOST_FAST, LEAST = 10_000, 3_000, 50  # things that are grouped
JUDGED, JUDGED_FAST = 1_500, 600  # of them, those whose number of groups is chosen
LEAST_LISTENERS = 30
DAWN = 5  # the hour at which a day of listening begins: on a circle, hours would look like a ring of groups
PLAYS = {"listeners": 20, "sessions": 5}  # below them shares of plays say little
LIMIT = 4.0  # standard deviations: what is beyond would be a group of its own
WORDS = {  # quantity → what is said of a group that has much and little of it
    "duration": ("long duration", "short duration"), "release_year": ("late release year", "early release year"),
    "tempo": ("fast tempo", "slow tempo"),
    "plays": ("many plays", "few plays"), "share skipped": ("much skipped", "little skipped"),
    "hour": ("late in the day", "early in the day"),
    "shuffle": ("much shuffle", "little shuffle"), "new tracks": ("few repeats", "many repeats"),
    "new artists": ("many artists", "few artists"), "pauses": ("many pauses", "few pauses"),
    "seeks": ("much seeking", "little seeking"),
} | {c: (f"much from {c.replace('_', ' ')}", f"little from {c.replace('_', ' ')}") for c in schema.CONTEXTS}  # fmt: skip


@dataclass(frozen=True)
class Grouped:
    """Things in groups, the largest first; where no groups can be told they are cut all the same.

    Parameters
    ----------
    kind : "tracks", "listeners", "sessions" or "recordings"
    names : the quantities they are grouped by
    z : these in standard deviations from their mean, a row for each thing
    points : z as distances are measured in it
    labels : the group of each thing, from 0
    about : what else is known of each thing
    """

    kind: str
    names: list[str]
    z: Points
    points: Points
    labels: Labels
    choice: Choice
    about: dict[str, Any]

    @property
    def means(self) -> Points:
        return np.array([self.z[self.labels == g].mean(0) for g in range(self.choice.cut)])

    def apart(self, mean: Points, most: int = 3) -> str:
        return apart(self.names, mean, most)

    @property
    def note(self) -> str:
        return "Quantities are in standard deviations, those of a long tail in logs; what is beyond 4 counts as 4" + (
            "; key, mode and time signature, no quantities, are left out."
            if self.kind in ("tracks", "recordings")
            else "."
        )


def apart(names: Sequence[str], mean: Points, most: int = 3) -> str:
    """The quantities in which a mean lies furthest from that of all: half a standard deviation or more, or the furthest."""
    order = np.argsort(-np.abs(mean), kind="stable")[:most]
    told = [i for i in order if abs(mean[i]) >= 0.5] or order[:1]
    return ", ".join(f"{_word(names[i], mean[i] > 0)} ({signed(mean[i])})" for i in told)


def signed(value: float) -> str:
    """A difference as people read it: +0.8, −1.4, 0.0."""
    return f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0.0"


def _word(name: str, much: bool) -> str:
    plain = name.replace("_", " ")
    return WORDS.get(name, (f"high {plain}", f"low {plain}"))[0 if much else 1]


def of_tracks(scope: Scope) -> Grouped:
    """Tracks in groups; made once, for several figures look at them."""
    found: Grouped = scope.once("groups of tracks", lambda: _of_tracks(scope))
    return found


def _of_tracks(scope: Scope) -> Grouped:
    names = well_known(
        scope, scope.tracks, [a for a in scope.needs_attributes(2) if a not in CATEGORIES]
    )  # a distance in categories means nothing
    about = ["track", "artist", "title", "n_known", "n_skipped", *names]
    drawn = scope.drawn_tracks(_most(scope), about, known=names)
    return _grouped(scope, "tracks", names, scope.arrays(drawn, about))


def of_listening(scope: Scope) -> Grouped:
    """Listeners in groups where enough are known, else sessions of the sample."""
    kind = "listeners" if scope.library.manifest["listeners"] >= LEAST_LISTENERS else "sessions"
    by = {"listeners": "listener", "sessions": "session_id"}[kind]
    t = scope.sampled
    if (
        kind == "listeners"
    ):  # a sample of sessions holds too few of each: draw listeners, and count all that they played
        who = scope.plays.filter(scope.plays.listener.notnull()).select("listener").distinct()
        t = scope.plays.semi_join(scope.lowest(who, by, _most(scope)), by)
    asked = {"plays": t.count()} | _habits(scope, t)
    each = t.group_by(by).agg(**asked)
    each = each.filter(each.plays >= PLAYS[kind])
    for name in asked:
        each = each.filter(each[name].notnull())
    found = scope.arrays(scope.lowest(each, by, _most(scope)), [by, *asked])
    share = {c: float(found[c].mean()) for c in schema.CONTEXTS if c in found and len(found[c])}
    # shares of contexts sum to one: the commonest is told by the others, and rare ones say little
    left_out = {c for c in share if share[c] < 0.05 or share[c] == max(share.values())}
    return _grouped(scope, kind, [name for name in asked if name not in left_out], found)


def _habits(scope: Scope, t: Any) -> dict[str, Any]:
    """The means over plays that tell how one listens, of those columns that are known at all."""
    asked = {
        "skipped": {"share skipped": t.skipped}, "hour": {"hour": (t.hour + 24 - DAWN) % 24},
        "shuffle": {"shuffle": t.shuffle}, "first_of_track": {"new tracks": t.first_of_track},
        "first_of_artist": {"new artists": t.first_of_artist}, "no_pause": {"pauses": 1 - t.no_pause},
        "n_seeks_forward": {"seeks": t.n_seeks_forward + t.n_seeks_back},
        "context": {c: (t.context == c).cast("int64") for c in schema.CONTEXTS},
    }  # fmt: skip
    return {name: of.mean() for column, many in asked.items() if scope.known[column] for name, of in many.items()}


def _most(scope: Scope) -> int:
    return MOST_FAST if scope.wishes.fast else MOST


def _grouped(scope: Scope, kind: str, names: list[str], about: dict[str, Any]) -> Grouped:
    """Groups of things, the first column of `about` being their key."""
    rng = scope.rng(f"groups of {kind}")
    key = next(iter(about.values())).astype(str)
    order = np.argsort(key, kind="stable")[
        rng.permutation(len(key))
    ]  # so that the first are a sample, whatever came first
    about = {name: values[order] for name, values in about.items()}
    columns = {name: scale(about[name]).on(about[name]) for name in names}
    columns = {name: x for name, x in columns.items() if len(x) and x.std() > 1e-9}
    z = np.column_stack([np.clip((x - x.mean()) / x.std(), -LIMIT, LIMIT) for x in columns.values()] or [[]])
    judged = JUDGED_FAST if scope.wishes.fast else JUDGED
    differ = len(np.unique(z[:judged], axis=0))
    if len(columns) < 2 or differ < LEAST:
        raise NothingToSay(
            f"it takes {LEAST} {kind} that differ, and two quantities that vary, to look for groups: it has {differ} "
            f"and {len(columns)}"
        )
    points = z * np.array([_weight(name, columns) for name in columns])
    choice = choose(points[:judged], rng)
    labels = largest_first(kmeans(points, choice.cut, rng).labels_, choice.cut)
    return Grouped(kind, list(columns), z, points, labels, choice, about)


def _weight(name: str, names: Any) -> float:
    """Shares of contexts tell one thing together, and count together as one."""
    return float(sum(other in schema.CONTEXTS for other in names) ** -0.5) if name in schema.CONTEXTS else 1.0


def largest_first(labels: Labels, k: int) -> Labels:
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return np.asarray(order.argsort()[labels])
