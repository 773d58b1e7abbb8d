"""How much of the attainable gain can be reached in the worlds by one who does not know their law? What later models aim at.

    python benchmarks/reachable.py [--sessions 28000] [--test 10000]

Challenge, expected under the truth, on new sessions. Trees see relations between the asked track and what was heard (how
this group, this genre fared before), once with the hidden groups given, once with groups read from the tracks' attributes
by a linear classifier. And the exact filter itself, reading groups from attributes: as a sequence model would that has
learned the law. None of them is a model of Segue: they are given what a model has to find out.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import sys
from importlib.metadata import version

import lightgbm
import numpy as np
import worlds
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import segue
from segue import registry
from segue.simulate.filtering import truths
from segue.simulate.sessions import Played
from segue.simulate.world import World


def relations(world: World, played: Played, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Facts of each asked play (N, F), and where it stands: session (N,), position counted from 0 (N,)."""
    n, longest = played.track.shape
    place = np.arange(longest)
    first = played.length[:, None] // 2
    heard = place < first
    asked = ~heard & (place < played.length[:, None])
    y = np.where(heard, played.skipped, 0)
    end = np.where(heard, played.end, 0)
    session, at = np.nonzero(asked)
    own = group[session, at][:, None]
    same, genre = heard[session] & (group[session] == own), heard[session] & (group[session] % 6 == own % 6)
    y_n, end_n, h = y[session], end[session], heard[session]

    def rate(mask: np.ndarray, of: np.ndarray, prior: float) -> np.ndarray:
        return ((of * mask).sum(1) + prior) / (mask.sum(1) + 1)

    last = np.where(same, place, -1).max(1)
    back = [y[np.arange(n), first[:, 0] - k][session] for k in (1, 2, 3)]
    unbroken = np.array(
        [(group[s, first[s, 0] - 1 : t + 1] == group[s, t]).all() for s, t in zip(session, at, strict=True)]
    )
    facts = [
        *back, rate(h, y_n, 0.5), rate(h, end_n, 1.5), played.premium[session], played.shuffle[session],
        played.context[session, 0], played.length[session], at - first[session, 0], same.sum(1), rate(same, y_n, 0.5),
        rate(same, end_n, 1.5), genre.sum(1), rate(genre, y_n, 0.5), rate(h & ~genre, y_n, 0.5),
        np.where(last >= 0, y_n[np.arange(len(at)), last], -1), np.where(last >= 0, at - last, 99), unbroken, own[:, 0],
        own[:, 0] % 6, world.catalogue.rank[played.track[session, at]],
    ]  # fmt: skip
    return np.stack([np.asarray(f, float) for f in facts], axis=1), session, at


def read_groups(world: World, tracks: np.ndarray) -> np.ndarray:
    """The group of every track as a linear classifier reads it from attributes, fitted on other tracks."""
    c = world.catalogue
    every = np.arange(c.n_tracks)
    fit = every[::40]
    x = np.stack(list(c.attributes(fit).values()), axis=1)
    model = LinearDiscriminantAnalysis().fit(x, c.group[fit])
    found = c.group.copy()
    seen = np.unique(tracks)
    found[seen] = model.predict(np.stack(list(c.attributes(seen).values()), axis=1))
    print(f"   groups read from attributes: {(found[tracks] == c.group[tracks]).mean():.1%} of plays right")
    return found


def with_groups(world: World, group: np.ndarray) -> World:
    c = dataclasses.replace(world.catalogue)
    for name in ("artist", "quality", "rank", "loudness_class"):
        c.__dict__[name] = getattr(world.catalogue, name)
    c.__dict__["group"] = group
    return dataclasses.replace(world, catalogue=c)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=28_000)
    ask.add_argument("--test", type=int, default=10_000)
    asked = ask.parse_args()
    print(f"segue {segue.__version__}, Python {platform.python_version()}, lightgbm {version('lightgbm')}, "
          f"{asked.sessions:,} sessions to learn from, {asked.test:,} new ones to test on")  # fmt: skip
    for name in registry.WORLDS:
        world = registry.world(name)
        print(f"\n== {name} (version {world.version})")
        train, test = worlds.sessions(world, asked.sessions, 31), worlds.sessions(world, asked.test, 32)
        known, unknown = truths(world, test, online=False), truths(world, test, online=False, tracks_known=False)
        read = read_groups(world, np.concatenate([train.track.ravel(), test.track.ravel()]))
        said = worlds.answers(test, known, unknown)
        chance = {
            "repeat-last": repeat(train, test),
            "ceiling, tracks unknown": unknown.challenge,
            "ceiling": known.challenge,
        }
        for how, group in (("groups given", world.catalogue.group), ("groups from attributes", read)):
            chance[f"trees, {how}"] = p = trees(world, train, test, group)
            said[f"trees, {how}"] = strings(test, p)
        plugged = truths(with_groups(world, read), test, online=False, tracks_known=False)
        chance["filter, groups from attributes"] = plugged.challenge
        said["filter, groups from attributes"] = worlds.answers(test, plugged, plugged)["ceiling"]
        show(test, known, said, chance)


def repeat(train: Played, test: Played) -> np.ndarray:
    """(S, T) how often the last outcome heard is repeated later, in other sessions."""
    place = np.arange(train.track.shape[1])
    asked = (place >= train.length[:, None] // 2) & (place < train.length[:, None])
    last = train.skipped[np.arange(len(train)), train.length // 2 - 1]
    rate = [train.skipped[last == y][asked[last == y]].mean() for y in (0, 1)]
    own = test.skipped[np.arange(len(test)), test.length // 2 - 1]
    return np.broadcast_to(np.array(rate)[own][:, None], test.track.shape)


def trees(world: World, train: Played, test: Played, group: np.ndarray) -> np.ndarray:
    x, session, at = relations(world, train, group[train.track])
    fitted = lightgbm.train(
        {"objective": "binary", "learning_rate": 0.05, "num_leaves": 63, "min_data_in_leaf": 100, "verbose": -1, "seed": 1},
        lightgbm.Dataset(x, train.skipped[session, at], categorical_feature=[19, 20]), 500,
    )  # fmt: skip
    x, session, at = relations(world, test, group[test.track])
    p = np.full(test.track.shape, np.nan)
    p[session, at] = np.clip(fitted.predict(x), 1e-4, 1 - 1e-4)
    return p


def strings(played: Played, p: np.ndarray) -> np.ndarray:
    made = np.zeros((len(played), 10), int)
    for length in np.unique(played.length):
        rows = np.flatnonzero(played.length == length)
        made[rows, : length - length // 2] = p[rows, length // 2 : length] > 0.5
    return made


def show(played: Played, known: object, said: dict[str, np.ndarray], chance: dict[str, np.ndarray]) -> None:
    found = worlds.expected(played, known.joint, said)  # type: ignore[attr-defined]
    truth = known.challenge  # type: ignore[attr-defined]
    asked = ~np.isnan(truth)
    q = truth[asked]
    loss = {k: -(q * np.log(p[asked]) + (1 - q) * np.log(1 - p[asked])).mean() for k, p in chance.items()}
    low, high = found["repeat-last"][0].mean(), found["ceiling"][0].mean()
    print("   expected under the truth          MAA (95 % by session)  FPA     share of gain: MAA   log-loss")
    for who in ("repeat-last", "trees, groups from attributes", "trees, groups given", "filter, groups from attributes",
                "ceiling, tracks unknown", "ceiling"):  # fmt: skip
        aa, first = found[who]
        share = (loss["repeat-last"] - loss[who]) / (loss["repeat-last"] - loss["ceiling"])
        print(f"   {who:32s}  {worlds.mean(aa)}      {first.mean():.4f}  {(aa.mean() - low) / (high - low):+.3f}"
              f"               {share:+.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
