"""A task is a question with settings; a setting says when it is asked and what may be known then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from segue import schema
from segue.errors import AskedWrongly, NotGranted, UnknownName
from segue.features.feature import Feature

CONTENT = frozenset(c.name for c in (*schema.PLAYS.values(), *schema.TRACKS.values()) if c.known == "content")
START = frozenset(c.name for c in schema.PLAYS.values() if c.known == "start")
LATER = ("us_popularity_estimate",)  # made after the plays: nobody's past
PAST = frozenset(
    c.name for c in (*schema.PLAYS.values(), *schema.TRACKS.values())
    if c.known not in ("key", "length", "session") and c.name not in LATER
) | {"age"}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """When a question is asked and what is granted then. What is not granted does not exist."""

    name: str
    sentence: str
    # "each": after each play; "half": after floor(length / 2) plays, all the rest at once; "last": before it;
    # "start": when it starts and at the end of plays, about the session itself, so that nothing is granted of a target
    moments: str
    now: frozenset[str]
    queue: frozenset[str] = frozenset()
    session: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()  # columns of `now` granted on request only
    metrics: tuple[str, ...] = ("log_loss", "brier", "auc")  # the first decides
    shift: int = 0  # of "half": so many plays later, to train on
    sessions: bool = False  # the listener's earlier sessions are granted as such

    def grants(self, options: Iterable[str] = ()) -> dict[str, frozenset[str]]:
        """Every view and the columns it may show; options add to `now`."""
        asked = frozenset(options)
        for name in sorted(asked - set(self.options)):
            raise UnknownName(f"option of setting {self.name}", name, self.options or ("(none)",))
        return {
            "now": (self.now | asked | {"position", "ahead"}) if self.now else self.now,
            "queue": self.queue | ({""} if self.queue else set()),
            "session": self.session, "past": PAST | {""},
            # of plays in sessions before, what is relative to those sessions is not kept
            "recent": (PAST - {"first_of_artist", "first_of_track"}) | {""},
            "sessions": frozenset(schema.ENDED) | {"", "age"} if self.sessions else frozenset(),
        }  # fmt: skip

    def refuses(self, feature: Feature, options: Iterable[str] = ()) -> str | None:
        """Why a feature is not granted here, or None where it is."""
        granted = self.grants(options)
        for view, name in sorted(feature.needs):
            if view == "history":
                absent = [k for k in name.split(",") if k and k not in granted["now"] and k not in granted["session"]]
                if absent:
                    return f"history by {name!r} needs {absent[0]!r}, which setting {self.name!r} does not grant"
            elif name not in granted[view]:
                shown = f"{view}.{name}" if name else view
                return f"{shown} is not granted in setting {self.name!r}"
        return None


@dataclass(frozen=True)
class Task:
    """A question: its settings, the label, the kind of answer, and how examples are laid out."""

    name: str
    sentence: str
    answer: str
    label: str
    settings: dict[str, Setting]
    examples: Callable[..., Any]  # (plays: Columns, setting) -> Examples
    default: str
    auxiliary: tuple[str, ...] = ()  # columns of the target that are labels too, to train on
    outcomes: Callable[..., Any] | None = (
        None  # (Examples) -> label (N,) and the rest by name, where no column is the label
    )
    reads: tuple[
        str, ...
    ] = ()  # columns of plays that examples and outcomes are made of, beside those of every question

    def setting(self, name: str | None) -> Setting:
        chosen = name or self.default
        if chosen not in self.settings:
            raise UnknownName(f"setting of {self.name}", chosen, self.settings)
        return self.settings[chosen]

    def choose(
        self, setting: Setting, features: dict[str, Feature], asked: Iterable[str] | None, options: Iterable[str] = ()
    ) -> tuple[dict[str, Feature], dict[str, str]]:
        """The features to build, and those left out with the reason. One asked for by name and not granted is refused."""
        if asked is None:
            made_for = {
                n: f"made for {f.task}: ask for it by name"
                for n, f in features.items()
                if f.task not in ("", self.name)
            }
            refused = made_for | {n: why for n, f in features.items() if (why := setting.refuses(f, options))}
            return {n: f for n, f in features.items() if n not in refused}, refused
        chosen = {}
        for name in asked:
            if name not in features:
                raise UnknownName("feature", name, features)
            why = setting.refuses(features[name], options)
            if why:
                lacking = [o for o in setting.options if not setting.refuses(features[name], [*options, o])]
                remedy = f"grant it with --with {lacking[0]}" if lacking else "leave it out or choose another setting"
                raise NotGranted(f"feature {name!r} cannot be used: {why}; {remedy}")
            chosen[name] = features[name]
        if not chosen:
            raise AskedWrongly("no feature was asked for: name at least one, or leave --features out for all")
        return chosen, {}
