"""A submission: the lines, the features behind them, what is refused, and the score where the truth is known."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import small
from segue import cli, metrics
from segue.batch import Bernoulli
from segue.bundle import open_bundle
from segue.datasets import mssd
from segue.datasets.mssd_halves import pairs, read_pair
from segue.datasets.source import find
from segue.decode import best_strings, expected_aa, joints_of_mixture
from segue.engines import Embedded, write_parquet
from segue.errors import AskedWrongly, BadInput
from segue.features.build import from_library
from segue.features.columns import key64
from segue.intervals import Interval, resamples
from segue.library import ingest
from segue.live import vocabulary
from segue.submission import Scored, Submission, _merged, answers, features, score, submit

QUESTIONS = ["session_id", "track_id_clean", "session_position", "session_length"]


def cut(training: Path, test_set: Path) -> dict[str, list[list[dict[str, str]]]]:
    """Training logs cut into pairs, every other one packed, second halves in another order: sessions by pair, in order."""
    test_set.mkdir(parents=True)
    told = {}
    for n, path in enumerate(sorted(training.iterdir(), key=lambda p: re.findall(r"\d{8}", p.name))):
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
        sessions: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            sessions.setdefault(row["session_id"], []).append(row)
        order = [sessions[name] for name in np.random.default_rng(n).permutation(sorted(sessions))]
        halves = [int(rows[0]["session_length"]) // 2 for rows in order]
        first = sorted(
            (r for rows, h in zip(order, halves, strict=True) for r in rows[:h]), key=lambda r: r["session_id"]
        )
        second = [r for rows, h in zip(order, halves, strict=True) for r in rows[h:]]
        day = path.name.split("_", 2)[2].removesuffix(".csv.gz")
        for kind, columns, half in (("prehistory", list(mssd.LOG), first), ("input", QUESTIONS, second)):
            text = "".join(",".join(cells) + "\n" for cells in (columns, *([r[c] for c in columns] for r in half)))
            name = f"log_{kind}_{day}.csv"
            if n % 2:
                (test_set / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
            else:
                (test_set / name).write_text(text)
        told[day] = order
    return told


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Made-up logs, whole and cut in halves, with features of their tracks; and a bundle trained on others."""
    raw = tmp_path_factory.mktemp("raw")
    mssd.sample(raw, sessions=40, seed=7)
    return SimpleNamespace(raw=raw, told=cut(raw / "training_set", raw / "test_set"), place=small.bundle("challenge"),
                           bundle=open_bundle(small.bundle("challenge")))  # fmt: skip


def plain(bundle, fitted):
    """The bundle with another model in it."""
    return replace(bundle, fitted=fitted)


class Says:
    """A model that answers by a rule."""

    def __init__(self, rule):
        self.predict = rule


def second_halves(told):
    return [rows[len(rows) // 2 :] for order in told.values() for rows in order]


# ── the lines ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_for_every_session_in_the_order_of_files_and_sessions(world, tmp_path):
    at = {}
    for rows in second_halves(world.told):
        at |= {(r["session_id"], int(r["session_position"])): r["skip_2"] for r in rows}

    def told(batch):  # the model knows the truth by session and position
        truth = {(key64(s), p): y == "True" for (s, p), y in at.items()}
        keys = zip(batch.keys["session"].tolist(), batch.keys["position"].tolist(), strict=True)
        return Bernoulli(np.array([float(truth[key]) for key in keys]))

    seen = []
    made = submit(plain(world.bundle, Says(told)), world.raw / "test_set", tmp_path / "s.txt",
                  progress=lambda *what: seen.append(what))  # fmt: skip
    wanted = ["".join("01"[r["skip_2"] == "True"] for r in rows) for rows in second_halves(world.told)]
    assert (tmp_path / "s.txt").read_text() == "".join(line + "\n" for line in wanted)
    assert len({len(line) for line in wanted}) > 3
    joined = "".join(wanted)
    assert (made.sessions, made.plays, made.files) == (40, len(joined), 4)
    assert made.skip_share == pytest.approx(joined.count("1") / len(joined))
    names = list(world.told)
    assert seen == [(0, 2, names[0]), (1, 2, names[1]), (2, 2, "written")]
    assert [p.name for p in tmp_path.iterdir()] == ["s.txt"]
    lengths = [len(line) for line in wanted]
    assert metrics.score_submission((tmp_path / "s.txt").open(), wanted) == (1, 1)
    assert len(metrics.check_submission((tmp_path / "s.txt").open(), lengths)) == 40


def test_a_probability_from_one_half_on_is_a_skip(world, tmp_path):
    for p, sign in ((0.5, "1"), (0.499, "0")):
        out = tmp_path / sign
        submit(
            plain(world.bundle, Says(lambda batch, p=p: Bernoulli(np.full(len(batch), p)))), world.raw / "test_set", out
        )
        assert set(out.read_text()) == {sign, "\n"}


def test_a_real_bundle_says_what_its_probabilities_say_whatever_the_block(world):
    for pair in pairs(find([world.raw / "test_set"])):
        halves = read_pair(pair, Embedded())
        batch = features(world.bundle, halves.plays, world.bundle.tracks)
        said = answers(world.bundle, halves, world.bundle.tracks)
        assert np.array_equal(said, world.bundle.fitted.predict(batch).p >= 0.5)
        assert 0 < said.mean() < 1
        for block in (1, 100):
            assert np.array_equal(answers(world.bundle, halves, world.bundle.tracks, block=block), said)


def pair(folder, lengths, day="20180715_000000000000"):
    """A small pair: sessions s0, s1, … of these lengths, answered in reverse."""
    one = dict.fromkeys(mssd.LOG, "0") | {"skip_2": "True", "date": "2018-07-15", "track_id_clean": "t"}
    first, second = [], []
    for n, length in enumerate(lengths):
        for position in range(1, length + 1):
            row = one | {"session_id": f"s{n}", "session_position": str(position), "session_length": str(length)}
            (first if 2 * position <= length else second).append(row)
    second.sort(key=lambda r: (-int(r["session_id"][1:]), int(r["session_position"])))
    folder.mkdir(exist_ok=True)
    for kind, columns, rows in (("prehistory", list(mssd.LOG), first), ("input", QUESTIONS, second)):
        text = "".join(",".join(cells) + "\n" for cells in (columns, *([r[c] for c in columns] for r in rows)))
        (folder / f"log_{kind}_{day}.csv").write_text(text)
    return folder


def test_where_plays_hang_together_the_best_string_is_said(world, tmp_path):
    """The example of segue.decode: 58 % and 46 %, but the second is rather a skip if the first is one."""

    def moods(batch):
        sessions = np.unique(batch.keys["session"])
        p = np.tile([[[0.9, 0.7], [0.1, 0.1]]], (len(sessions), 1, 6))
        marginal = np.where((batch.keys["position"] - batch.keys["asked_after"]) % 2 == 1, 0.58, 0.46)
        return Bernoulli(marginal, joint=(np.tile([0.6, 0.4], (len(sessions), 1)), p))

    folder = pair(tmp_path / "test_set", [4, 2, 22, 3])
    submit(plain(world.bundle, Says(moods)), folder, tmp_path / "s.txt")
    # answered in reverse; eleven are too many to score all strings of: each play by itself
    assert (tmp_path / "s.txt").read_text().split() == ["11", "10101010101", "1", "11"]
    independent = Says(lambda batch: Bernoulli(moods(batch).p))
    submit(plain(world.bundle, independent), folder, tmp_path / "i.txt")
    assert (tmp_path / "i.txt").read_text().split() == ["10", "10101010101", "1", "10"]


# ── the features ────────────────────────────────────────────────────────────────────────────────────────────────────


def by_place(batch):
    order = np.lexsort((batch.keys["position"], batch.keys["session"]))
    return batch.take(order)


def test_features_are_exactly_those_of_whole_sessions_in_a_library(world, tmp_path):
    library = ingest("mssd", [world.raw], tmp_path / "library")
    assert len(library.describe()["passed_over"]) == 4
    asking = world.bundle.asking
    assert len(asking.features) > 30
    assert any("queue" in name for name in asking.features)
    whole, _ = from_library(asking, library, snapshot=world.bundle.history)
    words = vocabulary(library.tracks(), [c for c in asking.columns if c in mssd.schema.TRACKS])
    parts = [
        features(world.bundle, read_pair(one, Embedded()).plays, words) for one in pairs(find([world.raw / "test_set"]))
    ]
    values, known = (np.concatenate([getattr(p, f) for p in parts]) for f in ("values", "known"))
    keys = {k: np.concatenate([p.keys[k] for p in parts]) for k in ("session", "position", "day", "asked_after")}
    order, wanted = np.lexsort((keys["position"], keys["session"])), by_place(whole)
    assert len(values) == len(whole) == sum(len(rows) for rows in second_halves(world.told))
    for name, key in keys.items():
        assert np.array_equal(key[order], wanted.keys[name]), name
    for f, name in enumerate(asking.features):
        assert np.array_equal(values[order, f], wanted.values[:, f]), name
        assert np.array_equal(known[order, f], wanted.known[:, f]), name
    assert known.any(0).sum() > 25
    assert {int(p.label.max()) for p in parts} == {-1}


def test_attributes_come_from_the_table_first_and_from_the_bundle_else(world, tmp_path):
    asked = []

    def rule(batch):
        asked.append(batch)
        return Bernoulli(np.zeros(len(batch)))

    bundle = plain(world.bundle, Says(rule))
    folder = pair(tmp_path / "test_set", [4])

    def energy(name, tracks=None):
        made = submit(bundle, folder, tmp_path / name, tracks=tracks)
        value, known = asked[-1].column("energy")
        return (float(value[0]) if known[0] else None), made

    value, made = energy("a")
    assert (value, made.tracks_known, made.tracks_unknown) == (None, 0, 1)
    assert "the bundle's own" in made.notes[0]
    (tmp_path / "tf.csv").write_text("track_id,acousticness,energy\nt,.5,.25\n")
    value, made = energy("b", tmp_path / "tf.csv")
    assert (value, made.tracks_known, made.tracks_unknown) == (0.25, 1, 0)
    assert f"attributes of 1 tracks from {tmp_path / 'tf.csv'}; of others, the bundle's own" in made.notes
    (tmp_path / "track_features").mkdir()
    (tmp_path / "track_features" / "tf.csv").write_text("track_id,acousticness,energy\nt,.5,.75\n")
    value, made = energy("c")
    assert value == 0.75
    assert str(tmp_path / "track_features") in made.notes[0]
    words = {"track": np.array([key64("t")]), "energy": np.array([125], np.int32), "tempo": np.array([7], np.int32)}
    bundle = replace(bundle, tracks=words)
    assert energy("d")[0] == 0.75
    (tmp_path / "tf.csv").write_text("track_id,acousticness,energy\nother,.5,.25\n")
    value, made = energy("e", tmp_path / "tf.csv")
    assert (value, made.tracks_known) == (0.125, 1)
    both = _merged(
        {"track": np.array([1, 5]), "energy": np.array([10, 50], np.int32)}, words | {"track": np.array([5])}
    )
    unknown = np.iinfo(np.int32).min
    assert {k: v.tolist() for k, v in both.items()} == {"track": [1, 5], "energy": [10, 50], "tempo": [unknown, 7]}


def test_a_test_set_older_than_the_history_is_noted(world, tmp_path):
    made = submit(world.bundle, world.raw / "test_set", tmp_path / "s")
    as_of = world.bundle.card["history_as_of"]
    assert any(f"40 sessions are older than the bundle's history (as of {as_of})" in note for note in made.notes)
    made = submit(world.bundle, pair(tmp_path / "t", [4], "20300101_0"), tmp_path / "s2")
    assert not any("older" in note for note in made.notes)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bundle_of_another_setting_is_refused_with_a_remedy(world, tmp_path):
    with pytest.raises(
        AskedWrongly, match=r"answers setting 'online': a submission needs 'challenge'; .*--setting challenge"
    ):
        submit(small.bundle("online"), world.raw / "test_set", tmp_path / "s")


def test_a_folder_without_a_test_set_is_refused(world, tmp_path):
    with pytest.raises(AskedWrongly, match="no test set is there"):
        submit(world.bundle, world.raw / "training_set", tmp_path / "s")
    with pytest.raises(AskedWrongly, match="no such file or folder"):
        submit(world.bundle, tmp_path / "nowhere", tmp_path / "s")


def test_nothing_is_left_when_a_later_pair_is_broken(world, tmp_path):
    folder = pair(tmp_path / "test_set", [4])
    pair(folder, [5], "20180716_000000000000")
    with pytest.raises(BadInput, match=r"session s0 is in log_input_20180716_000000000000.csv and in a pair before it"):
        submit(world.bundle, folder, tmp_path / "s")
    assert [p.name for p in tmp_path.iterdir()] == ["test_set"]


def test_what_is_in_the_place_is_not_lost(world, tmp_path):
    out = tmp_path / "s"
    folder = pair(tmp_path / "test_set", [4])
    submit(world.bundle, folder, out)
    said = out.read_text()
    out.write_text("0\n")
    with pytest.raises(AskedWrongly, match="exists already: choose another -o, or give --overwrite"):
        submit(world.bundle, folder, out)
    submit(world.bundle, folder, out, overwrite=True)
    assert out.read_text() == said
    out.write_text("my notes")
    for place in (out, tmp_path):
        with pytest.raises(AskedWrongly, match="is not a submission, --overwrite would delete what it holds"):
            submit(world.bundle, folder, place, overwrite=True)
    with pytest.raises(AskedWrongly, match=r"the folder .*nowhere does not exist; make it, or choose another -o"):
        submit(world.bundle, folder, tmp_path / "nowhere" / "s")
    assert out.read_text() == "my notes"


def test_tables_that_are_no_track_features_are_refused(world, tmp_path):
    with pytest.raises(AskedWrongly, match=r"holds no table of track features .*give the folder of tf_"):
        submit(world.bundle, world.raw / "test_set", tmp_path / "s", tracks=world.raw / "test_set")


# ── the score ───────────────────────────────────────────────────────────────────────────────────────────────────────

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


def truth(folder, hand=HAND, files=(("s2", "s0"), ("s1",)), known=True):
    """The truth of some sessions, over several files, its rows in no order."""
    for n, names in enumerate(files):
        rows = []
        for name in names:
            heard, happened, p, best, joint = hand[name]
            rows += [(name, i, y, None, None, None) for i, y in enumerate(heard, 1)]
            asked = zip(happened, p, best, joint, strict=True)
            rows += [
                (name, len(heard) + i, y, *(one if known else (None,) * 3)) for i, (y, *one) in enumerate(asked, 1)
            ]
        columns = list(zip(*rows[::-1], strict=True))
        kinds = {"session_id": pa.string(), "position": pa.int64(), "skipped": pa.int8(), "challenge": pa.float64(),
                 "string": pa.int8(), "joint": pa.list_(pa.float32())}  # fmt: skip
        table = pa.table({c: pa.array(v, k) for v, (c, k) in zip(columns, kinds.items(), strict=True)})
        write_parquet(table, folder / "test_set" / f"log_{n}.parquet")
    return folder


def scored(tmp_path, lines, **how):
    folder = pair(tmp_path / "raw", [4, 3, 2])
    (tmp_path / "s.txt").write_text("".join(line + "\n" for line in lines))
    return score(tmp_path / "s.txt", truth(tmp_path / "truth", **how), [folder])


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
    # as in the files of truth: s0 and s2, then s1
    order = [0, 2, 1]
    draws = resamples(np.arange(3), draws=300, seed=0).weights()
    gains = [(w @ (own - least)[order], w @ (most - least)[order]) for w in draws]
    shares = [gain / attainable for gain, attainable in gains if attainable > 0]
    found = scored(tmp_path, ["0", "00", "11"]).share
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(shares, [2.5, 97.5])))


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


def test_without_probabilities_there_is_what_happened_and_no_more(tmp_path):
    found = scored(tmp_path, ["0", "01", "10"], known=False)
    assert values(found.happened) == {
        "submission": {"maa": 0.75, "fpa": 0.666667},
        "repeat-last": {"maa": 0.166667, "fpa": 0.333333},
    }
    assert (found.expected, found.share) == ({}, None)
    assert [list(row) for row in found.table()] == [["", "MAA", "FPA"]] * 2


def test_probabilities_of_some_sessions_only_are_none(tmp_path):
    hand = HAND | {"s1": ([0], [1, 1], [0.7, None], [1, 1], [[], [0.6]])}
    found = scored(tmp_path, ["0", "01", "10"], hand=hand)
    assert (list(found.happened), found.expected, found.share) == (["submission", "repeat-last"], {}, None)


def test_other_sessions_of_the_truth_are_left_alone(tmp_path):
    hand = HAND | {"other": ([1], [1], [0.5], [1], [[]])}
    assert scored(tmp_path, ["0", "01", "10"], hand=hand, files=(("other", "s0", "s1"), ("s2",))).sessions == 3


@pytest.mark.parametrize(
    ("lines", "how", "message"),
    [
        (["0", "01", "10"], {"files": (("s0",), ("s2",))}, r"session s1 of the test set is not in .*truth \(1 are not\)"),
        (["0", "01", "10"], {"hand": HAND | {"s1": ([0, 1, 1], *HAND["s1"][1:])}},
         r"session s1 has 5 rows in log_1.parquet, and 2 plays are asked about: expected the skip of each position once"),
        (["0", "01", "10"], {"hand": HAND | {"s1": ([None], *HAND["s1"][1:])}}, r"session s1 has 3 rows in log_1.parquet"),
        (["0", "01"], {}, r"line 3 is missing: 2 lines, expected 3"),
        (["0", "01", "10", "1"], {}, r"line 4 \('1'\) is one too many"),
        (["10", "01", "0"], {}, r"line 1 \('10'\) has 2 characters: expected 1"),
    ],
)  # fmt: skip
def test_a_truth_or_a_submission_of_another_test_set_is_refused(tmp_path, lines, how, message):
    with pytest.raises(BadInput, match=message):
        scored(tmp_path, lines, **how)


def test_a_truth_that_is_none_is_refused_before_anything_is_answered(world, tmp_path):
    with pytest.raises(AskedWrongly, match=r"truth/test_set holds no \*.parquet: give the folder truth/"):
        submit(world.bundle, world.raw / "test_set", tmp_path / "s", truth=tmp_path / "truth")
    assert list(tmp_path.iterdir()) == []
    write_parquet(pa.table({"session_id": ["s0"]}), tmp_path / "truth" / "test_set" / "a.parquet")
    (tmp_path / "s.txt").write_text("00\n")
    with pytest.raises(BadInput, match=r"a.parquet lacks column position: expected session_id, position, skipped"):
        score(tmp_path / "s.txt", tmp_path / "truth", [pair(tmp_path / "raw", [4])])


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(capsys, monkeypatch):
    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return started


def test_segue_submit(run, world, tmp_path):
    told = second_halves(world.told)
    hand = {}
    for order in world.told.values():
        for rows in order:
            skips, half = [int(r["skip_2"] == "True") for r in rows], len(rows) // 2
            asked = skips[half:]
            hand[rows[0]["session_id"]] = (skips[:half], asked, asked, asked, [[0] * i for i in range(len(asked))])
    truth(tmp_path / "truth", hand=hand, files=[list(hand)], known=False)
    line = ("submit", world.place, world.raw, "-o", tmp_path / "s.txt", "--truth", tmp_path / "truth")
    status, out, err = run(*line)
    assert (status, err) == (0, "")
    strings = ["".join("01"[r["skip_2"] == "True"] for r in rows) for rows in told]
    maa, fpa = metrics.score_submission((tmp_path / "s.txt").open(), strings)
    assert f"{tmp_path / 's.txt'}: 40 lines, for 2 pairs of files" in out
    assert re.search(r"plays +\d+ asked about, \d+\.\d% of them answered with a skip", out)
    assert re.search(r"tracks +\d+ with attributes, 0 without", out)
    assert re.search(rf"submission +{re.escape(f'{maa:.3f}'[1:])} +{re.escape(f'{fpa:.3f}'[1:])}", out)
    assert "repeat-last" in out
    assert "Intervals: 95 %, bootstrap by session." in out
    status, out, err = run(*line)
    assert (status, out) == (2, "")
    assert err == f"segue: {tmp_path / 's.txt'} exists already: choose another -o, or give --overwrite\n"
    status, out, _ = run(*line, "--overwrite", "--json", "--tracks", world.raw / "track_features")
    said = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert status == 0
    assert (said["sessions"], said["files"], said["path"]) == (40, 4, str(tmp_path / "s.txt"))
    assert said["score"]["happened"]["submission"]["maa"]["value"] == pytest.approx(maa)
    assert said["score"]["share"] is None


def test_help_has_a_sentence_and_an_example(run):
    status, out, _ = run("submit", "--help")
    paragraphs = [" ".join(p.split()) for p in out.split("\n\n")]
    assert status == 0
    assert re.fullmatch(r"[A-Z][^.]*\.", paragraphs[1])
    assert paragraphs[2] == "Example: segue submit skip.bundle raw/test_set -o submission.txt"


def test_the_table_shows_the_share_between_its_ends():
    marks = ("submission", "repeat-last", "ceiling")
    own = {mark: {"maa": Interval(0.5, 0.4, 0.6), "fpa": Interval(0.7, 0.6, 0.8)} for mark in marks}
    rows = Scored(9, own, own, Interval(0.6, 0.5, 0.7)).table()
    assert [row["share of attainable gain"] for row in rows] == [".600 [.500, .700]", ".000", "1.000"]
    assert {row["expected FPA"] for row in rows} == {".700 [.600, .800]"}
    assert Submission(Path("s"), 0, 0, 2, float("nan"), 0, 0).to_json()["skip_share"] is None
