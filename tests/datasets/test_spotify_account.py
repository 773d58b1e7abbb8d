from __future__ import annotations

import json
import random
import zipfile
from datetime import UTC, date, datetime

import pytest

from segue.datasets import spotify_account
from segue.datasets.source import find
from segue.errors import BadInput, UnknownName
from segue.library import ingest

TEN = 1_706_695_200_000  # 2024-01-31T10:00:00Z, in ms
MINUTE = 60_000
DEFAULTS = {"skip_rule": "under-30s", "gap_min": "30", "tz": "UTC"}


def record(**said):
    """A play of three minutes that ended at ten."""
    return {"endTime": "2024-01-31 10:00", "artistName": "Artist", "trackName": "Song", "msPlayed": 180_000, **said}


def at(minute, **said):
    """A play that ended so many minutes after ten."""
    return record(endTime=f"2024-01-31 {10 + minute // 60:02d}:{minute % 60:02d}", **said)


def episode(**said):
    return {"endTime": "2024-01-31 10:00", "podcastName": "Show", "episodeName": "One", "msPlayed": 9, **said}


def written(folder, records, name="StreamingHistory0.json"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(records if isinstance(records, str) else json.dumps(records, indent=1), encoding="utf-8")
    return path


def piece_of(paths, engine, **options):
    (unit,), _ = spotify_account.units(find(paths))
    piece = spotify_account.read(unit, engine, DEFAULTS | options)
    plays = engine.to_arrow(piece.plays.order_by("listener_position")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects) + sum(piece.set_aside.values())
    return piece, plays


def read(folder, engine, records, **options):
    """The plays of one file, and its rejects as (column, value)."""
    piece, plays = piece_of([written(folder, records)], engine, **options)
    return plays, [(column, value) for _, _, column, value, _ in piece.rejects]


def test_a_record_becomes_a_play_with_every_column_in_its_place(tmp_path, embedded):
    (play,), rejects = read(tmp_path / "anna", embedded, [record(artistName=" The  ARTIST", trackName="Söng")])
    assert rejects == []
    assert {column: value for column, value in play.items() if value is not None} == {
        "session_id": f"anna-{TEN + 59_000 - 180_000}",
        "position": 1,
        "listener": "anna",
        "day": date(2024, 1, 31),
        "end_day": date(2024, 1, 31),
        "listener_position": 1,
        "source_row": 1,
        "stop_ms": TEN + 59_000,
        "asked": 1,
        "track": "the artist\tsöng",
        "artist": "the artist",
        "end_ms": TEN + 59_000,
        "played_ms": 180_000,
        "skipped": 0,
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 1,
    }


def test_names_are_one_track_however_they_are_spelt_and_the_table_of_tracks_keeps_a_spelling(tmp_path, embedded):
    spellings = [("Sigur Rós", "Untitled #1"), ("SIGUR RO\u0301S ", "untitled  #1"), ("Sigur Rós", "Untitled #2")]
    records = [at(i, artistName=artist, trackName=title) for i, (artist, title) in enumerate(spellings)]
    piece, plays = piece_of([written(tmp_path, records)], embedded)
    assert [p["track"] for p in plays] == ["sigur rós\tuntitled #1"] * 2 + ["sigur rós\tuntitled #2"]
    assert piece.tracks.to_pylist() == [
        {"track": "sigur rós\tuntitled #1", "artist": "Sigur Rós", "album": None, "title": "Untitled #1"},
        {"track": "sigur rós\tuntitled #2", "artist": "Sigur Rós", "album": None, "title": "Untitled #2"},
    ]


def test_a_play_whose_names_spotify_lost_stays_with_its_track_unknown(tmp_path, embedded):
    lost = [at(0, artistName="Unknown Artist", trackName="Unknown Track"), at(4, trackName="Unknown Track"),
            at(8, artistName="Unknown Artist")]  # fmt: skip
    piece, plays = piece_of([written(tmp_path, lost)], embedded)
    assert [(p["artist"], p["track"], p["first_of_artist"], p["first_of_track"]) for p in plays] == [
        (None, None, None, None),
        ("artist", None, 1, None),
        (None, None, None, None),
    ]
    assert (len(piece.tracks), list(piece.rejects)) == (0, [])


# the clock and the order


def test_a_play_is_known_when_its_minute_is_over(tmp_path, embedded):
    plays, _ = read(tmp_path, embedded, [at(0), at(4)])
    assert [p["end_ms"] for p in plays] == [TEN + 59_000, TEN + 4 * MINUTE + 59_000]
    assert [(p["start_ms"], p["hour"], p["weekday"]) for p in plays] == [(None, None, None)] * 2


def test_of_the_plays_of_one_minute_the_first_is_asked_about_and_the_others_are_past_to_later_minutes(
    tmp_path, embedded
):
    piece, plays = piece_of([written(tmp_path, [at(0), *(at(4, msPlayed=ms) for ms in (9, 8, 7)), at(8)])], embedded)
    assert [(p["position"], p["asked"], p["end_ms"] - TEN) for p in plays] == [
        (1, 1, 59_000),
        (2, 1, 4 * MINUTE + 59_000),
        (3, 0, 4 * MINUTE + 59_001),
        (4, 0, 4 * MINUTE + 59_002),
        (5, 1, 8 * MINUTE + 59_000),
    ]
    assert piece.notes == {
        "plays without a recorded start": 5,
        "plays beside another of their minute, not asked about": 2,
    }


def test_the_order_within_a_minute_says_nothing_of_how_long_a_play_was_heard(tmp_path, embedded):
    pairs = [at(m, msPlayed=ms) for m in range(400) for ms in (1_000 + m, 40_000 + m)]
    plays, _ = read(tmp_path, embedded, pairs)
    first = [p["skipped"] for p in plays if p["end_ms"] % MINUTE == 59_000]
    assert len(first) == 400
    assert 160 < sum(first) < 240


def test_more_plays_in_a_minute_than_it_has_numbers_are_kept_and_one_is_asked_about(tmp_path, embedded):
    plays, _ = read(tmp_path, embedded, [at(0, msPlayed=ms) for ms in range(1_005)])
    assert (len(plays), sum(p["asked"] for p in plays)) == (1_005, 1)
    assert max(p["end_ms"] for p in plays) == TEN + 59_999


def test_the_order_of_records_and_files_does_not_matter(tmp_path, embedded):
    records = [at(0), *(at(5, msPlayed=ms) for ms in range(5)), at(5, trackName="Other"), at(100), at(101)]
    said = []
    for seed in range(4):
        random.Random(seed).shuffle(records)
        written(tmp_path / "anna", records[:4], "StreamingHistory0.json")
        written(tmp_path / "anna", records[4:], "StreamingHistory1.json")
        _, plays = piece_of([tmp_path / "anna"], embedded)
        said.append([{k: v for k, v in p.items() if k != "source_row"} for p in plays])
    assert said[1:] == said[:1] * 3
    assert [p["position"] for p in said[0]] == [1, 2, 3, 4, 5, 6, 7, 1, 2]


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 100])
def test_it_makes_no_difference_how_many_plays_become_a_table_at_a_time(tmp_path, embedded, monkeypatch, at_a_time):
    written(tmp_path / "anna", [record(), *map(at, range(1, 6))])
    _, whole = piece_of([tmp_path / "anna"], embedded)
    monkeypatch.setattr(spotify_account, "_ROWS_AT_A_TIME", at_a_time)
    assert piece_of([tmp_path / "anna"], embedded)[1] == whole


def test_files_are_taken_in_the_order_of_their_numbers(tmp_path, embedded):
    for n in (10, 2, 1):
        written(tmp_path / "anna", [at(n)], f"StreamingHistory_music_{n}.json")
    _, plays = piece_of([tmp_path / "anna"], embedded)
    assert [p["source_row"] for p in plays] == [1, 2, 3]
    (unit,), _ = spotify_account.units(find([tmp_path]))
    assert [f.name for f in unit.files] == [f"StreamingHistory_music_{n}.json" for n in (1, 2, 10)]


@pytest.mark.parametrize(("minute", "played_ms", "position", "asked"), [
    (30, 60_000, 2, 1),  # it ended before the gap could: whenever it began, it is of this session
    (31, 60_000, 2, 0),  # its length alone says that it began in time
    (31, 59_999, 1, 0),
])  # fmt: skip
def test_sessions_are_cut_by_the_guessed_start_and_what_only_the_guess_can_place_is_not_asked_about(
    tmp_path, embedded, minute, played_ms, position, asked
):
    plays, _ = read(tmp_path, embedded, [at(0), at(minute, msPlayed=played_ms)])
    assert [(p["position"], p["asked"]) for p in plays] == [(1, 1), (position, asked)]


@pytest.mark.parametrize("others", [[5, 6], [7, 8], [9, 1]])
def test_a_minute_begins_with_its_longest_play_whichever_stands_first(tmp_path, embedded, others):
    plays, _ = read(tmp_path, embedded, [at(0), at(32, msPlayed=120_000), *(at(32, msPlayed=ms) for ms in others)])
    assert [p["position"] for p in plays] == [1, 2, 3, 4]


def test_the_time_heard_changes_neither_place_nor_asking_of_a_play_in_the_midst_of_a_session(tmp_path, embedded):
    said = []
    for ms in (0, 29_999, 240_000, 604_800_000):
        plays, _ = read(tmp_path, embedded, [at(0), at(10, msPlayed=ms), at(20)])
        said.append([(p["position"], p["asked"], p["end_ms"], p["session_id"], p["day"]) for p in plays])
    assert said[1:] == said[:1] * 3


def test_a_time_zone_moves_the_day(tmp_path, embedded):
    night = [record(endTime="2024-06-30 22:05")]  # began at 22:03 UTC, three past midnight in Berlin
    (utc,), _ = read(tmp_path, embedded, night)
    (berlin,), _ = read(tmp_path, embedded, night, tz="Europe/Berlin")
    assert [(p["day"], p["end_day"]) for p in (utc, berlin)] == [(date(2024, 6, 30),) * 2, (date(2024, 7, 1),) * 2]
    assert utc["end_ms"] == berlin["end_ms"]


# the label


@pytest.mark.parametrize(("rule", "labels"), [("under-30s", [1, 1, 0, 0]), ("none", [None] * 4)])
def test_each_skip_rule_says_what_it_says_by_hand(tmp_path, embedded, rule, labels):
    plays, _ = read(tmp_path, embedded, [at(5 * i, msPlayed=ms) for i, ms in enumerate((0, 29_999, 30_000, 200_000))],
                    skip_rule=rule)  # fmt: skip
    assert [p["skipped"] for p in plays] == labels


def test_the_rule_is_written_down_and_the_rules_that_need_reasons_are_not_there(tmp_path):
    written(tmp_path / "anna", [record()])
    library = ingest("spotify_account", tmp_path / "anna", tmp_path / "out")
    assert library.manifest["options"] == DEFAULTS
    with pytest.raises(UnknownName, match=r"no value of skip_rule is called 'fwdbtn'; known: none, under-30s"):
        ingest("spotify_account", tmp_path / "anna", tmp_path / "b", options={"skip_rule": "fwdbtn"})
    with pytest.raises(UnknownName, match=r"no option of spotify_account is called 'start-clock'"):
        ingest("spotify_account", tmp_path / "anna", tmp_path / "b", options={"start_clock": "estimated"})


# what is there


def test_podcasts_and_audiobooks_are_set_aside_and_counted(tmp_path, embedded):
    written(tmp_path / "anna", [record()], "StreamingHistory_music_0.json")
    written(tmp_path / "anna", [episode(), episode(endTime=None)], "StreamingHistory_podcast_0.json")
    book = {"endTime": "2024-01-31 10:00", "authorName": "A", "audiobookName": "B", "chapterName": "C", "msPlayed": 1}
    written(tmp_path / "anna", [book], "StreamingHistory_audiobook_0.json")
    piece, plays = piece_of([tmp_path / "anna"], embedded)
    assert (len(plays), piece.set_aside, list(piece.rejects)) == (1, {"podcast": 2, "audiobook": 1}, [])


def test_podcasts_alone_make_an_empty_library(tmp_path):
    written(tmp_path / "anna", [episode()], "StreamingHistory_podcast_0.json")
    library = ingest("spotify_account", [tmp_path / "anna"], tmp_path / "out")
    assert (library.describe()["rows_in"], library.describe()["set_aside"]) == (1, {"podcast": 1})
    assert ([len(plays) for plays in library.plays()], len(library.tracks())) == ([0], 0)


def test_a_row_given_twice_is_kept_once_and_what_differs_in_one_thing_is_another_play(tmp_path):
    other = [record(msPlayed=180_001), record(trackName="B"), record(artistName="B"), at(1)]
    written(tmp_path / "anna", [record(), *other], "StreamingHistory_music_0.json")
    written(tmp_path / "anna", [at(9), record()], "StreamingHistory_music_1.json")
    library = ingest("spotify_account", [tmp_path / "anna"], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], counts["rejected"]) == (7, 6, {"same play": 1})
    assert library.rejects().to_pylist() == [
        {"file": "StreamingHistory_music_1.json", "line": 8, "column": "endTime", "value": "2024-01-31 10:00",
         "reason": "same play as record 1 of StreamingHistory_music_0.json"}
    ]  # fmt: skip


def test_files_are_known_by_what_is_in_them_and_others_are_passed_over(tmp_path):
    own = written(tmp_path, [record()], "renamed.json")
    written(tmp_path, [], "StreamingHistory_podcast_0.json")
    written(tmp_path, [{"ts": "2024-01-31T10:00:00Z", "ms_played": 1}], "StreamingHistory1.json")
    written(tmp_path, {"endTime": "2024-01-31 10:00", "msPlayed": 1}, "dict.json")
    (tmp_path / "ReadMeFirst.pdf").write_bytes(b"%PDF \xff\xfe")
    (unit,), passed_over = spotify_account.units(find([tmp_path]))
    assert [f.path for f in unit.files] == [own]
    assert len(passed_over) == 4


def test_a_listener_is_called_like_the_folder_or_the_zip(tmp_path, embedded):
    written(tmp_path / "ben" / "MyData", [record()])
    with zipfile.ZipFile(tmp_path / "anna.zip", "w") as archive:
        archive.writestr("StreamingHistory0.json", json.dumps([record()]))
        archive.writestr("StreamingHistory1.json", json.dumps([at(5)]))
    units, _ = spotify_account.units(find([tmp_path]))
    assert [(u.name, len(u.files)) for u in units] == [("MyData", 1), ("anna", 2)]


# damage


WRONG = [
    ("endTime", None, "None"), ("endTime", 1_706_695_200, "1706695200"), ("endTime", "yesterday", "yesterday"),
    ("endTime", "2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"), ("endTime", "2024-02-30 10:00", "2024-02-30 10:00"),
    ("endTime", "1969-12-31 23:59", "1969-12-31 23:59"), ("endTime", "9999-12-31 23:59", "9999-12-31 23:59"),
    ("endTime", "", ""),
    ("msPlayed", None, "None"), ("msPlayed", -1, "-1"), ("msPlayed", 1.5, "1.5"), ("msPlayed", "1", "1"),
    ("msPlayed", True, "True"), ("msPlayed", 10**30, str(10**30)), ("msPlayed", 604_800_001, "604800001"),
    ("msPlayed", float("nan"), "nan"), ("msPlayed", float("inf"), "inf"), ("msPlayed", 10**50, "1e+50"),
    ("artistName", None, "None"), ("artistName", "", ""), ("artistName", " \t", " \t"), ("artistName", ["A"], "['A']"),
    ("artistName", "half \ud800", "half ?"), ("trackName", None, "None"), ("trackName", 7, "7"), ("trackName", {}, "{}"),
]  # fmt: skip


def test_a_clock_that_was_never_set_is_told_which_years_there_are(tmp_path, embedded):
    piece, _ = piece_of([written(tmp_path, [record(endTime="1969-12-31 23:59")])], embedded)
    ((*_, reason),) = piece.rejects
    assert reason == "expected a UTC minute from 1970 to 2099, such as 2024-01-31 10:00"


def test_a_value_of_the_wrong_kind_is_rejected_with_column_and_value(tmp_path, embedded):
    plays, rejects = read(tmp_path, embedded, [*(record(**{c: value}) for c, value, _ in WRONG), record()])
    assert rejects == [(column, shown) for column, _, shown in WRONG]
    assert len(plays) == 1


def test_rejects_of_any_kind_can_be_written_to_the_library_with_file_line_and_reason(tmp_path):
    records = [*(record(**{c: value}) for c, value, _ in WRONG), None, "\ud800", {}, record()]
    library = ingest("spotify_account", [written(tmp_path / "anna", records)], tmp_path / "out")
    assert (library.describe()["kept"], len(library.rejects())) == (1, len(WRONG) + 3)
    assert library.rejects().to_pylist()[8] == {
        "file": "StreamingHistory0.json", "line": 50, "column": "msPlayed", "value": "None",
        "reason": "expected milliseconds from 0 to 604800000",
    }  # fmt: skip


@pytest.mark.parametrize(("lost", "kept"), [(1, 3), (3, 2), (100, 2), (200, 1)])
def test_of_a_file_cut_short_the_records_before_the_cut_are_kept(tmp_path, embedded, lost, kept):
    piece, plays = piece_of([written(tmp_path, json.dumps([at(0), at(5), at(10)], indent=1)[:-lost])], embedded)
    assert len(plays) == kept
    ((*_, reason),) = piece.rejects
    assert reason.endswith("download it again")


def test_a_byte_order_mark_and_bytes_that_are_not_utf8_lose_no_play(tmp_path, embedded):
    path = written(tmp_path, "\ufeff" + json.dumps([record(), at(5, trackName="Caf?")], indent=1))
    path.write_bytes(path.read_bytes().replace(b"Caf?", b"Caf\xe9"))
    piece, plays = piece_of([path], embedded)
    assert [p["track"] for p in plays] == ["artist\tsong", "artist\tcaf\ufffd"]
    ((_, line, *_, reason),) = piece.rejects
    assert (line, reason.startswith("byte ")) == (11, True)


# asked for by another name


@pytest.mark.parametrize("source", ["spotify_history", "mssd"])
def test_another_source_names_this_one(tmp_path, source):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "Identity.json").write_text("{}")
    written(tmp_path / "anna", [record()])
    with pytest.raises(
        BadInput, match=r"StreamingHistory0.json is Spotify's account data .* segue ingest spotify_account"
    ):
        ingest(source, tmp_path / "anna", tmp_path / "out")


def test_an_extended_history_is_not_this_one(tmp_path):
    written(tmp_path / "anna", [{"ts": "2024-01-31T10:00:00Z", "ms_played": 1}])
    with pytest.raises(BadInput, match=r"none of 1 files looks like spotify_account .*: expected Spotify account data"):
        ingest("spotify_account", tmp_path / "anna", tmp_path / "out")


# the real one


def test_a_real_export_adds_up(data, tmp_path):
    folder = data / "spotify_account"
    records = [r for p in sorted(folder.rglob("*.json")) for r in json.loads(p.read_text(encoding="utf-8"))]
    assert len(records) > 40_000
    library = ingest("spotify_account", [folder], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"]) == (len(records), len({tuple(r.values()) for r in records}))
    assert (counts["rejected"], counts["set_aside"], counts["passed_over"]) == ({}, {}, [])
    (plays,) = library.plays()
    columns = {c: plays[c].to_pylist() for c in ("played_ms", "skipped", "end_ms", "track", "asked")}
    assert sum(columns["played_ms"]) == sum(r["msPlayed"] for r in records)
    assert sum(columns["skipped"]) == sum(r["msPlayed"] < 30_000 for r in records) == counts["skips"]
    assert columns["end_ms"] == sorted(columns["end_ms"])
    minutes = [datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") for ms in columns["end_ms"]]
    assert sorted(minutes) == sorted(r["endTime"] for r in records)
    assert columns["track"].count(None) == sum(r["artistName"] == "Unknown Artist" for r in records)
    asked = [minute for minute, flag in zip(minutes, columns["asked"], strict=True) if flag]
    assert len(asked) == len(set(asked)) > 25_000
