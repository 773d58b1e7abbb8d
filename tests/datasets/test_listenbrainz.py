from __future__ import annotations

import json
import zipfile
from datetime import date

import pytest

from segue.datasets import listenbrainz
from segue.datasets.source import find
from segue.library import ingest

TEN = 1_706_695_200  # 2024-01-31T10:00:00Z, in seconds
ID, OTHER_ID = "0d7b2c1a-9a4e-4a2c-bb3d-0e5f1a2b3c4d", "f1b1cf71-bd35-4e99-8624-24a6e15f133a"
OPTIONS = {"gap_min": "30", "tz": "UTC"}


def listen(after=0, *, info=None, mapping=None, **said):
    """A listen so many seconds after ten; said goes over what its track or the listen itself says."""
    track = {"artist_name": "Artist", "track_name": "Song", "release_name": "Album", "additional_info": info or {}}
    track |= {"mbid_mapping": mapping} if mapping else {}
    made = {"listened_at": TEN + after, "track_metadata": track}
    for name, value in said.items():
        (track if name in track else made)[name] = value
    return made


def written(folder, listens, name="1.jsonl"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in listens), encoding="utf-8")
    return path


def piece_of(path, engine, **options):
    (unit,), _ = listenbrainz.units(find([path]))
    piece = listenbrainz.read(unit, engine, OPTIONS | options)
    plays = engine.to_arrow(piece.plays.order_by("source_row")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects)
    return piece, plays


def test_a_listen_becomes_a_play_with_every_column_in_its_place(tmp_path, embedded):
    said = listen(
        info={"recording_mbid": ID.upper(), "duration_ms": 210_000, "listening_from": "x"}, recording_msid="y"
    )
    piece, (play,) = piece_of(written(tmp_path / "anna", [said]), embedded)
    assert {column: value for column, value in play.items() if value is not None} == {
        "session_id": f"anna-{1000 * TEN}",
        "position": 1,
        "listener": "anna",
        "day": date(2024, 1, 31),
        "end_day": date(2024, 1, 31),
        "listener_position": 1,
        "source_row": 1,
        "stop_ms": 1000 * TEN + 210_000,
        "asked": 1,
        "track": ID,
        "artist": "artist",
        "album": "album · artist",
        "start_ms": 1000 * TEN,
        "hour": 10,
        "weekday": 2,
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 1,
    }
    assert piece.tracks.to_pylist() == [{"track": ID, "artist": "Artist", "album": "Album · Artist", "title": "Song"}]
    assert (list(piece.rejects), piece.notes) == ([], {})


@pytest.mark.parametrize(
    ("info", "mapping", "track", "notes"),
    [
        ({"recording_mbid": ID}, {"recording_mbid": OTHER_ID}, ID, {}),
        ({"recording_mbid": ""}, {"recording_mbid": OTHER_ID}, OTHER_ID, {}),
        ({}, {"recording_mbid": None}, "artist\tsong", {}),
        (None, None, "artist\tsong", {}),
        ({"recording_mbid": "abc"}, None, "artist\tsong", {"recording ids that are none": 1}),
        ({"recording_mbid": [ID]}, {"recording_mbid": OTHER_ID}, OTHER_ID, {"recording ids that are none": 1}),
        ([], "x", "artist\tsong", {}),
    ],
)
def test_a_track_goes_by_the_id_that_was_sent_else_found_else_by_its_names(
    tmp_path, embedded, info, mapping, track, notes
):
    piece, (play,) = piece_of(written(tmp_path, [listen(info=info, mapping=mapping)]), embedded)
    assert (play["track"], piece.notes) == (track, notes)


@pytest.mark.parametrize(
    ("info", "positions", "notes"),
    [
        ({}, [1, 1], {}),  # four minutes
        ({"duration_ms": 300_000}, [1, 2], {}),
        ({"duration_ms": "300000"}, [1, 2], {}),
        ({"duration": 300}, [1, 2], {}),
        ({"duration": "300"}, [1, 2], {}),
        ({"duration_ms": 0, "duration": 300.0}, [1, 2], {}),
        ({"duration_ms": "5:00"}, [1, 1], {"durations that are none": 1}),
        ({"duration_ms": -300_000}, [1, 1], {"durations that are none": 1}),
        ({"duration": 10**400}, [1, 1], {"durations that are none": 1}),
        ({"duration": {"ms": 1}}, [1, 1], {"durations that are none": 1}),
    ],
)
def test_a_duration_says_until_when_a_play_may_have_gone_on_and_nothing_else(
    tmp_path, embedded, info, positions, notes
):
    listens = [listen(info=info), listen(35 * 60, track_name="Other")]
    piece, plays = piece_of(written(tmp_path, listens), embedded)
    assert [(p["position"], p["end_ms"], p["played_ms"]) for p in plays] == [(p, None, None) for p in positions]
    assert piece.notes == notes


DAMAGED = [
    (listen(listened_at=None), "listened_at", ""),
    (listen(listened_at="2024"), "listened_at", "2024"),
    (listen(listened_at=True), "listened_at", "True"),
    (listen(listened_at=0), "listened_at", "0"),
    (listen(listened_at=10**400), "listened_at", str(10**400)[:200]),
    ('{"listened_at": NaN, "track_metadata": {}}', "listened_at", "nan"),
    ('{"listened_at": 1e400, "track_metadata": {}}', "listened_at", "inf"),
    ({"listened_at": TEN}, "track_metadata", ""),
    (listen(track_metadata=[]), "track_metadata", "[]"),
    (listen(artist_name=None), "artist", ""),
    (listen(track_name=" "), "track", " "),
    (listen(artist_name=7), "artist_name", "7"),
    (listen(release_name=["a"]), "release_name", "['a']"),
    (listen(user_name={"a": 1}), "user_name", "{'a': 1}"),
    (listen(track_name="a\ud800b"), "track_name", "a?b"),
    ("[1]", "", "[1]"),
    ("7", "", "7"),
    ("not json", "", "not json"),
    ('{"listened_at": 17066', "", '{"listened_at": 17066'),
    ('{"listened_at": ' + "9" * 5000, "", ('{"listened_at": ' + "9" * 5000)[:200]),
    ("[" * 100_000, "", "[" * 200),
]


def test_a_damaged_listen_is_rejected_with_its_line_and_value(tmp_path, embedded):
    lines = [listen(), *(text for text, _, _ in DAMAGED), " ", "", listen(300)]
    piece, plays = piece_of(written(tmp_path, lines), embedded)
    assert [reject[1:4] for reject in piece.rejects] == [(n, c, v) for n, (_, c, v) in enumerate(DAMAGED, 2)]
    assert [p["position"] for p in plays] == [1, 2]


def test_a_listen_told_twice_is_rejected_and_one_of_the_same_second_is_kept(tmp_path, embedded):
    lines = [listen(track_name="b"), listen(), "", listen(track_name="SONG")]
    piece, plays = piece_of(written(tmp_path, lines), embedded)
    assert [(p["track"], p["asked"]) for p in plays] == [("artist\tb", 1), ("artist\tsong", 0)]
    assert list(piece.rejects) == [
        ("1.jsonl", 4, "listened_at", "2024-01-31T10:00:00+00:00", "same play as line 2 of 1.jsonl")
    ]


def test_one_list_reads_like_lines(tmp_path, embedded):
    listens = [listen(300), listen(), listen(listened_at=0)]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "list.json").write_text("\ufeff" + json.dumps(listens), encoding="utf-8")
    lines, from_lines = piece_of(written(tmp_path / "a", listens), embedded)
    one, from_list = piece_of(tmp_path / "b", embedded)
    assert [(p["position"], p["start_ms"]) for p in from_list] == [(p["position"], p["start_ms"]) for p in from_lines]
    assert [reject[2:] for reject in one.rejects] == [reject[2:] for reject in lines.rejects]


def test_a_list_that_was_cut_short_keeps_what_is_whole(tmp_path, embedded):
    text = json.dumps([listen(), listen(300)], indent=1)
    (tmp_path / "list.json").write_text(text[:-30], encoding="utf-8")
    piece, plays = piece_of(tmp_path, embedded)
    assert (len(plays), len(piece.rejects)) == (1, 1)


def exported(folder, zipped):
    """An export as ListenBrainz packs it."""
    files = {
        "user.json": '{"user_id": 1, "username": "x"}\n',
        "feedback.jsonl": json.dumps({"score": 1, "track_metadata": None, "created": TEN}) + "\n",
        "pinned_recording.jsonl": json.dumps({"track_metadata": {"track_name": "a"}, "created": TEN}) + "\n",
        "listens/2023/12.jsonl": json.dumps(listen(-86_400 * 40)) + "\n",
        "listens/2024/1.jsonl": "".join(json.dumps(listen(n)) + "\n" for n in (600, 300, 0)),
    }
    if zipped:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / "anna.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return folder / "anna.zip"
    for name, text in files.items():
        path = folder / "anna" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "anna"


@pytest.mark.parametrize("zipped", [True, False])
def test_an_export_is_one_persons_packed_or_not(tmp_path, zipped):
    library = ingest("listenbrainz", [exported(tmp_path, zipped)], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], counts["sessions"], counts["listeners"], counts["files"]) == (
        4,
        4,
        2,
        1,
        2,
    )
    assert sorted(name.rpartition("!")[2] for name in counts["passed_over"]) == [
        "feedback.jsonl", "pinned_recording.jsonl", "user.json",
    ]  # fmt: skip
    (plays,) = library.plays(["listener", "listener_position", "start_ms"])
    assert plays.to_pylist() == [
        {"listener": "anna", "listener_position": n, "start_ms": 1000 * (TEN + after)}
        for n, after in enumerate((-86_400 * 40, 0, 300, 600), 1)
    ]


def test_two_exports_in_one_archive_are_two_persons(tmp_path):
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for name in ("anna/listens/2023/12.jsonl", "anna/listens/2024/1.jsonl", "ben/all.jsonl"):
            archive.writestr(name, json.dumps(listen()))
    units, _ = listenbrainz.units(find([tmp_path]))
    assert [(unit.name, len(unit.files)) for unit in units] == [("anna", 2), ("ben", 1)]


def test_listens_that_say_whose_they_are_are_theirs(tmp_path, embedded):
    listens = [listen(user_name="ben"), listen(user_name="cleo"), listen(user_name=""), listen(300, user_name="ben")]
    _, plays = piece_of(written(tmp_path / "anna", listens), embedded)
    assert [(p["listener"], p["position"], p["asked"]) for p in plays] == [
        ("ben", 1, 1), ("cleo", 1, 1), ("anna", 1, 1), ("ben", 2, 1),
    ]  # fmt: skip
