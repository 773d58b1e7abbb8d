"""Sessions a second that networks are trained on, on a GPU and on the same machine's processor; what all of Spotify's would cost.

    python benchmarks/bench_gpu.py [--sessions 24000] [--models attention,winner2019] [--batches 0,1024]

An epoch over sessions of one simulated world (`tastes-1`), after twenty steps that are not timed; nothing else should run beside
it. Batch 0 is what the model has by default. The processor gets all its cores, of which training itself gives a network of fewer
than three million weights only one. The Music Streaming Sessions Dataset has 125 million sessions for training: one pass over them
is computed from the rate, not run. On the processor fewer sessions are timed (--cpu-sessions), which is slower.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from bench_skip import gpu, sessions_of, world_of

from segue import registry, splits
from segue.batch import Batch
from segue.experiment import own_batch, prepare
from segue.models import course
from segue.models.network import Network
from segue.models.reader import Reader
from segue.models.stored import Stored
from segue.splits import TRAIN

ALL = 125_000_000  # sessions of the whole training set


def rate(model: Network, own: Batch, device: str, n: int) -> float:
    """Sessions a second in an epoch over n of them."""
    import torch

    columns = own.columns if model.features else ()
    train = own.select(columns)
    reader = Reader.fit(train, features=model.features, n_tracks=model.n_tracks)
    torch.manual_seed(0)
    net = model.network(reader.sizes).to(device)
    if device == "cpu":
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    with TemporaryDirectory() as spill:
        (stored,) = course.settled([Stored.of(reader, train, model.causal, Path(spill))], device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, **({"fused": True} if device == "cuda" else {}))
        averaged = {k: v.detach().clone() for k, v in net.state_dict().items()}
        some = replace(stored, row=stored.row[:n], place=stored.place[:n])
        warm = replace(
            stored, row=stored.row[: min(n, 20 * model.batch_size)], place=stored.place[: min(n, 20 * model.batch_size)]
        )
        took = []
        for part in (warm, some):
            begun = time.perf_counter()
            course.one_pass(model, net, optimizer, averaged, part, np.random.default_rng(0), 0, lambda line: None)
            took.append(time.perf_counter() - begun)
    return len(some) / took[1]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=24_000)
    ask.add_argument("--cpu-sessions", type=int, default=3_000)
    ask.add_argument("--models", default="attention,winner2019")
    ask.add_argument("--batches", default="0,1024")
    asked = ask.parse_args()
    import torch

    models = {name: registry.model("skip", name)() for name in asked.models.split(",")}
    library, _ = world_of("tastes-1", int(asked.sessions / 0.55))
    prepared = prepare("skip", library, "challenge", models=[replace(m, jitter=0) for m in models.values()])
    cut = sessions_of(prepared.batch, splits.by_time(prepared.batch.keys), asked.sessions, 1000)
    print(
        f"python {platform.python_version()}, torch {torch.__version__}, {len(os.sched_getaffinity(0))} cores; {gpu() or 'no GPU'}"
    )
    print("model | device | batch | sessions a second | one pass over 125 M sessions")
    for name, model in models.items():
        own = own_batch(prepared, name).take(cut.rows(TRAIN))
        for device in ("cuda", "cpu") if gpu() else ("cpu",):
            for batch in map(int, asked.batches.split(",")):
                if device == "cpu" and batch:
                    continue
                of = replace(model, batch_size=batch or model.batch_size)
                n = asked.sessions if device == "cuda" else asked.cpu_sessions
                found = rate(of, own, device, n)
                hours = ALL / found / 3600
                print(f"{name} | {device} | {of.batch_size} | {found:,.0f} | {hours:,.1f} h", flush=True)


if __name__ == "__main__":
    main()
