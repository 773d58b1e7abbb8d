"""Where a model fails: every slice of plays scored and tested, and what stands out, in words.

Three questions are asked of each slice: does the model say too much or too little there, is it worse than the baseline,
and would saying the slice's own share of every one of its plays do better? All answers together are adjusted for how many
they are (Holm). A slice of few plays is shown and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from segue import metrics
from segue.batch import Array
from segue.intervals import Floats, Interval, Resamples, holm
from segue.slices import Slice

ENOUGH = 200  # plays; fewer are not judged
ENOUGH_CLUSTERS = 10  # listeners, days or sessions, whatever intervals are drawn by; fewer are not judged
ALPHA = 0.05
POWER = 0.8  # how often a difference that "would have been seen" would have been
WORSE, TOO_MUCH, TOO_LITTLE, BLIND = (
    "worse than the baseline",
    "says too much",
    "says too little",
    "worse than the share",
)
GENERAL = "off as in all plays"


@dataclass(frozen=True)
class SliceScore:
    """How a model does on some plays. Differences are positive where the model is the better one."""

    kind: str
    name: str
    words: str
    n: int
    n_sessions: int
    n_clusters: int
    skipped: float  # share
    said: float  # mean probability
    log_loss: Interval
    gap: Interval  # said - skipped
    gained: Interval | None  # log-loss gained on the baseline
    gained_on_share: Interval  # and on saying the slice's own share of all
    auc: float
    judged: bool
    p: dict[str, float] = field(default_factory=dict)  # of gap, gained and gained_on_share; two-sided
    p_holm: dict[str, float] = field(default_factory=dict)
    fails: tuple[str, ...] = ()
    cost: float = 0.0  # log-loss that the failure costs, per play of all; slices are ranked by it

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"fails": list(self.fails)}


def score_slices(
    slices: Sequence[Slice], p: Floats, mark: Floats | None, label: Array, session: Array, draw: Resamples
) -> list[SliceScore]:
    """The scores of every slice, after those of all plays together, tested and judged.

    Parameters
    ----------
    slices : of N plays
    p, mark : (N,) what the model and the baseline say; no baseline: None
    label, session : (N,)
    draw : of the same plays
    """
    whole = Slice("all", "all plays", "all plays", np.ones(len(p), bool))
    scores = [_score(one, p, mark, label, session, draw) for one in (whole, *slices)]
    tests = [(n, test) for n, s in enumerate(scores) for test in s.p]
    adjusted = holm([scores[n].p[test] for n, test in tests]).tolist()
    for (n, test), value in zip(tests, adjusted, strict=True):
        scores[n].p_holm[test] = value
    gap_of_all = p - label
    beyond = [_beyond(one.rows, gap_of_all, draw) for one in slices]
    scores[0] = _judge(scores[0], 1.0, len(p))
    return [scores[0], *(_judge(s, b, len(p), scores[0]) for s, b in zip(scores[1:], beyond, strict=True))]


def _score(one: Slice, p: Floats, mark: Floats | None, label: Array, session: Array, draw: Resamples) -> SliceScore:
    rows = one.rows
    share = float(label[rows].mean())
    loss = metrics.log_loss(p, label)
    of_each = {"gap": p - label, "gained_on_share": metrics.log_loss(np.full(len(p), share), label) - loss}
    if mark is not None:
        of_each["gained"] = metrics.log_loss(mark, label) - loss

    def mean(values: Floats) -> Interval:
        return draw.ratio(values * rows, rows.astype(np.float64))

    n, n_clusters = int(rows.sum()), len(np.unique(draw.cluster[rows]))
    judged = n >= ENOUGH and n_clusters >= ENOUGH_CLUSTERS
    return SliceScore(
        one.kind, one.name, one.words, n, len(np.unique(session[rows])), n_clusters, share, float(p[rows].mean()), mean(loss),
        mean(of_each["gap"]), mean(of_each["gained"]) if mark is not None else None, mean(of_each["gained_on_share"]),
        metrics.auc(p[rows], label[rows]), judged,
        {name: draw.p_value(values, of=rows) for name, values in of_each.items()} if judged else {},
    )  # fmt: skip


def _beyond(rows: Array, gap: Floats, draw: Resamples) -> float:
    """The p-value of a slice's gap being that of all plays."""
    share, own, whole = rows.mean(), float(gap[rows].mean()), float(gap.mean())
    return draw.p_value(rows * (gap - own) / share - (gap - whole) + own - whole)


def _judge(s: SliceScore, beyond: float, n_all: int, whole: SliceScore | None = None) -> SliceScore:
    """What is found of a slice, and what it costs."""
    weight = s.n / n_all
    sure = {test for test, value in s.p_holm.items() if value < ALPHA}
    costs: dict[str, float] = {}
    if "gap" in sure:
        way = TOO_MUCH if s.gap.value > 0 else TOO_LITTLE
        general = whole is not None and way in whole.fails and not beyond < ALPHA
        costs[GENERAL if general else way] = 0.0 if general else weight * _divergence(s.skipped, s.said)
    if "gained" in sure and s.gained is not None and s.gained.value < 0:
        costs[WORSE] = -weight * s.gained.value
    if "gained_on_share" in sure and s.gained_on_share.value < 0:
        costs[BLIND] = -weight * s.gained_on_share.value
    return replace(s, fails=tuple(costs), cost=max(costs.values(), default=0.0))


def _divergence(share: float, said: float) -> float:
    """Log-loss of saying `said` where `share` is right, more than of saying `share`."""
    same = np.array([share, 1 - share])
    other = np.clip(np.array([said, 1 - said]), 1e-7, 1)
    return float(np.where(same > 0, same * np.log(np.maximum(same, 1e-300) / other), 0).sum())


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_words(scores: Sequence[SliceScore], baseline: str | None, by: str) -> list[str]:
    """What stands out, the costliest first; or that nothing does, and what would have been seen.

    Parameters
    ----------
    scores : of `score_slices`: all plays first
    baseline : its name; None where the model is it, or there is none
    by : what intervals are drawn by: "listener", "day within listener" or "session"
    """
    whole, slices = scores[0], scores[1:]
    judged = [s for s in scores if s.judged]
    said = [_of_all(whole, baseline)]
    failing = sorted((s for s in slices if set(s.fails) - {GENERAL}), key=lambda s: -s.cost)
    said += [_of_slice(s, baseline) for s in failing]
    if general := [s for s in slices if GENERAL in s.fails]:
        said.append(f"As over all plays, it says {_much(whole)} for: {_listed(general)}.")
    sure_of_all = baseline is not None and whole.p_holm.get("gained", 1) < ALPHA
    unsure = [(s, s.gained) for s in slices if s.judged and s.gained and s.gained.low <= 0 and WORSE not in s.fails]
    if baseline is not None and sure_of_all and whole.gained is not None and whole.gained.value > 0 and unsure:
        said.append(f"Not shown to be better than {baseline} for: "
                    + "; ".join(f"{s.words} ({_signed(gained)}, n = {s.n:,})" for s, gained in unsure) + ".")  # fmt: skip
    if not failing and len(judged) > 1:
        said.append(
            _nothing(judged, baseline, "Nothing more" if GENERAL in {f for s in slices for f in s.fails} else "Nothing")
        )
    few = [s for s in slices if not s.judged]
    if not judged:
        said.append(f"Nothing can be judged: that takes {ENOUGH} plays and {ENOUGH_CLUSTERS} clusters ({_plural(by)}); "
                    f"there are {whole.n:,} and {whole.n_clusters:,}.")  # fmt: skip
    elif few:
        said.append(f"Too little to judge (under {ENOUGH} plays, or under {ENOUGH_CLUSTERS} {_plural(by)}): "
                    + "; ".join(f"{s.words} (n = {s.n:,})" for s in few) + ".")  # fmt: skip
    return said


def visible(of: Interval, n_tests: int) -> float:
    """The smallest true difference that would have been found in four of five such samples, though Holm corrects for all."""
    error = (of.high - of.low) / (2 * NormalDist().inv_cdf(0.975))
    return (NormalDist().inv_cdf(1 - ALPHA / 2 / max(1, n_tests)) + NormalDist().inv_cdf(POWER)) * error


def _of_all(s: SliceScore, baseline: str | None) -> str:
    verdict = ", which may be chance" if s.judged and not s.p_holm.get("gap", 1) < ALPHA else ""
    sentence = f"Over all {s.n:,} plays it says {_share(s, s.said)} where {_share(s, s.skipped)} were skipped{_off(s)}{verdict}"
    if baseline is not None and s.gained is not None:
        way = "better" if s.gained.value >= 0 else "worse"
        sentence += f"; its log-loss is {way} than {baseline}'s by {_amount(s.gained)}"
        if s.judged and not s.p_holm.get("gained", 1) < ALPHA:
            sentence += ", which may be chance"
    if BLIND in s.fails:
        sentence += (
            f"; saying {_share(s, s.skipped)} of every one of them would do better, by {_amount(s.gained_on_share)}"
        )
    return sentence + "."


def _of_slice(s: SliceScore, baseline: str | None) -> str:
    clauses = []
    if TOO_MUCH in s.fails or TOO_LITTLE in s.fails:
        clauses.append(f"it says {_share(s, s.said)} where {_share(s, s.skipped)} were skipped{_off(s)}")
    if WORSE in s.fails and s.gained is not None:
        clauses.append(f"it is worse than {baseline} by {_amount(s.gained)}")
    if BLIND in s.fails:
        clauses.append(
            f"saying {_share(s, s.skipped)} of every one of them would do better, by {_amount(s.gained_on_share)}"
        )
    return f"For {s.words}, {'; '.join(clauses)} (n = {s.n:,})."


def _nothing(judged: Sequence[SliceScore], baseline: str | None, word: str) -> str:
    n_tests, slices = sum(len(s.p) for s in judged), judged[1:]

    def least(name: str, shown: Callable[[float], str], unit: str = "") -> str:
        found = [v for s in slices if (i := getattr(s, name)) and not np.isnan(v := visible(i, n_tests))]
        return f"from {shown(min(found))} to {shown(max(found))}{unit} on" if found else "of no size that is known"

    gaps = least("gap", lambda v: f"{100 * v:.0f}", " points")
    sentence = (
        f"{word} stands out in {len(slices)} slices beyond what {n_tests} comparisons bring by chance. Four times in five, "
        f"depending on the slice, a gap would have been seen {gaps}"
    )
    if baseline is not None:
        sentence += f", and a loss against {baseline} {least('gained', lambda v: _short(v)[:-1])}"
    return sentence + "."


def _off(s: SliceScore) -> str:
    """How far it is off, in percentage points, with the interval."""
    sign = 1 if s.gap.value >= 0 else -1
    low, high = sorted((sign * s.gap.low, sign * s.gap.high))
    way = "much" if sign > 0 else "little"
    digits = 0 if abs(s.gap.value) >= 0.02 else 1
    bounds = "" if np.isnan(low) else f" [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"
    return f": {100 * abs(s.gap.value):.{digits}f} points too {way}{bounds}"


def _share(s: SliceScore, value: float) -> str:
    return f"{100 * value:.{0 if abs(s.gap.value) >= 0.02 else 1}f}%"


def _much(s: SliceScore) -> str:
    return "too much" if s.gap.value > 0 else "too little"


def _amount(i: Interval) -> str:
    """The size of a difference and its interval, whichever way it goes."""
    low, high = sorted((-i.low, -i.high) if i.value < 0 else (i.low, i.high))
    bounds = "" if np.isnan(low) else f" [{_short(low)}, {_short(high)}]"
    return _short(abs(i.value)) + bounds


def _signed(i: Interval) -> str:
    bounds = "" if np.isnan(i.low) else f" [{_short(i.low)}, {_short(i.high)}]"
    return ("+" if i.value >= 0 else "") + _short(i.value) + bounds


def _short(x: float) -> str:
    return f"{x:z.4f}".replace("0.", ".", 1)


def _listed(scores: Sequence[SliceScore]) -> str:
    return "; ".join(f"{s.words} ({100 * s.gap.value:+.0f} points, n = {s.n:,})" for s in scores)


def _plural(by: str) -> str:
    return {"day within listener": "days", "listener": "listeners", "session": "sessions"}.get(by, by)
