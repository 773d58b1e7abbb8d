"""A bundle that continues lists: a folder of data, never code.

card.json               what it answers, what it was trained on, how well it did
model.json              the model's plain settings      model.safetensors      its arrays
vocabulary.safetensors  of every track its plays, artist and album, and what is known of how it sounds
names.safetensors       ids and names of tracks, to be searched
golden.json             made-up questions and what they were answered when it was written
hashes.json             of all the others
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from segue import registry
from segue.batch import Array
from segue.catalogue import FIELDS, Catalogue, catalogue
from segue.contest import Contest, contest, left_of
from segue.errors import AskedWrongly, BadInput, SegueError, Tampered
from segue.features.columns import key64
from segue.library import Library, open_library
from segue.lists import Vocabulary
from segue.mapped import mapped
from segue.proposers.proposer import Question, best
from segue.sealed import AGAIN, DAMAGE, flat, free, sealed, standing, verify, write_json

FORMAT = 2
GOLDEN = 5  # questions, each of so many of the most played tracks
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class PlaylistsBundle:
    """An opened bundle: it says how a list goes on."""

    card: dict[str, Any]
    fitted: Any
    vocabulary: Vocabulary
    names: Catalogue

    @property
    def again(self) -> bool:
        """Whether tracks that a list holds already may be proposed: so it is in the sessions that it learned from."""
        return bool(self.card["again"])

    @property
    def of_sessions(self) -> bool:
        """Whether it says what plays next in a session, and not how a playlist goes on."""
        return bool(self.card["setting"] == "next")

    @property
    def sound(self) -> Mapping[str, Array]:
        """Attributes of tracks, by name: (N,) float32, NaN where not known."""
        return self.vocabulary.sound

    def proposals(self, question: Question, n: int, *, again: bool | None = None) -> tuple[Array, Array]:
        """The n best tracks that the question allows, and their scores; where the model has fewer, the most played follow with
        score 0.

        `again`: whether tracks of the list may be among them; None: as it was in the lists that it learned from.
        """
        without = question.seeds[:0] if (self.again if again is None else again) else question.seeds
        found, scores = self.fitted.scores(question)
        if question.allowed is not None:
            some = question.meets(found)
            found, scores = found[some], scores[some]
        track, score = best(found, scores, n, without)
        if len(track) < n:
            if question.allowed is None:
                more = np.arange(min(len(self.vocabulary), n + len(without)))
            else:
                more = np.flatnonzero(question.allowed)[: n + len(without)]
            more = more[~np.isin(more, np.concatenate([track, without]))][: n - len(track)]
            track, score = np.concatenate([track, more]), np.concatenate([score, np.zeros(len(more))])
        return track, score

    def __repr__(self) -> str:
        return f"PlaylistsBundle({self.card['model']}, {len(self.vocabulary):,} tracks)"


class _Names(Sequence[Any]):
    """One name of every track, read when it is asked for."""

    def __init__(self, names: Catalogue, field: str) -> None:
        self._names, self._field = names, field

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> Any: ...
    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self._names[int(i)][self._field]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, eq=False)
class StoredVocabulary(Vocabulary):
    """A vocabulary whose ids are found by their keys, in a file: nothing is read that is not asked for."""

    key: Array = None  # type: ignore[assignment]  # (N,) int64, sorted
    of_key: Array = None  # type: ignore[assignment]  # (N,) int32 the code of each

    def codes(self, tracks: Any) -> Array:
        wanted = np.array([key64(t) for t in tracks], np.int64)
        if not len(self.key):
            return np.full(len(wanted), -1, np.int32)
        place = np.searchsorted(self.key, wanted).clip(max=len(self.key) - 1)
        return np.where(self.key[place] == wanted, self.of_key[place], -1).astype(np.int32)


def train(
    library: Library | str, out: str | Path, *, model: str = "blend", setting: str = "",
    settings: Mapping[str, Any] | None = None, seed: int = 0, most: int = 300, without: str | Path | None = None,
    overwrite: bool = False, progress: Progress = lambda done, n, name: None,
) -> PlaylistsBundle:  # fmt: skip
    """Train one model on all lists of a library and write a bundle.

    How well it does, its card says of the same model fitted on four fifths of the lists and asked about the others, beside
    `popularity` and, of a blend, each of its parts.

    Parameters
    ----------
    setting : `continue` of playlists or `next` of sessions; "": by whether the library has a clock
    most : lists asked about in a category for the card
    without : the folder of a challenge (`segue challenge make`) whose playlists are left out: it will be asked about them

    Raises
    ------
    AskedWrongly : the library names its listeners: what they heard is theirs, and a bundle would hold it
    """
    from segue.experiment import with_settings

    free(out, overwrite)
    opened = library if isinstance(library, Library) else open_library(library)
    asking = registry.asking(setting or ("next" if opened.manifest["first_day"] else "continue"))
    usual = registry.proposer(asking.name, model)
    chosen = with_settings(usual(), model, dict(settings or {}) | _seeded(usual, seed, settings or {}))
    if opened.manifest["listeners"]:
        raise AskedWrongly(
            f"{opened.path} holds what {opened.manifest['listeners']:,} listeners heard, which no bundle may: train on playlists "
            "(segue ingest mpd …); segue compare next-track works on it"
        )
    rivals = getattr(chosen, "parts", ())
    found = contest(
        opened, models=[*dict.fromkeys(["popularity", *rivals, model])], made={model: chosen}, asking=asking, most=most, seed=seed,
        without=without, progress=progress,
    )  # fmt: skip
    lists, vocabulary = left_of(opened, without)
    more = {"step": lambda what: progress(0, 1, f"{model}, on all lists: {what}")} if model == "blend" else {}
    progress(0, 1, f"{model}, on all lists")
    fitted = chosen.fit(lists, vocabulary, **more)
    card = _card(opened, model, found, seed, len(lists), asking.again(lists))
    if hasattr(fitted, "learned"):  # of a network, how it learned and what it reads
        card["learned"] = dict(fitted.learned)
    made = save(out, model, fitted, vocabulary, card, overwrite=overwrite)
    progress(1, 1, "done")
    return made


def _seeded(model: Any, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = getattr(model, "__dataclass_fields__", {})
    return {"seed": seed} if "seed" in known and "seed" not in settings else {}


def _card(library: Library, model: str, found: Contest, seed: int, n_lists: int, again: bool) -> dict[str, Any]:
    import segue

    said, manifest = found.to_json(), library.manifest
    return {
        "segue": segue.__version__, "task": "next-track", "setting": found.asking.name, "again": again, "model": model,
        "source": manifest["source"],
        "source_options": manifest["options"], "licence_of_the_data": manifest["licence"], "citation": manifest["citation"],
        "library": library.fingerprint(), "lists": n_lists, "seed": seed, "contest": said,
    }  # fmt: skip


def save(
    path: str | Path, model: str, fitted: Any, vocabulary: Vocabulary, card: dict[str, Any], *, overwrite: bool = False
) -> PlaylistsBundle:  # fmt: skip
    """Write a bundle aside, check that it opens and answers its golden questions, then rename it."""
    from safetensors.numpy import save_file

    def fill(aside: Path) -> None:
        settings, arrays = fitted.save()
        write_json(aside / "card.json", card | {"format": FORMAT})
        write_json(aside / "model.json", settings)
        save_file(flat(arrays), aside / "model.safetensors")
        key = np.array([key64(track) for track in vocabulary.ids], np.int64)
        order = np.argsort(key, kind="stable")
        held = {"plays": vocabulary.plays.astype(np.int64), "artist": vocabulary.artist, "album": vocabulary.album,
                "key": key[order], "of_key": order.astype(np.int32)}  # fmt: skip
        held |= {f"sound.{name}": np.asarray(value, np.float32) for name, value in vocabulary.sound.items()}
        save_file(flat(held), aside / "vocabulary.safetensors")
        nothing = [None] * len(vocabulary)
        said = {"title": vocabulary.title, "artist": vocabulary.artist_name, "track": vocabulary.ids}
        save_file(
            flat(catalogue(zip(*(said.get(f, nothing) for f in FIELDS), strict=True))), aside / "names.safetensors"
        )
        made = PlaylistsBundle(card, fitted, vocabulary, Catalogue({}))
        write_json(aside / "golden.json", _golden(made))

    made: PlaylistsBundle = sealed(path, overwrite, fill, open_playlists_bundle)
    return made


def _golden(bundle: PlaylistsBundle) -> list[dict[str, Any]]:
    """What is proposed after some of the most played tracks, as codes and scores."""
    cases = []
    for n in range(GOLDEN):
        seeds = np.arange(n, min(len(bundle.vocabulary), 3 * n), dtype=np.int32)
        track, score = bundle.proposals(Question(seeds, f"golden {n}" if n % 2 else None), 10)
        cases.append({"seeds": seeds.tolist(), "tracks": track.tolist(), "scores": [float(s) for s in score]})
    return cases


def open_playlists_bundle(path: str | Path, *, checked: bool = False) -> PlaylistsBundle:
    """Open a bundle, trusting nothing in it.

    Raises
    ------
    AskedWrongly : there is none, or it answers another question
    Tampered : a file is missing, added, changed or damaged, or the golden questions are answered otherwise
    """
    from safetensors import SafetensorError

    folder = standing(path, "segue train next-track LIBRARY -o next.bundle")
    if not checked:
        verify(folder)
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        task, written_in = card["task"], card["format"]
    except DAMAGE as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    if task != "next-track":
        raise AskedWrongly(f"{folder} is a bundle for {task}: give one of segue train next-track")
    if written_in != FORMAT:
        raise BadInput(f"{folder} was written in format {written_in}, this segue reads {FORMAT}: train again")
    try:
        held, names = mapped(folder / "vocabulary.safetensors"), Catalogue(mapped(folder / "names.safetensors"))
        vocabulary = _vocabulary(held, names)
        settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        fitted = registry.proposer(card["setting"], card["model"]).open(
            settings, mapped(folder / "model.safetensors"), vocabulary
        )
        bundle = PlaylistsBundle(card, fitted, vocabulary, names)
        golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        if not _alike(golden, _golden(bundle)):
            raise Tampered(f"{folder} answers a golden question otherwise than when it was written: {AGAIN}")
    except Tampered:
        raise
    except (*DAMAGE, SafetensorError, SegueError) as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    return bundle


def _vocabulary(held: Mapping[str, Array], names: Catalogue) -> StoredVocabulary:
    n = len(held["plays"])
    kinds = {"plays": np.int64, "artist": np.int32, "album": np.int32, "key": np.int64, "of_key": np.int32}
    if len(names) != n or any(held[name].shape != (n,) or held[name].dtype != kind for name, kind in kinds.items()):
        raise ValueError("the vocabulary is damaged")
    groups = held["artist"], held["album"]
    of_key = held["of_key"]
    if n and (of_key.min() < 0 or of_key.max() >= n or any(g.min() < -1 or g.max() >= 2 * n for g in groups)):
        raise ValueError("the vocabulary holds impossible codes")
    if (np.diff(held["key"]) < 0).any() or (held["plays"] < 0).any():
        raise ValueError("the vocabulary is out of order")
    sound = {name.removeprefix("sound."): a for name, a in held.items() if name.startswith("sound.")}
    if any(a.shape != (n,) or a.dtype != np.float32 for a in sound.values()):
        raise ValueError("the attributes of tracks are damaged")
    title, artist, ids = (_Names(names, field) for field in ("title", "artist", "track"))
    return StoredVocabulary(ids, held["plays"], *groups, title, artist, sound, key=held["key"], of_key=of_key)


def _alike(then: Any, now: list[dict[str, Any]]) -> bool:
    """The same tracks with the same scores, but for their last bits; where scores are equal, the order may differ."""
    if len(then) != len(now):
        return False
    return all(
        a["seeds"] == b["seeds"] and len(a["scores"]) == len(b["scores"]) and np.allclose(a["scores"], b["scores"], 1e-4, 1e-6)
        for a, b in zip(then, now, strict=True)
    )  # fmt: skip
