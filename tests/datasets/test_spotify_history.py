from __future__ import annotations

import json
import random
import zipfile
from datetime import date

import pytest

from segue.datasets import spotify_history
from segue.datasets.source import find
from segue.errors import AskedWrongly, BadInput
from segue.library import ingest

TEN = 1_706_695_200_000  # 2024-01-31T10:00:00Z, in ms
DEFAULTS = {"skip_rule": "fwdbtn-or-flagged-30s", "start_clock": "recorded", "gap_min": "30", "tz": "UTC"}


def record(**said):
    """A play of three minutes that ended at ten."""
    return {
        "ts": "2024-01-31T10:00:00Z",
        "platform": "ios",
        "ms_played": 180_000,
        "conn_country": "ZZ",
        "ip_addr": "0.0.0.0",
        "master_metadata_track_name": "Song",
        "master_metadata_album_artist_name": "Artist",
        "master_metadata_album_album_name": "Album",
        "spotify_track_uri": "spotify:track:a",
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "shuffle": False,
        "skipped": False,
        "offline": False,
        "offline_timestamp": 1_706_695_020,
        "incognito_mode": False,
        **said,
    }


def at(minute, **said):
    """A play that ended so many minutes after ten, and began three minutes before."""
    ended = f"2024-01-31T{10 + minute // 60:02d}:{minute % 60:02d}:00Z"
    return record(ts=ended, offline_timestamp=1_706_695_020 + 60 * minute, **said)


def written(folder, records, name="Streaming_History_Audio_2024.json"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(records if isinstance(records, str) else json.dumps(records, indent=1), encoding="utf-8")
    return path


def piece_of(paths, engine, **options):
    (unit,), _ = spotify_history.units(find(paths))
    piece = spotify_history.read(unit, engine, DEFAULTS | options)
    plays = engine.to_arrow(piece.plays.order_by("listener_position")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects) + sum(piece.set_aside.values())
    return piece, plays


def read(folder, engine, records, **options):
    """The plays of one file, and its rejects as (column, value)."""
    piece, plays = piece_of([written(folder, records)], engine, **options)
    return plays, [(column, value) for _, _, column, value, _ in piece.rejects]


def test_a_record_becomes_a_play_with_every_column_in_its_place(tmp_path, embedded):
    (play,), rejects = read(tmp_path / "anna", embedded, [record(platform="iOS 17.1 (iPhone14,5)", shuffle=True)])
    assert rejects == []
    assert {column: value for column, value in play.items() if value is not None} == {
        "session_id": f"anna-{TEN - 180_000}",
        "position": 1,
        "listener": "anna",
        "day": date(2024, 1, 31),
        "end_day": date(2024, 1, 31),
        "listener_position": 1,
        "source_row": 1,
        "stop_ms": TEN,
        "asked": 1,
        "track": "spotify:track:a",
        "artist": "Artist",
        "album": "Album · Artist",
        "start_ms": TEN - 180_000,
        "hour": 9,
        "weekday": 2,
        "shuffle": 1,
        "offline": 0,
        "platform": "ios",
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "end_ms": TEN,
        "played_ms": 180_000,
        "skipped": 0,
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 1,
    }


GENERATIONS = {
    "endsong": {"username": "x", "ip_addr_decrypted": "0.0.0.0", "user_agent_decrypted": "unknown", "city": None,
                "region": None, "offline_timestamp": 1_706_695_020_123, "skipped": None},
    "2023": {},
    "audiobooks": {"audiobook_title": None, "audiobook_uri": None, "audiobook_chapter_uri": None,
                   "audiobook_chapter_title": None},
}  # fmt: skip


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_of_the_export_is_read(tmp_path, embedded, generation):
    (play,), rejects = read(tmp_path, embedded, [record(**GENERATIONS[generation])])
    assert (play["track"], play["start_ms"] // 1000, play["skipped"], rejects) == (
        "spotify:track:a",
        1_706_695_020,
        0,
        [],
    )


def test_a_record_may_lack_what_is_not_needed(tmp_path, embedded):
    bare = {k: record()[k] for k in ("ts", "ms_played", "spotify_track_uri")}
    (play,), rejects = read(tmp_path, embedded, [bare])
    unknown = [
        c for c in ("artist", "start_ms", "hour", "weekday", "shuffle", "platform", "skipped") if play[c] is None
    ]
    assert (unknown, rejects) == (["artist", "start_ms", "hour", "weekday", "shuffle", "platform", "skipped"], [])
    assert (play["day"], play["played_ms"], play["asked"]) == (date(2024, 1, 31), 180_000, 1)


@pytest.mark.parametrize(
    ("stamp", "start_ms"),
    [
        (1_706_695_020, TEN - 180_000),
        (1_706_695_020.5, TEN - 179_500),
        (1_706_695_020_250, TEN - 179_750),
        (1_706_695_200_000 + 196_000, TEN + 196_000),  # a clock some minutes off, as real ones are
        (1_706_695_200_000 + 3_600_001, None),  # more than an hour after its own end
        (0, None),
        (None, None),
        (-1, None),
    ],
)
def test_a_recorded_start_is_in_seconds_or_in_milliseconds_or_not_there(stamp, start_ms):
    assert spotify_history._recorded(stamp, TEN) == start_ms


def test_without_a_recorded_start_it_is_unknown_or_estimated_on_request(tmp_path, embedded):
    gone = [record(offline_timestamp=0), record(offline_timestamp=None, spotify_track_uri="spotify:track:b")]
    piece, plays = piece_of([written(tmp_path, gone)], embedded)
    assert ([p["start_ms"] for p in plays], piece.notes) == ([None, None], {"plays without a recorded start": 2})
    assert [p["hour"] for p in plays] == [None, None]
    piece, plays = piece_of([written(tmp_path, gone)], embedded, start_clock="estimated")
    assert ([p["start_ms"] for p in plays], [p["hour"] for p in plays]) == ([TEN - 180_000] * 2, [9, 9])


def test_a_recorded_start_is_never_replaced_by_an_estimate(tmp_path, embedded):
    (play,), _ = read(tmp_path, embedded, [record(offline_timestamp=1_706_694_000)], start_clock="estimated")
    assert play["start_ms"] == 1_706_694_000_000


def test_podcasts_and_audiobooks_are_set_aside_and_counted(tmp_path, embedded):
    silent = {"spotify_track_uri": None}
    records = [
        record(**silent, spotify_episode_uri="spotify:episode:a", episode_name="One"),
        record(**silent, episode_name="Two"),
        record(**silent, audiobook_uri="spotify:show:a", audiobook_chapter_uri="spotify:episode:b"),
        record(**silent),
        record(spotify_track_uri=""),
        record(),
    ]
    piece, plays = piece_of([written(tmp_path, records)], embedded)
    assert piece.set_aside == {"podcast": 2, "audiobook": 1, "no track named": 2}
    assert (len(plays), list(piece.rejects)) == (1, [])


def test_podcasts_alone_make_an_empty_library(tmp_path):
    written(tmp_path / "anna", [record(spotify_track_uri=None, episode_name="One")])
    library = ingest("spotify_history", [tmp_path / "anna"], tmp_path / "out")
    assert (library.describe()["rows_in"], library.describe()["set_aside"]) == (1, {"podcast": 1})
    assert ([len(plays) for plays in library.plays()], len(library.tracks())) == ([0], 0)


def test_the_same_play_twice_is_kept_once_within_a_file(tmp_path, embedded):
    piece, plays = piece_of([written(tmp_path, [at(0), at(5), at(0)], "a.json")], embedded)
    assert [p["end_ms"] for p in plays] == [TEN, TEN + 300_000]
    assert [(value, reason) for *_, value, reason in piece.rejects] == [
        ("2024-01-31T10:00:00Z", "same play as record 1 of a.json")
    ]


def test_the_same_play_twice_is_kept_once_across_files_that_overlap(tmp_path):
    written(tmp_path / "anna", [at(0), at(5)], "Streaming_History_Audio_1.json")
    written(tmp_path / "anna", [at(5), at(10)], "Streaming_History_Audio_2.json")
    library = ingest("spotify_history", [tmp_path / "anna"], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], counts["rejected"]) == (4, 3, {"same play": 1})
    assert library.rejects().to_pylist() == [
        {"file": "Streaming_History_Audio_2.json", "line": 2, "column": "ts", "value": "2024-01-31T10:05:00Z",
         "reason": "same play as record 2 of Streaming_History_Audio_1.json"}
    ]  # fmt: skip


def test_plays_that_differ_in_one_thing_are_two_plays(tmp_path, embedded):
    records = [record(), record(ms_played=180_001), record(reason_end="fwdbtn"), record(reason_start="clickrow"),
               record(ts="2024-01-31T10:00:01Z"), record(spotify_track_uri="spotify:track:b")]  # fmt: skip
    plays, rejects = read(tmp_path, embedded, records)
    assert (len(plays), rejects) == (6, [])


@pytest.mark.parametrize("stamp", [1_706_695_021, 1_706_695_020_123, 0, None])
def test_plays_that_differ_in_their_stamp_alone_are_one_and_the_first_is_kept(tmp_path, embedded, stamp):
    (play,), rejects = read(tmp_path, embedded, [record(), record(offline_timestamp=stamp)])
    assert (play["start_ms"], rejects) == (TEN - 180_000, [("ts", "2024-01-31T10:00:00Z")])


@pytest.mark.parametrize("first", ["s", "ms"])
def test_one_history_in_two_generations_of_the_export_counts_once(tmp_path, embedded, first):
    seconds = [at(0), at(5, spotify_track_uri="b"), at(100), {**at(102), "offline_timestamp": None}]
    finer = [r if r["offline_timestamp"] is None else {**r, "offline_timestamp": r["offline_timestamp"] * 1000 + 123}
             for r in seconds]  # fmt: skip
    files = {"s": seconds, "ms": finer}
    written(tmp_path / "one" / "anna", files[first], "1.json")
    written(tmp_path / "two" / "anna", files[first], "1.json")
    written(tmp_path / "two" / "anna", files["ms" if first == "s" else "s"], "2.json")
    alone, plays = piece_of([tmp_path / "one" / "anna"], embedded)
    both, plays_of_both = piece_of([tmp_path / "two" / "anna"], embedded)
    assert (len(plays), list(alone.rejects)) == (4, [])
    assert plays_of_both == plays
    assert (both.notes, both.tracks) == (alone.notes, alone.tracks)
    assert [(file, reason) for file, *_, reason in both.rejects] == [
        ("2.json", f"same play as record {n} of 1.json") for n in (1, 2, 3, 4)
    ]


def test_two_rejects_on_one_line_are_two_rows(tmp_path):
    written(tmp_path / "anna", json.dumps([record(), record(), record(), record(ms_played=None), at(5)]))  # one line
    counts = ingest("spotify_history", [tmp_path / "anna"], tmp_path / "out").describe()
    assert (counts["rows_in"], counts["kept"], sum(counts["rejected"].values())) == (5, 2, 3)


@pytest.mark.parametrize(("lost", "kept", "at_line"), [(1, 3, 65), (2, 3, 64), (3, 2, 44), (300, 2, 44)])
def test_of_a_file_cut_short_the_records_before_the_cut_are_kept(tmp_path, embedded, lost, kept, at_line):
    text = json.dumps([at(0), at(5), at(10)], indent=1)
    piece, plays = piece_of([written(tmp_path, text[:-lost])], embedded)
    assert len(plays) == kept
    ((_, line, column, _, reason),) = piece.rejects
    assert (line, column, reason[-17:]) == (at_line, "", "download it again")


def test_of_a_file_broken_in_the_middle_the_whole_records_are_kept_and_the_line_is_told(tmp_path, embedded):
    text = json.dumps([at(0), at(5), at(10)], indent=1).replace('"2024-01-31T10:05:00Z"', "2024-01-31")
    piece, plays = piece_of([written(tmp_path, text)], embedded)
    assert [p["end_ms"] for p in plays] == [TEN, TEN + 600_000]
    ((file, line, _, value, _),) = piece.rejects
    assert (file, line, value[:9]) == ("Streaming_History_Audio_2024.json", 23, "(to line ")


def test_two_lists_in_one_file_are_not_read_as_one(tmp_path, embedded):
    piece, plays = piece_of([written(tmp_path, json.dumps([at(0)]) + "\n" + json.dumps([at(5)]))], embedded)
    assert len(plays) == 1
    ((_, line, _, value, reason),) = piece.rejects
    assert (line, value[:1], reason) == (2, "[", "text below the end of the list: put each list into a file of its own")


def test_entries_that_are_no_records_are_rejected_one_by_one(tmp_path, embedded):
    plays, rejects = read(tmp_path, embedded, [None, record(), 7, "seven", [1, 2], {}])
    assert len(plays) == 1
    assert rejects == [("", "null"), ("", "7"), ("", '"seven"'), ("", "[\n  1,\n  2\n ]"), ("ts", "None")]


HUGE = 10**30
WRONG = [
    ("ts", None, "None"), ("ts", 1_706_695_200, "1706695200"), ("ts", "yesterday", "yesterday"),
    ("ts", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"), ("ts", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ("ts", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ("ms_played", None, "None"), ("ms_played", -1, "-1"), ("ms_played", 1.5, "1.5"), ("ms_played", "1", "1"),
    ("ms_played", True, "True"), ("ms_played", HUGE, str(HUGE)), ("ms_played", 604_800_001, "604800001"),
    ("ms_played", float("nan"), "nan"), ("ms_played", float("inf"), "inf"), ("ms_played", 10**50, "1e+50"),
    ("spotify_track_uri", 7, "7"), ("spotify_track_uri", "track:\ud800", "track:?"),
    ("master_metadata_album_artist_name", ["A"], "['A']"), ("master_metadata_album_album_name", {}, "{}"),
    ("master_metadata_track_name", False, "False"), ("master_metadata_track_name", "half \udc00", "half ?"),
    ("reason_start", 1, "1"), ("reason_end", [], "[]"), ("platform", 1, "1"),
    ("shuffle", "no", "no"), ("skipped", 2, "2"), ("skipped", float("nan"), "nan"), ("offline", [], "[]"),
    ("offline_timestamp", "0", "0"), ("offline_timestamp", True, "True"), ("offline_timestamp", [0], "[0]"),
    ("offline_timestamp", 1e300, "1e+300"), ("offline_timestamp", HUGE, str(HUGE)),
    ("offline_timestamp", -HUGE, str(-HUGE)), ("offline_timestamp", float("nan"), "nan"),
    ("offline_timestamp", float("inf"), "inf"), ("offline_timestamp", float("-inf"), "-inf"),
]  # fmt: skip


def test_a_clock_that_was_never_set_is_told_which_years_there_are(tmp_path, embedded):
    piece, _ = piece_of([written(tmp_path, json.dumps([record(ts="1969-12-31T23:59:59Z")]))], embedded)
    ((*_, reason),) = piece.rejects
    assert reason == "expected a UTC time from 1970 to 2099, such as 2024-01-31T10:00:00Z"


def test_a_value_of_the_wrong_kind_is_rejected_with_column_and_value(tmp_path, embedded):
    records = [record(**{column: value}) for column, value, _ in WRONG]
    plays, rejects = read(tmp_path, embedded, [*records, record()])
    assert rejects == [(column, shown) for column, _, shown in WRONG]
    assert len(plays) == 1


@pytest.mark.parametrize(
    "text", ['"ms_played": ' + "9" * 5000, '"ms_played": 1, "x": ' + "[" * 100_000, '"ms_played": 1e999']
)
def test_numbers_and_lists_that_no_reader_can_hold_are_one_reject(tmp_path, embedded, text):
    broken = json.dumps([at(0), at(5)]).replace('"ms_played": 180000', text, 2).replace(text, '"ms_played": 180000', 1)
    plays, rejects = read(tmp_path, embedded, broken)
    assert ([p["end_ms"] for p in plays], len(rejects)) == ([TEN], 1)


def test_rejects_of_any_kind_can_be_written_to_the_library(tmp_path):
    text = json.dumps([*(record(**{column: value}) for column, value, _ in WRONG), None, "\ud800", record()])
    library = ingest("spotify_history", [written(tmp_path / "anna", text)], tmp_path / "out")
    assert (library.describe()["kept"], len(library.rejects())) == (1, len(WRONG) + 2)


def test_a_byte_order_mark_and_characters_of_the_world_are_read(tmp_path, embedded):
    (play,), _ = read(tmp_path, embedded, "\ufeff" + json.dumps([record(master_metadata_album_artist_name="Мумий 🐘")]))
    assert play["artist"] == "Мумий 🐘"
    raw = json.dumps([record(master_metadata_album_artist_name="Мумий 🐘\0")], ensure_ascii=False)
    (play,), _ = read(tmp_path, embedded, raw)
    assert play["artist"] == "Мумий 🐘\0"


def test_bytes_that_are_not_utf8_leave_a_mark_and_lose_no_play(tmp_path, embedded):
    path = written(tmp_path, [record(), at(5, master_metadata_track_name="Caf?")])
    path.write_bytes(path.read_bytes().replace(b"Caf?", b"Caf\xe9"))
    piece, plays = piece_of([path], embedded)
    assert len(plays) == 2
    assert piece.tracks["title"].to_pylist() == ["Caf\ufffd"]
    ((_, line, *_, reason),) = piece.rejects
    assert (line, reason.startswith("byte ")) == (29, True)


def test_an_empty_list_and_other_json_are_passed_over(tmp_path):
    own = written(tmp_path, [record()])
    written(tmp_path, [], "Streaming_History_Audio_2019.json")
    written(tmp_path, [{"endTime": "2024-01-31 10:00", "artistName": "A", "trackName": "T", "msPlayed": 1}], "S0.json")
    written(tmp_path, {"ts": "2024", "ms_played": 1}, "dict.json")
    written(tmp_path, "ts ms_played", "notes.txt")
    (tmp_path / "ReadMeFirst.pdf").write_bytes(b"%PDF \xff\xfe")
    (unit,), passed_over = spotify_history.units(find([tmp_path]))
    assert [f.path for f in unit.files] == [own]
    assert {f.name for f in passed_over} == {"Streaming_History_Audio_2019.json", "S0.json", "dict.json", "notes.txt",
                                             "ReadMeFirst.pdf"}  # fmt: skip


def test_nothing_but_other_files_is_refused_and_says_what_was_expected(tmp_path):
    with pytest.raises(
        BadInput, match=r"none of 1 files looks like spotify_history \(first: a.json\): expected Spotify"
    ):
        ingest("spotify_history", [written(tmp_path, [], "a.json")], tmp_path / "out")


def test_a_video_history_of_the_same_schema_is_the_same_listeners(tmp_path, embedded):
    written(tmp_path / "anna", [at(0)])
    written(tmp_path / "anna", [at(5, spotify_track_uri="spotify:track:video")], "Streaming_History_Video_2024.json")
    _, plays = piece_of([tmp_path / "anna"], embedded)
    assert [(p["track"], p["position"]) for p in plays] == [("spotify:track:a", 1), ("spotify:track:video", 2)]


BY_HAND = [
    # reason_end, skipped, ms_played: the label by each rule
    ("fwdbtn", None, 90_000, {"fwdbtn-or-flagged-30s": 1, "fwdbtn": 1, "flagged": None, "under-30s": 0}),
    ("fwdbtn", False, 90_000, {"fwdbtn-or-flagged-30s": 1, "fwdbtn": 1, "flagged": 0, "under-30s": 0}),
    ("FWDBTN", None, 29_999, {"fwdbtn-or-flagged-30s": 1, "fwdbtn": 1, "flagged": None, "under-30s": 1}),
    ("endplay", True, 29_999, {"fwdbtn-or-flagged-30s": 1, "fwdbtn": 0, "flagged": 1, "under-30s": 1}),
    ("endplay", True, 30_000, {"fwdbtn-or-flagged-30s": 0, "fwdbtn": 0, "flagged": 1, "under-30s": 0}),
    ("endplay", None, 29_999, {"fwdbtn-or-flagged-30s": 0, "fwdbtn": 0, "flagged": None, "under-30s": 1}),
    ("trackdone", False, 180_000, {"fwdbtn-or-flagged-30s": 0, "fwdbtn": 0, "flagged": 0, "under-30s": 0}),
    ("", None, 0, {"fwdbtn-or-flagged-30s": None, "fwdbtn": None, "flagged": None, "under-30s": 1}),
    ("unknown", None, 9_000, {"fwdbtn-or-flagged-30s": None, "fwdbtn": None, "flagged": None, "under-30s": 1}),
    (None, True, 9_000, {"fwdbtn-or-flagged-30s": 1, "fwdbtn": None, "flagged": 1, "under-30s": 1}),
    (None, False, 9_000, {"fwdbtn-or-flagged-30s": 0, "fwdbtn": None, "flagged": 0, "under-30s": 1}),
]


@pytest.mark.parametrize("rule", spotify_history.SKIP_RULES)
def test_each_skip_rule_says_what_it_says_by_hand(tmp_path, embedded, rule):
    records = [at(5 * i, reason_end=end, skipped=flag, ms_played=ms) for i, (end, flag, ms, _) in enumerate(BY_HAND)]
    plays, _ = read(tmp_path, embedded, records, skip_rule=rule)
    assert [p["skipped"] for p in plays] == [labels[rule] for *_, labels in BY_HAND]


def test_a_time_zone_moves_hour_weekday_and_day(tmp_path, embedded):
    night = record(ts="2024-06-30T22:05:00Z", offline_timestamp=1_719_784_800)  # began 22:00 UTC, midnight in Berlin
    (utc,), _ = read(tmp_path, embedded, [night])
    (berlin,), _ = read(tmp_path, embedded, [night], tz="Europe/Berlin")
    assert (utc["hour"], utc["weekday"], utc["day"], utc["end_day"]) == (22, 6, date(2024, 6, 30), date(2024, 6, 30))
    assert (berlin["hour"], berlin["weekday"], berlin["day"], berlin["end_day"]) == (
        0,
        0,
        date(2024, 7, 1),
        date(2024, 7, 1),
    )
    assert utc["start_ms"] == berlin["start_ms"]


@pytest.mark.parametrize("name", ["Europe/Brelin", "", "../../etc/passwd", "Europe"])
def test_a_time_zone_that_nobody_knows_is_refused(tmp_path, embedded, name):
    with pytest.raises(AskedWrongly, match=r"no time zone is called .*Europe/Berlin"):
        read(tmp_path, embedded, [record()], tz=name)


def names(*paths):
    return [u.name for u in spotify_history.units(find(paths))[0]]


def test_a_listener_is_called_like_the_folder(tmp_path, monkeypatch):
    one, two = written(tmp_path / "anna", [record()], "1.json"), written(tmp_path / "anna", [at(5)], "2.json")
    written(tmp_path / "ben", [record()])
    assert names(tmp_path / "anna") == ["anna"]
    assert names(tmp_path) == ["anna", "ben"]
    assert names(one, two) == ["anna"]
    assert names(tmp_path / "ben", tmp_path / "anna") == ["anna", "ben"]
    assert names(str(tmp_path / "*" / "*.json")) == ["anna", "ben"]
    monkeypatch.chdir(tmp_path / "anna")
    assert names("1.json") == names(".") == names("../anna") == ["anna"]
    assert len(find(["1.json", one, "."])) == 2


def test_files_are_taken_in_the_order_of_their_numbers(tmp_path):
    for n in (10, 2, 0):
        written(tmp_path, [at(n)], f"endsong_{n}.json")
    (unit,), _ = spotify_history.units(find([tmp_path]))
    assert [f.name for f in unit.files] == ["endsong_0.json", "endsong_2.json", "endsong_10.json"]


def test_folders_of_the_same_name_are_told_apart_by_their_parents(tmp_path):
    written(tmp_path / "anna" / "MyData", [record()])
    written(tmp_path / "ben" / "MyData", [record()])
    assert names(tmp_path) == ["anna/MyData", "ben/MyData"]


def test_a_zip_is_a_folder(tmp_path, embedded):
    with zipfile.ZipFile(tmp_path / "anna.zip", "w") as archive:
        archive.writestr("Streaming_History_Audio_2024.json", json.dumps([record()]))
    with zipfile.ZipFile(tmp_path / "ben.zip", "w") as archive:
        archive.writestr("MyData/endsong_0.json", json.dumps([at(0)]))
        archive.writestr("MyData/endsong_1.json", json.dumps([at(5)]))
    assert names(tmp_path / "anna.zip") == ["anna"]
    assert names(tmp_path / "ben.zip") == ["MyData"]
    _, plays = piece_of([tmp_path / "ben.zip"], embedded)
    assert len(plays) == 2


def test_a_folder_and_a_zip_of_one_name_are_two_listeners_wherever_they_lie(tmp_path):
    written(tmp_path / "anna", [record()])
    with zipfile.ZipFile(tmp_path / "anna.zip", "w") as archive:
        archive.writestr("Streaming_History_Audio_2024.json", json.dumps([record()]))
    assert names(tmp_path) == ["anna", "anna.zip"]


def test_the_order_of_records_and_files_does_not_matter(tmp_path, embedded):
    records = [
        at(0),
        at(5, spotify_track_uri="b"),
        at(5, spotify_track_uri="c"),
        at(100),
        at(5, spotify_track_uri="b", ms_played=9),
        at(101, reason_end="fwdbtn"),
        at(101, reason_end="logout"),
    ]
    said = []
    for seed in range(4):
        random.Random(seed).shuffle(records)
        written(tmp_path / "anna", records[:3], "1.json")
        written(tmp_path / "anna", records[3:], "2.json")
        _, plays = piece_of([tmp_path / "anna"], embedded)
        said.append([{k: v for k, v in p.items() if k != "source_row"} for p in plays])
    assert said[1:] == said[:1] * 3
    assert [p["position"] for p in said[0]] == [1, 2, 3, 4, 1, 2, 3]


PLATFORMS = {
    "Android OS 8.1.0 API 27 (samsung, x)": "android", "android": "android",
    "iOS 12.1 (iPhone9,3)": "ios", "ios": "ios",
    "Windows 10 (10.0.18362; x64)": "windows", "windows": "windows", "OS X 10.14.6 [x86 8]": "osx", "osx": "osx",
    "web_player windows 10;chrome": "web_player", "WebPlayer (websocket RFC6455)": "web_player",
    "Linux [x86-64 0]": "linux",
    "Partner google cast_tv": "partner", "cast": "cast", "toaster": "other", "": None, None: None,
}  # fmt: skip


def test_the_kind_of_device_is_found_in_texts_of_either_generation():
    assert {text: spotify_history._platform(text) for text in PLATFORMS} == PLATFORMS


def test_real_histories_add_up(data, tmp_path):
    folder = data / "spotify_history"
    records = {p: json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("*.json"))}
    assert sum(map(len, records.values())) > 9_000
    library = ingest("spotify_history", [folder], tmp_path / "out")
    assert [p["name"] for p in library.parts] == ["listener_a", "listener_b", "listener_c"]
    counts = library.describe()
    assert counts["rows_in"] == sum(map(len, records.values()))
    assert counts["passed_over"] == []
    assert sum(counts["set_aside"].values()) == sum(not r["spotify_track_uri"] for rs in records.values() for r in rs)
    assert set(counts["rejected"]) <= {"same play"}
    names_of = ("ts", "spotify_track_uri", "ms_played", "reason_start", "reason_end")
    again = 0
    for part, plays in zip(library.parts, library.plays(), strict=True):
        own = [r for p, rs in records.items() if p.parent.name == part["name"] for r in rs if r["spotify_track_uri"]]
        distinct = {}
        for r in own:
            distinct.setdefault(tuple(r[n] for n in names_of), r)
        again += len(own) - len(distinct)
        assert part["kept"] == len(plays) == len(distinct)
        assert sum(plays["played_ms"].to_pylist()) == sum(r["ms_played"] for r in distinct.values())
        wanted = sum(r["reason_end"] == "fwdbtn" or (bool(r["skipped"]) and r["ms_played"] < 30_000)
                     for r in distinct.values())  # fmt: skip
        assert sum(s or 0 for s in plays["skipped"].to_pylist()) == wanted
        ends = plays["end_ms"].to_pylist()
        assert ends == sorted(ends)
        keys = list(zip(plays["session_id"].to_pylist(), plays["position"].to_pylist(), strict=True))
        assert len(set(keys)) == len(keys)
    assert counts["rejected"].get("same play", 0) == again
