"""What plays after a recording: real recordings into a real catalogue, and how well placing by sound finds what is played together.

Parts of bench_audio.py. The catalogue is made of $SEGUE_DATA/mpd and track_tables once, and kept in the temporary folder.
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from audio_models import data

from segue.alike import like
from segue.describing import DescriptorBundle, train
from segue.ear import listen
from segue.errors import SegueError
from segue.intervals import resamples
from segue.library import ingest, open_library
from segue.lists import Lists, Vocabulary, lists_of
from segue.playlists_bundle import open_playlists_bundle, save
from segue.proposers.list_neighbours import ListKnn
from segue.sounding import Sounding

K, AT = 20, 500
LEAST = 3  # tracks that a track shares lists with, or nothing can be found
EXACT = ("tempo", "key", "mode", "loudness")  # what is measured, not guessed
DESCRIBED = ("acousticness", "danceability", "energy", "instrumentalness", "valence", "liveness", "speechiness")


def _kept() -> Path:
    place = Path(tempfile.gettempdir()) / "segue-audio-next"
    place.mkdir(exist_ok=True)
    return place


def _catalogue() -> tuple[Lists, Vocabulary, Path] | None:
    slices, tables, place = data() / "mpd", data() / "track_tables", _kept() / "next.bundle"
    if not slices.is_dir() or not tables.is_dir():
        print(f"no {slices} or {tables}: set SEGUE_DATA to the folder that holds them\n")
        return None
    if not (_kept() / "playlists").is_dir():
        ingest("mpd", [slices], _kept() / "playlists", tracks=[tables])
    lists, vocabulary = lists_of(open_library(_kept() / "playlists"))
    if not place.is_dir():
        card = {"task": "next-track", "setting": "continue", "again": False, "model": "playlist-knn"}
        save(place, "playlist-knn", ListKnn().fit(lists, vocabulary), vocabulary, card)
    return lists, vocabulary, place


def _simulated(seed: int) -> tuple[Lists, Vocabulary]:
    """A thousand playlists of a world whose listeners have tastes; every track's attributes are known."""
    from segue.registry import world
    from segue.simulate.mpd import simulate

    place = _kept() / f"simulated-{seed}"
    if not (place / "playlists").is_dir():
        simulate(world("tastes-1"), place / "slices", playlists=1_000, seed=seed)
        ingest("mpd", [place / "slices"], place / "playlists", tracks=[place / "slices" / "track_features"])
    return lists_of(open_library(place / "playlists"))


def _descriptors(seed: int) -> Path | None:
    table, place = data() / "fma" / "final_data.csv", _kept() / f"descriptors-{seed}.bundle"
    if not table.is_file():
        return None
    train(table, (), place, model="ridge", seed=seed, overwrite=True)
    return place


def follows(asked: Namespace) -> None:
    """Every clip of $SEGUE_DATA/audio, as it is and encoded to FLAC and MP3: what is heard, and twenty tracks with reasons."""
    import soundfile

    from segue.datasets.sound_files import RATE, find, read

    made = _catalogue()
    if made is None:
        return
    bundle, described = open_playlists_bundle(made[2]), _descriptors(asked.seed)
    clips = [p for p in find([data() / "audio"]) if ".hq." not in p.name]
    print(f"── {len(clips)} recordings into a catalogue of {len(bundle.vocabulary):,} tracks ──\n")
    print(
        f"{'recording':34} {'kind':7} {'s':>6} {'by':>3} {'tracks':>6} {'why':>4} {'also of FLAC':>13} {'of MP3':>7} "
        f"{'hear s':>7} {'place s':>8}"
    )
    whole = 0
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips[: 4 if asked.quick else None]:
            said: dict[str, Any] = {}
            for suffix in ("", ".flac", ".mp3"):
                at = clip
                if suffix:
                    at = Path(folder, f"clip{suffix}")
                    soundfile.write(at, read(clip).channels, RATE)
                try:
                    begun = time.perf_counter()
                    heard = replace(listen(at, described), name="clip")
                    between = time.perf_counter()
                    found = like(bundle, heard, k=K)
                    said[suffix] = (found, between - begun, time.perf_counter() - between)
                except SegueError as cause:
                    print(f"{clip.stem[:34]:34} {suffix or 'as it is'}: {cause}")
            if "" not in said:
                continue
            found, hear, place = said[""]
            tracks = found.recommendation.tracks
            ids = {t.track for t in tracks}
            same = [
                f"{len(ids & {t.track for t in said[s][0].recommendation.tracks}):2} of {K}" if s in said else "-"
                for s in (".flac", ".mp3")
            ]
            kinds = {one.heard.kind for one, *_ in said.values()}
            reasons = sum(bool(t.reasons) for t in tracks)
            whole += len(tracks) == K == reasons and len(said) == 3 and len(kinds) == 1
            print(f"{clip.stem[:34]:34} {found.heard.kind:7} {found.heard.seconds:6.1f} {len(found.compared_by):3} {len(tracks):6} "
                  f"{reasons:4} {same[0]:>13} {same[1]:>7} {hear:7.2f} {place:8.2f}")  # fmt: skip
    print(f"\n{whole} recordings: twenty tracks with reasons of all three files, which are told to be of one kind.\n")


def cold(asked: Namespace) -> None:
    """Do the nearest in sound stand in the same playlists? By a track's attributes, by such as a bundle would tell, by chance."""
    described = _descriptors(asked.seed)
    explained = _explained(described) if described else {}
    real = _catalogue()
    if real is not None:
        _cold("real", *real[:2], explained, asked)
    _cold("simulated", *_simulated(asked.seed), explained, asked)


def _cold(world: str, lists: Lists, vocabulary: Vocabulary, explained: dict[str, float], asked: Namespace) -> None:
    names = [n for n in (*EXACT, *DESCRIBED) if n in vocabulary.sound]
    told = np.flatnonzero(np.all([np.isfinite(vocabulary.sound[n]) for n in names], axis=0))
    some = Vocabulary(
        [vocabulary.ids[i] for i in told], vocabulary.plays[told], vocabulary.artist[told], vocabulary.album[told],
        [vocabulary.title[i] for i in told], [vocabulary.artist_name[i] for i in told],
        {n: np.asarray(vocabulary.sound[n])[told] for n in names},
    )  # fmt: skip
    rng = np.random.default_rng([asked.seed, 10])
    shared = _shared(lists, told, len(vocabulary))
    able = np.flatnonzero([len(s) >= LEAST for s in shared])
    queries = np.sort(rng.permutation(able)[: 100 if asked.quick else 400])
    print(
        f"── {world}: {len(queries)} tracks of {len(some):,} whose attributes are known; those that share a playlist with each, "
        f"among the nearest {AT} ──\n"
    )
    told_of = [n for n in DESCRIBED if n in names and explained.get(n, 0) > 0]
    print(f"told by the bundle, R² as its card has it: {', '.join(f'{n} {explained[n]:.2f}' for n in told_of)}\n")
    noise = {n: rng.standard_normal(len(queries)) for n in told_of}
    ways: dict[str, Any] = {
        "its own attributes": lambda q, i: {n: _sure(some.sound[n][q]) for n in names},
        "measured, and told by the bundle": lambda q, i: (
            {n: _sure(some.sound[n][q]) for n in EXACT}
            | {n: _guessed(some.sound[n], q, explained[n], noise[n][i]) for n in told_of}
        ),
        "measured: tempo, key, mode, loudness": lambda q, i: {n: _sure(some.sound[n][q]) for n in EXACT},
    }
    if not told_of:
        del ways["measured, and told by the bundle"]
    found = {name: np.zeros(len(queries)) for name in [*ways, "by chance", "the most played"]}
    for i, q in enumerate(queries.tolist()):
        true = shared[q]
        for name, way in ways.items():
            near = Sounding.of(way(q, i), some).nearest(AT + 1)
            found[name][i] = np.isin(true, near[near != q][:AT]).mean()
        others = np.delete(np.arange(len(some)), q)
        found["by chance"][i] = np.isin(true, rng.permutation(others)[:AT]).mean()
        found["the most played"][i] = np.isin(true, others[:AT]).mean()
    drawn = resamples(np.arange(len(queries)), draws=500, seed=asked.seed)
    print(f"{'by':40} recall@{AT}, 95 % interval by track      over chance")
    for name, recall in found.items():
        ratio = recall.mean() / found["by chance"].mean()
        print(f"{name:40} {drawn.mean(recall)!s:38} {ratio:10.2f}")
    print()


def _explained(bundle: Path) -> dict[str, float]:
    """R² of every target that it tells, on groups held back."""
    opened = DescriptorBundle.open(bundle)
    scores = next(s for s in opened.card["contest"]["scores"] if s["model"] == opened.card["model"])
    return {n: max(0.0, 1 - scores["nmse"][n]["value"]) for n in opened.names if n in scores["nmse"]}


def _shared(lists: Lists, told: Any, n_tracks: int) -> list[Any]:
    """For each of some tracks, the places among them of those that share a list with it."""
    place = np.full(n_tracks + 1, -1)
    place[told] = np.arange(len(told))
    found: list[set[int]] = [set() for _ in told]
    for i in range(len(lists)):
        own = np.unique(place[lists[i]])
        own = own[own >= 0].tolist()
        for one in own:
            found[one].update(own)
    return [np.array(sorted(of - {i}), np.int64) for i, of in enumerate(found)]


def _sure(value: float) -> tuple[float, float, float]:
    return (float(value), float("nan"), float("nan"))


def _guessed(values: Any, at: int, r2: float, drawn: float) -> tuple[float, float, float]:
    """A guess that explains so much of the variance, with bounds that promise 90 %: the best such guess is drawn to the mean."""
    mean, scale = float(values.mean()), float(values.std())
    error = scale * (1 - r2) ** 0.5
    guess = mean + r2 * (float(values[at]) - mean) + scale * (r2 * (1 - r2)) ** 0.5 * drawn
    return (guess, guess - 1.645 * error, guess + 1.645 * error)
