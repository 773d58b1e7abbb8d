"""What is heard in a recording: its descriptors as far as they can be told, and whether it is music at all.

listen("song.mp3")                               tempo, key, mode, loudness: what can be measured
listen("song.mp3", "descriptors.bundle")         energy, valence … too, as that bundle guesses them, with 90 % bounds
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.errors import in_one_line
from segue.sounding import Said

MUSIC, SPEECH, OTHER = "music", "speech", "other"
_SOUNDS_LIKE = {SPEECH: "it sounds like speech", OTHER: "it sounds like no music"}


@dataclass(frozen=True)
class Heard:
    """What was heard in one recording. `values`: by descriptor, a value and its bounds, in the units of tables of attributes."""

    name: str  # of the file
    values: Mapping[str, Said]
    kind: str = ""  # music, speech or other; "": not told
    seconds: float = math.nan  # of the whole file
    notes: tuple[str, ...] = ()
    reason: str = ""  # why it is of that kind

    @property
    def warning(self) -> str:
        """That it is no music; "" where it is, or nobody says."""
        said, why = _SOUNDS_LIKE.get(self.kind, ""), f" ({self.reason})" if self.reason else ""
        return f"{said}{why}: what is said of it, and what follows, means little" if said else ""

    def to_json(self) -> dict[str, Any]:
        descriptors = {
            n: {"value": _finite(v), "low": _finite(low), "high": _finite(high)}
            for n, (v, low, high) in self.values.items()
        }
        return {"name": self.name, "kind": self.kind or None, "reason": self.reason or None, "seconds": _finite(self.seconds),
                "notes": list(self.notes), "descriptors": descriptors}  # fmt: skip

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Heard:
        """The same again.

        >>> Heard.of_json(Heard("a.wav", {"tempo": (120.0, 118.0, 122.0)}).to_json()).values
        {'tempo': (120.0, 118.0, 122.0)}
        """
        values = {
            n: (_number(d["value"]), _number(d["low"]), _number(d["high"])) for n, d in said["descriptors"].items()
        }
        return cls(said["name"], values, said["kind"] or "", _number(said["seconds"]), tuple(said["notes"]),
                   said["reason"] or "")  # fmt: skip


def listen(
    path: str | os.PathLike[str], descriptors: str | os.PathLike[str] | None = None, *, most_s: float = 1200
) -> Heard:
    """What is heard in a file of sound.

    Parameters
    ----------
    descriptors : a bundle of `segue audio train`; without one, what can be measured
    most_s : so much of the file is read, from its start

    Raises
    ------
    BadInput : it is no sound, breaks off, is too short or silent
    AskedWrongly, Tampered : the bundle is none, or was changed
    MissingExtra : what reads sound is not installed
    """
    from segue.datasets.sound_files import read
    from segue.describing import DescriptorBundle
    from segue.exact import exactly
    from segue.features.audio.front_end import spectra_of
    from segue.measuring import numbers

    opened = None if descriptors is None else DescriptorBundle.open(Path(descriptors))  # before the work
    recording = read(path, most_s=most_s)
    spectra = spectra_of(recording)
    told = exactly(recording, spectra)
    values, notes = dict(told.said), list(recording.notes)
    if opened is not None:
        measured = numbers(recording, opened.reads, spectra, told)
        values |= opened.said(measured[None])[0]
        notes += [note] if (note := opened.note(measured)) else []
    why = "" if told.kind == MUSIC else told.reason
    return Heard(in_one_line(Path(path).name), values, told.kind, recording.seconds, tuple(notes), why)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def in_words(heard: Heard) -> Sequence[str]:
    """One line for whoever reads: kind, length, and what should be known of the reading."""
    length = f", {heard.seconds:.0f} s" if math.isfinite(heard.seconds) else ""
    lines = [f"{heard.name}{length}{f', {heard.kind}' if heard.kind == MUSIC else ''}"]
    return [*lines, *([heard.warning] if heard.warning else []), *heard.notes]
