"""A trained network that answers: its reader and its ONNX file; torch is needed to write it, never to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segue import metrics
from segue.batch import Array, Batch, Bernoulli
from segue.errors import MissingExtra, Tampered
from segue.models.model import Floats, Saved, log_odds, logistic
from segue.models.reader import Reader, tensors_of, widths

INPUTS = (
    "past_shared",
    "past_told",
    "queue_shared",
    "own",
    "past_track",
    "queue_track",
    "sees",
    "position",
    "ahead",
    "n",
)
TOGETHER = 256  # rows that are answered at a time
FLATTEST, STEEPEST = 0.05, 20.0  # slopes of a calibration
PLAYS_BACK = 10  # heard plays whose part in an answer is told


def exported(net: Any, sizes: Mapping[str, int], together: bool) -> bytes:
    """The network as ONNX, any number of rows, past and asked plays."""
    import io
    import warnings

    import torch

    class Answers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *inputs: Any) -> Any:
            log_odds, moods = self.net(*inputs)[:2]
            # every input is kept, even one that this network does not read
            unread = sum(i.float().flatten()[:0].sum() for i in inputs)
            return log_odds + unread, moods

    rows, past, queue = 2, 3, 3 if together else 4
    example = {
        "past_shared": np.zeros((rows, past, sizes["shared"])), "past_told": np.zeros((rows, past, sizes["told"])),
        "queue_shared": np.zeros((rows, queue, sizes["shared"])), "own": np.zeros((rows, queue, sizes["own"])),
    }  # fmt: skip
    whole = {
        "past_track": np.zeros((rows, past)), "queue_track": np.zeros((rows, queue)), "sees": np.full((rows, queue), 2),
        "position": np.full((rows, queue), 3), "ahead": np.ones((rows, queue)), "n": np.full(rows, 2),
    }  # fmt: skip
    inputs = {k: v.astype(np.float32) for k, v in example.items()} | {k: v.astype(np.int64) for k, v in whole.items()}
    axes = {
        name: {0: "rows"} | ({1: "past" if name.startswith("past") else "queue"} if name != "n" else {})
        for name in INPUTS
    }
    out = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Answers().eval(), tuple(torch_inputs(inputs)), out, dynamo=False, opset_version=17, input_names=list(INPUTS),
            output_names=["log_odds", "moods"],
            dynamic_axes={**axes, "log_odds": {0: "rows", 1: "queue"}, "moods": {0: "rows"}},
        )  # fmt: skip
    return out.getvalue()


def calibrated(fitted: FittedNetwork, valid: Batch) -> FittedNetwork:
    """With a slope and an intercept on the log-odds, fitted on validation plays; both are reported."""
    p = fitted.predict(valid).p
    before = metrics.calibration(p, valid.label)
    about = fitted.about | {"ece_before": before.ece, "ece_after": before.ece, "ece_floor": before.floor}
    slope, intercept = line_of(log_odds(p), valid.label)
    made = replace(fitted, slope=slope, intercept=intercept)
    return replace(made, about=about | {"ece_after": metrics.calibration(made.predict(valid).p, valid.label).ece})


def line_of(odds: Floats, label: Array) -> tuple[float, float]:
    """The slope and the intercept that suit these plays best; none, where all of them ended alike."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(label)) < 2:
        return 1.0, 0.0
    line = LogisticRegression(C=1e6).fit(odds[:, None], label)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    if not FLATTEST < slope < STEEPEST:  # too few plays to tell: the share of skips is met all the same
        slope = float(np.clip(slope, FLATTEST, STEEPEST))
        intercept = _meeting(slope * odds, float(label.mean()))
    return slope, intercept


def _meeting(odds: Floats, share: float) -> float:
    """What is added to log-odds for their mean chance to be a share; found by halving."""
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if logistic(odds + middle).mean() < share else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network: its reader, and the network as ONNX. It answers without torch."""

    reader: Reader
    onnx: bytes = field(repr=False)
    columns: tuple[str, ...]
    slope: float
    intercept: float
    causal: bool
    about: dict[str, Any] = field(repr=False, hash=False)

    def predict(self, batch: Batch) -> Bernoulli:
        if not len(batch):
            return Bernoulli(np.zeros(0))
        tensors = tensors_of(batch)
        p, parts, weights = np.zeros(len(batch)), [], []
        order = np.argsort(tensors.row, kind="stable")
        for rows, mine, odds, moods, _ in self._answers(batch, order):
            chance, weight, part = self._calibrated(*mixed(odds, moods))
            p[mine] = chance[np.searchsorted(rows, tensors.row[mine]), tensors.place[mine]]
            parts.append(part)
            weights.append(weight)
        p = np.clip(p, 1e-12, 1 - 1e-12)
        if parts[0].shape[1] == 1 or not self.reader.together:
            return Bernoulli(p)
        return Bernoulli(p, self._joint(batch, np.concatenate(weights), np.concatenate(parts)))

    def _joint(self, batch: Batch, weights: Floats, parts: Floats) -> tuple[Floats, Floats]:
        """The moods of every session, in the order in which the examples come to them."""
        tensors = tensors_of(batch)
        _, first = np.unique(tensors.row, return_index=True)
        order = np.argsort(first)
        return weights[order], parts[order]

    def _answers(self, batch: Batch, order: Array) -> Iterator[tuple[Array, Array, Array, Array, dict[str, Array]]]:
        tensors = tensors_of(batch)
        sorted_rows = tensors.row[order]
        rows = np.unique(sorted_rows)
        width = widths(tensors, rows)
        for start in range(0, len(rows), TOGETHER):
            some = rows[start : start + TOGETHER]
            mine = order[np.searchsorted(sorted_rows, some[0]) : np.searchsorted(sorted_rows, some[-1], side="right")]
            inputs = self.reader.read(batch.take(mine), some, width)
            log_odds, moods = self._run(inputs, np.searchsorted(some, tensors.row[mine]), tensors.place[mine])
            yield some, mine, log_odds, moods, inputs

    def _run(self, inputs: dict[str, Array], row: Array, place: Array) -> tuple[Array, Array]:
        """Log-odds (R, Q, C) and moods (R, C) of some rows."""
        if self.causal or self.reader.together:
            inputs = inputs | {"n": np.maximum(inputs["sees"].max(axis=1), 0)}
            return self._session(inputs)
        units = {k: a[row] if k.startswith("past") else a[row, place][:, None] for k, a in inputs.items()}
        units["n"] = np.maximum(units["sees"][:, 0], 0)
        answer, _ = self._session(units)
        log_odds = np.zeros((*inputs["sees"].shape, answer.shape[2]), np.float32)
        log_odds[row, place] = answer[:, 0]
        return log_odds, np.zeros((len(inputs["sees"]), answer.shape[2]), np.float32)

    def _session(self, inputs: Mapping[str, Array]) -> tuple[Array, Array]:
        log_odds, moods = session_of(self.onnx).run(["log_odds", "moods"], {n: inputs[n] for n in INPUTS})
        if not np.isfinite(log_odds).all() or not np.isfinite(moods).all():
            raise Tampered("the network's answer is no number: get the bundle again from its source")
        return log_odds, moods

    def explain(self, batch: Batch) -> Floats:
        """How far each of `columns` moved each answer, in log-odds: the answer less that with the column as usual."""
        return self._moved(batch, [{"own": self.reader.own.source == f} for f in range(len(self.columns))])

    def reasons(self, batch: Batch) -> tuple[list[tuple[str, str]], Floats]:
        """All that moved each answer, (N, K) log-odds: pairs of where and what, each held against what is usual there.

        ("own", feature), ("past", column) of all heard plays, ("queue", column) of the asked, ("play", how many plays back).
        """
        names: list[tuple[str, str]] = [("own", c) for c in self.columns]
        parts: list[dict[str, Any]] = [{"own": self.reader.own.source == f} for f in range(len(self.columns))]
        for view, encoder, inputs in (("past", self.reader.told, ("past_told",)), ("past", self.reader.shared, ("past_shared",)),
                                      ("queue", self.reader.shared, ("queue_shared",))):  # fmt: skip
            read = np.unique(encoder.source)
            names += [(view, encoder.columns[f]) for f in read]
            parts += [dict.fromkeys(inputs, encoder.source == f) for f in read]
        longest = int(tensors_of(batch).sees[tensors_of(batch).row].max(initial=0))
        names += [("play", str(back)) for back in range(1, min(longest, PLAYS_BACK) + 1)]
        parts += [{"back": np.int64(back)} for back in range(1, min(longest, PLAYS_BACK) + 1)]
        return names, self._moved(batch, parts)

    def _moved(self, batch: Batch, parts: Sequence[Mapping[str, Any]]) -> Floats:
        """(N, len(parts)): each answer less that with some of its inputs as usual, which is 0; many are asked at once."""
        found = np.zeros((len(batch), len(parts)))
        if not len(batch) or not parts:
            return found
        tensors = tensors_of(batch)
        order = np.argsort(tensors.row, kind="stable")
        for rows, mine, odds, moods, inputs in self._answers(batch, order):
            row, place = np.searchsorted(rows, tensors.row[mine]), tensors.place[mine]
            whole = self._log_odds(odds, moods)[row, place]
            if (
                not self.reader.together
            ):  # which play is so many plays back, every target sees otherwise: each a row of its own
                inputs = {k: v[row] if k.startswith("past") else v[row, place][:, None] for k, v in inputs.items()}
                row, place = np.arange(len(mine)), np.zeros(len(mine), np.int64)
            n_rows = len(inputs["sees"])
            at_once = max(1, TOGETHER // n_rows)
            for first in range(0, len(parts), at_once):
                some = parts[first : first + at_once]
                without = [_without(inputs, part) for part in some]
                tiled = {k: np.concatenate([w[k] for w in without]) for k in inputs}
                shift = np.arange(len(some)) * n_rows
                answer, mood = self._run(tiled, (row + shift[:, None]).ravel(), np.tile(place, len(some)))
                now = self._log_odds(answer, mood)[(row + shift[:, None]), place]
                found[mine, first : first + at_once] = (whole - now).T
        return found

    def _log_odds(self, log_odds: Array, moods: Array) -> Floats:
        p = self._calibrated(*mixed(log_odds, moods))[0]
        found: Floats = np.log(p) - np.log1p(-p)
        return found

    def _calibrated(self, p: Floats, weights: Floats, parts: Floats) -> tuple[Floats, Floats, Floats]:
        """By slope and intercept on the log-odds; the chances in each mood move as far as those of the play."""
        p = np.clip(p, 1e-12, 1 - 1e-12)
        before = np.log(p) - np.log1p(-p)
        after = self.slope * before + self.intercept
        said = np.clip(logistic(after), 1e-12, 1 - 1e-12)
        alone = parts.shape[1] == 1 or (self.slope, self.intercept) == (1.0, 0.0)
        return said, weights, parts if alone else moved(weights, parts, said)

    def save(self) -> Saved:
        reader, arrays = self.reader.save()
        settings = {"reader": reader, "columns": list(self.columns), "slope": self.slope, "intercept": self.intercept,
                    "causal": self.causal, "about": self.about}  # fmt: skip
        kept = {f"reader.{k}": a for k, a in arrays.items()}
        return settings, kept | {"network.onnx": np.frombuffer(self.onnx, np.uint8)}


def moved(weights: Floats, parts: Floats, p: Floats) -> Floats:
    """The chances in each mood (R, C, Q), their log-odds all moved by as much as makes the moods' mixture p (R, Q)."""
    odds = np.clip(parts, 1e-12, 1 - 1e-12)
    odds = np.log(odds) - np.log1p(-odds)
    low, high = np.full((2, *p.shape), 60.0)
    low = -low
    for _ in range(60):  # halving finds it to the last bit, however far the moods lie apart
        middle = (low + high) / 2
        below = (weights[..., None] * logistic(odds + middle[:, None])).sum(axis=1) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return logistic(odds + ((low + high) / 2)[:, None])


def _without(inputs: Mapping[str, Array], part: Mapping[str, Any]) -> dict[str, Array]:
    """The inputs with some columns, or the play so many plays back, as usual: 0."""
    made = dict(inputs)
    if "back" in part:
        at = np.maximum(inputs["sees"].max(axis=1), 0) - part["back"]
        here = np.flatnonzero(at >= 0)
        for name in ("past_shared", "past_told", "past_track"):
            made[name] = inputs[name].copy()
            made[name][here, at[here]] = 0
        return made
    for name, columns in part.items():
        made[name] = np.where(columns, np.float32(0), inputs[name])
    return made


_SESSIONS: dict[int, Any] = {}


def session_of(onnx: bytes) -> Any:
    """A session of onnxruntime for a network, made once; the network may name no file beside itself."""
    if b"location" in onnx:  # as tensors are written that lie in other files: nothing of ours
        raise Tampered("the network names a file outside the bundle: get the bundle again from its source")
    key = hash(onnx)
    if key not in _SESSIONS:
        try:
            import onnxruntime
        except ImportError as cause:
            raise MissingExtra("onnxruntime", "neural") from cause
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            found = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as cause:  # of many kinds, all its own
            raise Tampered(f"the network cannot be read ({str(cause)[:100]}): get the bundle again") from cause
        if len(_SESSIONS) >= 8:
            _SESSIONS.clear()
        _SESSIONS[key] = found
    return _SESSIONS[key]


def mixed(log_odds: Array, moods: Array) -> tuple[Floats, Floats, Floats]:
    """Chances (R, Q); weights (R, C) of the moods and the chances in each (R, C, Q)."""
    weights = np.exp(moods.astype(np.float64) - moods.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    parts = logistic(log_odds.astype(np.float64)).transpose(0, 2, 1)
    return np.einsum("rc,rcq->rq", weights, parts), weights, parts


def tensor_of(array: Any) -> Any:
    """A torch tensor of the same values; one that is a tensor already, as it is."""
    import torch

    return array if isinstance(array, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(array))


def torch_inputs(inputs: Mapping[str, Array]) -> list[Any]:
    return [tensor_of(inputs[name]) for name in INPUTS]
