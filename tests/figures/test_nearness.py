from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio.front_end import FRONT_END
from segue.figures.collection import collection
from segue.figures.figure import NothingToSay
from segue.figures.nearness import key_names, nearness, signature, spoken


def songs(*said, **more):
    """Recordings a, b, c … of which is known what is said: (energy, valence, danceability, tempo)."""
    names = ("energy", "valence", "danceability", "tempo")
    rows = [{"file": f"{chr(97 + n)}.mp3", **dict(zip(names, one, strict=True))} for n, one in enumerate(said)]
    return collection("here", [row | {k: v[n] for k, v in more.items()} for n, row in enumerate(rows)])


FOUR = ((0.9, 0.8, 0.7, 120), (0.88, 0.79, 0.69, 121), (0.2, 0.3, 0.3, 70), (0.22, 0.28, 0.35, 140))


def test_the_nearest_come_first_and_a_recording_is_not_its_own_neighbour():
    space = nearness(songs(*FOUR))
    found, away = space.nearest(5)
    assert found.shape == (4, 3)
    assert found[:, 0].tolist() == [1, 0, 3, 2]
    assert (np.diff(away, axis=1) >= 0).all()
    assert away[0, 0] < 0.1 < away[2, 0]  # 1: as far as a typical pair


def test_copies_are_each_others_neighbours():
    space = nearness(songs(*[FOUR[0]] * 8, FOUR[2]))
    found, away = space.nearest(3)
    assert not (found == np.arange(9)[:, None]).any()
    assert away[:8].max() == 0


def test_what_two_share_is_said_with_both_values_the_rarest_first():
    space = nearness(songs(*FOUR, key=(9, 9, 2, 5), mode=(0, 0, 1, 1)))
    assert "both A minor" in space.share(0, 1)
    assert "tempo 120 and 121 BPM" in space.share(0, 1, most=9)
    assert space.share(0, 2) == "no one quantity: a little of all"
    assert spoken("loudness", -8.04) == "−8.0 dB"


def test_a_minor_key_lies_where_the_major_one_with_its_tones_does():
    assert signature([0, 9, 7, 4], [1, 0, 1, 0]).tolist() == [0, 0, 1, 1]  # C major, A minor; G major, E minor
    space = nearness(songs(*[(0.5, 0.5, 0.5, 100)] * 3, (0.9, 0.9, 0.9, 150), key=(0, 9, 6, 0), mode=(1, 1, 1, 1)))
    found, _ = space.nearest(1)
    assert found[2, 0] == 1  # F sharp is three fifths from A, six from C
    assert key_names(space.collection) == ["C major", "A major", "F sharp major", "C major"]


def test_a_quantity_that_few_know_is_left_out_and_a_recording_that_lacks_a_common_one_has_no_place():
    rows = [
        {"file": str(n), "energy": n / 10, "valence": n / 10, "danceability": n / 9, "tempo": 90.0 + n}
        for n in range(10)
    ]
    rows[3].pop("valence")
    rows[4]["loudness"] = -9.0
    space = nearness(collection("here", rows))
    assert set(space.names) == {"tempo", "energy", "valence", "danceability"}
    assert space.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_without_descriptors_recordings_are_near_by_the_numbers_of_the_front_end_whose_groups_weigh_the_same():
    names = ("loudness", "loudness_range", *[n for n in FRONT_END.names if n.startswith("cepstrum")])
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(12, len(names)))
    numbers[:, :2] = np.repeat([[0, 0], [50, 50]], 6, axis=0) + rng.normal(0, 0.1, (12, 2))
    numbers[0, 5] = np.nan  # one unknown number does not cost a recording its place
    rows = [{"file": str(n), "tempo": 120.0, "loudness": -9.0 - n, "numbers": one} for n, one in enumerate(numbers)]
    space = nearness(collection("here", rows, number_names=names))
    assert len(space.rows) == 12
    assert space.by.startswith(f"{len(names)} numbers of timbre")
    assert space.names[:2] == ("tempo", "loudness")
    found, _ = space.nearest(5)
    same = (found < 6) == (np.arange(12)[:, None] < 6)
    assert same.mean() > 0.95  # two numbers of loudness outweigh what eighty of timbre say by chance


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (songs(FOUR[0]), "it takes two recordings of music to compare them, and there is one"),
        (songs(*FOUR, kind=["speech", "other", "music", "speech"]), "there is one"),
        (songs(*FOUR, error=["it is broken"] * 4), "there is none"),
        (collection("here", [{"file": "a", "key": 3}, {"file": "b", "key": 4}]), "but their key"),
    ],
)
def test_what_cannot_be_compared_says_why(of, words):
    with pytest.raises(NothingToSay, match=words):
        nearness(of)
