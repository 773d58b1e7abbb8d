"""The score of a submission, worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

import truths
from halves import pair
from segue.decode import best_strings, expected_aa, joints_of_mixture
from segue.errors import AskedWrongly, BadInput
from segue.features.columns import key64
from segue.intervals import Interval, resamples
from segue.submission_score import Scored, score

# Sessions s0 of 4, s1 of 3, s2 of 2 plays; P(1), P(2), P(both) of what is asked; E[AA] of two
# is (P(L1) + (P(L2) + P(L1 L2)) / 2) / 2, L that a play is answered right.
#            first   what      P(1) P(2) P(both)  best   said        E[AA] of said     of repeat-last    of the best
#            half    happened
#   s0       0 1     1 0       .6   .5   .4       1 1    1 0         .475              1 1: .525         .525
#   s1       0       1 1       .7   .8   .6       1 1    0 1         .4                0 0: .225         .7
#   s2       1       0         .3                 0      0           .7                1:   .3           .7
HAND = {
    "s0": ([0, 1], [1, 0], [0.6, 0.5], [1, 1], [[], [0.4]]),
    "s1": ([0], [1, 1], [0.7, 0.8], [1, 1], [[], [0.6]]),
    "s2": ([1], [0], [0.3], [0], [[]]),
}


def truth(folder, hand=HAND, files=(("s2", "s0"), ("s1",))):
    """The truth of some sessions, over several files, its rows in no order."""
    for n, names in enumerate(files):
        rows = []
        for name in names:
            heard, happened, p, best, joint = hand[name]
            first = [(y, None, None, None) for y in heard]
            for i, (y, chance, string, both) in enumerate([*first, *zip(happened, p, best, joint, strict=True)], 1):
                rows.append({
                    "session_id": name, "position": i, "skipped": y, "online": 0.5, "online_tracks_unknown": 0.5,
                    "challenge": chance, "challenge_tracks_unknown": chance, "string": string,
                    "string_tracks_unknown": string, "joint": both,
                })  # fmt: skip
        truths.save(rows[::-1], folder / "test_set" / f"{n}.parquet")
    (folder / "world.json").write_text(json.dumps(truths.WORLD))
    return folder


def scored(tmp_path, lines, hand=HAND, **how):
    folder = pair(tmp_path / "raw", [4, 3, 2], heard=lambda name, position: bool(HAND[name][0][position - 1]))
    (tmp_path / "s.txt").write_text("".join(line + "\n" for line in lines))
    return score(tmp_path / "s.txt", truth(tmp_path / "truth", hand, **how), [folder])


def values(found):
    return {mark: {k: round(v.value, 6) for k, v in own.items()} for mark, own in found.items()}


def test_a_score_by_hand(tmp_path):
    found = scored(tmp_path, ["0", "01", "10"])  # the second halves name s2 first, then s1, then s0
    assert found.sessions == 3
    assert values(found.happened) == {
        "submission": {"maa": 0.75, "fpa": 0.666667},  # 1, .25, 1
        "repeat-last": {"maa": 0.166667, "fpa": 0.333333},  # .5, 0, 0
        "ceiling": {"maa": 0.833333, "fpa": 1.0},  # .5, 1, 1
    }
    assert values(found.expected) == {
        "submission": {"maa": 0.525, "fpa": 0.533333},
        "repeat-last": {"maa": 0.35, "fpa": 0.4},
        "ceiling": {"maa": 0.641667, "fpa": 0.666667},
    }
    assert found.share.value == pytest.approx(0.6)  # (.525 - .35) / (.641667 - .35)
    assert found.share.low < 0.6 < found.share.high


@pytest.mark.parametrize(("lines", "share"), [(["0", "11", "11"], 1.0), (["1", "00", "11"], 0.0)])
def test_the_ends_of_the_share_are_certain_for_numerator_and_denominator_are_drawn_together(tmp_path, lines, share):
    found = scored(tmp_path, lines).share
    assert (found.value, found.low, found.high) == pytest.approx((share, share, share))


def test_the_share_is_a_joint_bootstrap_of_sessions(tmp_path):
    own, least, most = np.array([[0.525, 0.225, 0.7], [0.525, 0.225, 0.3], [0.525, 0.7, 0.7]])
    order = np.argsort([key64(name) for name in HAND])  # sessions lie by their keys
    draws = resamples(np.arange(3), draws=300, seed=0).weights()
    gains = [(w @ (own - least)[order], w @ (most - least)[order]) for w in draws]
    found = scored(tmp_path, ["0", "00", "11"]).share
    ends = np.percentile([gain / attainable for gain, attainable in gains if attainable > 0], [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx(tuple(ends))


def test_each_pair_of_plays_is_found_in_its_place(tmp_path):
    """Five asked plays whose pairs all differ: what decode says of the whole matrix."""
    joints = joints_of_mixture([[0.7, 0.3]], [[[0.9, 0.2, 0.6, 0.1, 0.8], [0.3, 0.5, 0.1, 0.9, 0.4]]])
    assert len(np.unique(joints.round(6))) == 15
    best = best_strings(joints)[0][0].tolist()
    triangle = [joints[0, i, :i].tolist() for i in range(5)]
    truth(tmp_path / "t", {"s0": ([1] * 4, [0, 1, 0, 1, 1], joints[0].diagonal(), best, triangle)}, files=[["s0"]])
    (tmp_path / "s.txt").write_text("01101\n")
    found = score(tmp_path / "s.txt", tmp_path / "t", [pair(tmp_path / "raw", [9])]).expected
    for name, string in (("submission", [0, 1, 1, 0, 1]), ("repeat-last", [1] * 5), ("ceiling", best)):
        assert found[name]["maa"].value == pytest.approx(expected_aa(string, joints)[0], abs=1e-7), name
        assert found[name]["fpa"].value == pytest.approx(0.72 if string[0] else 0.28)


def test_other_sessions_of_the_truth_are_left_alone(tmp_path):
    hand = HAND | {"other": ([1], [1], [0.5], [1], [[]])}
    assert scored(tmp_path, ["0", "01", "10"], hand, files=(("other", "s0", "s1"), ("s2",))).sessions == 3


@pytest.mark.parametrize(
    ("lines", "how", "message"),
    [
        (["0", "01", "10"], {"files": (("s0",), ("s2",))}, r"plays are not in .*truth: give the truth folder of these logs"),
        (["0", "01", "10"], {"hand": HAND | {"s1": ([0, 1, 1], *HAND["s1"][1:])}}, r"2 of 5 plays are not in"),
        (["0", "01", "10"], {"hand": HAND | {"s1": ([1], *HAND["s1"][1:])}}, r"1 of 4 plays ended otherwise"),
        (["0", "01"], {}, r"line 3 is missing: 2 lines, expected 3"),
        (["0", "01", "10", "1"], {}, r"line 4 \('1'\) is one too many"),
        (["10", "01", "0"], {}, r"line 1 \('10'\) has 2 characters: expected 1"),
    ],
)  # fmt: skip
def test_a_truth_or_a_submission_of_another_test_set_is_refused(tmp_path, lines, how, message):
    with pytest.raises(BadInput, match=message):
        scored(tmp_path, lines, **how)


def test_a_folder_without_a_test_set_or_without_a_truth_is_refused(tmp_path):
    (tmp_path / "s.txt").write_text("00\n")
    with pytest.raises(AskedWrongly, match=r"truth holds no world.json"):
        score(tmp_path / "s.txt", tmp_path / "truth", [pair(tmp_path / "raw", [4])])
    with pytest.raises(AskedWrongly, match=r"no test set is there"):
        score(tmp_path / "s.txt", truth(tmp_path / "t"), [tmp_path / "t"])


def test_the_table_shows_the_share_between_its_ends():
    marks = ("submission", "repeat-last", "ceiling")
    happened = {mark: {"maa": Interval(0.5, 0.4, 0.6), "fpa": Interval(0.7, 0.6, 0.8)} for mark in marks}
    expected = {mark: {"maa": Interval(0.51, 0.4, 0.6), "fpa": Interval(0.71, 0.6, 0.8)} for mark in marks}
    rows = Scored(9, happened, expected, Interval(0.6, 0.5, 0.7)).table()
    assert [row["share of MAA gain"] for row in rows] == [".600 [.500, .700]", "0", "1"]
    assert {row["FPA"] for row in rows} == {".710 [.600, .800]"}
    assert {row["FPA that happened"] for row in rows} == {".700 [.600, .800]"}
