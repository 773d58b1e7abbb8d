"""Models of descriptors against each other and against the mean: on real tracks, on rendered music, and on real recordings.

Parts of bench_audio.py. Nothing is asserted; what is printed is what `segue audio compare` prints, with what it was made of.
"""

from __future__ import annotations

import os
import tempfile
import time
from argparse import Namespace
from pathlib import Path

from segue.describing import measured_of
from segue.display_audio import show_compared
from segue.measured import Measured
from segue.sound_contest import compare

ROOT = Path(__file__).parents[1]
CLASSIC = ["mean", "ridge", "kernel", "boosting", "blend"]
PUBLISHED = ["two-linear", "three-relu", "three-tanh"]
SONG_S = 10


def data() -> Path:
    return Path(os.environ.get("SEGUE_DATA", ROOT.parent / "shared" / "data"))


def fma(asked: Namespace) -> None:
    """650 real tracks: Echo Nest's descriptors from 74 of librosa's means. Whole uploads are held back; then as published."""
    table = data() / "fma" / "final_data.csv"
    if not table.is_file():
        print(f"fma: no {table}: set SEGUE_DATA to the folder that holds it\n")
        return
    models = ["mean", "ridge", "boosting"] if asked.quick else CLASSIC + PUBLISHED
    found = measured_of(table, ())
    tracks = found.measured["front-end"]
    print("── 650 real tracks, 74 statistics of librosa, folds of whole uploads ──\n")
    grouped = compare(tracks, models=models, seed=asked.seed, importance=models[-1:] if asked.quick else ["blend"])
    grouped.about["counts"] = found.counts
    show_compared(grouped, False)
    print("\n── the same, single tracks dealt to folds at random: neighbours of an upload on both sides ──\n")
    show_compared(compare(_alone(tracks), models=models, seed=asked.seed), False)
    print("\n── the same, 70/20/10 at random, as published: 65 tracks tested ──\n")
    show_compared(compare(tracks, models=models, split="70/20/10", seed=asked.seed), False)
    print("\n── targets permuted: nothing is there to be gained ──\n")
    show_compared(_permuted(tracks, models[:3], asked.seed), False)


def rendered(asked: Namespace) -> None:
    """Rendered music with planted descriptors, from raw audio: our front end against the 10,000 bins, in one run."""
    from segue.simulate.music import collection

    n = 96 if asked.quick else 320
    folder = Path(tempfile.gettempdir()) / f"segue-rendered-{n}-{SONG_S}-{asked.seed}"
    if not (folder / "truth.csv").is_file():
        begun = time.perf_counter()
        collection(folder, n, asked.seed, seconds=SONG_S)
        print(f"{n} songs of {SONG_S} s rendered into {folder} in {time.perf_counter() - begun:.0f} s\n")
    models = (
        ["mean", "ridge", "boosting", "bins-net"]
        if asked.quick
        else ["mean", "ridge", "boosting", "blend", "three-relu", "bins-net"]
    )
    begun = time.perf_counter()
    found = measured_of(folder / "truth.csv", [folder], models=models, kept=folder / "measured", jobs=1)
    print(f"measured, or taken from {folder / 'measured'}, in {time.perf_counter() - begun:.0f} s")
    print(f"── {n} rendered songs of {SONG_S} s from raw audio, folds of whole artists ──\n")
    made = compare(found.measured, models=models, seed=asked.seed, importance=["ridge"])
    made.about["counts"] = found.counts
    show_compared(made, False)


def clips(asked: Namespace) -> None:
    """Real recordings, described by a bundle that learned from the 650 real tracks."""
    from segue.described_files import describe
    from segue.describing import train
    from segue.display_audio import show_described, show_trained

    table, folder = data() / "fma" / "final_data.csv", data() / "audio"
    if not table.is_file() or not folder.is_dir():
        print(f"clips: no {table} or no {folder}: set SEGUE_DATA to the folder that holds them\n")
        return
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "descriptors.bundle"
        show_trained(train(table, (), out, model="ridge" if asked.quick else "blend", seed=asked.seed), out, False)
        show_described(describe([folder], Path(place) / "tracks.csv", bundle=out), False)


def _alone(tracks: Measured) -> Measured:
    from dataclasses import replace

    import numpy as np

    return replace(tracks, group=np.arange(len(tracks), dtype=np.int64), grouped_by="track, dealt at random")


def _permuted(tracks: Measured, models: list[str], seed: int):  # type: ignore[no-untyped-def]
    found = compare(tracks.permuted(seed), models=models, seed=seed)
    found.about["permuted"] = True
    return found
