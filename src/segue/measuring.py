"""What is measured of sound files: many of them, by several processes, each kept as soon as it is made.

    front-end    some hundred numbers of the middle three minutes (`segue.features.audio.front_end`)
    statistics   the 74 that FMA's table holds, of the middle thirty seconds, as there (`segue.features.audio.librosa_means`)
    bins         the plain spectrum of the same thirty seconds, 10,000 bins (`segue.features.audio.bins`)

What is measured is kept in a folder, a file a recording, by its place, size and time of change: a run that was interrupted goes
on from there. A file that cannot be read is told of, and looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.exact import Exactly, Said
from segue.exact import exactly as told_exactly

if TYPE_CHECKING:
    from segue.datasets.sound_files import Recording

READS = ("front-end", "statistics", "bins")
CLIP_S = 30  # of the middle, that FMA's clips hold
VERSION = 1  # of what is kept: another is measured anew
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Sound:
    """What was measured of one file; or why nothing was."""

    path: Path
    error: str = ""
    numbers: Mapping[str, Array] = field(default_factory=dict)  # by what is read: (F,) float32, NaN where not known
    exactly: Mapping[str, Said] = field(default_factory=dict)  # tempo, key, mode, loudness
    kind: str = ""  # music, speech, other; "": not told
    seconds: float = float("nan")
    notes: tuple[str, ...] = ()


def columns(reads: str) -> tuple[str, ...]:
    """The names of the numbers."""
    if reads == "statistics":
        from segue.features.audio.librosa_means import NAMES

        return NAMES
    if reads == "bins":
        from segue.features.audio.bins import BINS

        return tuple(f"bin_{i:05}" for i in range(BINS))
    from segue.features.audio.front_end import FRONT_END

    return FRONT_END.names


def numbers(recording: Recording, reads: str, spectra: Any = None, told: Exactly | None = None) -> Array:
    """(F,) float32 of one recording, as `columns` names them. `spectra`, `told`: what is known already."""
    if reads == "front-end":
        from segue.features.audio import front_end

        beat, tones = (told.rhythm, told.harmony) if told else (None, None)
        return front_end.measure(recording, spectra=spectra, its_rhythm=beat, its_harmony=tones)
    clip = middle(recording.mono)
    if reads == "bins":
        from segue.features.audio.bins import bins

        return bins(clip)
    from segue.features.audio.librosa_means import means
    from segue.features.audio.spectrum import Spectra

    return means(Spectra.of(clip))


def middle(samples: Array) -> Array:
    """The middle thirty seconds of samples (n,), or all of them."""
    from segue.datasets.sound_files import RATE

    spare = len(samples) - CLIP_S * RATE
    return samples[spare // 2 : spare // 2 + CLIP_S * RATE] if spare > 0 else samples


def sound(path: Path, reads: Sequence[str], exactly: bool) -> Sound:
    """What is measured of one file: its numbers, and if asked for, what can be told exactly and what kind of sound it is."""
    from segue.datasets.sound_files import read
    from segue.features.audio.front_end import spectra_of

    try:
        recording = read(path)
    except BadInput as why:
        return Sound(path, in_one_line(str(why)))
    spectra = spectra_of(recording) if exactly or "front-end" in reads else None
    told = told_exactly(recording, spectra) if exactly else None
    found = {of: np.asarray(numbers(recording, of, spectra, told), np.float32) for of in reads}
    said, kind = (told.said, told.kind) if told else ({}, "")
    return Sound(path, "", found, said, kind, recording.seconds, recording.notes)


def sounds(
    paths: Iterable[Path], *, reads: Sequence[str] = (), exactly: bool = False, kept: Path | None = None, jobs: int = 1,
    progress: Progress = lambda done, n, name: None,
) -> Iterator[Sound]:  # fmt: skip
    """What is measured of many files, as they are done; those that were kept come first.

    Parameters
    ----------
    exactly : also what can be told without a model: tempo, key, mode, loudness and kind
    kept : the folder in which what is measured is kept; None: nowhere
    jobs : so many processes

    Raises
    ------
    AskedWrongly : fewer than one process
    BadInput : a process died
    """
    if jobs < 1:
        raise AskedWrongly(f"--jobs {jobs}: expected 1 or more")
    todo, n, done = [], 0, 0
    asked = list(paths)
    n = len(asked)
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    for path in asked:
        had = None if kept is None else _opened(_place(kept, path, reads, exactly), path, reads)
        if had is None:
            todo.append(path)
            continue
        done += 1
        progress(done, n, path.name)
        yield had
    one = partial(sound, reads=tuple(reads), exactly=exactly)
    for made in map(one, todo) if jobs == 1 or len(todo) < 2 else _by_several(one, todo, jobs):
        if kept is not None and not made.error:
            _keep(made, _place(kept, made.path, reads, exactly))
        done += 1
        progress(done, n, made.path.name)
        yield made


def _by_several(one: Callable[[Path], Sound], todo: Sequence[Path], jobs: int) -> Iterator[Sound]:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    with _single_threads():
        pool = ProcessPoolExecutor(min(jobs, len(todo)), get_context("spawn"), _deaf)
        try:
            asked = [pool.submit(one, path) for path in todo]
            for made in as_completed(asked):
                yield made.result()
        except BrokenProcessPool:
            raise BadInput(
                "a process that was measuring died, as where memory runs out: run the same again, with --jobs 1; it goes on where "
                "it stopped"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threads() -> Iterator[None]:
    """Processes that are started meanwhile compute in one thread each: there are as many of them as wanted."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _deaf() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one that started us ends us


def _place(kept: Path, path: Path, reads: Sequence[str], exactly: bool) -> Path:
    at = path.stat()
    told = json.dumps(
        [VERSION, str(path.absolute()), at.st_size, at.st_mtime_ns, sorted(reads), exactly, _fingerprint()]
    )
    return kept / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.safetensors"


@cache
def _fingerprint() -> str:
    """What measures: by another, all is measured anew."""
    here = Path(__file__).parent
    sources = [here / "exact.py", *sorted((here / "features" / "audio").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _keep(made: Sound, place: Path) -> None:
    from safetensors.numpy import save_file

    said = {"exactly": {n: list(map(float, v)) for n, v in made.exactly.items()}, "kind": made.kind, "seconds": made.seconds,
            "notes": list(made.notes)}  # fmt: skip
    arrays = {name: np.ascontiguousarray(a) for name, a in made.numbers.items()} or {"empty": np.zeros(1, np.float32)}
    aside = place.with_suffix(f".{os.getpid()}")
    save_file(arrays, aside, metadata={"said": json.dumps(said)})
    os.replace(aside, place)


def _opened(place: Path, path: Path, reads: Sequence[str]) -> Sound | None:
    """None where there is nothing, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(place, framework="numpy") as held:
            said = json.loads(held.metadata()["said"])
            arrays = {name: held.get_tensor(name) for name in reads}
    except (OSError, SafetensorError, ValueError, LookupError, TypeError):
        return None
    if any(a.shape != (len(columns(name)),) or a.dtype != np.float32 for name, a in arrays.items()):
        return None
    exactly = {str(n): (float(v[0]), float(v[1]), float(v[2])) for n, v in said["exactly"].items()}
    return Sound(path, "", arrays, exactly, str(said["kind"]), float(said["seconds"]), tuple(map(str, said["notes"])))
