from __future__ import annotations

import csv
import gzip
from datetime import date

import pytest

from segue.datasets import scrobbles
from segue.datasets.source import find
from segue.errors import AskedWrongly
from segue.library import ingest

TEN = 1_548_928_800_000  # 2019-01-31T10:00:00Z, in ms
OPTIONS = {"columns": "detected", "gap_min": "30", "tz": "UTC"}
HEADER = ",artist,album,track,timestamp,datetime"
LINE = "0,Artist,Album,Song,1548928800,2019-01-31 10:00:00"
NEXT = "1,Artist,,Other,1548929100,2019-01-31 10:05:00"


def written(folder, *lines, name="anna.csv", end="\n", start=b""):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(start + "".join(text + end for text in lines).encode())
    return path


def piece_of(path, engine, **options):
    (unit,), _ = scrobbles.units(find([path]))
    piece = scrobbles.read(unit, engine, OPTIONS | options)
    plays = engine.to_arrow(piece.plays.order_by("source_row")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects)
    return piece, plays


def read(folder, engine, *lines, **options):
    """The plays as (line, track, album, start), and the rejects as (line, column, value)."""
    piece, plays = piece_of(written(folder, *lines), engine, **options)
    said = [(p["source_row"], p["track"], p["album"], p["start_ms"]) for p in plays]
    return said, [reject[1:4] for reject in piece.rejects]


def test_a_line_becomes_a_play_with_every_column_in_its_place(tmp_path, embedded):
    piece, plays = piece_of(written(tmp_path, HEADER, LINE, NEXT), embedded)
    assert {column: value for column, value in plays[0].items() if value is not None} == {
        "session_id": f"anna-{TEN}",
        "position": 1,
        "listener": "anna",
        "day": date(2019, 1, 31),
        "end_day": date(2019, 1, 31),
        "listener_position": 1,
        "source_row": 2,
        "stop_ms": TEN + 240_000,
        "asked": 1,
        "track": "artist\tsong",
        "artist": "artist",
        "album": "album · artist",
        "start_ms": TEN,
        "hour": 10,
        "weekday": 3,
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 2,
    }
    assert plays[1]["album"] is None
    assert piece.notes == {"plays read by columns artist 2, album 3, track 4, time 5 (told by their names)": 2}


DIALECTS = {
    "with a row number": (HEADER, LINE, NEXT),
    "lastfmstats": ("Artist;Album;AlbumId;Track;Date#anna", '"Artist";"Album";"a1b2";"Song";"1548928800000"',
                    '"Artist";"";"";"Other";"1548929100000"'),
    "lastfm-to-csv": ("uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid",
                      '"1548928800","31 Jan 2019, 10:00","Artist","","Album","","Song",""',
                      '"1548929100","31 Jan 2019, 10:05","Artist","","","","Other",""'),
    "without a header": ("Artist,Album,Song,31 Jan 2019 10:00", '"Artist",,"Other",31 Jan 2019 10:05'),
    "without a header, time first": ("1548928800\tArtist\tAlbum\tSong", "1548929100\tArtist\t\tOther"),
    "upper case and blanks": ("Track Name,Artist Name,Album Name,Played At", "Song,Artist,Album,2019-01-31T10:00:00Z",
                              "Other,Artist,,2019-01-31T11:05:00+01:00"),
    "two times, one of them empty": ("artist,album,track,timestamp,datetime", "Artist,Album,Song,,2019-01-31 10:00",
                                     "Artist,,Other,,2019-01-31 10:05"),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_dialect_says_the_same(tmp_path, embedded, dialect, end):
    lines = DIALECTS[dialect]
    _, plays = piece_of(written(tmp_path, *lines, end=end, start=b"\xef\xbb\xbf"), embedded)
    assert [(p["track"], p["album"], p["start_ms"]) for p in plays] == [
        ("artist\tsong", "album · artist", TEN),
        ("artist\tother", None, TEN + 300_000),
    ]
    assert [p["source_row"] for p in plays] == [len(lines) - 1, len(lines)]


def test_without_a_header_and_an_album_there_are_artist_and_track(tmp_path, embedded):
    said, rejects = read(tmp_path, embedded, "Artist,Song,1548928800")
    assert (said, rejects) == ([(1, "artist\tsong", None, TEN)], [])


def test_a_header_alone_is_an_empty_log(tmp_path, embedded):
    assert read(tmp_path, embedded, HEADER) == ([], [])


DAMAGED = [
    ("1,,Album,Song,1548928801,", "artist", ""),
    ("1,Artist,Album, ,1548928801,", "track", ""),
    ("1,Artist,Album,Song,,2019-01-31 10:00:00", "time", ""),
    ("1,Artist,Album,Song,nan,", "time", "nan"),
    ("1,Artist,Album,Song,0,", "time", "0"),
    ("1,Artist,Album,Song,-1548928801,", "time", "-1548928801"),
    ("1,Artist,Album,Song,4102444800,", "time", "4102444800"),
    ("1,Artist,Album,Song,15489288010000000000000000000,", "time", "15489288010000000000000000000"),
    ("1,Artist,Album,Song,yesterday,", "time", "yesterday"),
    ("1,Artist,Album", "", "1,Artist,Album"),
    ("1,Artist,Album,So,ng,1548928801,", "", "1,Artist,Album,So,ng,1548928801,"),
    ('1,"Artist,Album,Song,1548928801,', "", '1,"Artist,Album,Song,1548928801,'),
    ('1,"Art"ist",Album,Song,1548928801,', "", '1,"Art"ist",Album,Song,1548928801,'),
    (" ", "", " "),
]


def test_a_damaged_line_is_rejected_with_its_number_column_and_value(tmp_path, embedded):
    said, rejects = read(tmp_path, embedded, HEADER, LINE, *(text for text, _, _ in DAMAGED), "", NEXT)
    assert rejects == [(n, column, value) for n, (_, column, value) in enumerate(DAMAGED, 3)]
    assert [n for n, *_ in said] == [2, len(DAMAGED) + 4]


def test_quoted_values_hold_commas_and_quotes(tmp_path, embedded):
    said, rejects = read(tmp_path, embedded, HEADER, '0,"Earth, Wind & Fire","All ""N"" All",\'t Is,1548928800,')
    assert (said, rejects) == ([(2, "earth, wind & fire\t't is", 'all "n" all · earth, wind & fire', TEN)], [])


def test_bytes_that_are_not_utf8_are_rejected_with_their_line(tmp_path, embedded):
    path = written(tmp_path, HEADER, LINE, LINE.replace("Song", "?"), NEXT)
    path.write_bytes(path.read_bytes().replace(b"?", b"\xff"))
    piece, plays = piece_of(path, embedded)
    assert ([p["source_row"] for p in plays], [reject[1] for reject in piece.rejects]) == ([2, 4], [3])


def test_a_play_told_twice_is_rejected_and_one_of_the_same_second_is_kept(tmp_path, embedded):
    piece, plays = piece_of(written(tmp_path, HEADER, LINE, LINE.replace("Song", "b"), LINE.upper()), embedded)
    assert [(p["source_row"], p["asked"]) for p in plays] == [(2, 1), (3, 0)]
    assert [reject[1:] for reject in piece.rejects] == [
        (4, "time", "2019-01-31T10:00:00+00:00", "same play as line 2 of anna.csv")
    ]


UNKNOWN = ("Titel,Künstler,Wann", "Song,Artist,1548928800", "Other,Artist,1548929100")
WIDE = ("a,Artist,b,Song,c,d,1548928800",)


@pytest.mark.parametrize(
    ("lines", "columns", "tracks"),
    [
        (UNKNOWN, "artist=2,track=1,time=3", ["artist\tsong", "artist\tother"]),
        (UNKNOWN, "time=Wann, artist = Künstler, track=Titel", ["artist\tsong", "artist\tother"]),
        (UNKNOWN[1:], "artist=2,track=1,time=3", ["artist\tsong", "artist\tother"]),
        (WIDE, "artist=2,track=4,time=7,album=3", ["artist\tsong"]),
        ((HEADER, LINE), "artist=2,track=3,time=5", ["artist\talbum"]),
    ],
)
def test_columns_can_be_given_by_number_or_by_name(tmp_path, embedded, lines, columns, tracks):
    piece, plays = piece_of(written(tmp_path, *lines), embedded, columns=columns)
    assert ([p["track"] for p in plays], list(piece.rejects)) == (tracks, [])
    assert [note.endswith("(as given)") for note in piece.notes] == [True]


HOW = "say so by number or name, such as --columns artist=2,album=3,track=4,time=1 (album may be left out)"


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        (UNKNOWN, "1 'Titel', 2 'Künstler', 3 'Wann'"),
        (WIDE, "1 'a', 2 'Artist', 3 'b', 4 'Song', 5 'c', 6 'd', 7 '1548928800'"),
    ],
)
def test_where_columns_cannot_be_told_it_says_what_is_there_and_how_to_say_it(tmp_path, lines, seen):
    with pytest.raises(AskedWrongly) as refused:
        ingest("scrobbles", [written(tmp_path, *lines)], tmp_path / "out")
    assert (
        str(refused.value) == f"anna.csv: which columns are artist, track and time cannot be told (seen: {seen}); {HOW}"
    )


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("artist=2,track=4", "expected artist, track and time"),
        (
            "artist=2,track=4,time=9",
            "no column '9' (seen: 1 '', 2 'artist', 3 'album', 4 'track', 5 'timestamp', 6 'datetime')",
        ),
        ("artist=2,track=4,time=0", "no column '0' (seen: "),
        ("artist=2,track=4,time=when", "no column 'when' (seen: "),
        ("artist=2,track=4,time=5,artist=3", "'artist=3' is not understood"),
        ("artist=2,track=4,when=5", "'when=5' is not understood"),
        ("2,4,5", "'2' is not understood"),
        ("artist=,track=4,time=5", "'artist=' is not understood"),
    ],
)
def test_columns_that_are_not_there_are_refused(tmp_path, embedded, columns, said):
    with pytest.raises(AskedWrongly) as refused:
        piece_of(written(tmp_path, HEADER, LINE), embedded, columns=columns)
    assert str(refused.value).startswith(f"--columns {columns}: {said}")
    assert str(refused.value).endswith(HOW)


def test_each_file_is_one_persons_and_called_by_its_name(tmp_path):
    for name in ("a/anna.csv", "b/anna.csv", "ben.tsv"):
        written((tmp_path / name).parent, HEADER, LINE, name=name.rpartition("/")[2])
    path = written(tmp_path, HEADER, LINE, name="cleo.CSV")
    (tmp_path / "cleo.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    units, _ = scrobbles.units(find([tmp_path]))
    here = tmp_path.name
    assert [unit.name for unit in units] == [
        "a/anna",
        "b/anna",
        f"{here}/ben",
        f"{here}/cleo.CSV",
        f"{here}/cleo.csv.gz",
    ]


OTHERS = {
    "lastfm1k": "user_000001\t2009-05-04T10:00:00Z\t\tArtist\t\tSong",
    "json": '{"artist": "a", "track": "b", "time": 1}',
    "list": '[{"ts": "2009-05-04T10:00:00Z", "x": 1, "y": 2}]',
    "mssd": "session_id,session_position,session_length,track_id_clean,hour_of_day,date\ns1,1,2,t,16,2018-07-15",
    "text": "Dear diary,\n2009-05-04T10:00:00Z I heard a song, and another, by an artist.",
    "prices": "a,b,c\n1,2,3\n4,5,6",
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_something_else_is_passed_over(tmp_path, other):
    written(tmp_path, OTHERS[other], name="other.csv")
    units, passed_over = scrobbles.units(find([tmp_path]))
    assert (units, len(passed_over)) == ([], 1)


def test_the_counts_of_a_real_export_add_up_to_its_lines(data, tmp_path):
    folder = data / "scrobbles"
    library = ingest("scrobbles", [folder], tmp_path / "out")
    with (folder / "listener_e.csv").open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    named = [row for row in rows if row["artist"].strip() and row["track"].strip()]
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"]) == (len(rows), len(named))
    assert sum(counts["rejected"].values()) == len(rows) - len(named)
    (plays,) = library.plays(["start_ms", "album"])
    assert sorted(plays["start_ms"].to_pylist()) == sorted(1000 * int(row["timestamp"]) for row in named)
    assert plays["album"].null_count == sum(not row["album"] for row in named)
    assert counts["not_asked"] == len(named) - len({row["timestamp"] for row in named})
