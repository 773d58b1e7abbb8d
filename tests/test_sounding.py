"""A recording among tracks: near is what sounds alike in what is known of both, and the reasons say what that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import vocabulary
from segue.errors import AskedWrongly
from segue.sounding import Sounding, shown

NAN = float("nan")


def exactly(value):
    return (value, value, value)


def known(**sound):
    n = len(next(iter(sound.values())))
    return replace(vocabulary(n), sound={name: np.array(value, np.float32) for name, value in sound.items()})


FOUR = {"energy": [0.2, 0.4, 0.6, 0.8], "tempo": [60.0, 90.0, 120.0, 150.0]}


def test_the_nearest_is_what_sounds_the_same():
    placed = Sounding.of({"energy": exactly(0.6), "tempo": exactly(120.0)}, known(**FOUR))
    assert placed.nearest(4)[0] == 2
    assert placed.scores()[1][2] == 1


def test_tracks_are_compared_by_what_is_known_of_both():
    placed = Sounding.of({"tempo": exactly(61.0), "key": exactly(3), "liveness": exactly(0.1)}, known(**FOUR))
    assert placed.names == ("tempo",)
    assert placed.nearest(4).tolist() == [0, 1, 2, 3]


def test_of_equal_tracks_the_most_played_comes_first():
    same = known(energy=[0.9, 0.5, 0.5, 0.5])
    assert Sounding.of({"energy": exactly(0.5)}, same).nearest(3).tolist() == [1, 2, 3]


def test_what_was_guessed_with_wide_bounds_counts_less():
    tracks = known(energy=[0.2, 0.8, 0.2, 0.8], tempo=[60.0, 150.0, 150.0, 60.0])
    sure = Sounding.of({"energy": (0.2, 0.19, 0.21), "tempo": (150.0, 50.0, 250.0)}, tracks)
    assert sure.nearest(4).tolist() == [2, 0, 1, 3]  # of the same energy first, then of the same tempo
    other = Sounding.of({"energy": (0.2, 0.0, 1.0), "tempo": (150.0, 149.0, 151.0)}, tracks)
    assert other.nearest(4).tolist() == [2, 1, 0, 3]
    assert sure.trust[0] > 0.99 > 0.5 > sure.trust[1]


def test_trust_is_the_share_of_the_variance_that_is_no_error():
    tracks = known(tempo=[100.0, 140.0])  # a standard deviation of 20
    assert Sounding.of({"tempo": (120.0, 120 - 20 * 1.645, 120 + 20 * 1.645)}, tracks).trust.tolist() == [
        pytest.approx(0.5)
    ]


def test_a_track_of_which_one_attribute_is_not_known_has_no_place():
    tracks = known(energy=[0.2, 0.4, 0.6, 0.8, 0.5], tempo=[60.0, 90.0, 120.0, 150.0, NAN])
    tracks = replace(tracks, plays=np.array([9, 9, 9, 9, 1]))
    placed = Sounding.of({"energy": exactly(0.5), "tempo": exactly(100.0)}, tracks)
    assert sorted(placed.nearest(9).tolist()) == [0, 1, 2, 3]
    assert placed.reason(4, tracks) == ""


def test_a_minor_key_is_near_its_major():
    tracks = known(key=[0, 6, 1], mode=[1, 1, 1])
    assert Sounding.of({"key": exactly(9), "mode": exactly(0)}, tracks).nearest(1).tolist() == [0]


def test_the_reason_says_in_what_they_agree_and_what_was_heard():
    tracks = known(**FOUR, key=[9, 2, 9, 4], mode=[0, 1, 0, 1], loudness=[-20.0, -12.0, -30.0, -5.0])
    heard = {
        "energy": exactly(0.59),
        "tempo": exactly(121.0),
        "key": exactly(9),
        "mode": exactly(0),
        "loudness": exactly(-6.0),
    }
    placed = Sounding.of(heard, tracks)
    assert placed.reason(2, tracks) == "sounds like it: A minor (the same), tempo 120 (file 121), energy .60 (.59)"
    assert placed.reason(3, tracks) == "sounds like it: loudness -5.0 dB (file -6.0 dB)"  # 150 BPM is nothing like 121


def test_a_file_is_as_loud_as_it_was_exported_so_that_its_level_counts_less():
    tracks = known(loudness=[-16.0, -10.0])  # a standard deviation of 3
    assert Sounding.of({"loudness": exactly(-13.0)}, tracks).trust.tolist() == [0.5]


@pytest.mark.parametrize(
    ("name", "tracks", "heard", "agrees"),
    [
        ("loudness", [-40.0, -18.2, -5.0, 0.0], -27.9, False),  # however telling: the next is farther off by far
        ("loudness", [-40.0, -18.2, -5.0, 0.0], -21.3, False),
        ("loudness", [-40.0, -18.2, -5.0, 0.0], -21.0, True),
        ("loudness", [-12.0, -10.0, -9.0, -8.0], -11.0, False),  # 1 dB is much where all are so near
        ("tempo", [60.0, 120.0, 180.0, 240.0], 127.0, False),
        ("tempo", [60.0, 120.0, 180.0, 240.0], 115.0, True),
        ("tempo", [118.0, 120.0, 121.0, 122.0], 119.0, False),
        ("energy", [0.0, 0.5, 1.0, 1.0], 0.62, False),
        ("energy", [0.0, 0.5, 1.0, 1.0], 0.58, True),
        ("energy", [0.45, 0.5, 0.55, 0.6], 0.54, False),
        ("key", [9, 0, 5, 2], 5, False),  # near in fifths, and not the same
        ("key", [9, 0, 5, 2], 0, True),
    ],
)
def test_only_what_truly_agrees_is_called_alike_and_else_what_is_nearest(name, tracks, heard, agrees):
    of = known(**{name: tracks})
    said = Sounding.of({name: exactly(heard)}, of).reason(1, of)
    assert said.startswith("sounds like it: " if agrees else "nearest in sound: ")


def test_where_nothing_agrees_the_one_that_is_nearest_is_said():
    tracks = known(tempo=[60.0, 100.0, 140.0, 180.0], energy=[0.1, 0.3, 0.6, 0.9])
    placed = Sounding.of({"tempo": exactly(115.0), "energy": exactly(0.9)}, tracks)
    assert placed.reason(1, tracks) == "nearest in sound: tempo 100 (file 115)"


def test_what_is_nearer_than_usual_and_yet_far_is_no_agreement():
    tracks = known(tempo=[100.0, 104.0, 108.0, 112.0, 160.0], energy=[0.5, 0.2, 0.9, 0.1, 0.7])
    said = Sounding.of({"tempo": exactly(190.0), "energy": exactly(0.7)}, tracks).reason(4, tracks)
    assert said == "sounds like it: energy .70 (file .70)"


def test_to_agree_in_what_is_unusual_counts_most():
    tracks = known(energy=[0.5] * 9 + [0.99], tempo=[*(100.0 + 10 * i for i in range(9)), 140.0])
    found = Sounding.of({"energy": exactly(0.99), "tempo": exactly(140.0)}, tracks).agreement(9)
    assert found["energy"][0] > found["tempo"][0] > 0
    assert found["energy"][1] == found["tempo"][1] == 0


def test_where_nothing_can_be_compared_it_says_why():
    with pytest.raises(AskedWrongly, match="this bundle knows no attributes of tracks"):
        Sounding.of({"tempo": exactly(100.0)}, known(duration=[100.0, 200.0]))
    with pytest.raises(
        AskedWrongly, match="of the file tempo is known, of the tracks energy: expected some attribute of both"
    ):
        Sounding.of({"tempo": exactly(100.0), "energy": (NAN, NAN, NAN)}, known(energy=[0.1, 0.9]))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("energy", 0.004, ".00"),
        ("energy", 1.0, "1.00"),
        ("loudness", -0.4, "-0.4 dB"),
        ("mode", 1, "major"),
        ("key", 11, "B"),
    ],
)
def test_values_are_said_as_people_say_them(name, value, said):
    assert shown(name, value) == said
