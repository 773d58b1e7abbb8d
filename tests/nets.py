"""Small networks under test: rows of plays to ask them about, and what they say of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from segue import checks, registry
from segue.features.build import ask, from_library
from segue.features.steps import everything
from segue.models.answering import torch_inputs
from segue.models.reader import Reader
from segue.models.stored import Stored


def rows_of_both_kinds(folder):
    """Rows of both kinds, by setting: in "challenge" targets see each other, in "online" each stands alone."""
    library, made = checks.sample_library("mssd", folder, sessions=30), {}
    for name in ("challenge", "online"):
        task, setting = registry.task("skip"), registry.task("skip").setting(name)
        plain = ask(task, setting, registry.features(), names=["last_skipped"])
        batch, _ = from_library(replace(plain, steps=everything(setting, {})), library)
        reader = Reader.fit(batch, features=False, n_tracks=100)
        stored = Stored.of(reader, batch, True, Path())
        inputs, label, also = stored.some(np.arange(len(stored)))
        made[name] = SimpleNamespace(
            batch=batch, reader=reader, sizes=reader.sizes, inputs=inputs, label=label, also=also
        )
    return made


def made(model, sizes):
    import torch

    torch.manual_seed(0)
    return model.network(sizes).eval()


def answers(net, inputs):
    import torch

    with torch.no_grad():
        return [o.numpy() for o in net(*torch_inputs(inputs))[:2]]


def padded(inputs, past=3, queue=2):
    """The same rows with more places, which hold noise and no play."""
    rng, found = np.random.default_rng(0), {}
    for name, values in inputs.items():
        if name == "n":
            found[name] = values
            continue
        shape = (len(values), past if name.startswith("past") else queue, *values.shape[2:])
        filled = rng.normal(size=shape) if values.ndim == 3 else np.full(shape, {"sees": -1, "ahead": 1}.get(name, 0))
        found[name] = np.concatenate([values, filled.astype(values.dtype)], 1)
    return found


def overfitted(net, one, rows=16, steps=80):
    """The log-loss of some rows after training on nothing else, and that of their mean."""
    import torch

    known = one.label[:rows] >= 0
    label = torch.from_numpy(one.label[:rows][known])
    inputs = torch_inputs({k: v[:rows] for k, v in one.inputs.items()})
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        log_odds = net(*inputs)[0][..., 0][torch.from_numpy(known)]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(log_odds, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mean = float(label.mean())
    return float(loss.detach()), -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))
