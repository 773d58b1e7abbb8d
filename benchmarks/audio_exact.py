"""What is computed from sound exactly, against a known truth: tempo, key, onsets, loudness, and what is music.

python benchmarks/audio_exact.py [--songs 24] [--seconds 12] [--clips ../shared/data/audio]
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from segue.datasets.sound_files import RATE, find, read
from segue.features.audio import harmony, loudness, rhythm
from segue.features.audio.kind import judge
from segue.features.audio.spectrum import Spectra
from segue.simulate import instruments
from segue.simulate.music import clicks, render, songs


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--songs", type=int, default=24)
    asked.add_argument("--seconds", type=float, default=12)
    asked.add_argument("--clips", type=Path)
    options = asked.parse_args()

    off = [abs(rhythm.measure(Spectra.of(clicks(t, 12))).tempo / t - 1) for t in range(60, 201, 10)]
    print(f"metronomes of 60 to 200: n {len(off)}, largest error {max(off):.2%}")

    n, exact, folded, keys, music, meter = 0, 0, 0, 0, 0, []
    for _, song in list(songs(8 * options.songs, seed=9))[::8]:  # one of each artist
        wave = render(song, options.seconds)
        spectra = Spectra.of(wave.mean(axis=1))
        beat, tones = rhythm.measure(spectra), harmony.measure(spectra)
        n += 1
        exact += abs(beat.tempo / song.tempo - 1) < 0.01
        folded += min(abs(beat.tempo / song.tempo / octave - 1) for octave in (0.5, 1, 2)) < 0.01
        keys += (tones.key, tones.mode) == (song.key, song.mode)
        music += judge(spectra, beat, tones).is_music
        meter.append(abs(_other_meter(wave) - loudness.measure(wave).integrated))
    print(
        f"rendered songs, n {n}: tempo within 1 % {exact}, within 1 % or an octave {folded}, key and mode {keys}, music {music}"
    )
    print(f"loudness against pyloudnorm, n {n}: largest difference {max(meter):.3f} LU")

    for name in ("speech", "calls", "crowd"):
        told = Counter(
            judge(Spectra.of(getattr(instruments, name)(options.seconds, np.random.default_rng([i, 8])))).name
            for i in range(options.songs)
        )
        print(f"rendered {name}, n {options.songs}: {dict(told)}")

    for path in find([options.clips]) if options.clips else ():
        recording = read(path, most_s=60)
        spectra = Spectra.of(recording.mono)
        beat, tones, heard = rhythm.measure(spectra), harmony.measure(spectra), loudness.measure(recording.channels)
        kind = judge(spectra, beat, tones)
        quality = "hq" if ".hq." in path.name else "  "
        print(
            f"{path.name[:24]:24s} {quality} {kind.name:6s} {beat.tempo:6.1f} BPM ({beat.confidence:.2f})"
            f" {tones.name:8s} ({tones.confidence:.2f}) {heard.integrated:6.1f} LUFS {beat.onset_rate:5.2f} onsets/s"
        )


def _other_meter(wave: np.ndarray) -> float:
    import pyloudnorm

    return float(pyloudnorm.Meter(RATE).integrated_loudness(wave.astype(float)))


if __name__ == "__main__":
    main()
