"""Sounds made by arithmetic: notes, drums, a singing and a speaking voice, animals, a room and a crowd.

Each is (n,) float32 of about full scale, at 44,100 samples a second; what is drawn comes from a `numpy.random.Generator`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
RATE = 44_100
VOWELS = (  # the first three formants, in Hz, of a, e, i, o, u (Peterson & Barney, JASA 24, 1952, men)
    (730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240),
)  # fmt: skip
_HIGHEST = 16_000.0  # Hz, of any partial


def hertz(note: float, cents: float = 0.0) -> float:
    """The frequency of a MIDI note; 69 is the A of 440 Hz.

    >>> hertz(69), round(hertz(60), 2), round(hertz(69, cents=20), 2)
    (440.0, 261.63, 445.11)
    """
    return float(440.0 * 2 ** ((note - 69 + cents / 100) / 12))


def partials(frequency: float | Floats, n: int, amplitudes: Floats, decay_s: Floats | None = None) -> Wave:
    """Sines of one, two, three … times a frequency (constant, or (n,) from sample to sample), each with an amplitude and, where
    it decays, the seconds until it is down to 1/e."""
    turn = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, n)) / RATE
    step, before, now = 2 * np.cos(turn), np.zeros(n), np.sin(turn)
    made = np.zeros(n)
    for k, amplitude in enumerate(amplitudes):
        if decay_s is None:
            made += amplitude * now
        else:
            made += amplitude * now * np.exp(-np.arange(n) / (RATE * decay_s[k]))
        before, now = now, step * now - before  # sin((k + 1) x) = 2 cos(x) sin(k x) - sin((k - 1) x)
    return made.astype(np.float32)


def pluck(frequency: float, seconds: float, brightness: float = 0.5) -> Wave:
    """A string that is plucked: its partials decay, the high ones faster."""
    k = _orders(frequency, 24)
    made = partials(frequency, round(seconds * RATE), k ** (-2.2 + 1.4 * brightness), 1.1 * k**-0.8)
    return _faded(made / (1 + 2 * brightness), 0.003, 0.02)


def saw(frequency: float, seconds: float, brightness: float = 0.5) -> Wave:
    """A sawtooth that lasts, softened above some frequency and driven into saturation."""
    k = _orders(frequency, 40)
    edge = 400 * 2 ** (4 * brightness)
    made = partials(frequency, round(seconds * RATE), 1 / k / np.sqrt(1 + (k * frequency / edge) ** 4))
    return _faded(np.tanh(1.5 * made), 0.01, 0.03)


def voice(frequency: float, seconds: float, vowel: int = 0) -> Wave:
    """Someone sings a vowel: a pulse with vibrato, through the formants."""
    n = round(seconds * RATE)
    vibrato = 1 + 0.006 * np.sin(2 * np.pi * 5.5 * np.arange(n) / RATE)
    k = _orders(frequency, 30)
    return _faded(partials(frequency * vibrato, n, 2 * _formants(k * frequency, VOWELS[vowel]) / k**0.5), 0.03, 0.05)


def click() -> Wave:
    """A tick of 10 ms."""
    t = np.arange(441) / RATE
    made: Wave = (np.sin(2 * np.pi * 2000 * t) * np.exp(-t / 0.002)).astype(np.float32)
    return made


def kick() -> Wave:
    t = np.arange(round(0.25 * RATE)) / RATE
    turn = 2 * np.pi * np.cumsum(48 + 110 * np.exp(-t / 0.02)) / RATE
    return _faded((np.sin(turn) * np.exp(-t / 0.08)).astype(np.float32), 0.001, 0.01)


def snare(draws: np.random.Generator) -> Wave:
    t = np.arange(round(0.2 * RATE)) / RATE
    made = 0.35 * draws.normal(size=len(t)) * np.exp(-t / 0.05) + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.06)
    return _faded(made.astype(np.float32), 0.001, 0.01)


def hat(draws: np.random.Generator) -> Wave:
    t = np.arange(round(0.06 * RATE)) / RATE
    noise = np.diff(np.diff(draws.normal(size=len(t) + 2)))
    return _faded((0.2 * noise * np.exp(-t / 0.015)).astype(np.float32), 0.001, 0.005)


def speech(seconds: float, draws: np.random.Generator) -> Wave:
    """As someone speaks: four to six syllables a second whose pitch and formants glide, with hisses, and pauses between phrases."""
    made = np.zeros(round(seconds * RATE), np.float32)
    middle, at, phrase = draws.uniform(95, 210), 0.1, draws.uniform(1.5, 3.5)
    while at < seconds:
        length = draws.uniform(0.09, 0.2)
        n = round(length * RATE)
        pitch = middle * (1 + draws.uniform(-0.15, 0.2)) * np.linspace(1, 1 + draws.uniform(-0.15, 0.1), n)
        k = _orders(float(pitch.max()), 30)
        low, high = draws.choice(len(VOWELS), 2)
        fade = np.linspace(0, 1, n)
        spoken = (1 - fade) * partials(pitch, n, _formants(k * middle, VOWELS[low]) / k**0.5)
        spoken += fade * partials(pitch, n, _formants(k * middle, VOWELS[high]) / k**0.5)
        _add(made, at, _faded((draws.uniform(0.5, 1) * spoken).astype(np.float32), 0.02, 0.05))
        if draws.uniform() < 0.45:
            hiss = np.diff(draws.normal(0, 0.12, round(0.07 * RATE))).astype(np.float32)
            _add(made, at + length, _faded(hiss, 0.02, 0.02))
            length += 0.07
        at += length + draws.uniform(0.01, 0.05)
        phrase -= length
        if phrase < 0:
            at, phrase = at + draws.uniform(0.3, 0.8), draws.uniform(1.5, 3.5)
    return made


def calls(seconds: float, draws: np.random.Generator) -> Wave:
    """As an animal calls: sweeps of one pitch, each alike, with pauses between, before the noise of a field."""
    made = draws.normal(0, 0.002, round(seconds * RATE)).astype(np.float32)
    base, length, at = 2 ** draws.uniform(8.5, 11.5), draws.uniform(0.15, 0.9), 0.3
    while at < seconds:
        n = round(length * draws.uniform(0.8, 1.2) * RATE)
        sweep = base * 2 ** (draws.uniform(-0.4, 0.6) * np.sin(np.linspace(0, draws.uniform(1, 3), n)))
        _add(made, at, 0.5 * _faded(partials(sweep, n, np.array([1.0, 0.3, 0.1])), 0.03, 0.05))
        at += length + draws.uniform(0.3, 2.0)
    return made


def crowd(seconds: float, draws: np.random.Generator) -> Wave:
    """Many people far away: a murmur of low noise, and some who clap."""
    n = round(seconds * RATE)
    made = _below(draws.normal(size=n), 1200.0)
    for at in draws.uniform(0, seconds, round(6 * seconds)):
        size = 0.03 * RATE
        _add(made, at, (draws.normal(size=int(size)) * np.exp(-np.arange(int(size)) / (0.2 * size))).astype(np.float32))
    made *= np.float32(0.25)
    return made


def room(wave: Wave, seconds: float, draws: np.random.Generator) -> Wave:
    """The sound (n, C) as it comes back from the walls for so many seconds (60 dB down); each channel's walls are its own."""
    from scipy.signal import oaconvolve

    n = round(seconds * RATE)
    tail = draws.normal(size=(wave.shape[1], n)) * 10 ** (-3 * np.arange(n) / n)
    tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
    back = oaconvolve(np.ascontiguousarray(wave.T), tail.astype(np.float32), axes=1)[:, : len(wave)]
    return np.ascontiguousarray(back.T, np.float32)


def _orders(frequency: float, most: int) -> Floats:
    return np.arange(1, max(min(most, int(_HIGHEST / frequency)), 1) + 1, dtype=np.float64)


def _formants(frequencies: Floats, middles: tuple[int, ...]) -> Floats:
    made = np.zeros(len(frequencies))
    for middle, width, gain in zip(middles, (90, 110, 170), (1.0, 0.5, 0.25), strict=True):
        made += gain / (1 + ((frequencies - middle) / width) ** 2)
    return made + 0.01


def _faded(wave: Wave, start_s: float, end_s: float) -> Wave:
    start, end = (min(round(s * RATE), len(wave) // 2) for s in (start_s, end_s))
    wave[:start] *= np.linspace(0, 1, start, dtype=np.float32)
    wave[len(wave) - end :] *= np.linspace(1, 0, end, dtype=np.float32)
    return wave


def _below(wave: Floats, edge: float) -> Wave:
    """Without what lies above a frequency (12 dB an octave)."""
    from scipy.signal import lfilter

    kept = float(np.exp(-2 * np.pi * edge / RATE))
    made: Wave = lfilter([(1 - kept) ** 2], [1, -2 * kept, kept**2], wave).astype(np.float32)
    return made


def _add(onto: Wave, at_s: float, wave: Wave) -> None:
    start = round(at_s * RATE)
    if start >= 0:
        room_left = max(len(onto) - start, 0)
        onto[start : start + len(wave)] += wave[:room_left]
