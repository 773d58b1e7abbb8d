"""A submission: the lines, the features behind them, and what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import small
import truths
from halves import QUESTIONS, pair
from segue import cli, metrics
from segue.batch import Bernoulli
from segue.bundle import open_bundle
from segue.datasets import mssd
from segue.datasets.mssd_halves import pairs, read_pair
from segue.datasets.source import find
from segue.engines import Embedded
from segue.errors import AskedWrongly, BadInput
from segue.features.build import from_library
from segue.features.columns import key64
from segue.library import ingest
from segue.live import vocabulary
from segue.parquet_files import read_parquet
from segue.submission import Submission, _merged, answers, features, submit


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
    for one in pairs(find([world.raw / "test_set"])):
        halves = read_pair(one, Embedded())
        batch = features(world.bundle, halves.plays, world.bundle.tracks)
        said = answers(world.bundle, halves, world.bundle.tracks)
        assert np.array_equal(said, world.bundle.fitted.predict(batch).p >= 0.5)
        assert 0 < said.mean() < 1
        for block in (1, 100):
            assert np.array_equal(answers(world.bundle, halves, world.bundle.tracks, block=block), said)


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
    assert f"{tmp_path.name}/track_features" in made.notes[0]
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


@pytest.fixture(scope="module")
def truth(world, tmp_path_factory):
    place = tmp_path_factory.mktemp("truth")
    return truths.write(ingest("mssd", [world.raw], place / "library"), place / "truth", n_training=0)


def test_segue_submit(run, world, truth, tmp_path):
    line = ("submit", world.place, world.raw, "-o", tmp_path / "s.txt", "--truth", truth)
    status, out, err = run(*line)
    assert (status, err) == (0, "")
    strings = ["".join("01"[r["skip_2"] == "True"] for r in rows) for rows in second_halves(world.told)]
    maa, fpa = metrics.score_submission((tmp_path / "s.txt").open(), strings)
    assert f"{tmp_path / 's.txt'}: 40 lines, for 2 pairs of files" in out
    assert re.search(r"plays +\d+ asked about, \d+\.\d% of them answered with a skip", out)
    assert re.search(r"tracks +\d+ with attributes, 0 without", out)
    happened = f" +{re.escape(f'{maa:.3f}'[1:])} +{re.escape(f'{fpa:.3f}'[1:])} "
    assert re.search(rf"submission +\.\d+ +\.\d+{happened}", out)
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
    assert said["score"]["share"].keys() == {"value", "low", "high"}


def test_a_truth_that_is_none_or_of_other_logs_is_refused_before_anything_is_answered(
    world, truth, tmp_path, monkeypatch
):
    monkeypatch.setattr("segue.submission.answers", lambda *a: pytest.fail("it began to answer"))
    other = Path(shutil.copytree(truth, tmp_path / "other"))
    for file in other.glob("*/*.parquet"):
        truths.save([row | {"skipped": 1 - row["skipped"]} for row in read_parquet(file).to_pylist()], file)
    for place, error, words in (
        (tmp_path / "nowhere", AskedWrongly, "holds no world.json: expected the truth folder of a simulated world"),
        (other, BadInput, "plays ended otherwise than .*other says, which is the truth of another seed or world"),
        (truths.folder(), BadInput, "plays are not in .*: give the truth folder of these logs"),
    ):
        with pytest.raises(error, match=words):
            submit(world.bundle, world.raw / "test_set", tmp_path / "s", truth=place)
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


def test_help_has_a_sentence_and_an_example(run):
    status, out, _ = run("submit", "--help")
    paragraphs = [" ".join(p.split()) for p in out.split("\n\n")]
    assert status == 0
    assert re.fullmatch(r"[A-Z][^.]*\.", paragraphs[1])
    assert paragraphs[2] == "Example: segue submit skip.bundle raw/test_set -o submission.txt"


def test_nothing_that_was_said_is_a_share_of_nothing():
    assert Submission(Path("s"), 0, 0, 2, float("nan"), 0, 0).to_json()["skip_share"] is None
