"""A list goes on: names are understood, conditions met, reasons true; the bundle is data that cannot be changed unnoticed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import genres
from segue.bundle import open_bundle
from segue.errors import AskedWrongly, Tampered, UnknownName
from segue.parts import sha256
from segue.playlists_bundle import open_playlists_bundle, save
from segue.proposers.content import Content
from segue.proposers.evidence import Evidence
from segue.proposers.list_neighbours import ListKnn
from segue.proposers.proposer import Question
from segue.recommending import conditions, recommend, resolved
from segue.sound_space import likeness


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    lists, known = genres()
    energy = np.where(np.arange(len(known)) % 2, np.linspace(0, 1, len(known)), np.nan).astype(np.float32)
    names = list(known.title)
    names[7] = "Dancing Queen"
    known = replace(known, title=tuple(names), sound={"energy": energy})
    path = tmp_path_factory.mktemp("lists") / "next.bundle"
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "playlist-knn"}
    save(path, "playlist-knn", ListKnn().fit(lists, known), known, card)
    return path


@pytest.fixture(scope="module")
def bundle(place):
    return open_playlists_bundle(place)


def test_what_is_saved_knows_its_tracks(bundle):
    known = genres()[1]
    assert len(bundle.vocabulary) == len(known)
    assert bundle.vocabulary.codes(["t5", "nobody's", "t0"]).tolist() == [5, -1, 0]
    assert bundle.vocabulary.shown(7) == "Dancing Queen · Artist 1"
    assert bundle.vocabulary.ids[3] == "t3"


def test_a_list_goes_on_with_its_genre(bundle):
    found = recommend(bundle, seeds=["t0", "t3", "t9"], k=10)
    assert len(found.tracks) == 10
    assert all(int(t.track[1:]) < 60 for t in found.tracks)
    assert not {"t0", "t3", "t9"} & {t.track for t in found.tracks}


@pytest.mark.parametrize("said", ["t7", "Dancing Queen", "dancing queen", "queen dancing artist", "dancng queen"])
def test_a_track_is_found_by_its_id_or_its_names(bundle, said):
    assert resolved(bundle, said) == 7


def test_a_name_that_is_nobodys_is_refused(bundle):
    with pytest.raises(AskedWrongly, match="no track is called 'xyzzy'"):
        recommend(bundle, seeds=["xyzzy"])


def test_reasons_count_the_lists_that_hold_both(bundle):
    lists, _ = genres()
    first = recommend(bundle, seeds=["t0"], k=1).tracks[0]
    together = sum(0 in lists[i] and int(first.track[1:]) in lists[i] for i in range(len(lists)))
    assert first.reasons[0].endswith(f"in {together} playlists")


def test_conditions_leave_out_what_does_not_meet_them_or_is_not_known(bundle):
    found = recommend(bundle, seeds=["t0"], where=["energy>=0.1"], k=5)
    for one in found.tracks:
        code = int(one.track[1:])
        assert code % 2
        assert bundle.sound["energy"][code] >= 0.1
    assert found.notes[0] == "energy is known of 50.0% of 240 tracks; the 120 others are left out"


def test_where_an_attribute_is_known_of_all_tracks_nothing_is_said_of_others(bundle):
    every = np.linspace(0, 1, 240, dtype=np.float32)
    vocabulary = replace(bundle.vocabulary, sound={"energy": every, "tempo": np.where(every > 0, every, np.nan)})
    of_all = replace(bundle, vocabulary=vocabulary)
    assert conditions(of_all, ["energy>=0.1"])[1] == []
    assert conditions(of_all, ["tempo>=0.1"])[1] == ["tempo is known of 99.6% of 240 tracks; the other is left out"]


def sounding(tmp_path, model):
    lists, known = genres()
    made = {"content": Content(keep=10), "playlist-knn": ListKnn(nearest=5)}[model]
    card = {"task": "next-track", "setting": "continue", "again": False, "model": model}
    return save(tmp_path / "next.bundle", model, made.fit(lists, known), known, card)


@pytest.mark.parametrize("model", ["content", "playlist-knn"])
def test_conditions_hold_before_a_model_keeps_the_best(tmp_path, model):
    bundle = sounding(tmp_path, model)
    energy = bundle.sound["energy"]
    meets = np.flatnonzero(energy < 0.4)  # as genres 0 and 2 sound, and no track that is near the seeds
    found = recommend(bundle, seeds=["t60", "t61", "t62"], where=["energy<0.4"], k=30)
    assert len(found.tracks) == 30
    assert all(energy[int(one.track[1:])] < 0.4 for one in found.tracks)
    if model == "content":  # the first ten by likeness: as if all the others had not been there
        fitted = bundle.fitted
        seeds = fitted.placed.points[fitted.placed.rows(np.array([60, 61, 62]))]
        some = fitted.placed.rows(meets)
        near = likeness(fitted.placed.points[some], seeds, 2.0)
        order = np.lexsort((fitted.placed.track[some], -near))[:10]
        assert [int(one.track[1:]) for one in found.tracks][:10] == fitted.placed.track[some][order].tolist()
    assert found.notes[-1].startswith(f"{model} proposes ")
    assert found.notes[-1].endswith(" of these 30 tracks; the others are the most played that meet the conditions")


def test_what_a_blend_ranks_meets_the_conditions():
    lists, known = genres()
    parts = {"content": Content(keep=10).fit(lists, known), "playlist-knn": ListKnn().fit(lists, known)}
    evidence, seeds = Evidence(parts, known, each=10), np.array([60, 61], np.int32)
    allowed = np.arange(240) >= 100
    found, free = (evidence.of(Question(seeds, allowed=some)) for some in (allowed, None))
    assert allowed[found.track].all()
    assert found.proposed.sum(1).tolist() == [10, 10]
    assert not allowed[free.track].all()
    held = dict(zip(free.track.tolist(), free.values, strict=True))
    again = evidence.of(Question(seeds, allowed=np.ones(240, bool)))
    assert all(
        np.array_equal(v, held[t], equal_nan=True) for t, v in zip(again.track.tolist(), again.values, strict=True)
    )


def test_too_few_that_meet_the_conditions_are_all_proposed_and_counted(bundle):
    energy = np.asarray(bundle.sound["energy"])
    n = int((np.nan_to_num(energy) >= 0.95).sum())
    found = recommend(bundle, seeds=["t0"], where=["energy>=0.95"], k=20)
    assert len(found.tracks) == n
    assert f"{n} tracks where 20 were wanted: {n} of 239 that can be proposed meet the conditions" in found.notes
    none = recommend(bundle, seeds=["t0"], where=["energy>=2"])
    assert none.notes[-1] == "0 tracks where 20 were wanted: 0 of 239 that can be proposed meet the conditions"


def test_too_few_artists_are_no_conditions(bundle):
    notes = recommend(bundle, seeds=["t0"], per_artist=1, k=61).notes
    assert notes == ("60 tracks where 61 were wanted: 239 can be proposed; at most 1 of an artist is taken",)


def test_so_many_of_an_artist(bundle):
    found = recommend(bundle, seeds=["t0"], per_artist=1, k=10)
    artists = [one.artist for one in found.tracks]
    assert len(set(artists)) == len(artists) == 10


def test_diversity_brings_other_artists_forward(bundle):
    plain, spread = (recommend(bundle, seeds=["t0"], k=10, diversity=d) for d in (0.0, 0.9))
    assert len({t.artist for t in spread.tracks}) > len({t.artist for t in plain.tracks})
    assert spread.tracks[0] == plain.tracks[0]


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({}, AskedWrongly, "nothing is said of the list"),
        ({"seeds": ["t0"], "where": ["energy"]}, AskedWrongly, "expected an attribute, a sign and a number"),
        ({"seeds": ["t0"], "where": ["enrgy>1"]}, UnknownName, "did you mean energy"),
        ({"seeds": ["t0"], "k": 0}, AskedWrongly, "expected k from 1"),
        ({"seeds": ["t0"], "diversity": 2}, AskedWrongly, "diversity from 0 to 1"),
    ],
)
def test_what_cannot_be_answered_is_refused(bundle, how, error, words):
    with pytest.raises(error, match=words):
        recommend(bundle, **how)


def test_more_than_is_proposed_is_filled_with_the_most_played(bundle):
    assert len(recommend(bundle, seeds=["t0"], k=239).tracks) == 239
    found = recommend(bundle, seeds=["t0"], k=500)
    assert len(found.tracks) == 239
    assert "239 tracks where 500 were wanted" in found.notes[0]


@pytest.mark.parametrize(
    "name", ["model.safetensors", "vocabulary.safetensors", "names.safetensors", "golden.json", "model.json"]
)
def test_a_changed_file_is_refused_whether_or_not_its_hash_is_mended(place, tmp_path, name):
    import shutil

    copy = tmp_path / "copy.bundle"
    shutil.copytree(place, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(Tampered, match="is not what was written"):
        open_playlists_bundle(copy)
    hashes = json.loads((copy / "hashes.json").read_text())
    hashes[name] = sha256(copy / name)
    (copy / "hashes.json").write_text(json.dumps(hashes))
    with pytest.raises(Tampered):
        open_playlists_bundle(copy)


def test_a_bundle_for_lists_is_called_so_by_what_answers_other_questions(place):
    with pytest.raises(AskedWrongly, match="is a bundle for next-track: give it to segue recommend"):
        open_bundle(place)


def test_what_is_no_bundle_or_another_is_refused(tmp_path):
    with pytest.raises(AskedWrongly, match="is not a bundle"):
        open_playlists_bundle(tmp_path)


def test_where_sound_proposes_the_seed_that_a_track_sounds_like_is_the_reason(tmp_path):
    lists, known = genres()
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "content"}
    bundle = save(tmp_path / "sound.bundle", "content", Content().fit(lists, known), known, card)
    assert bundle.vocabulary.sound.keys() == known.sound.keys()
    for one in recommend(bundle, seeds=["t0", "t200"], k=6).tracks:
        near = "t0" if int(one.track[1:]) < 60 else "t200"
        assert f"sounds like {bundle.vocabulary.shown(int(near[1:]))}" in one.reasons
