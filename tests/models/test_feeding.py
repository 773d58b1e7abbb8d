"""What a GPU is fed: the same as a processor, from its own memory or through a thread that runs ahead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nets import rows_of_both_kinds

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from segue.models import feeding  # noqa: E402
from segue.models.stored import Stored  # noqa: E402


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Rows whose targets see each other; rows that hold all moments, whole and as single targets."""
    found = rows_of_both_kinds(tmp_path_factory.mktemp("fed"))
    return [Stored.of(found[name].reader, found[name].batch, causal, Path()) for name, causal in
            (("challenge", True), ("online", True), ("online", False))]  # fmt: skip


def units_of(one):
    return list(one.epoch(np.random.default_rng(0), 7))


def same(found, expected):
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        for a, b in zip([*mine[0], mine[1], *mine[2].values()], [*other[0], other[1], *other[2].values()], strict=True):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)


def test_what_lies_in_a_gpus_memory_is_gathered_there_as_a_processor_gathers_it(stored):
    for one in stored:
        tensors = replace(one, label=torch.from_numpy(one.label), inputs={k: torch.from_numpy(a) for k, a in one.inputs.items()},
                          also={k: torch.from_numpy(a) for k, a in one.also.items()})  # fmt: skip
        same(list(feeding.fed(tensors, units_of(one), "cuda")), list(feeding.fed(one, units_of(one), "cpu")))


def test_a_thread_that_runs_ahead_changes_neither_batches_nor_their_order(stored, monkeypatch):
    monkeypatch.setattr(feeding, "_pinned", feeding.tensor_of)  # as far as it goes without a GPU
    monkeypatch.setattr(feeding, "_moved", lambda tensor: tensor)
    for one in stored:
        for units in (units_of(one), units_of(one)[:2], []):
            same(list(feeding.fed(one, units, "cuda")), list(feeding.fed(one, units, "cpu")))


def test_inputs_larger_than_half_of_a_gpus_free_memory_stay_where_they_are(stored, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1000, 80_000_000_000))
    assert feeding.settled(stored, "cuda")[0] is stored[0]
    assert feeding.settled(stored, "cpu")[0] is stored[0]
