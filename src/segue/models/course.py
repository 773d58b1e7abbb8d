"""The course of a training: epochs, early stopping where validation gets no better, checkpoints that it goes on from."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segue import metrics
from segue.batch import Array, Batch
from segue.decode import position_weights
from segue.models.answering import FittedNetwork, calibrated, exported, mixed
from segue.models.feeding import fed, settled
from segue.models.reader import Reader
from segue.models.stored import Stored

if TYPE_CHECKING:
    from segue.models.network import Network


@dataclass(frozen=True)
class Run:
    """Where a long training leaves its checkpoints and curves, and whom it tells how far it is."""

    folder: Path | None = None
    of: str = ""  # what is trained on: a checkpoint of anything else is not gone on from
    told: Callable[[str], None] = lambda line: None
    minutes: float = math.inf  # of processor time, after which no further epoch is begun; of the clock on a GPU


def trained(
    model: Network, net: Any, reader: Reader, data: Sequence[Stored], held: Stored, valid: Batch, columns: Sequence[str],
    run: Run,
) -> FittedNetwork:  # fmt: skip
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    net.to(device)
    decides = "maa" if reader.together else "log_loss"
    weights = [p for p in net.parameters() if p.requires_grad]
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}
    more: dict[str, Any] = {"weight_decay": model.weight_decay} if model.optimizer == "adamw" else {}
    if device == "cuda" and model.optimizer != "rmsprop":
        more["fused"] = True
    optimizer = kinds[model.optimizer](weights, lr=model.learning_rate, **more)
    averaged = {k: v.detach().clone() for k, v in net.state_dict().items()}
    course = Course()
    of = hashlib.sha256(
        repr([run.of, type(model).__name__, list(columns), reader.save()[0], reader.sizes]).encode()
    ).hexdigest()
    *data, held = settled([*data, held], device)
    checkpoint = Checkpoint(replace(run, of=of), model, net, averaged, optimizer)
    course = checkpoint.resume(course)
    clock = time.perf_counter if device == "cuda" else time.process_time
    started = clock()
    while not course.is_over(model) and clock() - started < 60 * run.minutes:
        epoch, begun, begun_work = len(course.lines), time.perf_counter(), clock()
        rng = np.random.default_rng([model.seed, epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        # every other epoch asks the sessions at another moment, where there is one
        stored = data[int(rng.integers(len(data)))] if epoch % 2 and len(data) > 1 else data[0]
        loss = one_pass(model, net, optimizer, averaged, stored, rng, epoch, run.told)
        score = _validated(net, averaged, held, valid, decides, device)
        course.lines.append({"epoch": epoch + 1, "train_loss": loss, **score, "seconds": time.perf_counter() - begun,
                             "work_seconds": clock() - begun_work})  # fmt: skip
        checkpoint.keep(course, decides)
        shown = f", MAA {score['maa']:.4f}" if "maa" in score else ""
        run.told(f"epoch {epoch + 1} of {model.epochs}: loss {loss:.4f}, validation {score['log_loss']:.4f}{shown}")
    net.load_state_dict(checkpoint.best)
    net.to("cpu").eval()
    about = {"epochs": course.lines, "best_epoch": course.best + 1, "parameters": sum(p.numel() for p in weights),
             "settings": asdict(model)}  # fmt: skip
    onnx = exported(net, reader.sizes, reader.together)
    fitted = FittedNetwork(reader, onnx, tuple(columns), 1.0, 0.0, model.causal, about)
    fitted = calibrated(fitted, valid)
    checkpoint.done()
    return fitted


def one_pass(
    model: Network, net: Any, optimizer: Any, averaged: dict[str, Any], stored: Stored, rng: np.random.Generator, epoch: int,
    tell: Callable[[str], None],
) -> float:  # fmt: skip
    """One pass over the units; the mean loss. `averaged` follows the weights, and is equal to them where none is averaged."""
    import torch

    device = next(net.parameters()).device.type
    learned = {name: p for name, p in net.named_parameters() if p.requires_grad}
    following = [averaged[name] for name in learned]
    n_steps, total = max(1, -(-stored.asked_an_epoch // model.batch_size)), torch.zeros((), dtype=torch.float64)
    total = total.to(device)
    net.train()
    batches = stored.epoch(rng, model.batch_size)
    for step, (inputs, label, also) in enumerate(fed(stored, batches, device)):
        for group in optimizer.param_groups:
            group["lr"] = model.learning_rate * _schedule((epoch + step / n_steps) / model.epochs)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = _loss(model, net, net(*inputs), label, also)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(learned.values()), 1.0)
        optimizer.step()
        if model.average:
            so_far = epoch * n_steps + step
            keep = min(model.average, (1 + so_far) / (10 + so_far))
            with torch.no_grad():
                torch._foreach_lerp_(following, list(learned.values()), 1 - keep)
        total = total + loss.detach().double()  # on a GPU, which is not waited for
        if step % 20 == 0:
            tell(f"epoch {epoch + 1} of {model.epochs}, {step / n_steps:.0%}, loss {float(total) / (step + 1):.4f}")
    if not model.average:
        with torch.no_grad():
            torch._foreach_copy_(following, list(learned.values()))
    return float(total) / n_steps


@dataclass
class Course:
    """How training went, an epoch a line; `best` counts from 0."""

    lines: list[dict[str, float]] = field(default_factory=list)
    best: int = -1

    def is_over(self, model: Network) -> bool:
        since = len(self.lines) - 1 - self.best
        return len(self.lines) >= model.epochs or (bool(self.lines) and since >= max(1, model.patience))


class Checkpoint:
    """The state of a training at the end of an epoch, from which it goes on to the same result."""

    def __init__(self, run: Run, model: Network, net: Any, averaged: dict[str, Any], optimizer: Any) -> None:
        self.folder, self.model, self.net, self.averaged, self.optimizer = run.folder, model, net, averaged, optimizer
        self.of = run.of
        self.best = {k: v.detach().clone() for k, v in averaged.items()}

    def resume(self, course: Course) -> Course:
        if self.folder is None or not (self.folder / "checkpoint.json").is_file():
            return course
        from safetensors.torch import load_file

        told = json.loads((self.folder / "checkpoint.json").read_text())
        if (
            told["settings"] != json.loads(json.dumps(asdict(self.model)))
            or told["of"] != self.of
            or not (self.folder / told["file"]).is_file()
        ):
            return course  # of another training
        held = load_file(self.folder / told["file"])
        parts = {
            p: {k[len(p) + 1 :]: v for k, v in held.items() if k.startswith(f"{p}/")} for p in ("net", "mean", "best")
        }
        self.net.load_state_dict(parts["net"])
        for name, value in parts["mean"].items():
            self.averaged[name].copy_(value)
        self.best = parts["best"]
        state = self.optimizer.state_dict()
        state["state"] = {}
        for key, value in held.items():
            if key.startswith("adam/"):
                _, number, name = key.split("/")
                state["state"].setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict(state)
        return Course(told["lines"], told["best"])

    def keep(self, course: Course, decides: str) -> None:
        """Remember the best so far and, where there is a folder, write all of it aside, then rename."""
        now = course.lines[-1]
        best = course.lines[course.best] if course.best >= 0 else None
        if best is None or (now[decides] > best[decides] if decides == "maa" else now[decides] < best[decides]):
            course.best = len(course.lines) - 1
            self.best = {k: v.detach().clone() for k, v in self.averaged.items()}
        if self.folder is None:
            return
        from safetensors.torch import save_file

        self.folder.mkdir(parents=True, exist_ok=True)
        held = {f"{p}/{k}": v for p, of in (("net", self.net.state_dict()), ("mean", self.averaged), ("best", self.best))
                for k, v in of.items()}  # fmt: skip
        held |= {f"adam/{n}/{k}": v for n, of in self.optimizer.state_dict()["state"].items() for k, v in of.items()}
        name = f"checkpoint-{len(course.lines):04d}.safetensors"
        save_file({k: v.detach().clone().contiguous() for k, v in held.items()}, self.folder / f".{name}")
        os.replace(self.folder / f".{name}", self.folder / name)
        told = {"of": self.of, "settings": asdict(self.model), "file": name, "lines": course.lines, "best": course.best}
        (self.folder / ".checkpoint.json").write_text(json.dumps(told))
        os.replace(self.folder / ".checkpoint.json", self.folder / "checkpoint.json")
        for old in self.folder.glob("checkpoint-*.safetensors"):
            if old.name != name:
                old.unlink()

    def done(self) -> None:
        """The bundle is what stays."""
        if self.folder is not None:
            for old in (self.folder / "checkpoint.json", *self.folder.glob("checkpoint-*.safetensors")):
                old.unlink(missing_ok=True)


def _schedule(done: float) -> float:
    return min(1.0, 0.04 + done / 0.1) if done < 0.1 else 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9)) + 1e-3


def _loss(model: Network, net: Any, out: tuple[Any, ...], label: Any, also: Mapping[str, Any]) -> Any:
    """Log-loss of the asked plays, of the moods together where there are several; and what else the network tells."""
    import torch

    log_odds, moods = out[0].float(), out[1].float()
    known = (label >= 0).float()
    if model.loss == "position":
        places = label.shape[1]
        size = known.sum(1, keepdim=True).clamp(min=1).long()
        table = torch.zeros(places + 1, places)
        for t in range(1, places + 1):
            table[t, :t] = torch.from_numpy(position_weights(t) / position_weights(t).mean())
        weight = known * table.to(label.device)[size[:, 0]]
    else:
        weight = known
    each = -torch.nn.functional.binary_cross_entropy_with_logits(
        log_odds, label.clamp(min=0)[..., None].expand_as(log_odds), reduction="none"
    )
    whole = torch.logsumexp(moods + (each * weight[..., None]).sum(1), dim=-1)
    loss = -whole.sum() / weight.sum().clamp(min=1)
    if model.auxiliary and len(out) > 2:
        loss = (1 - model.auxiliary) * loss + model.auxiliary * net.also(out[2], out[1], label, also)
    return loss


def levels_of(label: Any, also: Mapping[str, Any]) -> Any:
    """How each play ended, (R, Q): 0 skipped very briefly, 1 briefly, 2 mostly heard, 3 wholly; -1 where that is not said."""
    import torch

    first, third = also.get("skip_1"), also.get("skip_3")
    if first is None or third is None:
        return torch.full(label.shape, -1, dtype=torch.long, device=label.device)
    skipped = label > 0.5
    level = torch.where(skipped, torch.where(first == 1, 0, 1), torch.where(third == 1, 2, 3))
    said = (label >= 0) & torch.where(skipped, first >= 0, third >= 0)
    return torch.where(said, level, -1)


def _validated(
    net: Any, averaged: Mapping[str, Any], held: Stored, valid: Batch, decides: str, device: str
) -> dict[str, float]:
    import torch

    now = {k: v.detach().clone() for k, v in net.state_dict().items()}
    net.load_state_dict(averaged)
    net.eval()
    p = np.zeros(held.label.shape)
    with torch.no_grad():
        some = [np.arange(first, min(first + 1024, len(held))) for first in range(0, len(held), 1024)]
        for units, (inputs, _, _) in zip(some, fed(held, some, device), strict=True):
            log_odds, moods = (o.float().cpu().numpy() for o in net(*inputs)[:2])
            _put(p, held.row[units], held.place[units], mixed(log_odds, moods)[0])
    net.load_state_dict(now)
    answer = np.clip(p[held.cell], 1e-7, 1 - 1e-7)
    found = {"log_loss": float(metrics.log_loss(answer, valid.label).mean())}
    if decides == "maa":
        keys = valid.keys
        found["maa"] = float(
            metrics.session_aa(answer >= 0.5, valid.label, keys["session"], keys["position"]).aa.mean()
        )
    return found


def _put(table: Array, row: Array, place: Array, values: Array) -> None:
    if len(place) and place[0] >= 0:
        table[row, place] = values[:, 0]
    else:
        table[row, : values.shape[1]] = values
