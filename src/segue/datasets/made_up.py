"""Made-up listening, small and with a signal, that each source's sample writes in its own format.

Nobody's data: listeners with a temper, a mood that lasts, artists they like or not, albums played in runs. The worlds
with known truth are another matter; this one only has to look right and be learnable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIRST_DAY_MS = 1_531_612_800_000  # 2018-07-15
DAY_MS = 86_400_000
N_ARTISTS, ALBUMS_EACH, TRACKS_EACH = 60, 2, 8
_ADJECTIVES = ("Quiet", "Paper", "Northern", "Velvet", "Broken", "Little", "Electric", "Second", "Golden", "Salt")
_NOUNS = ("Harbour", "Machines", "Orchard", "Signal", "Weather", "Parade", "Lanterns", "Motel", "Rivers", "Choir")


@dataclass(frozen=True)
class Play:
    """One made-up play, with everything that any format may want to say of it."""

    listener: int
    session: int
    position: int
    length: int
    track: int
    start_ms: int
    end_ms: int
    played_ms: int
    skipped: bool
    reason_start: str
    reason_end: str
    shuffle: bool
    context: str
    context_switch: bool
    pause_s: float
    premium: bool


def artist_of(track: int) -> int:
    return track // (ALBUMS_EACH * TRACKS_EACH)


def album_of(track: int) -> int:
    return track // TRACKS_EACH


def artist_name(artist: int) -> str:
    return f"{_ADJECTIVES[artist % 10]} {_NOUNS[(artist // 10 + artist) % 10]}"


def n_tracks() -> int:
    return N_ARTISTS * ALBUMS_EACH * TRACKS_EACH


def duration_s(track: int) -> int:
    return 150 + (track * 37) % 150


def plays(sessions: int, listeners: int, days: int, seed: int, min_length: int = 1, max_length: int = 20) -> list[Play]:
    """Sessions of made-up listeners over some days, in order of listener and time."""
    rng = np.random.default_rng(seed)
    temper = rng.normal(-0.6, 0.8, listeners)
    taste = rng.normal(0, 1.3, (listeners, N_ARTISTS))
    quality = rng.normal(0, 0.5, n_tracks())
    favourites = [rng.permutation(N_ARTISTS)[:25] for _ in range(listeners)]
    contexts = ("user_collection", "catalog", "editorial_playlist", "radio")
    out: list[Play] = []
    for listener in range(listeners):
        n = sessions // listeners + (listener < sessions % listeners)
        slots = np.sort(rng.choice(days * 6, min(n, days * 6), replace=False))
        for session, slot in enumerate(slots):
            clock = FIRST_DAY_MS + int(slot) * DAY_MS // 6 + int(rng.integers(0, 600)) * 1000
            length = int(np.clip(rng.geometric(0.08) + min_length - 1, min_length, max_length))
            mood, shuffle = int(rng.random() < 0.4), bool(rng.random() < 0.4)
            context, artist, reason = str(rng.choice(contexts)), int(rng.choice(favourites[listener])), "clickrow"
            track, premium = -1, bool(listener % 4)
            for position in range(1, length + 1):
                mood = mood if rng.random() < 0.9 else 1 - mood
                switched = bool(position > 1 and rng.random() < 0.06)
                if switched:
                    context = str(rng.choice(contexts))
                if rng.random() > 0.7:
                    artist = int(rng.choice(favourites[listener]))
                base = artist * ALBUMS_EACH * TRACKS_EACH
                track = base + int(rng.integers(ALBUMS_EACH * TRACKS_EACH)) if shuffle or rng.random() < 0.3 else (
                    base + (track + 1 - base) % (ALBUMS_EACH * TRACKS_EACH))  # fmt: skip
                pause = 0.0 if rng.random() < 0.8 else float(rng.exponential(90))
                logit = temper[listener] + 2.2 * mood - 1.0 - taste[listener, artist] - quality[track] - pause / 120
                skipped = bool(rng.random() < 1 / (1 + np.exp(-logit)))
                whole = duration_s(track) * 1000
                played = int(min(whole, 1000 + rng.exponential(18_000))) if skipped else whole
                start = clock + int(pause * 1000)
                end = "fwdbtn" if skipped else "trackdone"
                if position == length and rng.random() < 0.5:
                    end, played = ("logout", played // 2) if not skipped else ("endplay", min(played, 25_000))
                clock = start + played
                out.append(
                    Play(listener, session, position, length, track, start, clock, played, skipped, reason, end,
                         shuffle, context, switched, pause, premium)
                )  # fmt: skip
                reason = end if rng.random() < 0.92 else "clickrow"
    return out
