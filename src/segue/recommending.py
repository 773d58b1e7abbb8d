"""What should play next in this list? Names become tracks, tracks become proposals, each with what speaks for it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from segue.batch import Array
from segue.catalogue import folded
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.nearest import Nearest
from segue.playlists_bundle import PlaylistsBundle
from segue.proposers.named import words
from segue.proposers.proposer import NOTHING, Question
from segue.ranking import check
from segue.sound_space import Placed, likeness

LOOKED_AT = 10  # times as many proposals are looked at as are wanted, where some are filtered or spread out
LONGEST = 200  # letters of a name that may be misspelled
NEAR = 100  # lists with the nearest titles, among which reasons are counted
NO_TRACKS = np.zeros(0, np.int32)
SEARCHED = 20_000  # of the most played tracks, among which the nearest names are looked for
_CONDITION = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9]*)\s*(<=|>=|=|<|>)\s*(-?[0-9]*\.?[0-9]+)\s*")
_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip


@dataclass(frozen=True)
class Recommended:
    """One track, and why."""

    track: str
    title: str | None
    artist: str | None
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Recommendation:
    """Tracks in order; which seeds were taken for which tracks; and what should be known about it."""

    tracks: tuple[Recommended, ...]
    seeds: tuple[tuple[str, str], ...]  # as asked, as understood
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "seeds": [{"asked": asked, "taken": taken} for asked, taken in self.seeds], "notes": list(self.notes),
            "tracks": [{**vars(t), "reasons": list(t.reasons)} for t in self.tracks],
        }  # fmt: skip


def recommend(
    bundle: PlaylistsBundle, *, seeds: Sequence[str] = (), title: str | None = None, k: int = 20, per_artist: int = 0,
    where: Sequence[str] = (), diversity: float = 0.0, again: bool | None = None,
) -> Recommendation:  # fmt: skip
    """How a list goes on.

    Parameters
    ----------
    seeds : ids of tracks, or names ("Dancing Queen", "ABBA Dancing Queen")
    title : what the list is called
    k : tracks wanted
    per_artist : so many tracks of an artist at most; 0: any
    where : conditions on attributes, such as "energy>=0.6"; a track of which that is not known is left out
    diversity : 0 by score alone; towards 1, what is unlike the tracks before it comes first (maximal marginal relevance)
    again : a seed may be proposed, too, as a session may play it again; None: as it was in the lists that the bundle learned from

    Raises
    ------
    AskedWrongly : nothing is said of the list, no track is called so, or a condition cannot be read
    UnknownName : an attribute that the bundle does not know
    """
    if not seeds and not (title or "").strip():
        raise AskedWrongly("nothing is said of the list: give a seed, a title, or both")
    check_wishes(k, per_artist, diversity)
    codes = [resolved(bundle, seed) for seed in seeds]
    kept, notes = conditions(bundle, where)
    question = Question(np.array(codes, np.int32), title, allowed=kept)
    wanted = k if not (where or per_artist or diversity) else min(len(bundle.vocabulary), LOOKED_AT * k + 200)
    track, score = bundle.proposals(question, wanted, again=again)
    looked = len(track)
    track, score = chosen(bundle, track, score, k=k, per_artist=per_artist, diversity=diversity)
    check(track[None].astype(np.int32))
    if len(track) < k:
        could = np.ones(len(bundle.vocabulary), bool)
        could[[] if (bundle.again if again is None else again) else codes] = False
        notes.append(too_few(len(track), k, np.flatnonzero(could), kept, looked, per_artist))
    notes += beyond(bundle, score, kept)
    v = bundle.vocabulary
    made = tuple(
        Recommended(v.ids[t], v.title[t], v.artist_name[t], s, why)
        for t, s, why in zip(track.tolist(), score.tolist(), reasons(bundle, question, track), strict=True)
    )
    return Recommendation(made, tuple(zip(seeds, (v.shown(c) for c in codes), strict=True)), tuple(notes))


def check_wishes(k: int, per_artist: int, diversity: float) -> None:
    """Raises AskedWrongly where one is out of range."""
    if k < 1 or per_artist < 0 or not 0 <= diversity <= 1:
        raise AskedWrongly(
            f"k={k}, per_artist={per_artist}, diversity={diversity}: expected k from 1, per_artist from 0, diversity from 0 to 1"
        )


def chosen(
    bundle: PlaylistsBundle, track: Array, score: Array, *, k: int, per_artist: int, diversity: float
) -> tuple[Array, Array]:  # fmt: skip
    """The k of some tracks, the best first, so many of an artist."""
    if diversity:
        track, score = spread_out(bundle, track, score, k if not per_artist else len(track), diversity)
    if per_artist:
        artist = bundle.vocabulary.artist[track]
        seen: dict[int, int] = {}
        few = []
        for a in artist.tolist():
            seen[a] = seen.get(a, 0) + 1
            few.append(a < 0 or seen[a] <= per_artist)
        track, score = track[few], score[few]
    return track[:k], score[:k]


def too_few(found: int, k: int, could: Array, kept: Array | None, looked: int, per_artist: int) -> str:
    """Why there are fewer tracks than were wanted: of the tracks that could be proposed, how many meet the conditions (`kept`, as
    `conditions` gives it), and how many of these were looked at."""
    n = len(could) if kept is None else int(kept[could].sum())
    met = (
        f"{n:,} can be proposed"
        if kept is None
        else f"{n:,} of {len(could):,} that can be proposed meet the conditions"
    )
    first = "" if looked >= n else f"; the first {looked:,} were looked at"
    artists = f"; at most {per_artist} of an artist {'is' if per_artist == 1 else 'are'} taken" if per_artist else ""
    return f"{found:,} tracks where {k:,} were wanted: {met}{first}{artists}"


def beyond(bundle: PlaylistsBundle, score: Array, kept: Array | None) -> list[str]:
    """Where there are conditions, how many of the tracks the model did not propose: the most played stand in."""
    n = 0 if kept is None else int((score <= 0).sum())
    if not n:
        return []
    return [
        f"{bundle.card['model']} proposes {len(score) - n:,} of these {len(score):,} tracks; the others are the most played that "
        "meet the conditions"
    ]


def resolved(bundle: PlaylistsBundle, seed: str) -> int:
    """The track that somebody means: by its id, or the most played whose names hold all words of what was said."""
    (code,) = bundle.vocabulary.codes([seed])
    if code >= 0:
        return int(code)
    found = bundle.names.search(seed, 50) if seed.strip() else []
    if found:
        called_so = [f for f in found if words(f["title"]) == words(seed)]  # "Humble" is HUMBLE. rather than Humble Pie
        return int(bundle.vocabulary.codes(f["track"] for f in called_so or found).min())  # the most played of them
    known, place = _most_played(bundle)
    near = known.to(folded(seed)) if len(seed) <= LONGEST else []
    if near:
        return place[near[0]]
    raise AskedWrongly(
        f"no track is called {seed!r}, or nearly so: give other words of its title and artist, or its id"
    )


@lru_cache(maxsize=8)
def _most_played(bundle: PlaylistsBundle) -> tuple[Nearest, dict[str, int]]:
    """The names of the most played tracks, as they may be misspelled; and whose each is."""
    v, n = bundle.vocabulary, min(SEARCHED, len(bundle.vocabulary))
    place = {folded(v.title[i] or ""): i for i in reversed(range(n))}
    place |= {folded(v.shown(i)): i for i in reversed(range(n))}
    return Nearest(tuple(place)), place


def conditions(bundle: PlaylistsBundle, where: Sequence[str]) -> tuple[Array | None, list[str]]:
    """(N,) which tracks meet all conditions, None where there are none; and of how many tracks they can be told.

    Raises
    ------
    AskedWrongly, UnknownName : one cannot be read, or asks for what the bundle does not know
    """
    kept, notes = None, []
    for said in where:
        read = _CONDITION.fullmatch(said)
        if read is None:
            raise AskedWrongly(f"{said!r}: expected an attribute, a sign and a number, such as energy>=0.6")
        name, sign, number = read.groups()
        if name not in bundle.sound:
            known = sorted(bundle.sound)
            if not known:
                raise AskedWrongly(
                    f"{said!r}: this bundle knows no attributes of tracks; ingest the playlists with --tracks attributes.csv first"
                )
            raise UnknownName("attribute of tracks", name, known)
        value = np.asarray(bundle.sound[name])
        told = np.isfinite(value)
        meets = told & _COMPARED[sign](np.where(told, value, 0), np.float32(number))
        kept = meets if kept is None else kept & meets
        if n := int((~told).sum()):
            others = "other is" if n == 1 else f"{n:,} others are"
            notes.append(f"{name} is known of {told.mean():.1%} of {len(value):,} tracks; the {others} left out")
    return kept, notes


def spread_out(bundle: PlaylistsBundle, track: Array, score: Array, k: int, diversity: float) -> tuple[Array, Array]:
    """Maximal marginal relevance (Carbonell & Goldstein 1998): one after the other, the best of
    (1 - diversity) · score − diversity · likeness to the nearest that stands already; likeness is that of the tracks' vectors,
    where the model has some, else 1 for the same artist."""
    top = score / max(float(score.max(initial=0)), 1e-30)
    likeness = _likeness(bundle, track)
    nearest, left, order = np.zeros(len(track)), np.ones(len(track), bool), []
    for _ in range(min(k, len(track))):
        value = np.where(left, (1 - diversity) * top - diversity * nearest, -np.inf)
        one = int(value.argmax())
        order.append(one)
        left[one] = False
        nearest = np.maximum(nearest, likeness(one))
    return track[order], score[order]


def _likeness(bundle: PlaylistsBundle, track: Array) -> Callable[[int], Array]:
    parts = _parts(bundle)
    same = bundle.vocabulary.artist[track]
    of_artist: Callable[[int], Array] = lambda i: ((same == same[i]) & (same >= 0)).astype(float)  # noqa: E731
    ials = parts.get("ials")
    if ials is None or not len(ials.track):
        return of_artist
    place = np.searchsorted(ials.track, track).clip(max=len(ials.track) - 1)
    vectors = np.where((ials.track[place] == track)[:, None], ials.vectors[place], 0)
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 0)
    return lambda i: np.maximum(vectors @ vectors[i], of_artist(i))


def _parts(bundle: PlaylistsBundle) -> Mapping[str, Any]:
    evidence = getattr(bundle.fitted, "evidence", None)
    return evidence.parts if evidence is not None else {bundle.card["model"]: bundle.fitted}


def reasons(bundle: PlaylistsBundle, question: Question, tracks: Array) -> list[tuple[str, ...]]:
    """What speaks for each of some tracks, at most three: the seed it shares most lists with, the title, the artist."""
    parts, v = _parts(bundle), bundle.vocabulary
    kind = "session" if bundle.of_sessions else "playlist"
    together, titled = _together(parts.get(f"{kind}-knn"), question), _titled(parts.get("title"), question)
    alike = _alike(next((part.placed for part in parts.values() if hasattr(part, "placed")), None), question)
    made = []
    for code in tracks.tolist():
        said = ["it stands in the list already"] if code in question.seeds else []
        n, seed = together(code)
        if n:
            said.append(f"with {v.shown(seed)} in {n:,} {kind}{'s' if n > 1 else ''}")
        n, near = titled(code)
        if n:
            said.append(f"in {n} of the {near} playlists whose titles are nearest")
        others = question.seeds[question.seeds != code]  # nothing speaks for a track by being in the list
        same = int((v.artist[others] == v.artist[code]).sum()) if v.artist[code] >= 0 else 0
        if same:
            said.append(f"{same} of {len(question.seeds)} seeds {'is' if same == 1 else 'are'} by the same artist")
        if (seed := alike(code)) >= 0 and v.shown(seed) != v.shown(code):
            said.append(f"sounds like {v.shown(seed)}")
        if not said:
            said.append(f"in {int(v.plays[code]):,} places of all {kind}s")
        made.append(tuple(said[:3]))
    return made


def _alike(placed: Placed | None, question: Question) -> Callable[[int], int]:
    """The seed that sounds most like a track; -1 where that is not known, or nothing proposes by sound."""
    rows = placed.rows(question.seeds) if placed is not None else NOTHING[0]
    if placed is None or not len(rows):
        return lambda code: -1

    def found(code: int) -> int:
        own = placed.rows(np.array([code]))
        if not len(own):
            return -1
        return int(placed.track[rows[likeness(placed.points[rows], placed.points[own]).argmax()]])

    return found


def _together(knn: Any, question: Question) -> Callable[[int], tuple[int, int]]:
    """In how many lists a track stands with the seed that it shares most with, the first of several; and which that is."""
    seeds = question.seeds
    if knn is None or not len(seeds):
        return lambda code: (0, -1)
    held = [_row(knn.inverted, int(s)) for s in seeds]
    lists, of_seed = np.concatenate(held), np.repeat(np.arange(len(seeds)), [len(one) for one in held])
    own = np.zeros(len(knn.rows.starts), bool)  # of each list, whether it holds the track

    def found(code: int) -> tuple[int, int]:
        its = _row(knn.inverted, code)
        own[its] = True
        n = np.bincount(of_seed[own[lists]], minlength=len(seeds))
        n[seeds == code] = 0
        own[its] = False
        return int(n.max()), int(seeds[n.argmax()])

    return found


def _titled(named: Any, question: Question) -> Callable[[int], tuple[int, int]]:
    """How many of the lists whose titles are nearest hold a track; of how many."""
    if named is None or not question.title:
        return lambda code: (0, 0)
    near, _ = named.neighbours(question.title)
    held = [_row(named.tracks, int(one)) for one in near[:NEAR]]
    tracks = np.concatenate(held) if held else NO_TRACKS
    return lambda code: (int((tracks == code).sum()), len(held))


def _row(table: Any, i: int) -> Array:
    row: Array = table.at[table.starts[i] : table.starts[i + 1]]
    return row


def answer_challenge(
    bundle: PlaylistsBundle, path: Any, out: Any, *, team: str = "segue", email: str = "segue@example.org",
    overwrite: bool = False, progress: Callable[[int, int, str], None] = lambda done, n, name: None,
) -> Any:  # fmt: skip
    """Continue every playlist of a challenge set with 500 tracks, and write the submission.

    Raises
    ------
    BadInput : the bundle knows fewer tracks than a submission must name
    """
    from segue.playlist_challenge import read, verify, write

    asked = read(path, bundle.vocabulary)
    rows = []
    for i, title in enumerate(asked.queries.titles):
        progress(i, len(asked.pids), "continuing playlists")
        seeds = asked.queries[i]
        track, _ = bundle.proposals(Question(seeds[seeds >= 0], title), 500)
        if len(track) < 500:
            raise BadInput(
                f"the bundle knows {len(bundle.vocabulary):,} tracks: a submission names 500 besides the seeds"
            )
        rows.append([bundle.vocabulary.ids[int(t)] for t in track])
    written = write(out, asked, rows, team=team, email=email, overwrite=overwrite)
    progress(len(asked.pids), len(asked.pids), "done")
    return verify(written, path)
