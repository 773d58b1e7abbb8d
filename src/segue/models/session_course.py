"""The course of training a network of lengths: sessions in random order, all moments of a session together."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.batch import Array
from segue.models.course import Checkpoint, Course, Run
from segue.models.heads import Head, Targets
from segue.models.windows import Windows

if TYPE_CHECKING:
    from segue.models.session_rnn import SessionNetwork

Read = tuple[Windows, Targets]


@dataclass(frozen=True)
class Fed:
    """Sessions, and the moments of each, as a network is fed with them."""

    windows: Windows
    about: dict[str, Array]
    order: Array  # (N,) moments, those of a session together
    begin: Array  # (U,) where those of each session begin in it
    size: Array  # (U,)

    @classmethod
    def of(cls, head: Head, read: Read) -> Fed:
        windows, targets = read
        size = np.bincount(windows.of, minlength=len(windows))
        return cls(windows, head.tensors(targets), np.argsort(windows.of, kind="stable"), np.cumsum(size) - size, size)

    def some(self, units: Array) -> tuple[list[Any], dict[str, Any]]:
        """What the network reads of some sessions and their moments, and what its loss does: torch tensors."""
        import torch

        size = self.size[units]
        of = np.repeat(np.arange(len(units)), size)
        moments = self.order[np.repeat(self.begin[units] - (np.cumsum(size) - size), size) + np.arange(size.sum())]
        sessions, n = self.windows.some(units)
        inputs = [torch.from_numpy(a) for a in (sessions, n, of, self.windows.moment[moments])]
        return inputs, {name: torch.from_numpy(a[moments]) for name, a in self.about.items()}


def trained(model: SessionNetwork, net: Any, head: Head, train: Read, valid: Read, run: Run) -> list[dict[str, float]]:
    """Leave the weights that were best on validation in the network; a line for each epoch."""
    import torch

    fed, held = Fed.of(head, train), Fed.of(head, valid)
    kinds = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}
    optimizer = kinds[model.optimizer](net.parameters(), lr=model.learning_rate)
    of = hashlib.sha256(
        repr([run.of, type(model).__name__, train[0].moment.shape, head.scales.tolist()]).encode()
    ).hexdigest()
    latest = {k: v.detach().clone() for k, v in net.state_dict().items()}
    checkpoint: Any = Checkpoint(replace(run, of=of), model, net, latest, optimizer)  # type: ignore[arg-type]
    course = checkpoint.resume(Course())
    before, started = torch.get_num_threads(), time.process_time()
    torch.set_num_threads(1)  # sums come in one order, and so small a network gains nothing by more
    try:
        while not course.is_over(model) and time.process_time() - started < 60 * run.minutes:
            epoch, begun = len(course.lines), time.perf_counter()
            rng = np.random.default_rng([model.seed, epoch])
            torch.manual_seed(int(rng.integers(2**62)))
            loss = _pass(model, net, head, optimizer, fed, rng)
            score = _validated(model, net, head, held)
            for name, value in net.state_dict().items():
                latest[name].copy_(value)
            course.lines.append({"epoch": epoch + 1, "train_loss": loss, "valid_loss": score,
                                 "seconds": time.perf_counter() - begun})  # fmt: skip
            checkpoint.keep(course, "valid_loss")
            run.told(f"epoch {epoch + 1} of {model.epochs}: loss {loss:.4f}, validation {score:.4f}")
    finally:
        torch.set_num_threads(before)
    net.load_state_dict(checkpoint.best)
    net.eval()
    checkpoint.done()
    return course.lines


def _pass(model: SessionNetwork, net: Any, head: Head, optimizer: Any, fed: Fed, rng: np.random.Generator) -> float:
    """One pass over the sessions; the mean loss."""
    import torch

    net.train()
    total, mass = 0.0, 0.0
    drawn = rng.permutation(len(fed.windows))[: model.sessions]
    for low in range(0, len(drawn), model.batch_size):
        inputs, about = fed.some(drawn[low : low + model.batch_size])
        each = (head.of(net(*inputs), about) * about["weight"]).sum()
        weight = about["weight"].sum()
        optimizer.zero_grad()
        (each / weight).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        total, mass = total + float(each.detach()), mass + float(weight)
    return total / mass


def _validated(model: SessionNetwork, net: Any, head: Head, held: Fed) -> float:
    import torch

    net.eval()
    total, mass = 0.0, 0.0
    with torch.no_grad():
        for low in range(0, len(held.windows), 2048):
            inputs, about = held.some(np.arange(low, min(low + 2048, len(held.windows))))
            total += float((head.of(net(*inputs), about) * about["weight"]).sum())
            mass += float(about["weight"].sum())
    return total / mass if mass else math.inf
