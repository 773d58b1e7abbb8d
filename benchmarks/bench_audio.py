"""From sound to descriptors: how fast, how much of them, beside librosa and the published networks.

    python benchmarks/bench_audio.py --only speed       seconds of a 30-second clip on one core, beside librosa (a minute)
    python benchmarks/bench_audio.py --only fma         the 650 real tracks of $SEGUE_DATA/fma: every model, grouped folds
    python benchmarks/bench_audio.py --only rendered    from raw audio: the 10,000-bin network against our front end
    python benchmarks/bench_audio.py --only clips       the recordings of $SEGUE_DATA/audio, described
    python benchmarks/bench_audio.py --only follows     the same, as FLAC and MP3, too: twenty tracks of a real catalogue, why
    python benchmarks/bench_audio.py --only cold        do the nearest in sound stand in the same playlists?

Each part is a file of its own beside this one, `audio_speed.py` and so on.
"""

from __future__ import annotations

import argparse
import os
import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # before numpy is imported: every library gets one core

PARTS = {  # what is asked for → the function that prints it, given what was asked
    "speed": "audio_speed:run",
    "fma": "audio_models:fma",
    "rendered": "audio_models:rendered",
    "clips": "audio_models:clips",
    "follows": "audio_next:follows",
    "cold": "audio_next:cold",
}
PACKAGES = ("segue", "numpy", "scipy", "librosa", "numba", "soundfile", "soxr", "lightgbm", "torch")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--only", choices=tuple(PARTS), action="append", help="repeatable; all of them if left out")
    ask.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    ask.add_argument("--seed", type=int, default=0)
    asked = ask.parse_args()
    print(
        f"Python {platform.python_version()}, "
        + ", ".join(f"{p} {_version(p)}" for p in PACKAGES)
        + f"; {os.cpu_count()} cores, one used; {_processor()}\n"
    )
    for part in asked.only or PARTS:
        module, _, function = PARTS[part].partition(":")
        getattr(import_module(module), function)(asked)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
