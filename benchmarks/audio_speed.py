"""Seconds that a 30-second clip takes on one core: our front end and librosa computing comparable features, in the same run.

Clips are rendered. Each way is tried in turn, several rounds; the best round of a clip counts, the mean over clips is shown.
Seconds are the processor's, on one core: what other processes of a shared machine take is not counted.
librosa is used as well as it can be: one spectrum for all of its features, and beside it as its documentation shows each of them,
from the samples. Both are warmed up first, so that nothing is compiled or cached meanwhile. Decoding is apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile

from segue.datasets.sound_files import Recording, read
from segue.display import print_table
from segue.features.audio import bins, front_end, harmony, librosa_means, loudness, modulation, rhythm, timbre
from segue.features.audio.spectrum import RATE, Spectra
from segue.simulate.music import Song, render

SONGS = (
    Song(tempo=96, key=4, mode=0, drums=0.8, hats=2, seed=1),
    Song(tempo=124, key=0, mode=1, drums=0.3, plucked=0.9, seed=2),
    Song(tempo=150, key=7, mode=1, drums=0.9, hats=4, voice=0.6, room=0.5, seed=3),
)
Samples = np.ndarray
Way = Callable[[Recording], object]


def by_librosa(recording: Recording) -> np.ndarray:
    """Mel, MFCC and two deltas, contrast, flatness, centroid, bandwidth, roll-off, zero crossings, level, chroma, onset curve,
    tempogram and tempo from one spectrum; mean and standard deviation of each."""
    y, f = recording.mono, librosa.feature
    s = np.abs(librosa.stft(y, n_fft=2048, hop_length=512))
    power = s**2
    mel = librosa.power_to_db(f.melspectrogram(S=power, sr=RATE))
    mfcc = f.mfcc(S=mel, sr=RATE)
    onset = librosa.onset.onset_strength(S=mel, sr=RATE)
    centroid = f.spectral_centroid(S=s, sr=RATE)
    rows = [
        mel, f.delta(mel), mfcc, f.delta(mfcc), f.delta(mfcc, order=2), f.spectral_contrast(S=s, sr=RATE),
        f.spectral_flatness(S=s), centroid, f.spectral_bandwidth(S=s, sr=RATE, centroid=centroid), f.spectral_rolloff(S=s, sr=RATE),
        f.zero_crossing_rate(y), f.rms(S=s), f.chroma_stft(S=power, sr=RATE), onset[None],
        f.tempogram(onset_envelope=onset, sr=RATE),
    ]  # fmt: skip
    return _summary(rows, f.tempo(onset_envelope=onset, sr=RATE))


def by_librosa_as_documented(recording: Recording) -> np.ndarray:
    """The same, each from the samples, as librosa's documentation shows it."""
    y, f = recording.mono, librosa.feature
    mel = librosa.power_to_db(f.melspectrogram(y=y, sr=RATE))
    mfcc = f.mfcc(y=y, sr=RATE)
    rows = [
        mel, f.delta(mel), mfcc, f.delta(mfcc), f.delta(mfcc, order=2), f.spectral_contrast(y=y, sr=RATE), f.spectral_flatness(y=y),
        f.spectral_centroid(y=y, sr=RATE), f.spectral_bandwidth(y=y, sr=RATE), f.spectral_rolloff(y=y, sr=RATE),
        f.zero_crossing_rate(y), f.rms(y=y), f.chroma_stft(y=y, sr=RATE), librosa.onset.onset_strength(y=y, sr=RATE)[None],
        f.tempogram(y=y, sr=RATE),
    ]  # fmt: skip
    return _summary(rows, f.tempo(y=y, sr=RATE))


def as_fma(recording: Recording) -> np.ndarray:
    """The 74 means of FMA's table, as its features.py has librosa compute them."""
    y, f = recording.mono, librosa.feature
    cqt = np.abs(librosa.cqt(y, sr=RATE, hop_length=512, bins_per_octave=12, n_bins=84, tuning=None))
    cens = f.chroma_cens(C=cqt, bins_per_octave=12)
    s = np.abs(librosa.stft(y, n_fft=2048, hop_length=512))
    rows = [
        f.zero_crossing_rate(y), f.chroma_cqt(C=cqt, bins_per_octave=12), cens, f.tonnetz(chroma=cens), f.chroma_stft(S=s**2),
        f.rms(S=s), f.spectral_centroid(S=s), f.spectral_bandwidth(S=s), f.spectral_contrast(S=s), f.spectral_rolloff(S=s),
        f.mfcc(S=librosa.power_to_db(f.melspectrogram(sr=RATE, S=s**2))),
    ]  # fmt: skip
    return np.concatenate([r.mean(axis=1) for r in rows])


def _summary(rows: list[np.ndarray], tempo: np.ndarray) -> np.ndarray:
    return np.concatenate([*(r.mean(axis=1) for r in rows), *(r.std(axis=1) for r in rows), np.atleast_1d(tempo)])


WHOLE: dict[str, Way] = {
    "segue front end": front_end.measure,
    "librosa, one spectrum": by_librosa,
    "librosa, as documented": by_librosa_as_documented,
}
TABLE: dict[str, Way] = {
    "segue, 74 means of FMA": lambda r: librosa_means.means(Spectra.of(r.mono)),
    "librosa, 74 means of FMA": as_fma,
}
PIECES: dict[str, Callable[[Recording, Spectra], object]] = {
    "spectrum": lambda r, s: Spectra.of(r.mono),
    "mel bands": lambda r, s: _fresh(s).log_mel,
    "timbre": lambda r, s: timbre.measure(s),
    "modulation": lambda r, s: modulation.measure(s),
    "rhythm": lambda r, s: rhythm.measure(s),
    "harmony": lambda r, s: harmony.measure(s),
    "loudness, two channels": lambda r, s: loudness.measure(r.channels),
    "10,000 bins (baseline, apart)": lambda r, s: bins.bins(r.mono),
}


def run(asked: argparse.Namespace) -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    warnings.simplefilter("ignore")  # librosa's, of a deprecated name
    try:
        rounds = 3 if asked.quick else 7
        clips = [Recording(Path(f"{k}.wav"), render(song, 30), 30.0) for k, song in enumerate(SONGS)]
        _whole(clips, rounds)
        _pieces(clips, rounds)
        _decoding(clips, rounds)
    finally:
        os.sched_setaffinity(0, cores)


def best(ways: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Processor seconds of the best round of each, tried in turn so that what else the machine does hits all alike."""
    for way in ways:
        way()
    found = [float("inf")] * len(ways)
    for _ in range(rounds):
        for k, way in enumerate(ways):
            begun = time.process_time()
            way()
            found[k] = min(found[k], time.process_time() - begun)
    return found


def _whole(clips: list[Recording], rounds: int) -> None:
    rows = []
    for ways in (WHOLE, TABLE):
        seconds = np.mean([best([lambda w=w, c=c: w(c) for w in ways.values()], rounds) for c in clips], axis=0)
        for name, way, own in zip(ways, ways.values(), seconds, strict=True):
            rows.append({
                "": name, "numbers": f"{len(np.ravel(way(clips[0])))}", "ms a clip": f"{1000 * own:.0f}",
                "times ours": f"{own / seconds[0]:.1f}", "clips a minute": f"{60 / own:,.0f}",
            })  # fmt: skip
    print_table(rows, f"{len(clips)} rendered clips of 30 s, two channels, best of {rounds}, one core")


def _pieces(clips: list[Recording], rounds: int) -> None:
    spectra = [Spectra.of(c.mono) for c in clips]
    for s in spectra:
        s.log_mel, s.magnitude  # noqa: B018  what the spectrum caches is counted apart
    took = np.mean(
        [
            best([lambda p=p, c=c, s=s: p(c, s) for p in PIECES.values()], rounds)
            for c, s in zip(clips, spectra, strict=True)
        ],
        axis=0,
    )
    print_table([{"": n, "ms a clip": f"{1000 * t:.1f}"} for n, t in zip(PIECES, took, strict=True)], "of which")


def _decoding(clips: list[Recording], rounds: int) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".wav", ".flac", ".ogg", ".mp3"):
            place = Path(folder) / f"clip{suffix}"
            soundfile.write(place, clips[0].channels, RATE)
            ours, theirs = best(
                [lambda p=place: read(p).mono, lambda p=place: librosa.load(p, sr=None, mono=True)], rounds
            )
            rows.append({"decoding": suffix, "segue ms": f"{1000 * ours:.0f}", "librosa ms": f"{1000 * theirs:.0f}"})
    print_table(rows, "decoding a clip to mono, apart from the above")


def _fresh(spectra: Spectra) -> Spectra:
    return Spectra(spectra.samples, spectra.power)
