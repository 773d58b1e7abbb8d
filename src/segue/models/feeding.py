"""How a training is fed: from arrays; on a GPU from its own memory where all fits, else by a thread that runs ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from segue.batch import Array
from segue.models.answering import INPUTS, tensor_of
from segue.models.stored import Stored

SHARE = 0.5  # of a GPU's free memory that inputs may fill
AHEAD = 4  # batches gathered before they are asked for

Fed = tuple[list[Any], Any, dict[str, Any]]  # inputs in the order of INPUTS, labels, auxiliary labels: torch tensors


def settled(data: Sequence[Stored], device: str) -> list[Stored]:
    """The same, each in a GPU's memory if all of them fit there together; others may take of it meanwhile."""
    if device != "cuda":
        return list(data)
    import torch

    torch.cuda.empty_cache()  # of fits before this one
    size = sum(int(a.nbytes) for one in data for a in (*one.inputs.values(), one.label, *one.also.values()))
    if size > SHARE * torch.cuda.mem_get_info()[0]:
        return list(data)
    try:
        return [replace(one, inputs={k: _there(a) for k, a in one.inputs.items()}, label=_there(one.label),
                        also={k: _there(a) for k, a in one.also.items()}) for one in data]  # fmt: skip
    except torch.cuda.OutOfMemoryError:
        return list(data)


def fed(stored: Stored, batches: Iterable[Array], device: str) -> Iterator[Fed]:
    """Batch after batch of units on the device."""
    ahead = device != "cpu" and isinstance(stored.label, np.ndarray)
    ready = _pinned if ahead else tensor_of

    def gathered(units: Array) -> Fed:
        inputs, label, also = stored.some(units)
        return [ready(inputs[name]) for name in INPUTS], ready(label), {k: ready(a) for k, a in also.items()}

    if not ahead:
        yield from map(gathered, batches)
        return
    left = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(gathered, units) for units in islice(left, AHEAD)]
        while waiting:
            inputs, label, also = waiting.pop(0).result()
            waiting += [pool.submit(gathered, units) for units in islice(left, 1)]
            yield [_moved(a) for a in inputs], _moved(label), {k: _moved(a) for k, a in also.items()}


def _there(array: Array) -> Any:
    return tensor_of(array).to("cuda")


def _moved(tensor: Any) -> Any:
    return tensor.to("cuda", non_blocking=True)


def _pinned(array: Any) -> Any:
    return tensor_of(array).pin_memory()
