"""From tensors to what a network reads: one scale for heard and asked plays, tracks as numbers, in memory or in files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from by_hand import plays, session
from segue.errors import AskedWrongly, Tampered
from segue.features.build import ask, build
from segue.features.columns import from_arrow, key64
from segue.features.feature import Feature
from segue.features.steps import Steps
from segue.features.words import Now
from segue.models import reader as reading
from segue.models.reader import Reader
from segue.tasks.skip import CHALLENGE, LAST, ONLINE, TASK

NOW = Now()
FEATURES = {
    "place": Feature("place", "1", "Place in the session", NOW.position),
    "energetic": Feature("energetic", "1", "Energy", NOW.energy),
}
STEPS = Steps(("energy", "skipped", "reason_end", "track"), ("energy", "track"))


def batch_of(setting, *sessions, steps=STEPS):
    table = plays(*sessions)
    columns = from_arrow(table, table.column_names)
    asking = ask(TASK, setting, FEATURES, steps=steps)
    return build(asking, TASK.examples(columns, setting), {})


def four(energy, **more):
    columns = {"skipped": [1, 0, 1, 0], "reason_end": ["fwdbtn", "trackdone", "fwdbtn", "trackdone"], **more}
    return session(energy=energy, **columns)


def read(reader, batch):
    """The inputs of all rows of a batch."""
    return reader.store(batch)[1]


def fitted(batch, *, features=False, n_tracks=0, least=2):
    return Reader.fit(batch, features=features, n_tracks=n_tracks, least=least)


def test_heard_and_asked_plays_are_scaled_alike():
    batch = batch_of(CHALLENGE, four([1, 2, 4, 5], name="a"), four([1, 5, 2, 4], name="b"))
    found = read(fitted(batch), batch)
    spread = np.sqrt(2.5)  # of 1, 2, 4 and 5, twice
    assert found["past_shared"][..., 0] == pytest.approx(np.array([[-2, -1], [-2, 2]]) / spread)
    assert found["queue_shared"][..., 0] == pytest.approx(np.array([[1, 2], [-1, 1]]) / spread)


def test_the_unknown_is_0_and_a_flag_for_heard_and_asked_plays_alike():
    batch = batch_of(CHALLENGE, four([1, None, None, 3], name="a"), four([1, 3, 1, 3], name="b"))
    found = read(fitted(batch), batch)
    flag, no_flag = 0.75 / np.sqrt(3 / 16), -0.25 / np.sqrt(3 / 16)
    assert found["past_shared"][0] == pytest.approx(np.array([[-1, no_flag], [0, flag]]))
    assert found["queue_shared"][0] == pytest.approx(np.array([[0, flag], [1, no_flag]]))


def test_what_only_heard_plays_tell_stands_apart():
    batch = batch_of(CHALLENGE, four([1, 2, 4, 5], name="a"), four([2, 1, 4, 5], name="b"))
    reader = fitted(batch)
    assert (reader.shared.columns, reader.told.columns) == (("energy",), ("skipped", "reason_end"))
    assert reader.sizes | {"shared": 1, "told": 3, "own": 0, "tracks": 0, "together": 1, "skipped": 0} == reader.sizes
    assert (reader.sizes["skip_1"], reader.sizes["skip_3"]) == (-1, -1)  # no column says so
    told = read(reader, batch)["past_told"]
    assert told[0].tolist() == [[1, 1, -1], [-1, -1, 1]]  # skipped; ended by fwdbtn; by trackdone


def test_where_no_play_is_the_inputs_are_0():
    batch = batch_of(CHALLENGE, four([1, 2, 4, 5], name="a"), session("b", skipped=[1], energy=[5]))
    found = read(fitted(batch, n_tracks=5), batch)
    assert found["sees"].tolist() == [[2, 2], [0, -1]]
    for name in ("past_shared", "past_told", "past_track"):
        assert not found[name][1].any()
    for name in ("queue_shared", "queue_track", "position"):
        assert found[name][0].any() or name == "queue_track"
        assert not found[name][1, 1].any()


def test_what_lies_beyond_what_a_row_sees_is_not_read():
    batch = batch_of(
        LAST, four([1, 2, 4, 5], name="a"), session("b", skipped=[1, 0], energy=[5, 7], reason_end="fwdbtn")
    )
    reader, tensors = fitted(batch), batch.tensors
    past = replace(tensors.past, values=tensors.past.values.copy(), known=tensors.past.known.copy())
    past.values[1, 1:], past.known[1, 1:] = 77, True
    changed = replace(batch, tensors=replace(tensors, past=past))
    for one, other in (
        (read(reader, changed), read(reader, batch)),
        (read(fitted(changed), batch), read(reader, batch)),
    ):
        assert all(np.array_equal(one[name], other[name]) for name in reading.NAMES)


def test_it_is_fitted_on_the_rows_of_its_examples_alone():
    some = four([1, 2, 4, 5], name="a", track="t"), four([2, 1, 4, 5], name="b", track="u")
    both = batch_of(CHALLENGE, *some, four([1, 900, 2, 800], name="c", track="v", reason_end="logout"))
    train = both.take(both.keys["session"] != key64("c"))
    settings, arrays = fitted(train, features=True, n_tracks=9).save()
    alone_settings, alone = fitted(batch_of(CHALLENGE, *some), features=True, n_tracks=9).save()
    assert settings == alone_settings
    assert {k: a.tolist() for k, a in arrays.items()} == {k: a.tolist() for k, a in alone.items()}


def test_the_features_of_an_asked_play_stand_at_its_place_and_only_where_they_are_asked_for():
    batch = batch_of(CHALLENGE, four([1, 2, 4, 6], name="a"), session("b", skipped=[1], energy=[8]))
    assert fitted(batch).sizes["own"] == 0
    found = read(fitted(batch, features=True), batch)["own"]
    assert found.shape == (2, 2, 2)
    place, energy = np.sqrt(14 / 9), np.sqrt(8 / 3)  # spreads of 3 4 1 and of 4 6 8
    expected = [
        [[(3 - 8 / 3) / place, -2 / energy], [(4 - 8 / 3) / place, 0]],
        [[(1 - 8 / 3) / place, 2 / energy], [0, 0]],
    ]
    assert found == pytest.approx(np.array(expected), abs=1e-6)


def test_the_place_ahead_counts_where_targets_are_asked_together_and_is_1_where_they_are_not():
    sessions = four([1, 2, 4, 5], name="a"), session("b", skipped=[1, 0, 0], energy=[1, 2, 3])
    challenge, online = (batch_of(setting, *sessions) for setting in (CHALLENGE, ONLINE))
    assert read(fitted(challenge), challenge)["ahead"].tolist() == [[1, 2], [1, 2]]
    found = read(fitted(online), online)
    assert found["ahead"].tolist() == [[1] * 4] * 2
    assert found["position"].tolist() == [[1, 2, 3, 4], [1, 2, 3, 0]]
    assert found["sees"].tolist() == [[0, 1, 2, 3], [0, 1, 2, -1]]


def numbers_of(*tracks):
    """The number of each track in a vocabulary of these."""
    return {t: 1 + n for n, t in enumerate(sorted(tracks, key=key64))}


def tracked(name, tracks):
    return session(name, track=tracks, skipped=[1, 0] * (len(tracks) // 2), energy=[1, 2] * (len(tracks) // 2))


def test_tracks_are_numbered_and_the_rare_the_unsaid_and_the_new_are_0():
    train = batch_of(CHALLENGE, tracked("a", ["t", "u", "v", "t"]), tracked("b", ["u", None, None, "w"]))
    reader = fitted(train, n_tracks=10)
    n = numbers_of("t", "u")
    assert reader.tracks.tolist() == sorted([key64("t"), key64("u")])
    assert reader.sizes["tracks"] == 2
    found = read(reader, train)
    assert found["past_track"].tolist() == [[n["t"], n["u"]], [n["u"], 0]]
    assert found["queue_track"].tolist() == [[0, n["t"]], [0, 0]]
    other = read(reader, batch_of(CHALLENGE, tracked("c", ["new", "t", None, "u"])))
    assert (other["past_track"].tolist(), other["queue_track"].tolist()) == ([[0, n["t"]]], [[0, n["u"]]])


def test_of_more_tracks_than_the_vocabulary_holds_the_most_played_are_kept():
    train = batch_of(CHALLENGE, tracked("a", ["t", "u", "v", "t"]), tracked("b", ["v", "t", "u", "t"]),
                     tracked("c", ["v", "w"]))  # fmt: skip
    assert fitted(train, n_tracks=1).tracks.tolist() == [key64("t")]
    assert fitted(train, n_tracks=2).tracks.tolist() == sorted([key64("t"), key64("v")])
    assert fitted(train, n_tracks=9, least=1).tracks.tolist() == sorted(map(key64, "tuvw"))
    assert fitted(train, n_tracks=9, least=4).tracks.tolist() == [key64("t")]
    assert fitted(train, n_tracks=0).tracks.tolist() == []
    assert not read(fitted(train), train)["past_track"].any()


def test_a_play_that_is_asked_about_and_then_heard_counts_once():
    online = batch_of(ONLINE, tracked("a", ["t", "u", "t", "v"]))
    assert fitted(online, n_tracks=9).tracks.tolist() == [key64("t")]


def test_without_tracks_among_the_steps_there_is_no_vocabulary():
    batch = batch_of(CHALLENGE, four([1, 2, 4, 5]), steps=Steps(("energy", "skipped"), ("energy",)))
    assert fitted(batch, n_tracks=9).sizes["tracks"] == 0


def many(setting=CHALLENGE):
    """Five sessions of 2 to 6 plays."""
    return batch_of(setting, *(
        session(f"s{n}", track=list("tuvtuv")[:n], energy=[n, 2, None, 3, 4, 1][:n], skipped=[1, 0, 0, 1, 0, 1][:n],
                reason_end=["fwdbtn", "trackdone", None, "fwdbtn", "logout", None][:n]) for n in range(2, 7)
    ))  # fmt: skip


@pytest.mark.parametrize("setting", [CHALLENGE, ONLINE])
def test_what_is_stored_in_files_is_what_is_stored_in_memory(setting, tmp_path):
    batch = many(setting)
    reader = fitted(batch, features=True, n_tracks=9)
    rows, held = reader.store(batch)
    same, filed = reader.store(batch, tmp_path)
    assert rows.tolist() == same.tolist() == [0, 1, 2, 3, 4]
    assert set(held) == set(filed) == set(reading.NAMES)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{name}.npy" for name in reading.NAMES)
    for name in reading.NAMES:
        assert isinstance(filed[name], np.memmap)
        assert (held[name].dtype, held[name].shape) == (filed[name].dtype, filed[name].shape)
        assert np.array_equal(held[name], filed[name])


@pytest.mark.parametrize("setting", [CHALLENGE, ONLINE])
def test_rows_stored_two_at_a_time_are_those_stored_at_once(setting, tmp_path, monkeypatch):
    batch = many(setting)
    reader = fitted(batch, features=True, n_tracks=9)
    _, whole = reader.store(batch)
    monkeypatch.setattr(reading, "ROWS", 2)
    assert [rows.tolist() for rows, _ in reader.blocks(batch)] == [[0, 1], [2, 3], [4]]
    for _, parts in (reader.store(batch), reader.store(batch, tmp_path)):
        assert all(np.array_equal(parts[name], whole[name]) for name in reading.NAMES)


def test_examples_in_any_order_are_read_into_the_same_rows():
    batch = many()
    reader = fitted(batch, features=True, n_tracks=9)
    mixed = batch.take(np.random.default_rng(0).permutation(len(batch)))
    assert all(np.array_equal(read(reader, mixed)[name], read(reader, batch)[name]) for name in reading.NAMES)
    rows, some = reader.store(mixed.take(mixed.tensors.row >= 3))
    assert rows.tolist() == [3, 4]
    assert np.array_equal(some["own"], read(reader, batch)["own"][3:])


def test_saved_and_opened_it_reads_the_same_to_the_bit():
    batch = many()
    reader = fitted(batch, features=True, n_tracks=9)
    again = Reader.open(*reader.save())
    assert again.sizes == reader.sizes
    assert reader.sizes | {"shared": 2, "told": 4, "own": 3, "tracks": 3, "together": 1} == reader.sizes
    assert all(np.array_equal(read(again, batch)[name], read(reader, batch)[name]) for name in reading.NAMES)


@pytest.mark.parametrize(
    "damage",
    [
        {"tracks": np.array([3, 2])},
        {"tracks": np.array([2, 2])},
        {"tracks": np.array([1.0, 2.0])},
        {"tracks": np.array([[1, 2]])},
        {"tracks": None},
        {"shared.mean": None},
        {"told.source": np.array([9] * 4)},
        {"own.spread": np.zeros(3)},
        {"shared.level": np.zeros(1, np.int64)},
        {"told.mean": np.full(4, np.nan)},
    ],
)
def test_damaged_arrays_are_refused(damage):
    settings, arrays = fitted(many(), features=True, n_tracks=9).save()
    changed = {k: a for k, a in (arrays | damage).items() if a is not None}
    with pytest.raises(Tampered, match="the network's reader is damaged"):
        Reader.open(settings, changed)


def test_damaged_settings_are_refused():
    settings, arrays = fitted(many(), features=True, n_tracks=9).save()
    for damage in ({"told_columns": None}, {"own_columns": []}, {"shared_columns": 3}):
        with pytest.raises(Tampered, match="the network's reader is damaged"):
            Reader.open(settings | damage, arrays)
    with pytest.raises(Tampered, match="the network's reader is damaged"):
        Reader.open({k: v for k, v in settings.items() if k != "together"}, arrays)


def test_a_batch_without_steps_is_refused():
    with pytest.raises(AskedWrongly, match="a network reads plays as sequences: build the batch with steps"):
        fitted(batch_of(CHALLENGE, four([1, 2, 4, 5]), steps=None))


def test_in_last_a_track_that_was_heard_twice_is_in_the_vocabulary():
    batch = batch_of(LAST, session(track=["t", "t", "u", "v"], energy=[1, 2, 3, 4], skipped=[0, 1, 0, 1]))
    assert Reader.fit(batch, features=False, n_tracks=9).tracks.tolist() == [key64("t")]
