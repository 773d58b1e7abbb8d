"""Whose logs some files are: told by what is in them, said with the reason, refused with what to do."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

import segue
from segue import registry
from segue.datasets import archive, recognise
from segue.datasets.recognise import Glance, source_and_paths
from segue.datasets.source import LogFile
from segue.errors import AskedWrongly, BadInput, SegueError, UnknownName
from segue.library import ingest

LISTENS = '[{"ts": "2024-01-31T10:00:00Z", "ms_played": 60000, "spotify_track_uri": "spotify:track:1"}]'
ACCOUNT = '[{"endTime": "2024-01-31 10:00", "artistName": "A", "trackName": "B", "msPlayed": 60000}]'
SCROBBLES = "artist,album,track,uts\nA,B,C,1557246209\n"
TRACKS = "uri,energy,duration_ms\nspotify:track:1,0.5,180000\n"
PROFILES = "#id\tgender\tage\tcountry\tregistered\nuser_000001\tm\t\tSomewhere\tAug 13, 2006\n"
LINE = "user_000001\t2009-05-04T10:00:00Z\t\tArtist\t\tSong\n"
NO_LOG = "just a note\nof two lines\n"


def written(folder: Path, **files: str) -> Path:
    """Files by name, `__` standing for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def why(*paths):
    return recognise.recognise(paths).why


def refused(*paths):
    with pytest.raises(SegueError) as error:
        recognise.recognise(paths)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", registry.DATASETS)
def test_a_source_says_what_its_logs_hold(name):
    marks = registry.dataset(name).marks
    assert 15 < len(marks) < 120
    assert marks[-1] != "."


@pytest.mark.parametrize("name", registry.DATASETS)
def test_the_sample_of_a_source_is_recognised_and_read_as_if_the_source_was_named(tmp_path, name):
    registry.dataset(name).sample(tmp_path / "in", sessions=12, seed=1)
    assert recognise.recognise([tmp_path / "in"]).source == name
    found, named = ingest(None, tmp_path / "in", tmp_path / "a"), ingest(name, tmp_path / "in", tmp_path / "b")
    assert found.fingerprint() == named.fingerprint()
    assert found.manifest["source"] == name


def test_one_file_is_said_by_its_name_and_what_it_holds(tmp_path):
    written(tmp_path, a__json=LISTENS)
    assert why(tmp_path / "a.json") == "spotify_history, because a.json holds JSON records with ts and ms_played."


def test_of_several_files_it_is_said_how_many_and_what_is_left_over(tmp_path):
    written(tmp_path, a__json=LISTENS, b__json=LISTENS, c__txt=NO_LOG, d__pdf="%PDF-1.4", e__json="{}")
    (tmp_path / "f.csv").write_text("")
    assert why(tmp_path) == (
        "spotify_history, because 2 of 6 files hold JSON records with ts and ms_played (first: a.json).\n"
        "Left over: 3 files (c.txt, d.pdf, e.json): 1 text, 1 no text, 1 JSON; not read: f.csv (empty)."
    )


def test_what_is_read_beside_the_logs_is_said(tmp_path):
    written(tmp_path, log__tsv=LINE, people=PROFILES, note=NO_LOG)
    assert why(tmp_path).splitlines()[1] == "Read beside it: people; left over: note (text)."


def test_the_name_of_a_file_says_nothing(tmp_path):
    written(tmp_path, log_0_20180715_000000000000__csv=SCROBBLES, endsong__json="[]", StreamingHistory0__json=LISTENS)
    said = refused(tmp_path)
    assert "scrobbles, 1 file (first: log_0_20180715_000000000000.csv)" in said
    assert "spotify_history, 1 file (first: StreamingHistory0.json)" in said


def test_logs_of_several_sources_are_listed_with_the_command_for_each(tmp_path, monkeypatch):
    written(tmp_path / "in" / "a", one__json=LISTENS, two__json=LISTENS)
    written(tmp_path / "in" / "b c", mine__csv=SCROBBLES)
    written(tmp_path / "in" / "d", log__tsv=LINE, people=PROFILES)
    monkeypatch.chdir(tmp_path)
    said = refused("in")
    assert said == (
        "logs of 3 sources are there, and a library is of one; read one at a time: "
        "spotify_history, 2 files (first: one.json): segue ingest spotify_history in/a -o spotify_history-library; "
        "scrobbles, 1 file (first: mine.csv): segue ingest scrobbles 'in/b c/mine.csv' -o scrobbles-library; "
        "lastfm1k, 1 file (first: log.tsv): segue ingest lastfm1k in/d -o lastfm1k-library"
    )
    for n, command in enumerate(said.split("segue ingest ")[1:]):
        name, place = command.split(" -o ")[0].split(" ", 1)
        assert ingest(name, place.strip("'"), tmp_path / str(n)).manifest["kept"] >= 1


PLAYS = "user,song,artist,played_at\nanna,S,A,2024-01-31T10:00:00Z\nben,S,A,2024-01-31T10:00:00Z\n"


def test_a_file_of_two_sources_goes_to_the_one_that_asks_for_more(tmp_path):
    place = written(tmp_path / "in", plays__csv=PLAYS)
    files = recognise.find([place])
    assert [bool(registry.dataset(n).units(files)[0]) for n in ("tables", "scrobbles", "lastfm1k")] == [
        True,
        True,
        False,
    ]
    found = recognise.recognise([place])
    assert found.source == "tables"
    assert ingest(found, place, tmp_path / "out").manifest["listeners"] == 2
    written(place, log__tsv=LINE)
    assert why(place) == (
        "lastfm1k, because 1 of 2 files holds lines of userid, UTC time, artist id, artist, track id and track between tabs "
        "(first: log.tsv).\nLeft over: plays.csv (table)."
    )


def test_a_library_is_no_log(tmp_path):
    ingest("tables", written(tmp_path / "in", plays__csv=PLAYS), tmp_path / "out")
    assert refused(tmp_path / "out") == (
        f"{tmp_path / 'out'} is a library, which ingest has written, and no log: segue describe {tmp_path / 'out'}"
    )


def test_a_table_whose_columns_do_not_tell_what_they_are_is_not_guessed_at(tmp_path):
    written(tmp_path, a__csv="who,what,when\nanna,S,2024-01-31T10:00:00Z\n")
    files = recognise.find([tmp_path])
    assert [bool(registry.dataset(n).units(files)[0]) for n in ("tables", "scrobbles")] == [True, True]
    assert refused(tmp_path).endswith(
        "; a table of plays that names its columns otherwise: segue ingest tables PATH --columns … -o OUT"
    )
    columns = {"columns": "listener=who,track=what,start=when"}
    assert ingest("tables", tmp_path, tmp_path / "out", options=columns).manifest["kept"] == 1


def test_an_export_is_recognised_in_its_zip_and_in_a_tar(tmp_path):
    written(tmp_path / "MyData", Streaming_History_Audio_2024__json=LISTENS, ReadMeFirst__pdf="%PDF-1.4")
    with zipfile.ZipFile(tmp_path / "my.zip", "w") as held:
        for path in sorted((tmp_path / "MyData").iterdir()):
            held.write(path, f"MyData/{path.name}")
    with tarfile.open(tmp_path / "my.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "MyData", "MyData")
    for packed in ("my.zip", "my.tar.gz"):
        assert why(tmp_path / packed).startswith("spotify_history, because 1 of 2 files holds JSON records")
        assert ingest(None, tmp_path / packed, tmp_path / f"{packed}.out").manifest["kept"] == 1


def test_a_large_archive_is_gone_through_once_and_a_file_is_looked_into_once(tmp_path, monkeypatch):
    for n in range(5):
        written(tmp_path / "in" / f"l{n}", x__json=LISTENS, y__txt=NO_LOG * 20_000)
    with tarfile.open(tmp_path / "my.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "in", "in")
    passes, heads = [], []
    monkeypatch.setattr("segue.datasets.source.Tar", lambda *a: passes.append(a[0]) or archive.Tar(*a))
    head = LogFile.head
    monkeypatch.setattr(LogFile, "head", lambda self, n=65536: heads.append(self.shown) or head(self, n))
    found = recognise.recognise([tmp_path / "my.tar.gz"])
    assert (len(passes), len(heads), len(set(heads))) == (1, 10, 10)
    library = ingest(found, tmp_path / "my.tar.gz", tmp_path / "out")
    assert (len(passes), library.manifest["kept"]) == (1, 5)


def test_no_more_than_the_head_of_a_file_is_read(tmp_path):
    with gzip.open(tmp_path / "a.tsv.gz", "wt") as out:
        out.writelines([LINE] * 50_000)
    asked = []

    class Watched(LogFile):
        def head(self, n_bytes=0):
            asked.append(n_bytes)
            return super().head(n_bytes)

        def open(self):
            asked.append("all of it") if asked[-1:] != [recognise.HEAD] else None
            return super().open()

    looked = recognise._Looked()
    recognise._look(Watched(tmp_path / "a.tsv.gz"), [registry.dataset("lastfm1k")], looked)
    assert (asked, list(looked.logs)) == ([65536], ["lastfm1k"])
    with Glance(tmp_path / "a.tsv.gz", seen=b"abc").open() as source:
        assert source.read() == b"abc"


def test_a_broken_file_does_not_hide_the_others_and_ingest_says_what_is_wrong_with_it(tmp_path):
    written(tmp_path / "in", a__json=LISTENS, b__json__gz="not gzip'd")
    found = recognise.recognise([tmp_path / "in"])
    assert found.why.splitlines()[1].startswith("Not read: b.json.gz (b.json.gz is broken")
    with pytest.raises(SegueError, match=r"^b.json.gz is broken"):
        ingest(found, tmp_path / "in", tmp_path / "out")


def test_what_is_lost_of_an_archive_is_said_and_counted(tmp_path):
    written(tmp_path / "in", a__json=LISTENS, b__json=LISTENS)
    with tarfile.open(tmp_path / "my.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(tmp_path / "in" / "a.json", "a.json")
        tar.add(tmp_path / "in" / "b.json", "b.json")
    whole = (tmp_path / "my.tar").read_bytes()
    (tmp_path / "my.tar").write_bytes(whole[: 3 * 512 + 20])
    assert "\nNot read: my.tar!b.json (the archive is cut short here" in why(tmp_path / "my.tar")
    assert ingest(None, tmp_path / "my.tar", tmp_path / "out").manifest["rows_in"] == 2


EXPECTED = (
    "expected one of mssd (a log with session_id, session_position, track_id_clean, skip_2 and the others of its 21 "
)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a__txt": NO_LOG}, "no log that segue knows is there, but a.txt (text), beginning with 'just a note'; " + EXPECTED),
        ({"a__txt": "x" * 100}, f"a.txt (text), beginning with '{'x' * 60}…'; expected one of"),
        ({"a__txt": "\x1b[2Jgone\x07"}, r"a.txt (text), beginning with '\\x1b[2Jgone\\x07'; expected one of"),
        ({"a__ogg": "OggS\0\2", "b__txt": "x"}, "2 files (a.ogg, b.txt): 1 audio, 1 text; expected one of"),
        ({"a__json": '{"end_time": 1, "msplayed": 2}'}, "a.json (JSON), with the names end_time, msplayed; nearest is "
         "spotify_account (JSON records with endTime, artistName, trackName and msPlayed); others: mssd ("),
        ({"a__csv": "session_id,skip_2\n1,2\n"}, "a.csv (table), beginning with 'session_id,skip_2'; nearest is mssd ("),
        ({"a__csv": "x,y\n1,2\n", "b__csv": ""}, "a.csv (table), beginning with 'x,y'; not read: b.csv (empty); expected"),
        ({"a__csv": TRACKS}, "a.csv: a table of tracks, and no log: ingest a log, and give it with --tracks IN/a.csv"),
        ({"a__csv": TRACKS, "b__csv": TRACKS, "c__txt": NO_LOG},
         "2 files (a.csv, b.csv): a table of tracks, and no log: ingest a log, and give it with --tracks IN"),
        ({"people": PROFILES}, "people: read beside logs of lastfm1k, of which none is there: give these, too"),
        ({"a__csv": ""}, "IN: no files there that can be read: a.csv (empty); give the folder that holds the logs"),
        ({}, "IN: no files there; give the folder that holds the logs"),
    ],
)  # fmt: skip
def test_where_there_is_no_log_it_is_said_what_is_there_and_what_was_expected(tmp_path, files, says):
    assert says.replace("IN", str(written(tmp_path, **files))) in refused(tmp_path)


def test_a_test_set_alone_is_answered_by_the_source_that_knows_it(tmp_path):
    names = "session_id,track_id_clean,session_position,session_length\nx,t_1,6,10\n"
    written(tmp_path, log_input_20180715_000000000000__csv=names)
    assert "give the folder of the training logs, and the test set to segue submit" in refused(tmp_path)


@pytest.mark.parametrize("files", [
    {"Playlist1__json": '{"playlists": [{"name": "a", "items": [{"track": {"trackName": "b", "trackUri": "spotify:track:1"}}]}]}'},
    {"YourLibrary__json": '{"tracks": [{"artist": "a", "album": "b", "track": "c", "uri": "spotify:track:1"}]}'},
    {"Userdata__json": '{"username": "x", "birthdate": "2000-01-31"}'},
])  # fmt: skip
def test_what_else_spotify_exports_is_no_log(tmp_path, files):
    assert "no log that segue knows is there" in refused(written(tmp_path, **files))
    written(tmp_path, StreamingHistory_music_0__json=ACCOUNT)
    assert recognise.recognise([tmp_path]).source == "spotify_account"


def test_a_source_that_finds_none_of_its_logs_says_whose_they_are(tmp_path):
    written(tmp_path / "in", a__json=LISTENS)
    with pytest.raises(
        BadInput, match=r"looks like mssd .*; they are logs of spotify_history: name that source, or none$"
    ):
        ingest("mssd", tmp_path / "in", tmp_path / "out")
    with pytest.raises(BadInput, match=r"looks like mssd .*: expected [^;]*$"):
        ingest("mssd", written(tmp_path / "none", a__txt=NO_LOG), tmp_path / "out")


def test_nothing_is_written_where_a_library_stands_in_the_way(tmp_path):
    written(tmp_path / "in", a__json=LISTENS)
    written(tmp_path / "out", x="y")
    with pytest.raises(AskedWrongly, match="exists already"):
        ingest(None, tmp_path / "nowhere", tmp_path / "out")


def test_an_option_is_that_of_the_source_that_is_found(tmp_path):
    written(tmp_path, a__json=LISTENS)
    with pytest.raises(UnknownName, match="no option of spotify_history is called 'columns'"):
        segue.ingest(None, tmp_path, tmp_path / "out", options={"columns": "artist=1"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["mssd", "raw"], ("mssd", ["raw"], "")),
        (["mssd", "raw", "more"], ("mssd", ["raw", "more"], "")),
        (["raw"], (None, ["raw"], "")),
        (["raw/*.csv", "more"], (None, ["raw/*.csv", "more"], "")),
        (["here", "raw"], (None, ["here", "raw"], "")),
        (["scrobbles"], (None, ["scrobbles"], "scrobbles is taken for what lies here under that name, and not for the source")),
        (["scrobbles", "raw"], ("scrobbles", ["raw"],
         "scrobbles is taken for the source; for what lies here under that name, write ./scrobbles")),
        (["./scrobbles", "raw"], (None, ["./scrobbles", "raw"], "")),
    ],
)  # fmt: skip
def test_the_first_word_is_a_source_where_there_is_one_of_that_name_and_paths_follow(
    tmp_path, monkeypatch, given, told
):
    monkeypatch.chdir(tmp_path)
    for name in ("here", "scrobbles"):
        os.mkdir(name)
    assert source_and_paths(given) == told


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["mssd"], "mssd is a source, and where its logs lie is not said: segue ingest mssd PATH -o OUT"),
        (["spotify", "raw"], "no source is called 'spotify'; did you mean spotify_history or spotify_account?"),
        (["spotify"], "no source is called 'spotify'; did you mean spotify_history or spotify_account?"),
        (["zzz", "raw"], "no source is called 'zzz'; known: lastfm1k, "),
    ],
)
def test_a_first_word_that_is_neither_source_nor_path_is_refused(tmp_path, monkeypatch, given, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AskedWrongly) as error:
        source_and_paths(given)
    assert str(error.value).startswith(says)


HELD = {"mssd": "mssd", "mpd_original": "mpd", "spotify_history": "spotify_history", "spotify_account": "spotify_account",
        "scrobbles": "scrobbles", "lastfm1k": "lastfm1k", "spotify_history/listener_a": "spotify_history",
        "spotify_history/listener_c/endsong.json": "spotify_history"}  # fmt: skip


@pytest.mark.parametrize("folder", HELD)
def test_real_logs_are_recognised(data, folder):
    assert recognise.recognise([data / folder]).source == HELD[folder]


def test_of_a_folder_of_real_logs_of_all_kinds_each_is_said(data):
    said = refused(data)
    assert "logs of 6 sources are there" in said
    for name in ("lastfm1k, 1 file ", "mpd, 749 files ", "mssd, 2 files ", "scrobbles, 1 file ", "spotify_account, 5 files ",
                 "spotify_history, 5 files "):  # fmt: skip
        assert name in said


@pytest.mark.parametrize(("folder", "says"), [
    ("audio", "42 files"), ("track_tables", "a table of tracks, and no log"), ("README.md", "README.md (text)"),
    ("mssd/more_stats", "all text"), ("fma", "--tracks"), ("mssd/tf_head5.csv", "beside logs of mssd, of which none is there"),
])  # fmt: skip
def test_real_files_that_are_no_logs_are_said_to_be_none(data, folder, says):
    assert says in refused(data / folder)


def test_a_real_history_is_ingested_without_naming_the_source(data, tmp_path):
    library = ingest(None, data / "spotify_history" / "listener_b", tmp_path / "out")
    records = json.loads((data / "spotify_history" / "listener_b" / "endsong_1.json").read_text())
    assert (library.manifest["source"], library.manifest["rows_in"]) == ("spotify_history", len(records))
