"""What should play after a recording? The tracks that sound most like it; with a list, they are its seeds, too.

like(bundle, "song.mp3")                    by sound alone, whoever plays them: tracks without plays, too
like(bundle, "song.mp3", title="road trip") the ten nearest in sound join the seeds, and the bundle's model goes on from there
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array
from segue.ear import Heard, listen
from segue.playlists_bundle import PlaylistsBundle
from segue.proposers.named import words
from segue.proposers.proposer import Question
from segue.ranking import check
from segue.recommending import (
    LOOKED_AT,
    Recommendation,
    Recommended,
    beyond,
    check_wishes,
    chosen,
    conditions,
    reasons,
    resolved,
    too_few,
)
from segue.sounding import ALIKE, Sounding, attributes

JOINED = 10  # tracks that sound most like the file, among the seeds of a list
TELLING = 0.9  # a track sounds like the file where it does more than so many of all tracks
STANDS = "it stands in the list already"  # as `recommending.reasons` says it
_NUMBER = re.compile(r"^\d{1,3}[\s._-]+")


@dataclass(frozen=True)
class Followed:
    """What was heard in a file, which attributes tracks were compared by, and the tracks."""

    heard: Heard
    compared_by: tuple[str, ...]
    recommendation: Recommendation

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.heard.to_json() | {"warning": self.heard.warning or None, "compared_by": list(self.compared_by)},
            **self.recommendation.to_json(),
        }  # fmt: skip


def like(
    bundle: PlaylistsBundle, recording: Heard | str | os.PathLike[str], *,
    descriptors: str | os.PathLike[str] | None = None, seeds: Sequence[str] = (), title: str | None = None, k: int = 20,
    per_artist: int = 0, where: Sequence[str] = (), diversity: float = 0.0, again: bool | None = None,
) -> Followed:  # fmt: skip
    """What to play after a recording. The file itself is left out where the bundle knows a track of its name.

    Parameters
    ----------
    recording : a file of sound, or what was heard in one
    descriptors : a bundle of `segue audio train`: tracks are compared by what it tells, too
    seeds, title, k, per_artist, where, diversity, again : as of `segue.recommending.recommend`

    Raises
    ------
    AskedWrongly : nothing that is known of the file is known of the tracks; or as `recommend` does
    BadInput : the file cannot be heard
    """
    check_wishes(k, per_artist, diversity)
    kept, notes = conditions(bundle, where)
    codes = np.array([resolved(bundle, seed) for seed in seeds], np.int32)
    attributes(bundle.vocabulary)  # before a file is listened to
    heard = recording if isinstance(recording, Heard) else listen(recording, descriptors)
    v, placed = bundle.vocabulary, Sounding.of(heard.values, bundle.vocabulary)
    own = itself(heard.name, bundle)
    if len(own):
        notes.append(f"{heard.name} is {v.shown(int(own[0]))} itself: left out")
    notes.append(
        f"{len(placed.placed.track) / len(v):.1%} of {len(v):,} tracks can be compared with it, by {_listed(placed.names)}"
    )
    n_wanted = k if not (where or per_artist or diversity) else LOOKED_AT * k + 200
    in_list = len(codes) > 0 or bool((title or "").strip())
    if in_list:
        joined = placed.nearest(JOINED + len(own))
        joined = joined[~np.isin(joined, np.concatenate([own, codes]))][:JOINED]
        notes.append(
            f"the {len(joined)} tracks that sound most like {heard.name} join the seeds: {'; '.join(map(v.shown, joined.tolist()))}"
        )
        question = Question(np.concatenate([codes, joined]).astype(np.int32), title, allowed=kept)
        stands = codes if not (bundle.again if again is None else again) else codes[:0]
        track, score = bundle.proposals(question, min(len(v), 2 * n_wanted + len(own) + len(codes)), again=True)
    else:
        joined, question, stands = codes, Question(codes, None), codes
        track, score = placed.scores()
        order = np.argsort(-score, kind="stable")  # of equal ones, the most played
        track, score = track[order], score[order]
    some = ~np.isin(track, np.concatenate([own, stands]))
    if kept is not None:
        some &= kept[track]
    track, score = track[some][: 2 * n_wanted], score[some][: 2 * n_wanted]
    looked = len(track)
    track, score = (of[_once(bundle, track)][:n_wanted] for of in (track, score))
    n_once = len(track)
    track, score = chosen(bundle, track, score, k=k, per_artist=per_artist, diversity=diversity)
    check(track[None].astype(np.int32))
    if len(track) < k:
        could = np.arange(len(v)) if in_list else placed.placed.track
        could = could[~np.isin(could, np.concatenate([own, stands]))]
        twice = "; what is called alike is taken once" if n_once < min(looked, n_wanted) else ""
        notes.append(too_few(len(track), k, could, kept, looked, per_artist) + twice)
    notes += beyond(bundle, score, kept) if in_list else []
    said = reasons(bundle, question, track) if in_list else [()] * len(track)
    why = _why(placed, bundle, track, said, set(joined.tolist()), in_list)
    made = tuple(Recommended(v.ids[t], v.title[t], v.artist_name[t], s, w)
                 for t, s, w in zip(track.tolist(), score.tolist(), why, strict=True))  # fmt: skip
    taken = tuple(zip(seeds, (v.shown(c) for c in codes.tolist()), strict=True))
    return Followed(heard, placed.names, Recommendation(made, taken, tuple(notes)))


def _why(
    placed: Sounding, bundle: PlaylistsBundle, track: Array, said: Sequence[tuple[str, ...]], joined: set[int], in_list: bool
) -> list[tuple[str, ...]]:  # fmt: skip
    """What speaks for each track: in a list what the model says, and the sound where it is near; else the sound."""
    v, made = bundle.vocabulary, []
    found, score = placed.scores()
    near = set(found[score >= np.quantile(score, TELLING)].tolist()) | joined if in_list and len(score) else set()
    for code, others in zip(track.tolist(), said, strict=True):
        sound = placed.reason(code, v) if not in_list or code in near else ""
        one = [w for w in others if not (w == STANDS and code in joined)]
        if one and not sound.startswith(ALIKE):  # what agrees in nothing is no reason beside others
            sound = ""
        made.append((*one[: 2 if sound else 3], *([sound] if sound else [])))
    return made


def _once(bundle: PlaylistsBundle, track: Array) -> list[int]:
    """The places of tracks that no other before them is called like: a recording has many ids."""
    v, seen = bundle.vocabulary, dict[object, int]()
    for place, code in enumerate(track.tolist()):
        title, artist = words(v.title[code]), words(v.artist_name[code])
        seen.setdefault((title, artist) if title and artist else code, place)
    return list(seen.values())


def itself(name: str, bundle: PlaylistsBundle) -> Array:
    """(n,) the tracks that a file is, by its name: an id, or all words of artist and title and no others."""
    stem = Path(name).stem.replace("_", " ")
    found = {int(c) for c in bundle.vocabulary.codes([stem, Path(name).stem, f"spotify:track:{stem}"]) if c >= 0}
    for called in dict.fromkeys((stem, _NUMBER.sub("", stem))):
        if not words(called):
            continue
        for one in bundle.names.search(" ".join(sorted(words(called))), 50):
            if one["artist"] and words(f"{one['artist']} {one['title']}") == words(called):
                found |= {int(c) for c in bundle.vocabulary.codes([one["track"]])}
    return np.array(sorted(found), np.int32)


def _listed(names: Sequence[str]) -> str:
    said = [n.replace("_", " ") for n in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
