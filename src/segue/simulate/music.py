"""Rendered music whose truth is known: a song is built of tempo, key, chords, drums, a voice and a room, and so are its attributes.

    beat      1       2       3       4       1 …
    kick      x               x               x
    snare             x               x
    hats      x   x   x   x   x   x   x   x   x          two a beat
    bass      root    root    root    root    …          one octave and a half below the chords
    chords    I                               IV …       plucked anew each beat, and as a saw that lasts the bar
    voice     a note of the chord each beat

Its descriptors (`descriptors`) are functions of how it was built, without noise: what a model cannot explain is its own fault, or
cannot be heard. They are planted, no one's opinion, and bear the names of the attributes that they resemble.
"""  # fmt: skip

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segue.errors import MissingExtra
from segue.features.audio import loudness
from segue.simulate import instruments
from segue.simulate.instruments import RATE, Floats, Wave, hertz

PROGRESSIONS = {  # degrees of the scale, a bar each; every one begins on the tonic
    1: ((1, 4, 5, 1), (1, 5, 4, 1), (1, 6, 4, 5), (1, 4, 1, 5)),
    0: ((1, 4, 5, 1), (1, 6, 4, 5), (1, 4, 1, 5), (1, 5, 6, 1)),
}
SCALES = {1: (0, 2, 4, 5, 7, 9, 11), 0: (0, 2, 3, 5, 7, 8, 10)}
N_OF_ARTIST = 8  # songs, of a collection
LOOSEST_S = 0.04  # how far a stroke strays from the beat, one standard deviation, where the song is loosest


@dataclass(frozen=True)
class Song:
    """How a song is built. Levels and shares lie from 0 to 1."""

    tempo: float = 120.0  # beats a minute
    beats: int = 4  # of a bar
    key: int = 0  # the tonic: 0 is C, 11 is B
    mode: int = 1  # 1 major, 0 minor (its fifth degree with the leading tone)
    loudness: float = -14.0  # LUFS; less where samples would pass full scale
    drums: float = 0.6  # level
    hats: int = 2  # strokes a beat: 0 to 4
    bass: float = 0.5
    chords: float = 0.5
    plucked: float = 0.5  # share of plucked strings in the chords; the rest are saws
    brightness: float = 0.5
    voice: float = 0.0  # of someone who sings
    speech: float = 0.0  # of someone who speaks
    room: float = 0.0  # echo, and a crowd
    looseness: float = 0.0  # how far strokes stray from the beat
    progression: int = 0
    cents: float = 0.0  # above the A of 440 Hz
    seed: int = 0

    @property
    def onset_rate(self) -> float:
        """Onsets a second: of hats where there are some, else of beats."""
        return self.tempo / 60 * max(self.hats if self.drums else 1, 1)


def render(song: Song, seconds: float = 30) -> Wave:
    """(n, 2) float32 the sound of a song; the same for the same song, on the same machine to the last bit.

    >>> render(Song(tempo=90, key=9, mode=0), seconds=2).shape
    (88200, 2)
    """
    draws = np.random.default_rng([song.seed, 1])
    made = np.zeros((round(seconds * RATE), 2), np.float32)
    beat = 60 / song.tempo
    n_beats = int(np.ceil(seconds / beat))
    notes = _Notes(song, beat)
    hit, click = instruments.snare(draws), instruments.hat(draws)
    for at in range(n_beats):
        bar, place = divmod(at, song.beats)
        chord = _chord(song, bar)
        when = at * beat
        if song.drums:
            drum = instruments.kick() if place % 2 == 0 else hit
            _onto(made, when + _stray(song, draws), 0.8 * song.drums * drum, 0.5)
            for stroke in range(song.hats):
                level = 0.5 if stroke == 0 else 0.35
                _onto(made, when + beat * stroke / song.hats + _stray(song, draws), level * song.drums * click, 0.65)
        if song.bass:
            _onto(made, when + _stray(song, draws), 0.5 * song.bass * notes.bass(chord[0]), 0.5)
        for i, note in enumerate(chord if song.chords else ()):
            if song.plucked:
                _onto(
                    made,
                    when + _stray(song, draws),
                    0.4 * song.chords * song.plucked * notes.pluck(note),
                    0.35 + 0.1 * i,
                )
            if song.plucked < 1 and place == 0:
                _onto(made, when, 0.2 * song.chords * (1 - song.plucked) * notes.saw(note), 0.65 - 0.1 * i)
        if song.voice:
            sung = chord[int(draws.integers(3))] + 12 * int(draws.integers(2))
            _onto(made, when + _stray(song, draws), 0.6 * song.voice * notes.voice(sung, int(draws.integers(5))), 0.5)
    if song.speech:
        made += 0.8 * song.speech * instruments.speech(seconds, draws)[: len(made), None]
    if song.room:
        made += song.room * instruments.room(made, 1.5, draws)
        made += 0.15 * song.room * instruments.crowd(seconds, draws)[:, None]
    return scaled(made, song.loudness)


def scaled(wave: Wave, lufs: float) -> Wave:
    """The same sound (n, C) at another loudness; softer where a sample would pass full scale."""
    found = loudness.measure(wave).integrated
    peak = float(np.abs(wave).max(initial=1e-9))
    gain = min(10 ** ((lufs - found) / 20), 0.999 / peak) if np.isfinite(found) else 1.0
    made: Wave = (wave * np.float32(gain)).astype(np.float32)
    return made


def clicks(tempo: float, seconds: float = 30) -> Wave:
    """(n,) a metronome."""
    made = np.zeros((round(seconds * RATE), 2), np.float32)
    for when in np.arange(0, seconds, 60 / tempo):
        _onto(made, float(when), instruments.click(), 0.5)
    return made[:, 0]


def descriptors(song: Song) -> dict[str, float]:
    """What is planted in a song, by the names of the attributes: shares from 0 to 1, tempo in BPM, loudness in LUFS.

    >>> {k: round(v, 2) for k, v in descriptors(Song(mode=0)).items() if k in ("acousticness", "valence", "instrumentalness")}
    {'valence': 0.4, 'acousticness': 0.38, 'instrumentalness': 1.0}
    """
    level = float(np.clip((song.loudness + 30) / 25, 0, 1))
    even = float(np.exp(-2 * np.log2(song.tempo / 120) ** 2))
    someone = song.voice + song.speech
    return {
        "danceability": (1 - 0.7 * song.looseness) * even * (0.4 + 0.6 * song.drums),
        "energy": 0.4 * song.drums * (0.4 + 0.15 * song.hats) + 0.3 * song.brightness + 0.3 * level,
        "valence": 0.15
        + 0.35 * song.mode
        + 0.25 * song.brightness
        + 0.25 * float(np.clip((song.tempo - 60) / 120, 0, 1)),
        "acousticness": song.plucked * (1 - 0.4 * song.drums),
        "instrumentalness": max(0.0, 1 - 2 * someone),
        "liveness": 0.05 + 0.9 * song.room,
        "speechiness": 0.03 + 0.9 * song.speech,
        "tempo": song.tempo,
        "loudness": song.loudness,
        "key": song.key,
        "mode": song.mode,
        "time_signature": song.beats,
    }


def songs(n: int, seed: int = 0) -> Iterator[tuple[str, Song]]:
    """n songs, each with its artist: songs of one artist share timbre, drums, voice and room, not tempo, key or progression."""
    for i in range(n):
        artist, number = divmod(i, N_OF_ARTIST)
        yield f"artist {artist}", _of_artist(_style(np.random.default_rng([seed, 2, artist])), seed, artist, number)


def collection(folder: Path, n: int, seed: int = 0, *, seconds: float = 30, suffix: str = ".flac") -> Path:
    """Renders n songs into a folder; returns its `truth.csv`: a row a song, with file, track_id, artist, title and descriptors.

    The loudness that is told is the one that the samples have.

    Raises
    ------
    MissingExtra : soundfile is not installed
    """
    try:
        import soundfile
    except (ImportError, OSError):
        raise MissingExtra("soundfile", "audio") from None
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, (artist, song) in enumerate(songs(n, seed)):
        wave = render(song, seconds)
        soundfile.write(folder / f"{i:06}{suffix}", wave, RATE)
        song = replace(song, loudness=round(loudness.measure(wave).integrated, 3))
        told = {name: round(value, 6) for name, value in descriptors(song).items()}
        rows.append({"file": f"{i:06}{suffix}", "track_id": f"{i:06}", "artist": artist, "title": f"song {i}"} | told)
    path = folder / "truth.csv"
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]) if rows else ["file"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def _style(draws: np.random.Generator) -> Song:
    """What the songs of an artist share."""
    sings = draws.uniform() < 0.55
    return Song(
        drums=float(np.clip(draws.uniform(-0.2, 1.1), 0, 1)), hats=int(draws.integers(1, 5)), bass=draws.uniform(0.2, 0.8),
        chords=draws.uniform(0.4, 0.9), plucked=draws.uniform(), brightness=draws.uniform(),
        voice=draws.uniform(0.15, 0.7) if sings else 0.0, speech=draws.uniform(0.2, 0.8) if draws.uniform() < 0.15 else 0.0,
        room=draws.uniform(0.2, 0.9) if draws.uniform() < 0.35 else draws.uniform(0, 0.1), looseness=draws.uniform() ** 2,
        beats=3 if draws.uniform() < 0.15 else 4, loudness=draws.uniform(-24, -9), tempo=2 ** draws.normal(6.85, 0.2),
    )  # fmt: skip


def _of_artist(style: Song, seed: int, artist: int, number: int) -> Song:
    draws = np.random.default_rng([seed, 3, artist, number])

    def near(value: float, by: float = 0.08) -> float:
        return float(np.clip(value + draws.normal(0, by), 0, 1)) if value else 0.0

    return replace(
        style, tempo=round(float(np.clip(style.tempo * 2 ** draws.normal(0, 0.15), 62, 185)), 2), key=int(draws.integers(12)),
        mode=int(draws.uniform() < 0.6), drums=near(style.drums), plucked=near(style.plucked), brightness=near(style.brightness),
        voice=near(style.voice), speech=near(style.speech), room=near(style.room, 0.04), looseness=near(style.looseness),
        loudness=round(float(style.loudness + draws.normal(0, 1.5)), 2), progression=int(draws.integers(4)),
        beats=style.beats if draws.uniform() < 0.9 else 7 - style.beats, seed=int(draws.integers(1 << 31)),
    )  # fmt: skip


class _Notes:
    """The notes of a song, each made once."""

    def __init__(self, song: Song, beat: float) -> None:
        self.song, self.beat = song, beat
        self.made: dict[tuple[str, int, int], Wave] = {}

    def _once(self, kind: str, note: int, vowel: int = 0) -> Wave:
        if (kind, note, vowel) not in self.made:
            frequency, brightness = hertz(note, self.song.cents), self.song.brightness
            self.made[kind, note, vowel] = {
                "bass": lambda: instruments.pluck(frequency, self.beat, 0.2),
                "pluck": lambda: instruments.pluck(frequency, 1.6 * self.beat, brightness),
                "saw": lambda: instruments.saw(frequency, self.beat * self.song.beats, brightness),
                "voice": lambda: instruments.voice(frequency, 0.95 * self.beat, vowel),
            }[kind]()
        return self.made[kind, note, vowel]

    def bass(self, note: int) -> Wave:
        return self._once("bass", note - 24 if note >= 60 else note - 12)

    def pluck(self, note: int) -> Wave:
        return self._once("pluck", note)

    def saw(self, note: int) -> Wave:
        return self._once("saw", note)

    def voice(self, note: int, vowel: int) -> Wave:
        return self._once("voice", note, vowel)


def _chord(song: Song, bar: int) -> tuple[int, int, int]:
    """The three MIDI notes of a bar, from the octave above middle C's down."""
    degrees = PROGRESSIONS[song.mode][song.progression]
    degree = degrees[bar % len(degrees)]
    scale = SCALES[song.mode]
    steps = [scale[(degree - 1 + 2 * i) % 7] + 12 * ((degree - 1 + 2 * i) // 7) for i in range(3)]
    if song.mode == 0 and degree == 5:
        steps[1] += 1  # the leading tone
    base = 48 + song.key
    one, two, three = (base + s for s in steps)
    return one, two, three


def _stray(song: Song, draws: np.random.Generator) -> float:
    return float(draws.normal(0, LOOSEST_S * song.looseness)) if song.looseness else 0.0


def _onto(made: Wave, when: float, wave: Wave, right: float) -> None:
    """Adds a sound at a time, so much of it to the right."""
    start = max(round(when * RATE), 0)
    left = wave[: max(len(made) - start, 0)]
    made[start : start + len(left), 0] += (1 - right) * 2 * left
    made[start : start + len(left), 1] += right * 2 * left


def onset_times(song: Song, seconds: float = 30) -> Floats:
    """(n,) when strokes begin in a song without looseness: hats where there are some, else beats."""
    return np.arange(0, seconds, 1 / song.onset_rate)
