"""From recordings and a table to a bundle, and from the bundle to descriptors of other recordings."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import sys

import numpy as np
import pytest
import typer

from segue import cli_audio, described_files, measuring
from segue.bundle import open_bundle
from segue.describing import DescriptorBundle, joined, train
from segue.errors import AskedWrongly, BadInput, Tampered
from segue.exact import exact
from segue.measuring import columns, sounds
from segue.playlists_bundle import open_playlists_bundle
from segue.sound_table import read_table

soundfile = pytest.importorskip("soundfile")
RATE = 44_100


def tone(i, seconds=1.5):
    """A tone with a beat: its height, level and pace by number, in faint noise."""
    t = np.arange(int(seconds * RATE)) / RATE
    rng = np.random.default_rng(i)
    beat = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * (1 + i % 3) * t))
    return (0.02 + 0.4 * (i / 40)) * beat * np.sin(2 * np.pi * (220 + 40 * i) * t) + 0.003 * rng.normal(size=len(t))


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """36 short files of twelve artists, and a table that says a little of each; one row and one file have no partner."""
    folder = tmp_path_factory.mktemp("music")
    dealt = np.random.default_rng(4).uniform(0.1, 0.9, 37).round(3)
    rows = [{"track_id": i, "artist": f"a{i // 3}", "energy": 0.05 + 0.9 * i / 36, "valence": float(dealt[i])}
            for i in range(37)]  # fmt: skip
    for i in range(36):
        soundfile.write(folder / f"{i:06}.wav", tone(i), RATE)
    soundfile.write(folder / "other.wav", tone(3), RATE)
    with (folder / "table.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def bundle(music, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "d.bundle"
    train(music / "table.csv", [music], out, model="ridge", n_folds=4)
    return out


def test_rows_and_files_are_joined_by_number_and_all_are_told_of(music, tmp_path):
    kept = tmp_path / "kept"
    found = joined(read_table(music / "table.csv"), [music], kept=kept)
    counts = found.counts
    assert (counts["rows"], counts["joined"], counts["rejected"]) == (37, 36, {"no recording of it": 1})
    assert (counts["files"], counts["files_of_no_row"]) == (37, 1)
    assert len(list(kept.iterdir())) == 36
    of = found.measured["front-end"]
    assert of.columns == columns("front-end")
    assert len(set(of.group)) == 12
    assert of.grouped_by == "artist"


def test_what_is_done_is_named_measuring_where_it_measures_and_not_else(music, bundle, tmp_path):
    said = []
    train(
        music / "table.csv",
        [music],
        tmp_path / "d",
        model="mean",
        n_folds=2,
        progress=lambda done, n, name: said.append(name),
    )
    assert sum(name.startswith("measuring 0000") for name in said) == 36
    assert [name for name in said if "measuring" not in name][-2:] == ["scoring", "mean, of all tracks"]


def test_what_was_measured_is_kept_and_not_measured_again(music, tmp_path, monkeypatch):
    files = sorted(music.glob("*.wav"))[:4]
    first = {s.path: s for s in sounds(files, reads=("front-end",), exactly=True, kept=tmp_path)}
    monkeypatch.setattr(measuring, "sound", lambda *a, **k: pytest.fail("it was measured again"))
    for again in sounds(files, reads=("front-end",), exactly=True, kept=tmp_path):
        np.testing.assert_array_equal(again.numbers["front-end"], first[again.path].numbers["front-end"])
        assert again.exactly["loudness"] == first[again.path].exactly["loudness"]
        assert again.seconds == first[again.path].seconds == 1.5


def test_what_is_kept_but_damaged_is_measured_again(music, tmp_path):
    files = sorted(music.glob("*.wav"))[:1]
    (before,) = sounds(files, reads=("statistics",), kept=tmp_path)
    (held,) = tmp_path.iterdir()
    held.write_bytes(held.read_bytes()[:100])
    (after,) = sounds(files, reads=("statistics",), kept=tmp_path)
    np.testing.assert_array_equal(before.numbers["statistics"], after.numbers["statistics"])


@pytest.mark.slow
def test_two_processes_measure_the_same(music):
    files = sorted(music.glob("*.wav"))[:4]
    one = {s.path: s.numbers["front-end"] for s in sounds(files, reads=("front-end",))}
    for made in sounds(files, reads=("front-end",), jobs=2):
        np.testing.assert_allclose(made.numbers["front-end"], one[made.path], rtol=1e-5, atol=1e-6)


def test_a_bundle_describes_recordings_and_says_how_well_on_its_card(music, bundle):
    opened = DescriptorBundle.open(bundle)
    card = opened.card
    assert card["counts"]["rows"] == card["counts"]["joined"] + sum(card["counts"]["rejected"].values())
    assert card["contest"]["best"] == "ridge"
    assert "energy" in opened.names
    assert "valence" in card["not_learnt"]  # it is dealt at random
    from segue.datasets.sound_files import read

    said = opened.describe(read(music / "000020.wav"))
    value, low, high = said["energy"]
    assert set(said) == set(opened.names)
    assert low <= value <= high
    assert value > opened.describe(read(music / "000002.wav"))["energy"][0]


def test_loudness_is_measured_without_a_bundle(music):
    from segue.datasets.sound_files import read

    value, low, high = exact(read(music / "000020.wav"))["loudness"]
    assert -30 < low < value < high < 0


def test_where_it_is_not_or_is_asked_what_another_answers_is_told(bundle, tmp_path):
    with pytest.raises(
        AskedWrongly, match=r"nowhere: no such file or folder; give a bundle, as segue audio train TABLE"
    ):
        DescriptorBundle.open(tmp_path / "nowhere")
    with pytest.raises(
        AskedWrongly, match=r"is a bundle for descriptors: give it to segue audio describe, or to segue rec"
    ):
        open_bundle(bundle)
    with pytest.raises(AskedWrongly, match=r"is a bundle for descriptors: give one of segue train next-track"):
        open_playlists_bundle(bundle)


def test_damage_to_a_bundle_is_told(bundle, tmp_path):
    place = tmp_path / "b"
    shutil.copytree(bundle, place)
    (place / "model.json").write_text("{}")
    with pytest.raises(Tampered, match=r"model.json is not what was written"):
        DescriptorBundle.open(place)
    with pytest.raises(Tampered, match="damaged"):
        DescriptorBundle.open(place, checked=True)
    with pytest.raises(AskedWrongly, match="give one, as segue audio train"):
        DescriptorBundle.open(tmp_path)
    shutil.copytree(bundle, tmp_path / "c")
    golden = json.loads((tmp_path / "c" / "golden.json").read_text())
    golden[0]["said"][0] += 0.01
    (tmp_path / "c" / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(Tampered, match="answers a golden request otherwise"):
        DescriptorBundle.open(tmp_path / "c", checked=True)


def test_a_table_that_names_no_file_is_told(music, tmp_path):
    (tmp_path / "t.csv").write_text("file,energy\nx.mp3,.5\n")
    with pytest.raises(BadInput, match=r"none of 37 files is named by .*: expected 000000.wav or 000000"):
        joined(read_table(tmp_path / "t.csv"), [music])


def test_every_file_becomes_a_row_that_ingest_can_read(music, bundle, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(music / "000001.wav", folder / "The Band - A Song.wav")
    shutil.copy(music / "000020.wav", folder / "07 Other.wav")
    (folder / "no.mp3").write_bytes(b"no sound" * 100)
    made = described_files.describe([folder], tmp_path / "tracks.csv", bundle=bundle)
    rows = list(csv.DictReader((tmp_path / "tracks.csv").open(encoding="utf-8")))
    assert [(r["artist"], r["title"], r["track_id"]) for r in rows] == [
        ("", "Other", "07 Other"), ("The Band", "A Song", "The Band - A Song"), ("", "no", "no")]  # fmt: skip
    assert 0 <= float(rows[0]["energy_low"]) <= float(rows[0]["energy"]) <= float(rows[0]["energy_high"]) <= 1
    assert rows[2]["error"]
    assert rows[2]["energy"] == ""
    assert list(made.errors) == [rows[2]["file"]]
    from segue.datasets.attributes import roles

    at = roles(list(rows[0]))
    assert {"id", "artist", "title", "energy", "loudness", "tempo", "duration"} <= set(at)
    assert [p.name for p in tmp_path.iterdir() if "tracks" in p.name] == ["tracks.csv"]


def test_an_interrupted_description_goes_on_where_it_stopped(music, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(4):
        shutil.copy(music / f"{i:06}.wav", folder)
    whole = described_files.describe([folder], tmp_path / "whole.csv")
    heard, real = [], measuring.sound

    def stopped(path, **k):
        if len(heard) == 2:
            raise KeyboardInterrupt
        heard.append(path)
        return real(path, **k)

    monkeypatch.setattr(measuring, "sound", stopped)
    with pytest.raises(KeyboardInterrupt):
        described_files.describe([folder], tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()
    partial = tmp_path / "t.csv.partial"
    partial.write_bytes(partial.read_bytes()[:-20])  # as where the second row was being written
    monkeypatch.setattr(measuring, "sound", real)
    made = described_files.describe([folder], tmp_path / "t.csv")
    assert made.taken_up == 1
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert whole.taken_up == 0
    assert not partial.exists()


def test_what_was_not_written_by_describe_is_not_replaced(music, tmp_path):
    (tmp_path / "t.csv").write_text("mine\n")
    with pytest.raises(AskedWrongly, match="exists already"):
        described_files.describe([music], tmp_path / "t.csv")
    with pytest.raises(AskedWrongly, match="is not what segue audio describe writes"):
        described_files.describe([music], tmp_path / "t.csv", overwrite=True)
    with pytest.raises(AskedWrongly, match="expected a file in a folder that exists"):
        described_files.describe([music], tmp_path)


# ── at the command line ─────────────────────────────────────────────────────────────────────────────────────────────

VERBS = typer.main.get_command(cli_audio.audio).commands


@pytest.fixture
def run(capsys, monkeypatch):
    from segue import cli

    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", "audio", *map(str, words)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        said = capsys.readouterr()
        return status, said.out, said.err

    return started


@pytest.mark.parametrize("verb", ["train", "describe", "compare", "map"])
def test_a_verb_of_audio_has_a_sentence_and_an_example_that_can_be_typed(run, verb):
    status, out, err = run(verb, "--help")
    assert (status, err) == (0, "")
    paragraphs = [" ".join(p.split()) for p in out.split("\n\n")]
    assert re.fullmatch(r"[A-Z][^.]*\.", paragraphs[1])
    assert paragraphs[2].startswith(f"Example: segue audio {verb} ")
    VERBS[verb].make_context(verb, shlex.split(paragraphs[2].removeprefix(f"Example: segue audio {verb} ")))
    for parameter in VERBS[verb].params:
        assert parameter.help, parameter.name


def test_train_describe_and_compare_say_what_they_did(run, music, tmp_path):
    kept = tmp_path / "kept"
    status, out, err = run(
        "train", music / "table.csv", music, "-o", tmp_path / "d", "--model", "ridge", "--cache", kept
    )
    assert (status, err) == (0, "")
    assert "Table: 37 rows = 36 learned from + 1 rejected." in out
    assert "Left unsaid, for it could not be learnt: valence." in " ".join(out.split())
    status, out, err = run(
        "describe", music / "000001.wav", "--bundle", tmp_path / "d", "-o", tmp_path / "t.csv", "--json"
    )
    assert (status, err) == (0, "")
    assert json.loads(out)["rows"][0]["energy"]
    status, out, err = run(
        "compare", music / "table.csv", music, "--models", "mean,ridge", "--cache", kept, "--folds", "3"
    )
    assert (status, err) == (0, "")
    assert "nMSE on tracks held back: 1 is no better than their mean. 36 tracks, 12 groups" in " ".join(out.split())
    assert "Not learnt by any model (its interval of nMSE reaches 1): valence." in out


def test_long_names_of_files_are_cut_in_the_middle_so_that_their_ends_are_seen(run, music, tmp_path):
    for end in ("flac.wav", "hq.wav"):
        shutil.copy(music / "000001.wav", tmp_path / f"{'A name that is long ' * 3}.{end}")
    status, out, _ = run("describe", tmp_path, "-o", tmp_path / "t.csv")
    assert status == 0
    assert re.findall(r"A name\S* .*?wav", out) == [
        "A name that is long…t is long .flac.wav", "A name that is long…hat is long .hq.wav"]  # fmt: skip


@pytest.mark.parametrize(
    ("n", "words"),
    [(5, "none of 5 files could be read: see s.csv, column error"), (1, "the one file could not be read: see s.csv")],
)
def test_where_no_file_can_be_read_it_fails_in_one_line_and_the_table_says_why(run, tmp_path, monkeypatch, n, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").mkdir()
    for i in range(n):
        (tmp_path / "f" / f"{i}.mp3").write_bytes(b"no sound" * 100)
    status, out, err = run("describe", "f", "-o", "s.csv")
    assert (status, out) == (1, "")
    assert err.startswith(f"segue: {words}")
    assert err.count("\n") == 1
    assert len([r for r in csv.DictReader((tmp_path / "s.csv").open()) if r["error"]]) == n
    status, out, err = run("describe", "f", "-o", "s.csv", "--overwrite", "--json")
    assert (status, len(json.loads(out)["errors"])) == (1, n)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train nowhere.csv -o d", "nowhere.csv: no such file; give a CSV with a row a track"),
        ("train TABLE -o d", "says nothing of how tracks sound that was measured"),
        ("train TABLE MUSIC -o d --model rigde", "no model for descriptors is called 'rigde'; did you mean ridge?"),
        ("train TABLE MUSIC -o d --set leaves", "--set leaves: expected NAME=VALUE, such as trees=300"),
        ("train TABLE MUSIC -o BUNDLE", "exists already: choose another -o, or give --overwrite"),
        ("compare TABLE MUSIC --models rigde", "did you mean ridge?"),
        ("compare TABLE MUSIC --models ridge --split 80/20", "split '80/20': expected folds or 70/20/10"),
        ("describe nowhere -o t.csv", "nowhere is not there"),
        ("describe MUSIC --bundle MUSIC -o t.csv", "is not a bundle (no hashes.json): give one, as segue audio train"),
    ],
)
def test_asked_wrongly_is_one_line_and_exit_2_here_too(run, tmp_path, monkeypatch, music, bundle, line, words):
    monkeypatch.chdir(tmp_path)
    for name, path in (("TABLE", music / "table.csv"), ("MUSIC", music), ("BUNDLE", bundle)):
        line = line.replace(name, str(path))
    status, out, err = run(*line.split())
    assert (status, out) == (2, "")
    assert err.startswith("segue: ")
    assert err.count("\n") == 1
    assert words in err
