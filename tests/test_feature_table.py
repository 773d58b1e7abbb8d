"""Examples on disk are what the evaluator says, cell for cell; whatever happens while they are written; what is spared."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import small
from segue import checks, feature_table, registry
from segue.engines import Embedded
from segue.errors import AskedWrongly, BadInput, NotGranted, UnknownName
from segue.feature_table import KEYS, write
from segue.features import kept, oracle
from segue.features.build import ask, from_library, pieces, rolled
from segue.features.feature import feature
from segue.features.ledger import Ledger
from segue.library import Library, ingest

SOURCES = ("spotify_history", "mssd")
SETTINGS = ("online", "challenge")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "examples"


def question(setting, names=None, options=()):
    task = registry.task("skip")
    return ask(task, task.setting(setting), registry.features(), names=names, options=options)


def read(folder):
    """All parts, as anybody would read them."""
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("*.parquet"))])


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def cells(rows, names):
    """Values (0 where null) and what is known, (N, F) each."""
    known = np.stack([np.asarray(rows[n].is_valid()) for n in names], axis=1)
    values = np.stack([np.asarray(rows[n].combine_chunks().fill_null(0)) for n in names], axis=1)
    return values, known


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_cell_is_what_the_evaluator_says_of_the_whole_library(out, source, setting, monkeypatch):
    monkeypatch.setattr(feature_table, "ROWS", 100)  # several pieces a part
    library = small.library(source)
    options = registry.task("skip").setting(setting).options
    made = write(library, out, setting=setting, options=options)
    rows = read(out)
    batch, _ = from_library(question(setting, options=options), library)
    assert rows.column_names == [*KEYS, *batch.columns]
    assert made.manifest["examples"] == len(rows) >= made.manifest["labelled"] == len(batch)
    rows = rows.filter(rows["label"].is_valid())
    values, known = cells(rows, batch.columns)
    assert values.dtype == np.float32
    assert np.array_equal(known, batch.known)
    assert np.array_equal(values, batch.values)
    assert rows["label"].to_pylist() == batch.label.tolist()
    for name in ("position", "asked_after", "part"):
        assert rows[name].to_pylist() == batch.keys[name].tolist()
    assert rows["day"].cast(pa.int32()).to_pylist() == batch.keys["day"].tolist()


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_cell_is_what_the_oracle_says(out, setting):
    library = small.library("mssd")
    names = ["last_skipped", "skip_rate_of_session", "skip_rate_of_artist_so_far", "skip_rate_of_track", "plays_of_track",
             "position_in_session", "similarity_to_kept", "kept_run"]  # fmt: skip
    write(library, out, setting=setting, features=names)
    rows, asking, engine = read(out), question(setting, names), Embedded()
    asked = pa.table(
        {
            "example": np.arange(len(rows)),
            "session_id": rows["session_id"],
            **{to: rows[c].cast(pa.int64()) for to, c in (("asked_after", "asked_after"), ("target", "position"))},
        }
    )
    trees = {name: f.tree for name, f in asking.features.items()}
    plays = engine.table(checks.arrow_plays(asking, library))
    said = engine.to_arrow(oracle.features(trees, plays, engine.table(asked))).sort_by("example")
    assert len(said) == len(rows) > 500
    for name in names:
        expected = [None if v is None else float(np.float32(v)) for v in said[name].to_pylist()]
        assert rows[name].to_pylist() == expected, name


def test_rows_stand_in_the_librarys_order_and_can_be_joined_to_its_plays(out):
    library = small.library("mssd")
    write(library, out, features=["last_skipped"])
    names = ["session_id", "position", "listener", "day", "skipped"]
    plays = pa.concat_tables([t.select(names).filter(t["asked"]) for t in
                              (t.set_column(t.column_names.index("asked"), "asked", t["asked"].cast(pa.bool_()))
                               for t in library.plays([*names, "asked"]))])  # fmt: skip
    rows = read(out)
    for name, own in zip(names, ("session_id", "position", "listener", "day", "label"), strict=True):
        assert rows[own].to_pylist() == plays[name].to_pylist()
    files = sorted(out.glob("*.parquet"))
    assert [pq.read_metadata(f).num_rows for f in files] == [p["kept"] for p in library.parts]
    assert [f.name for f in files] == ["00000.parquet", "00001.parquet", "00002.parquet"][: len(library.parts)]


def history_of(folder, *plays):
    """An export of one listener: (minute of the end, how it ended or None)."""
    records = [{"ts": f"2024-01-31T{m // 60:02}:{m % 60:02}:00Z", "ms_played": 60_000, "reason_start": "clickrow",
                "spotify_track_uri": f"spotify:track:{m % 3}", "master_metadata_track_name": "Song",
                "master_metadata_album_artist_name": "Artist", "master_metadata_album_album_name": "Album",
                "reason_end": end, "skipped": None if end is None else end == "fwdbtn",
                "offline_timestamp": 1_706_659_200 + (m - 1) * 60} for m, end in plays]  # fmt: skip
    (folder / "anna").mkdir(parents=True)
    (folder / "anna" / "Streaming_History_Audio.json").write_text(json.dumps(records), encoding="utf-8")
    return ingest("spotify_history", [folder], folder.parent / "library")


def test_a_play_whose_label_is_unknown_is_written_with_a_null(tmp_path, out):
    library = history_of(tmp_path / "raw", (1, "trackdone"), (2, None), (3, "fwdbtn"))
    made = write(library, out, features=["last_skipped", "position_in_session"])
    assert read(out).select(["position", "label", "last_skipped", "position_in_session"]).to_pylist() == [
        {"position": 1, "label": 0, "last_skipped": None, "position_in_session": 1.0},
        {"position": 2, "label": None, "last_skipped": 0.0, "position_in_session": 2.0},
        {"position": 3, "label": 1, "last_skipped": None, "position_in_session": 3.0},
    ]
    assert [made.manifest[n] for n in ("examples", "labelled", "skips")] == [3, 2, 1]
    assert [f["known"] for f in made.manifest["features"]] == [1, 3]
    assert (made.manifest["first_day"], made.manifest["last_day"]) == ("2024-01-31", "2024-01-31")


def test_a_part_that_holds_no_play_is_an_empty_file_of_the_same_columns(tmp_path, out):
    library = history_of(tmp_path / "raw", (1, "trackdone"))
    part = library.path / library.parts[0]["path"]
    pq.write_table(pq.read_table(part).slice(0, 0), part)
    made = write(library, out)
    assert len(read(out)) == made.manifest["examples"] == 0
    assert read(out).column_names[: len(KEYS)] == list(KEYS)
    assert (made.manifest["first_day"], made.manifest["last_day"]) == (None, None)


def test_every_column_says_what_it_is_in_the_file_and_in_the_manifest(out):
    made = write(small.library("mssd"), out, features=["context", "skip_rate_of_artist_so_far"])
    written = pq.read_schema(out / "00000.parquet")
    says = {"unit": "share", "sentence": "Known plays so far by this artist that were skipped",
            "may_see": "now: artist; past: artist, skipped"}  # fmt: skip
    assert written.field("skip_rate_of_artist_so_far").metadata == {k.encode(): v.encode() for k, v in says.items()}
    assert json.loads(written.field("context").metadata[b"values"])[0] == "editorial_playlist"
    assert written.field("asked_after").metadata[b"sentence"].startswith(b"Place of the last play that had ended")
    assert json.loads(written.metadata[b"segue"])["setting"] == "online"
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == made.manifest
    listed = {f["name"]: f for f in manifest["features"]}
    assert {k: listed["skip_rate_of_artist_so_far"][k] for k in says} == says
    assert listed["context"]["values"][0] == "editorial_playlist"
    assert manifest["library"] == small.library("mssd").fingerprint()
    assert sum(f["examples"] for f in manifest["files"]) == manifest["examples"]
    assert manifest["left_out"] == {}


def test_what_a_setting_does_not_grant_is_left_out_and_listed_or_refused_by_name(out):
    made = write(small.library("mssd"), out)
    assert made.manifest["left_out"]["session_length"] == "session.length is not granted in setting 'online'"
    assert "session_length" not in read(out).column_names
    with pytest.raises(NotGranted, match="feature 'session_length' cannot be used"):
        write(small.library("mssd"), out.with_name("other"), features=["session_length"])
    with pytest.raises(UnknownName, match="no setting of skip is called 'onlin'"):
        write(small.library("mssd"), out.with_name("other"), setting="onlin")


def test_a_feature_called_like_a_key_is_refused(out, monkeypatch):
    label = feature("flag", "Not the label", name="label")(lambda now: now.shuffle)
    monkeypatch.setattr(registry, "features", lambda: {"label": label})
    with pytest.raises(AskedWrongly, match="feature 'label' is called like a column that examples have anyway"):
        write(small.library("mssd"), out)


# ── history ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_history_as_of_a_day_is_a_bundles_and_asks_from_that_day_on(out):
    library = small.library("spotify_history")
    asking, day = question("online"), np.datetime64("2018-08-01", "D").astype(int)
    rolling = rolled(asking, library)
    snapshot = {by: h.snapshot(day) for by, h in rolling.items() if "listener" not in by}
    batch, _ = from_library(asking, library, snapshot=snapshot)
    later = batch.take(batch.keys["day"] >= day)
    made = write(library, out, history="2018-08-01")
    values, known = cells(read(out), batch.columns)
    assert np.array_equal(known, later.known)
    assert np.array_equal(values, later.values)
    assert made.manifest["before_history_day"] == len(batch) - len(later) > 0
    rolling_on, _ = from_library(asking, library)
    assert not np.array_equal(rolling_on.take(batch.keys["day"] >= day).values, values)  # it is not what rolling says


@pytest.mark.parametrize("history", ["melted", "2018-13-01", "2018-07-15", "2018-08-14", ""])
def test_a_history_of_no_day_in_the_library_is_refused(out, history):
    with pytest.raises(
        AskedWrongly, match=r"history .*: expected (rolling, or a day such as|a day after the library's first)"
    ):
        write(small.library("spotify_history"), out, history=history)
    assert list(out.parent.iterdir()) == []


def test_a_history_larger_than_memory_gives_the_same_bytes(tmp_path, monkeypatch):
    library = small.library("spotify_history")
    write(library, tmp_path / "one")
    folders = []

    def few(books, folder):
        folders.append(folder)
        return Ledger(books, folder, held=100)

    monkeypatch.setattr(kept, "Ledger", few)
    write(library, tmp_path / "other")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert folders == [tmp_path / "other.partial" / "spill"]  # on the disk that has room for the examples


def test_all_is_every_feature_that_is_granted(tmp_path):
    library = small.library("mssd")
    asked, left_out, said = (
        write(library, tmp_path / str(n), features=of) for n, of in enumerate((["all"], None, "all"))
    )
    assert asked.manifest == left_out.manifest == said.manifest


def test_what_is_written_does_not_depend_on_how_many_processes_write(tmp_path):
    library = small.library("spotify_history")
    for jobs in (1, 3):
        write(library, tmp_path / str(jobs), jobs=jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")
    assert len(library.parts) > 2


def test_a_damaged_part_is_one_line_however_many_processes_write(tmp_path):
    shutil.copytree(small.library("mssd").path, tmp_path / "library")
    part = sorted((tmp_path / "library" / "plays").rglob("*.parquet"))[1]
    part.write_bytes(part.read_bytes()[:-9])
    for jobs in (1, 2):
        with pytest.raises(BadInput, match=rf"{part.name} cannot be read as Parquet \(.*\): ingest again$"):
            write(tmp_path / "library", tmp_path / "out", jobs=jobs)
    assert not (tmp_path / "out").exists()


# ── pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("listener", "session", "rows", "lengths"),
    [
        (["a"] * 3 + ["b"] * 3, [1, 1, 2, 3, 3, 3], 2, [3, 3]),
        (["a"] * 6, [1, 2, 3, 4, 5, 6], 2, [6]),  # what a listener heard before is seen
        ([None] * 6, [1, 1, 1, 2, 3, 3], 2, [3, 1, 2]),
        ([None] * 6, [1, 1, 1, 2, 3, 3], 100, [6]),
        (["a", "a", None, None, "b", "c"], [1, 2, 3, 4, 5, 6], 1, [2, 1, 1, 1, 1]),
        ([None, None], [1, 1], 1, [2]),
        ([], [], 1, [0]),
        (["a"], [1], 1, [1]),
    ],
)
def test_pieces_are_cut_between_listeners_or_sessions_of_nobody_known(listener, session, rows, lengths):
    sessions = pa.array([f"s{s}" for s in session], pa.string())
    plays = pa.table({"listener": pa.array(listener, pa.string()), "session_id": sessions})
    found = list(pieces(plays, rows))
    assert [len(p) for p in found] == lengths
    assert pa.concat_tables(found) == plays


# ── whatever happens ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("whole") / "examples"
    write(small.library("spotify_history"), folder)
    return contents(folder)


def stopped(out, n, **more):
    """A run that is interrupted as it comes to its n-th step."""

    def progress(done, of, name):
        if done == n:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(small.library("spotify_history"), out, progress=progress, **more)


@pytest.fixture
def written(monkeypatch):
    """The parts written since."""
    put, found = feature_table.write_batches, []
    monkeypatch.setattr(feature_table, "write_batches", lambda rows, path: found.append(path.name) or put(rows, path))
    return found


@pytest.mark.parametrize("n", range(7))  # history and rows of three parts, and the end
def test_an_interrupted_run_goes_on_where_it_stopped_and_gives_the_same_bytes(out, whole, written, n):
    stopped(out, n)
    assert not out.exists()
    write(small.library("spotify_history"), out)
    assert sorted(written) == ["00000.parquet", "00001.parquet", "00002.parquet"]  # none twice
    assert contents(out) == whole
    assert [p.name for p in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("other", [{"setting": "challenge"}, {"features": ["last_skipped"]}, {"options": ["reason_start"]},
                                   {"history": "2018-08-01"}])  # fmt: skip
def test_what_another_question_left_is_started_afresh(out, whole, written, other):
    stopped(out, 4, **other) if "features" not in other else stopped(out, 2, **other)
    assert len(written) >= 1
    written.clear()
    write(small.library("spotify_history"), out)
    assert len(written) == 3
    assert contents(out) == whole


def test_a_feature_that_now_says_something_else_starts_afresh(out, monkeypatch, written):
    one, other = (feature("flag", "Whatever", name="whatever")(say)
                  for say in (lambda now: now.shuffle, lambda now: 1 - now.shuffle))  # fmt: skip
    monkeypatch.setattr(registry, "features", lambda: {"whatever": one})
    stopped(out, 2)
    assert len(written) == 2
    monkeypatch.setattr(registry, "features", lambda: {"whatever": other})
    write(small.library("spotify_history"), out)
    assert len(written) == 5
    batch, _ = from_library(question("online", ["whatever"]), small.library("spotify_history"))
    assert read(out)["whatever"].to_pylist() == batch.values[:, 0].tolist()
    assert 0 < batch.values.mean() != 0.5


def test_other_attributes_of_tracks_start_afresh(tmp_path, out, written):
    copy = Path(shutil.copytree(small.library("spotify_history").path, tmp_path / "library"))
    library = Library(copy, small.library("spotify_history").manifest)
    with pytest.raises(KeyboardInterrupt):
        write(library, out, progress=lambda done, n, name: done == 5 and (_ for _ in ()).throw(KeyboardInterrupt))
    tracks = library.tracks()
    energy = pa.array([0.5] * len(tracks))
    pq.write_table(tracks.set_column(tracks.column_names.index("energy"), "energy", energy), copy / "tracks.parquet")
    written.clear()
    write(library, out)
    assert len(written) == 3
    assert set(read(out)["energy"].to_pylist()) == {0.5}


def test_a_run_that_is_stopped_at_any_step_on_the_disk_can_go_on(out, whole, monkeypatch):
    """Every rename and removal is one step; the k-th does not happen, nor does anything after it; every fourth k."""
    steps = [(os, "replace"), (os, "unlink"), (shutil, "rmtree"), (Path, "unlink"), (Path, "write_text")]
    for k in range(1, 200, 4):
        left = [k]

        def step(do, left=left):
            def counted(*given, **named):
                left[0] -= 1
                if left[0] <= 0:
                    raise KeyboardInterrupt
                return do(*given, **named)

            return counted

        with monkeypatch.context() as patched:
            for owner, name in steps:
                patched.setattr(owner, name, step(getattr(owner, name)))
            try:
                write(small.library("spotify_history"), out)
            except KeyboardInterrupt:
                pass
            else:
                break
        if not out.exists():
            write(small.library("spotify_history"), out)
        assert contents(out) == whole, k
        shutil.rmtree(out)
    assert 8 < k < 197


def test_a_run_that_is_killed_can_go_on(out, whole):
    program = ("import sys\nfrom segue.feature_table import write\nimport segue.features.build\nprint('begun', flush=True)\n"
               "write(sys.argv[1], sys.argv[2])")  # fmt: skip
    library = small.library("spotify_history").path
    for _ in range(3):
        started = subprocess.Popen([sys.executable, "-c", program, str(library), str(out)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        assert started.stdout.readline() == b"begun\n"
        time.sleep(random.uniform(0, 0.8))
        started.kill()
        started.communicate()
    if not out.exists():
        write(small.library("spotify_history"), out)
    assert contents(out) == whole
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_a_full_disk_is_told_in_one_line_and_can_be_gone_on_with(out, whole, monkeypatch):
    put, n = feature_table.write_batches, []

    def full(rows, path):
        n.append(path)
        if len(n) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return put(rows, path)

    with monkeypatch.context() as patched:
        patched.setattr(feature_table, "write_batches", full)
        with pytest.raises(
            BadInput, match=r"the disk is full at .*00001.parquet \(No space left on device\): make room"
        ):
            write(small.library("spotify_history"), out)
    write(small.library("spotify_history"), out)
    assert contents(out) == whole


def test_a_file_that_may_not_grow_is_told_in_one_line(out):
    program = ("import resource, sys\nfrom segue import cli\nresource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
               "sys.argv = ['segue', 'features', *sys.argv[1:]]\ncli.main()")  # fmt: skip
    library = small.library("spotify_history").path
    done = subprocess.run([sys.executable, "-c", program, str(library), "-o", str(out)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("segue: the disk is full")
    assert done.stderr.count("\n") == 1
    assert not out.exists()


# ── where it is written ─────────────────────────────────────────────────────────────────────────────────────────────


def refused(words, out, **more):
    with pytest.raises(AskedWrongly) as raised:
        write(small.library("mssd"), out, features=["last_skipped"], **more)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_older_examples_are_replaced_if_asked_for(out):
    write(small.library("mssd"), out, features=["hour"])
    refused("examples exists already: choose another -o, or give --overwrite", out)
    write(small.library("mssd"), out, features=["last_skipped"], overwrite=True)
    assert read(out).column_names[len(KEYS) :] == ["last_skipped"]
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_what_is_no_example_is_spared(out, tmp_path, monkeypatch):
    library = Path(shutil.copytree(small.library("mssd").path, tmp_path / "library"))
    before = contents(library)
    refused("library holds no examples, --overwrite would delete what it holds", library, overwrite=True)
    assert contents(library) == before
    write(small.library("mssd"), out, features=["hour"])
    (out / "notes.txt").write_text("mine")
    refused("examples holds 'notes.txt', which is none of its examples: move it away", out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("")
    refused("file holds no examples", tmp_path / "file", overwrite=True)
    monkeypatch.chdir(tmp_path)
    refused("-o .: expected a folder with a name of its own, such as examples", ".")


def test_ingest_does_not_take_examples_for_a_library(out):
    write(small.library("mssd"), out, features=["hour"])
    raw = small.library("mssd").path.parent / "raw"
    with pytest.raises(AskedWrongly, match=r"holds '00000.parquet', which ingest did not write"):
        ingest("mssd", [raw], out, overwrite=True)
    with pytest.raises(BadInput, match="was written in format examples 1, this segue reads"):
        write(out, out.with_name("other"))


def test_an_empty_folder_is_as_good_as_none(out, whole):
    out.mkdir()
    write(small.library("spotify_history"), out)
    assert contents(out) == whole
