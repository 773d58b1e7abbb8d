"""Recordings: whatever WAV, FLAC, Ogg, MP3 or AIFF file, as samples at one rate.

    find(["my_music/"])            every sound file in there, sorted
    read("my_music/song.mp3")      its samples: mono or stereo, float32, 44,100 a second, full scale is 1

libsndfile decodes block by block and libsoxr resamples as the blocks come, so that memory is bounded by the seconds that are
kept, not by the file. A file is told by what it holds: one that is named .mp3 and holds a WAV is read, and a note says so.
Three channels and more are refused, for formats order them differently and a wrong order cannot be heard in the numbers.

What would make numbers that mean nothing is refused in one line: a file that is no sound, that breaks off, that is silent,
shorter than a second, or holds samples that are no numbers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.errors import AskedWrongly, BadInput, MissingExtra, in_one_line

if TYPE_CHECKING:
    from segue.batch import Array

RATE = 44_100  # samples a second, of every recording that was read
SUFFIXES = {  # how files are named → the format that libsndfile then finds in them
    ".wav": ("WAV", "WAVEX", "RF64", "W64"), ".flac": ("FLAC",), ".ogg": ("OGG", "FLAC"), ".oga": ("OGG", "FLAC"),
    ".opus": ("OGG",), ".mp3": ("MP3",), ".aif": ("AIFF",), ".aiff": ("AIFF",),
}  # fmt: skip
NO_ENDING = "without an ending"
SHORTEST_S = 1.0
LONGEST_S = 6 * 3600  # as schema.py: what claims to be longer is no track
RATES = (4_000, 384_000)
SILENT = 10 ** (-70 / 20)  # a peak below -70 dBFS, under the noise of any microphone
LOUDEST = 100.0  # samples scaled to 32,768 are no fractions of full scale
_BLOCK = 1 << 16  # frames decoded at once
_HUSH = threading.Lock()  # of the two below: how many decode in silence, and where stderr was before
_hushing, _stderr = 0, -1
_UNKNOWN = 1 << 62  # frames that libsndfile claims of a stream whose header does not say


@dataclass(frozen=True, eq=False)
class Recording:
    """What was read of a sound file. C is 1 or 2 channels."""

    path: Path
    channels: Array  # (n, C) float32 at RATE, full scale is 1
    seconds: float  # of the whole file
    notes: tuple[str, ...] = ()  # what was read otherwise than the file's name or its length let expect

    @property
    def read_s(self) -> float:
        """Seconds that were read, from the start."""
        return len(self.channels) / RATE

    @cached_property
    def mono(self) -> Array:
        """(n,) float32 the mean of the channels."""
        if self.channels.shape[1] == 1:
            return self.channels[:, 0]
        mean: Array = self.channels.mean(axis=1, dtype=np.float32)
        return mean


def find(places: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The sound files among files and folders, sorted, each once.

    A file that is named is taken whatever it is called; in folders, and theirs, those that end in one of `SUFFIXES`. What begins
    with a dot is passed over, and links to folders are not followed.

    Raises
    ------
    AskedWrongly : a place is not there
    BadInput : no sound file is in any of them
    """
    found: set[Path] = set()
    asked = [Path(place) for place in places]
    for place in asked:
        if place.is_dir():
            found.update(_within(place))
        elif place.exists():
            found.add(place)
        else:
            raise AskedWrongly(f"{place} is not there: name files of sound, or folders that hold some")
    if not found:
        where = ", ".join(map(str, asked)) or "no folder"
        raise BadInput(f"no sound file in {where}: expected files that end in {', '.join(SUFFIXES)}")
    return sorted(found)


def _within(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in names:
            if (
                not name.startswith(".")
                and Path(name).suffix.lower() in SUFFIXES
                and (at := Path(root, name)).is_file()
            ):
                yield at


def read(path: str | os.PathLike[str], *, most_s: float = 1200) -> Recording:
    """The samples of a sound file, at most the first `most_s` seconds.

    Raises
    ------
    BadInput : it is no sound, breaks off, is too short or too long, silent, surround, or holds samples that are no numbers
    MissingExtra : soundfile or soxr is not installed
    """
    path = Path(path)
    try:
        import soundfile
        import soxr
    except (ImportError, OSError) as why:  # OSError: no libsndfile
        raise MissingExtra("soxr" if getattr(why, "name", "") == "soxr" else "soundfile", "audio") from None
    name = in_one_line(path.name)
    if not path.is_file():
        raise BadInput(f"{name} is no file: expected a file of sound")
    size = path.stat().st_size
    if not size:
        raise BadInput(f"{name} is empty: expected a file of sound; copy it again")
    try:
        with hushed():
            source = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, TypeError) as why:  # TypeError: .raw, which says nothing of itself
        raise BadInput(_not_opened(path, why)) from None
    with source:
        rate, n_channels, promised = source.samplerate, source.channels, source.frames
        known = promised < _UNKNOWN
        if not RATES[0] <= rate <= RATES[1]:
            raise BadInput(f"{name} has {rate:,} samples a second: expected {RATES[0]:,} to {RATES[1]:,}; resample it")
        if n_channels > 2:
            raise BadInput(f"{name} has {n_channels} channels: expected one or two; mix it down to stereo")
        if known and promised > LONGEST_S * rate:
            hours = promised / rate / 3600
            raise BadInput(f"{name} claims to last {hours:,.1f} hours: expected six at most; cut it into tracks")
        most = int(min(most_s, LONGEST_S) * rate)
        wanted = min(promised, most)
        kept = _Kept(name, n_channels, -(-wanted * RATE // rate))
        stream = None if rate == RATE else soxr.ResampleStream(rate, RATE, n_channels, dtype="float32", quality="HQ")
        n_read, broken = 0, _cut(path, size)
        try:
            while n_read < wanted and len(block := _block(source, min(_BLOCK, wanted - n_read))):
                n_read += len(block)
                kept.add(block if stream is None else stream.resample_chunk(block))
            total = n_read if n_read < wanted else promised if known else n_read + _rest(source, LONGEST_S * rate)
        except soundfile.LibsndfileError:
            broken = True
        if known and n_read < wanted - max(rate, wanted // 100):  # headers of MP3s are off by a little
            broken = True
        if broken:
            what = f" of {promised / rate:.1f} s" if known and promised > n_read else ""
            raise BadInput(
                f"{name} is broken: {n_read / rate:.1f} s{what} could be read; copy it again, or encode it anew"
            )
        if stream is not None:
            kept.add(stream.resample_chunk(np.zeros((0, n_channels), np.float32), last=True))
        notes = _notes(path, source.format, source.subtype, n_read / rate, total / rate)
        if source.format == "OGG" and not _ends(path, size):
            notes += ("it breaks off: the end of its stream is not there, and nothing says how much is lost",)
    return Recording(path, kept.sound(), total / rate, notes)


class _Kept:
    """The samples that are kept, and what they may not be."""

    def __init__(self, name: str, n_channels: int, most: int) -> None:
        self.name, self.n, self.peak = name, 0, 0.0
        self.held = np.empty((most + _BLOCK, n_channels), np.float32)  # memory that is not written to is not taken

    def add(self, block: Array) -> None:
        if not len(block):
            return
        peak = float(np.abs(block).max())
        if not np.isfinite(peak):
            raise BadInput(
                f"{self.name} holds samples that are no numbers: expected fractions of full scale; encode it anew"
            )
        if peak > LOUDEST:
            raise BadInput(
                f"{self.name} holds samples up to {peak:,.0f}: expected fractions of full scale, -1 to 1; scale it"
            )
        self.peak = max(self.peak, peak)
        room = block[: len(self.held) - self.n]
        self.held[self.n : self.n + len(room)] = room
        self.n += len(room)

    def sound(self) -> Array:
        seconds = self.n / RATE
        if seconds < SHORTEST_S:
            raise BadInput(f"{self.name} lasts {seconds:.2f} s: expected {SHORTEST_S:.0f} s at least")
        if self.peak < SILENT:
            said = f"{20 * np.log10(self.peak):.0f} dBFS at most" if self.peak else "zeros alone"
            raise BadInput(
                f"{self.name} is silent ({said}): expected sound that peaks above -70 dBFS; choose another file"
            )
        return self.held[: self.n]


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing is written to file descriptor 2 meanwhile: libmpg123 complains there of MP3s, healthy ones too, from within C.

    Several threads may be in here: the last one out gives the descriptor back. Where it is closed, it leads to nowhere from then
    on, lest a file that is opened gets its number, and what is said of it.
    """
    global _hushing, _stderr
    with _HUSH:
        if not _hushing:
            _stderr = _to_nowhere()
        _hushing += 1
    try:
        yield
    finally:
        with _HUSH:
            _hushing -= 1
            if not _hushing and _stderr >= 0:
                os.dup2(_stderr, 2)
                os.close(_stderr)


def _to_nowhere() -> int:
    """File descriptor 2 leads to nowhere: a copy of what it was, -1 where it was closed or no more files may be opened."""
    copy = -1
    with suppress(OSError):
        copy = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        nowhere = 2
    if nowhere != 2:  # the lowest number that is free
        os.dup2(nowhere, 2)
        os.close(nowhere)
    return copy


def _block(source: Any, n: int) -> Array:
    """(m, C) float32 the next n frames, fewer at the end."""
    with hushed() if source.format == "MP3" else nullcontext():
        made: Array = source.read(n, "float32", always_2d=True)
    return made


def _rest(source: Any, most: int) -> int:
    """Frames that are left of a stream that does not say how long it is; counted, not kept."""
    n = 0
    while n < most and (more := len(_block(source, _BLOCK))):
        n += more
    return n


def _cut(path: Path, size: int) -> bool:
    """Does the header of a WAV or AIFF promise more bytes than there are? Streams promise 2 GiB and more, which says nothing."""
    with path.open("rb") as source:
        head = source.read(12)
    order = {(b"RIFF", b"WAVE"): "little", (b"FORM", b"AIFF"): "big", (b"FORM", b"AIFC"): "big"}.get(
        (head[:4], head[8:])
    )
    promised = int.from_bytes(head[4:8], "little" if order == "little" else "big") + 8
    return order is not None and size + 1 < promised < 0x7F00_0000


def _ends(path: Path, size: int) -> bool:
    """Is the last page of an Ogg stream marked as its last (RFC 3533, section 6)?"""
    with path.open("rb") as source:
        source.seek(max(size - 65_307, 0))  # no page is longer
        tail = source.read()
    last = tail.rfind(b"OggS")
    return last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & 4)


def _notes(path: Path, form: str, subtype: str, read_s: float, total_s: float) -> tuple[str, ...]:
    notes = []
    if form not in SUFFIXES.get(path.suffix.lower(), ()):
        held = form if form != "OGG" else f"Ogg {subtype.title()}"
        notes.append(f"it is named {path.suffix or NO_ENDING} and holds {held}: read as such")
    if total_s > read_s + 0.5:
        notes.append(f"the first {read_s:,.0f} s of {total_s:,.0f} s were read")
    return tuple(notes)


def _not_opened(path: Path, why: Exception) -> str:
    """Not sound, or sound whose header is broken: told by the first bytes."""
    with path.open("rb") as source:
        head = source.read(12)
    name, said = in_one_line(path.name), getattr(why, "error_string", "").strip(" .").partition("\n")[0]
    if head[:4] in (b"RIFF", b"FORM", b"fLaC", b"OggS", b"ID3\x02", b"ID3\x03", b"ID3\x04"):
        return f"{name} is broken: 0.0 s could be read ({said or 'its header'}); copy it again, or encode it anew"
    return f"{name} holds no sound that can be read: expected WAV, FLAC, Ogg, MP3 or AIFF; convert it, or leave it out"
