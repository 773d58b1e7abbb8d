"""What several propose, ranked by trees that have seen how such proposals fared on lists nobody had learned from.

    lists      A  A  A  A  A  A      B  B  B        V              parts are fitted on A,
    learned    parts                 the ranking    when to stop   the ranking on what they propose for B,
               then parts again, on all of them                    and where it is no better than a part on V, that part answers

A ranking learned on lists that its parts were fitted on would trust them too much: they have seen the answer there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from segue import registry
from segue.asking import CONTINUE, Asking
from segue.batch import Array
from segue.errors import AskedWrongly
from segue.lists import Lists, Vocabulary, recounted
from segue.models.trees import Trees
from segue.next_play import NEXT
from segue.proposers.evidence import Candidates, Evidence
from segue.proposers.proposer import NOTHING, Question, Saved, questions, within

PARTS = ("popularity", "item-cf", "rp3beta", "playlist-knn", "ials", "title", "named", "same-artist", "transitions")
SESSION_PARTS = ("popularity", "recent-popularity", "same-artist", "transitions", "context-tree", "item-cf", "session-knn", "ials",
                 "own-plays", "own-order")  # fmt: skip
OBJECTIVES = ("binary", "lambdarank")
MOST_QUESTIONS = 20_000  # that a ranking is learned from
MOST_WATCHED = 2_000  # of each kind, by which it is decided who answers
Rows = tuple[
    Array, Array, Array
]  # what speaks for each candidate (n, F), whether it was held back (n,), candidates a question


@dataclass(frozen=True)
class Blend:
    """`each` part proposes so many; `held_share` of the lists teach the ranking, a third as many say when to stop."""

    each: int = 300
    held_share: float = 0.2
    asked_share: float = 0.4  # of the categories that a list is long enough for
    negatives_share: float = 0.3  # of the candidates that were not held back
    leaves: int = 31
    trees: int = 250
    learning_rate: float = 0.08
    min_leaf: int = 50
    objective: str = "binary"  # or lambdarank: no better here, and five times as long
    parts: tuple[str, ...] = PARTS
    seed: int = 0

    fitted_with: ClassVar = ("implicit", "next")  # of its usual parts ials needs it
    asking: ClassVar[Asking] = CONTINUE
    sentence: ClassVar[str] = "all of them, ranked by trees that learned out of sample how such proposals fare"

    def __post_init__(self) -> None:
        within(self, each=(1, 10_000), held_share=(0.01, 0.7), asked_share=(0.01, 1), negatives_share=(0.001, 1), leaves=(2, 4096),
               trees=(1, 10_000), learning_rate=(1e-6, 10), min_leaf=(1, 1e9), seed=(0, 2**31 - 1))  # fmt: skip
        if self.objective not in OBJECTIVES:
            raise AskedWrongly(f"objective={self.objective}: expected {' or '.join(OBJECTIVES)}")
        if not self.parts or "blend" in self.parts:
            raise AskedWrongly(f"parts={','.join(self.parts)}: expected other models, such as {','.join(PARTS)}")
        for name in self.parts:
            registry.proposer(self.asking.name, name)

    def fit(
        self, lists: Lists, vocabulary: Vocabulary, *, step: Callable[[str], None] = lambda name: None
    ) -> FittedBlend:
        taught, watched = self.asking.teachers(lists, vocabulary, self.held_share)
        learned = lists.take(~taught & ~watched)
        step("parts, without the lists that teach")
        parts = self._fitted(learned, vocabulary, step)
        # how often a track is played, too, is counted without the lists that teach: it would tell what they hold back
        again = self.asking.again(lists)
        evidence = self._evidence(parts, recounted(vocabulary, learned), again, self.each)
        rng = np.random.default_rng(self.seed)
        step("questions that teach")
        rows = self._rows(evidence, lists.take(taught), rng, step)
        stop = self._rows(evidence, lists.take(watched), rng, step)
        step("ranking")
        trees = self._ranked(rows, stop, evidence)
        del rows, stop
        step("whether it is better than its parts")
        who, singles = _who(self.asking, evidence, trees, lists.take(watched), self.seed)
        del parts, evidence, learned  # of a million lists, both would not fit
        step("parts, on all lists")
        parts = self._fitted(lists, vocabulary, step)
        return FittedBlend(
            self._evidence(parts, recounted(vocabulary, lists), again, self.each), trees, self.asking, who, singles
        )

    @classmethod
    def _evidence(cls, parts: Mapping[str, Any], vocabulary: Vocabulary, again: bool, each: int) -> Evidence:
        return Evidence(parts, vocabulary, each, again, sessions=cls.asking.name == "next")

    def _fitted(self, lists: Lists, vocabulary: Vocabulary, step: Callable[[str], None]) -> dict[str, Any]:
        made = {}
        for name in self.parts:
            step(name)
            made[name] = registry.proposer(self.asking.name, name)().fit(lists, vocabulary)
        return made

    def _rows(self, evidence: Evidence, lists: Lists, rng: Any, step: Callable[[str], None]) -> Rows:
        """What speaks for the candidates of questions like those that will be asked."""
        values, held, sizes = [], [], []
        for case in self.asking.teaching(lists, self.asked_share, MOST_QUESTIONS, rng, self.seed):
            wanted = self.asking.wanted(case.held)
            for i, question in enumerate(questions(case.asked)):
                found = evidence.of(question)
                right = np.isin(found.track, wanted[i])
                kept = right | (rng.random(len(right)) < self.negatives_share)
                if right.any():
                    values.append(found.values[kept])
                    held.append(right[kept])
                    sizes.append(int(kept.sum()))
            step(f"questions that teach: {case.name}")
        if not values:
            return np.zeros((0, len(evidence.names)), np.float32), np.zeros(0, bool), np.zeros(0, np.int64)
        return np.concatenate(values), np.concatenate(held), np.array(sizes)

    def _ranked(self, rows: Rows, stop: Rows, evidence: Evidence) -> Trees | None:
        """None where no question teaches anything: lists are too few, or too short."""
        import lightgbm

        if not rows[1].any() or rows[1].all():
            return None
        settings: dict[str, Any] = {
            "objective": self.objective, "num_leaves": self.leaves, "learning_rate": self.learning_rate, "verbosity": -1,
            "min_data_in_leaf": self.min_leaf, "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1,
            "lambda_l2": 5.0, "seed": self.seed, "deterministic": True, "force_row_wise": True, "num_threads": 1,
            "metric": "ndcg" if self.objective == "lambdarank" else "binary_logloss", "eval_at": [50],
            "lambdarank_truncation_level": 100,
        }  # fmt: skip
        data = lightgbm.Dataset(rows[0], rows[1].astype(int), group=rows[2], params={"verbosity": -1})
        watched, calls = [], []
        if stop[1].any():
            watched = [lightgbm.Dataset(stop[0], stop[1].astype(int), group=stop[2], reference=data)]
            calls = [lightgbm.early_stopping(25, verbose=False)]
        booster = lightgbm.train(settings, data, self.trees, valid_sets=watched or None, callbacks=calls)
        return Trees.from_lightgbm(booster)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedBlend:
        parts = {}
        for name, said in settings["parts"].items():
            own = {key.split("|", 1)[1]: a for key, a in arrays.items() if key.startswith(f"{name}|")}
            parts[str(name)] = registry.proposer(cls.asking.name, str(name)).open(said, own, vocabulary)
        plays = arrays["plays"]
        if plays.shape != (len(vocabulary),) or plays.dtype != np.int64 or (plays < 0).any():
            raise ValueError("how often tracks are played is damaged")
        evidence = cls._evidence(
            parts, replace(vocabulary, plays=plays), bool(settings["again"]), cls(each=int(settings["each"])).each
        )
        trees = None
        if settings["bias"] is not None:
            of_trees = {key[6:]: a for key, a in arrays.items() if key.startswith("trees|")}
            trees = Trees.from_arrays(of_trees, float(settings["bias"]), len(evidence.names))
        who, singles = ({str(k): str(v) for k, v in settings[name].items()} for name in ("who", "singles"))
        if any(v not in ("", *parts) for v in who.values()) or any(v not in parts for v in singles.values()):
            raise ValueError("what answers where is damaged")
        return FittedBlend(evidence, trees, cls.asking, who, singles)


def situation(asking: Asking, question: Question) -> str:
    """What is told of a list."""
    return asking.situation(len(question.seeds), bool((question.title or "").strip()))


def _who(
    asking: Asking, evidence: Evidence, trees: Trees | None, lists: Lists, seed: int
) -> tuple[dict[str, str], dict[str, str]]:
    """By situation, what answers it: "" where the ranking is at least as good as the best part, which comes second."""
    scores: dict[str, dict[str, list[float]]] = {}
    for case in asking.cases(lists, MOST_WATCHED, seed + 1):
        for i, question in enumerate(questions(case.asked)):
            found, truth = evidence.of(question), case.held.take([i])
            of = scores.setdefault(situation(asking, question), {})
            for p, name in enumerate(evidence.parts):
                rank = np.where(found.proposed[p], found.values[:, 3 * p + 2], np.inf)
                mine = found.track[np.argsort(rank, kind="stable")[: int(found.proposed[p].sum())]]
                of.setdefault(name, []).append(_score(asking, mine, truth))
            if trees is not None:
                order = np.lexsort((found.track, -trees.score(found.values)))
                of.setdefault("", []).append(_score(asking, found.track[order], truth))
    means = {where: {name: float(np.mean(v)) for name, v in of.items()} for where, of in scores.items()}
    who = {where: max(of, key=lambda name, of=of: (of[name], name == "")) for where, of in means.items()}  # type: ignore[misc]
    singles = {where: max((n for n in of if n), key=lambda name, of=of: of[name]) for where, of in means.items()}  # type: ignore[misc]
    return who, singles


def _score(asking: Asking, tracks: Array, truth: Lists) -> float:
    return float(asking.score(tracks[None].astype(np.int32), truth)[0]) if len(tracks) else 0.0


@dataclass(frozen=True)
class SessionBlend(Blend):
    """Of what plays next in a session: its ranking is taught by the days before the last ones."""

    each: int = 150  # as measured on sessions; 300 were tried on playlists alone
    asked_share: float = 1.0
    negatives_share: float = 0.2
    parts: tuple[str, ...] = SESSION_PARTS

    asking: ClassVar[Asking] = NEXT


@dataclass(frozen=True, eq=False)
class FittedBlend:
    evidence: Evidence
    trees: Trees | None
    asking: Asking = CONTINUE
    who: Mapping[str, str] = field(default_factory=dict)  # by situation, the part that answers alone
    singles: Mapping[str, str] = field(default_factory=dict)  # by situation, the best part: its other tracks come last

    def scores(self, question: Question) -> tuple[Array, Array]:
        alone = self.who.get(situation(self.asking, question), "")
        if alone or self.trees is None:
            alone = alone or next(iter(self.evidence.parts))
            return self.evidence.parts[alone].scores(question)  # type: ignore[no-any-return]
        track, chance = self.ranked(self.evidence.of(question))
        if not len(track):
            return NOTHING
        single = self.singles.get(situation(self.asking, question), "popularity")
        more, scores = self.evidence.parts[single].scores(question)
        last = ~np.isin(more, track) & (scores > 0)
        if last.any():
            scores = scores[last] / scores[last].max() * chance.min() * 0.5
        return np.concatenate([track, more[last]]), np.concatenate([chance, scores[: int(last.sum())]])

    def ranked(self, found: Candidates) -> tuple[Array, Array]:
        """The candidates and the chance that each was held back, as the ranking has it."""
        if not len(found.track) or self.trees is None:
            return NOTHING
        return found.track, 1 / (1 + np.exp(-self.trees.score(found.values)))

    def save(self) -> Saved:
        saved = {name: part.save() for name, part in self.evidence.parts.items()}
        arrays = {f"{name}|{key}": a for name, (_, held) in saved.items() for key, a in held.items()}
        arrays["plays"] = self.evidence.vocabulary.plays.astype(np.int64)
        settings: dict[str, Any] = {
            "parts": {name: said for name, (said, _) in saved.items()}, "who": dict(self.who), "singles": dict(self.singles),
            "each": self.evidence.each, "again": self.evidence.again,
            "bias": None,
        }  # fmt: skip
        if self.trees is not None:
            settings["bias"] = self.trees.bias
            arrays |= {f"trees|{key}": a for key, a in self.trees.arrays().items()}
        return settings, arrays
