"""What befalls logs of JSON records: values, keys, clocks, nesting; and tables in Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damages_of_files import TWICE, _twice
from damaging import KEPT, REFUSED, REJECTED, Damage, Make, cut, log_of, noise, packed, records, spoilt, value, values

DIGITS = {"@@": "9" * 5000}  # what is put in where a record has the text @@
NO_TEXT = [1, -1, 1.5, True, [], {}, ["x"], {"x": 1}, "\ud800", "x\udfff"]
NO_FLAG = ["true", 2, -1, "", [], {}, 0.5]
NO_TIME_HEARD = [
    -1,
    604_800_001,
    2**64,
    1.5,
    1e3,
    True,
    None,
    "1000",
    [],
    {},
    float("nan"),
    float("inf"),
    -float("inf"),
    ...,
]
BREAKS, WITHIN = "the file ends or breaks inside this record", "was read on from the next whole one"
CLOCKS = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", "2032-02-29T10:00:00Z",
          "2099-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
          "2019-02-29T10:00:00Z",
          "-001-01-01T00:00:00Z", "", "x", None, 1548928800, [], {}, True, ..., "2018-01-01T00:00:00+99:99"]  # fmt: skip
MINUTES = ["0001-01-01 00:00", "1969-12-31 23:59", "1970-01-01 00:00", "1970-01-02 00:00", "2032-02-29 10:00", "2099-12-31 23:59",
           "2100-01-01 00:00", "9999-12-31 23:59", "2019-02-29 10:00", "2018-01-01 25:00", "", "x", None, 1548928800, [], {}, True,
           ..., "2018-01-01 10:00:00"]  # fmt: skip


def raw(change: Callable[[str], str]) -> Make:
    """Another text of the whole file."""

    def make(folder: Path) -> None:
        log = log_of(folder)
        log.write_text(change(log.read_text(encoding="utf-8")), encoding="utf-8", errors="surrogateescape")

    return make


def _put(n: int, text: str) -> Make:
    def make(folder: Path) -> None:
        records(lambda all_records: all_records.insert(n, "@@"))(folder)  # type: ignore[arg-type]
        raw(lambda whole: whole.replace('"@@"', text))(folder)

    return make


def _common(source: str, n: int, title: str) -> list[Damage]:
    """What is the same for each JSON list of plays, of which there are so many; `title` is what a play calls its track."""
    made = [
        ("a list cut short", spoilt(log_of, cut(0.5)), REJECTED, BREAKS, 1, n - HALF[source]),
        ("a list that does not close", raw(lambda t: t.rstrip()[:-1]), REJECTED, "the list is not closed", 1, 0),
        ("a comma lost", raw(lambda t: t.replace("},", "}", 1)), KEPT, "", 0, 0),
        ("a comma too many", raw(lambda t: t.rstrip()[:-1] + ",]"), KEPT, "", 0, 0),
        ("text below the list", raw(lambda t: t + "[]"), REJECTED, "below the end of the list", 1, 0),
        ("zeros below the list", raw(lambda t: t + "\0" * 5000), REJECTED, "below the end of the list", 1, 0),
        ("no records", raw(lambda t: "[]"), REFUSED, "expected", 0, 0),
        ("an object where a list is wanted", raw(lambda t: json.dumps({"plays": json.loads(t)})), REFUSED, "expected", 0, 0),
        ("a list in a list", raw(lambda t: f"[{t}]"), REJECTED, "expected a record", 1, n),
        ("things that are no records", _put(3, '1, "x", null, [], [{}], true, 1e400, NaN'),
            REJECTED, "expected a record", 8, 0),
        ("records of nothing", _put(3, "{}, {}"), REJECTED, "expected a UTC", 2, 0),
        ("bytes that are not UTF-8", raw(lambda t: t.replace("Song", "So\udcffng", 1)),
            REJECTED, "is not UTF-8", 1, NAMED[source]),
        ("3,000 bytes of noise between records", _noisy, REJECTED, WITHIN, 2, 1 + NAMED[source]),
        ("nested 100,000 deep", _put(3, "[" * 100_000 + "]" * 100_000), REJECTED, WITHIN, 1, 1 + 2 * NAMED[source]),
        ("objects 100,000 deep", _put(3, '{"a":' * 100_000 + "1" + "}" * 100_000), REJECTED, WITHIN, 1, 0),
        ("nested deep, not closed", _put(3, "[" * 100_000), REJECTED, WITHIN, 1, 1 + 2 * NAMED[source]),
        ("a quote lost", raw(lambda t: t.replace('": "Song', '": Song', 1)), REJECTED, WITHIN, 1, 1),
        ("keys twice", raw(lambda t: t.replace("{", '{"ms_played": -1, "msPlayed": -1, ', 1)), KEPT, "", 0, 0),
        ("a number of 5,000 digits beside", value("x", "@@", **DIGITS), KEPT, "", 0, 0),
        ("half a character beside", value("x", "\ud800"), KEPT, "", 0, 0),
        ("a byte 0 written out", raw(lambda t: t.replace("Song", "So\0ng", 1)), REJECTED, WITHIN, 1, 1),
        ("a title of 1 MB", value(title, "x" * 1_000_000), KEPT, "", 0, 0),
        ("a title of 50 MB", value(title, "x" * 50_000_000), REJECTED, "goes on for more than", 1, 1 + 2 * NAMED[source]),
        ("titles that are none", values(title, NO_TEXT), REJECTED, "expected", 10, 10 + NAMED[source]),
        ("control characters", values(title, ["\x1b[31mred", "a\nb", "a\0b", "\u202e"]), KEPT, "", 0, 4 * NAMED[source]),
        ("records twice", records(lambda r: r.extend([dict(r[0]), dict(r[1])])), REJECTED, "same play", 2, 0),
        ("the same log twice, once as .gz", _twice, REJECTED, TWICE[source][1], n, 0),
    ]  # fmt: skip
    # account data has no order within a minute but one by chance, which a neighbour's loss may change
    moved = dict.fromkeys(
        ("3,000 bytes of noise between records", "titles that are none", "bytes that are not UTF-8"), 1
    )
    moved |= dict.fromkeys(("nested 100,000 deep", "nested deep, not closed", "a title of 50 MB"), 2)
    moved |= {"a title of 1 MB": 0, "control characters": 4}
    own_podcast = {"a list cut short": -1, "a list in a list": -1, "the same log twice, once as .gz": 1}
    return [Damage(name, make, outcome, says, n_bad, source, lost=lost, new=NAMED[source] * moved.get(name, 0),
                   aside=0 if NAMED[source] else own_podcast.get(name, 0))
            for name, make, outcome, says, n_bad, lost in made]  # fmt: skip


HALF = {"spotify_history": 45, "spotify_account": 22}
NAMED = {"spotify_history": 0, "spotify_account": 1}  # whether a track goes by its title


def _noisy(folder: Path) -> None:
    log = log_of(folder)
    sound = log.read_bytes()
    at = sound.index(b"},", len(sound) // 2) + 2
    log.write_bytes(sound[:at] + noise(3000) + sound[at:])


HISTORY = [
    *_common("spotify_history", 90, "master_metadata_track_name"),
    *(Damage(name, make, outcome, says, n, "spotify_history", lost=lost, new=new, aside=aside)
      for name, make, outcome, says, n, lost, new, aside in (
        ("clocks of all times", values("ts", CLOCKS), REJECTED, "expected a UTC time", 17, 20, 3, 0),
        ("a clock of 5,000 digits", value("ts", "@@", **DIGITS), REJECTED, "expected a UTC time", 1, 1, 0, 0),
        ("times heard that are none", values("ms_played", NO_TIME_HEARD), REJECTED, "expected milliseconds", 14, 14, 0, 0),
        ("a time heard of 5,000 digits", value("ms_played", "@@", **DIGITS), REJECTED, "expected milliseconds", 1, 1, 0, 0),
        ("stamps of all times", values("offline_timestamp", [0, -1, 1, 1e300, -1e300, 2**62, 2**63, 2**64, 1.5, 1532189012.5,
        None, ...,
            float("nan"), float("inf"), "1532189012", [], {}, True]),
                REJECTED, "expected seconds or milliseconds", 10, 18, 8, 0),
        ("uris that are none", values("spotify_track_uri", NO_TEXT), REJECTED, "expected a text or null", 10, 10, 0, 0),
        ("uris that are not there", values("spotify_track_uri", [None, "", ...]), KEPT, "", 0, 3, 0, 3),
        ("artists that are none", values("master_metadata_album_artist_name", NO_TEXT), REJECTED, "expected", 10, 10, 0, 0),
        ("reasons that are none", values("reason_end", NO_TEXT), REJECTED, "expected", 10, 10, 0, 0),
        ("reasons that nobody knows", values("reason_start", ["", "unknown", None, ..., "☃", "x" * 100_000]),
            KEPT, "", 0, 6, 6, 0),
        ("flags that are none", values("shuffle", NO_FLAG), REJECTED, "expected true, false or null", 7, 7, 0, 0),
        ("devices that are none", values("platform", NO_TEXT), REJECTED, "expected", 10, 10, 0, 0),
      )),
]  # fmt: skip
ACCOUNT = [
    *_common("spotify_account", 45, "trackName"),
    *(Damage(name, make, outcome, says, n, "spotify_account", lost=lost, new=new, aside=aside)
      for name, make, outcome, says, n, lost, new, aside in (
        ("clocks of all times", values("endTime", MINUTES), REJECTED, "expected a UTC minute", 16, 20, 4, 0),
        ("times heard that are none", values("msPlayed", NO_TIME_HEARD), REJECTED, "expected milliseconds", 14, 15, 1, 0),
        ("artists that are none", values("artistName", [*NO_TEXT, None, "", " ", ...]), REJECTED, "expected", 14, 15, 1, 0),
        ("titles that are not there", values("trackName", [None, "", " "]), REJECTED, "expected a name", 3, 4, 1, 0),
        ("no title and a podcast", records(lambda r: r.append({"endTime": 1, "podcastName": []})), KEPT, "", 0, 0, 0, 1),
      )),
]  # fmt: skip


# tables in Parquet


def _rows(n: int = 40) -> dict[str, list[Any]]:
    return {"user": ["u"] * n, "track": [f"t{i % 7}" for i in range(n)], "played_at": [1_532_000_000 + 300 * i for i in range(n)],
            "skipped": [i % 2 for i in range(n)]}  # fmt: skip


def parquet(change: Callable[[dict[str, list[Any]]], object] = lambda rows: None, **kinds: str) -> Make:
    """A Parquet file in the log's place."""

    def make(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        log_of(folder).unlink()
        rows: dict[str, list[Any]] = _rows()
        change(rows)
        table = pa.table({name: pa.array(column, kinds.get(name)) for name, column in rows.items()})
        pq.write_table(table, folder / "plays.parquet")

    return make


def _bomb_of_parquet(folder: Path) -> None:
    """4 million rows of one value in some kB."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    log_of(folder).unlink()
    n = 1_000_000
    block = pa.table(
        {"user": pa.array(["u"] * n), "track": pa.array(["t"] * n), "played_at": pa.array([1_532_000_000] * n)}
    )
    with pq.ParquetWriter(folder / "plays.parquet", block.schema) as out:
        for _ in range(4):
            out.write_table(block)


def _put_at(column: str, given: list[Any]) -> Callable[[dict[str, list[Any]]], None]:
    def change(rows: dict[str, list[Any]]) -> None:
        rows[column][3 : 3 + len(given)] = given

    return change


def _whole(folder: Path) -> Path:
    parquet()(folder)
    return folder / "plays.parquet"


_PLAYS = 85  # of the sound log, in whose place it stands
IN_PARQUET = [
    Damage(f"Parquet: {name}", make, outcome, says, n, "tables", lost=_PLAYS, new=new)
    for name, make, outcome, says, n, new in (
        ("sound", parquet(), KEPT, "", 0, 40),
        ("cut short", spoilt(_whole, cut(0.7)), REFUSED, "write it again", 0, 0),
        ("a wrong byte at its end", spoilt(_whole, lambda b: b[:-6] + bytes([b[-6] ^ 0x55]) + b[-5:]),
            REFUSED, "write it again", 0, 0),
        ("a wrong byte in its pages", spoilt(_whole, lambda b: b[:40] + bytes(20) + b[60:]),
            REFUSED, "cannot be read as Parquet", 0, 0),
        ("nothing but its first bytes", spoilt(_whole, lambda b: b[:4]), REFUSED, "write it again", 0, 0),
        ("packed with gzip", lambda f: (_whole(f), packed(f)), KEPT, "", 0, 40),
        ("no rows", parquet(lambda rows: [column.clear() for column in rows.values()], track="string", user="string",
            played_at="int64", skipped="int64"), KEPT, "", 0, 0),
        ("clocks of all times", parquet(_put_at("played_at", [-(2**63), -1, 0, 2**31, 2**63 - 1, None])), REJECTED,
            "expected a UTC time", 5, 35),
        ("clocks as broken numbers", parquet(lambda rows: rows.update(played_at=[float("nan"), float("inf"), -1e300, *map(float,
            rows["played_at"][3:])])), REJECTED, "expected a UTC time", 3, 37),
        ("lists as tracks", parquet(lambda rows: rows.update(track=[["t"]] * 40)), KEPT, "", 0, 40),
        ("bytes as tracks", parquet(lambda rows: rows.update(track=[b"\xff\xfe"] * 40)), KEPT, "", 0, 40),
        ("skips that are none", parquet(_put_at("skipped", [2, -1, None])), REJECTED, "expected true or false", 2, 38),
        ("rows twice", parquet(lambda rows: [column.extend(column[:5]) for column in rows.values()]),
            REJECTED, "same play", 5, 40),
        ("control characters", parquet(_put_at("track", ["\x1b[31m", "a\nb", "\0"])), KEPT, "", 0, 40),
        ("no column of times", parquet(lambda rows: rows.pop("played_at")), REFUSED, "no column says when a play began", 0, 0),
        ("4 million rows in some kB", _bomb_of_parquet, REFUSED, "times its size", 0, 0),
    )
]  # fmt: skip


# mpd: an object that holds a list of playlists; `tracks.3` is the fourth of its tracks

_URI = "expected a uri such as spotify:track:…"


def tracks(name: str, given: list[Any], **texts: str) -> Make:
    """Other values in some tracks, from the fourth on."""

    def change(playlists: list[dict[str, Any]]) -> None:
        every = [track for playlist in playlists for track in playlist["tracks"]]
        for track, one in zip(every[3:], given, strict=False):
            if one is ...:
                del track[name]
            else:
                track[name] = one

    return records(change, **texts)


def _first_playlist(change: Callable[[dict[str, Any]], object]) -> Make:
    return records(lambda playlists: change(playlists[0]))


SLICES = [
    Damage(name, make, outcome, says, n, "mpd", lost=lost, new=new, aside=aside)
    for name, make, outcome, says, n, lost, new, aside in (
        ("a slice cut short", spoilt(log_of, cut(0.5)), REJECTED, BREAKS, 1, 86, 0, 0),
        ("an object that does not close", raw(lambda t: t.rstrip()[:-1]), REJECTED, "is not closed", 1, 0, 0, 0),
        ("text below the end", raw(lambda t: t + "[]"), REJECTED, "below the end of the object", 1, 0, 0, 0),
        ("no playlists", raw(lambda t: '{"info": {"slice": "0-9"}, "playlists": []}'), KEPT, "", 0, 140, 0, 0),
        ("playlists that are none", raw(lambda t: '{"info": {"slice": "0-9"}, "playlists": {}}'),
            REFUSED, "looks like mpd", 0, 0, 0, 0),
        ("a list where an object is wanted", raw(lambda t: f"[{t}]"), REFUSED, "looks like mpd", 0, 0, 0, 0),
        ("things that are no playlists", _put(3, '1, "x", null, [], true, 1e400, NaN'),
            REJECTED, "expected a record", 7, 0, 0, 0),
        ("playlists of nothing", _put(3, '{}, {"pid": 999}, {"pid": 998, "tracks": []}'),
            REJECTED, "expected a list of tracks", 2, 0, 0, 0),
        ("bytes that are not UTF-8", raw(lambda t: t.replace("Song", "So\udcffng", 1)), REJECTED, "is not UTF-8", 1, 0, 0, 0),
        ("nested 100,000 deep", _put(3, "[" * 100_000 + "]" * 100_000), REJECTED, WITHIN, 1, 5, 0, 0),
        ("objects 5,000 deep in what is not read", raw(lambda t: t.replace('"v1"', '{"a":' * 5_000 + "1" + "}" * 5_000, 1)),
            REJECTED, BREAKS, 1, 140, 0, 0),
        ("a title of 50 MB", tracks("track_name", ["x" * 50_000_000]), REJECTED, "goes on for more than", 1, 140, 0, 0),
        ("a title of 1 MB", tracks("track_name", ["x" * 1_000_000]), KEPT, "", 0, 0, 0, 0),
        ("titles that are none", tracks("track_name", [1, 1.5, True, [], {}]), REJECTED, "expected a text or null", 5, 5, 0, 0),
        ("half characters", tracks("track_name", ["\ud800", "x\udfff"]), KEPT, "", 0, 0, 0, 0),
        ("control characters", tracks("track_name", ["\x1b[31mred", "a\nb", "a\0b"]), KEPT, "", 0, 0, 0, 0),
        ("uris that are none", tracks("track_uri", [1, None, "", "x", [], {}, True, ..., "spotify:track:", "spotify:track:\ud800"]),
            REJECTED, _URI, 10, 10, 0, 0),
        ("files of one's own and podcasts", tracks("track_uri", ["spotify:local:a:b:c:1", "spotify:episode:x"]),
            KEPT, "", 0, 2, 0, 2),
        ("places that are none", tracks("pos", [-1, 2**31, 2**64, 1.5, True, None, "3", [], {}, float("nan"), ...]), REJECTED,
            "expected a whole number from 0", 11, 11, 0, 0),
        ("a place twice", tracks("pos", [0, 1]), REJECTED, "position repeats", 2, 2, 0, 0),
        ("a place of 5,000 digits", tracks("pos", ["@@"], **DIGITS), REJECTED, "expected a whole number", 1, 1, 0, 0),
        ("durations that are none", tracks("duration_ms", [-1, 1e300, "x", [], True, float("nan"), ...]), KEPT, "", 0, 0, 0, 0),
        ("tracks that are none", _first_playlist(lambda p: p["tracks"].extend([1, None, "x", [], {}])),
            REJECTED, "", 5, 0, 0, 0),
        ("an id that is none", _first_playlist(lambda p: p.update(pid="0")),
            REJECTED, "expected the playlist's id", 7, 7, 0, 0),
        ("an id beyond 64 bit", _first_playlist(lambda p: p.update(pid=2**64)),
            REJECTED, "expected the playlist's id", 7, 7, 0, 0),
        ("an id of NaN", _first_playlist(lambda p: p.update(pid=float("nan"))),
            REJECTED, "expected the playlist's id", 7, 7, 0, 0),
        ("no list of tracks", _first_playlist(lambda p: p.update(tracks={})),
            REJECTED, "expected a list of tracks", 1, 7, 0, 0),
        ("a playlist twice", records(lambda all_of: all_of.append(dict(all_of[0]))), REJECTED, "same playlist", 7, 0, 0, 0),
        ("a name that is none", _first_playlist(lambda p: p.update(name=[1], num_tracks="x")), KEPT, "", 0, 0, 0, 0),
        ("the challenge's playlists", lambda f: raw(lambda t: t.replace('"num_edits"', '"num_holdouts"'))(f),
            REFUSED, "held out", 0, 0, 0, 0),
        ("the same slice twice, once as .gz", _twice, REJECTED, TWICE["mpd"][1], 140, 0, 0, 0),
    )
]  # fmt: skip
OF_RECORDS = [*HISTORY, *ACCOUNT, *IN_PARQUET, *SLICES]
