"""What befalls logs of a row a line: cells, lines, headers, clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from damages_of_files import TWICE, _twice
from damaging import (
    KEPT,
    REFUSED,
    REJECTED,
    Damage,
    beside,
    cell,
    cells,
    lines,
    log_of,
    noise,
    packed,
    spoilt,
    value,
    values,
)

_NUMBER = "expected a whole number"
_POSITION = "expected a position from 1 to session_length"
_UTC = "expected a UTC time from 1990 on"
LONG = "é" * 500_000  # 1 MB


def _interleaved(rows: list[str]) -> list[str]:
    return [rows[0], *rows[1::2], *rows[2::2]]


def _two_files(folder: Path) -> None:
    """The same session in two files that begin otherwise."""
    log = log_of(folder)
    rows = log.read_text().splitlines(keepends=True)
    log.with_name("log_1_20180716_000000000000.csv").write_text("".join([rows[0], *rows[:1:-1]]))


def _many_bad(rows: list[str]) -> list[str]:
    parts = [row.split(",") for row in rows]
    return [",".join([c[0], "x", *c[2:]]) if n % 2 else rows[n] for n, c in enumerate(parts)]


def _disagreeing(rows: list[str]) -> list[str]:
    parts = rows[3].split(",")
    return [*rows[:3], ",".join([*parts[:2], str(int(parts[2]) + 1), *parts[3:]]), *rows[4:]]


def _ends_early(folder: Path) -> None:
    """The last line without its end, and half of it gone."""
    log = log_of(folder)
    log.write_bytes(log.read_bytes()[:-30])


def _no_last_end(folder: Path) -> None:
    log = log_of(folder)
    log.write_bytes(log.read_bytes().rstrip(b"\n"))


def _long_line(n_bytes: int) -> Callable[[Path], None]:
    """A line that is far too long among the others."""

    def make(folder: Path) -> None:
        log = log_of(folder)
        rows = log.read_bytes().splitlines(keepends=True)
        with log.open("wb") as out:
            out.writelines(rows[:3])
            for _ in range(n_bytes // 1_000_000):
                out.write(b"x" * 1_000_000)
            out.write(b"\n")
            out.writelines(rows[3:])

    return make


def more(row: str, at: int = 3) -> Callable[[list[str]], list[str]]:
    return lambda rows: [*rows[:at], row, *rows[at:]]


MSSD = [
    Damage("bytes that are not UTF-8", cell("track_id_clean", "t_\udcff"), REJECTED, "not UTF-8", 1),
    Damage("a row with a cell too few", lines(lambda r: [*r[:3], r[3].rsplit(",", 1)[0], *r[4:]]), REJECTED, "too few", 1),
    Damage("a row with a cell too many", lines(lambda r: [*r[:3], r[3] + ",x", *r[4:]]), REJECTED, "too many columns", 1),
    Damage("a quote that does not close", cell("context_type", '"radio'), REJECTED, "a quote is not closed", 1),
    Damage("a quoted cell", cell("context_type", '"radio"'), KEPT),
    Damage("line ends of an old Mac", lines(end="\r"), KEPT),
    Damage("blank lines", lines(lambda r: [*r[:3], "", "", *r[3:], ""]), KEPT),
    Damage("a context that nobody knows", cell("context_type", "moodlist ☃"), KEPT),
    Damage("position 0", cell("session_position", "0"), REJECTED, _POSITION, 1),
    Damage("position 99", cell("session_position", "99"), REJECTED, _POSITION, 1),
    Damage("position nan", cell("session_position", "nan"), REJECTED, _NUMBER, 1),
    Damage("position inf", cell("session_position", "inf"), REJECTED, _NUMBER, 1),
    Damage("position 1e5", cell("session_position", "1e5"), REJECTED, _POSITION, 1),
    Damage("position of 400 digits", cell("session_position", "9" * 400), REJECTED, _NUMBER, 1),
    Damage("a count beyond 64 bit", cell("hist_user_behavior_n_seekfwd", str(2**64)), REJECTED, _NUMBER, 1),
    Damage("a clock of 1969", cell("date", "1969-12-31"), KEPT),
    Damage("a clock of 2032", cell("date", "2032-01-01"), KEPT),
    Damage("a clock of the year 1", cell("date", "0001-01-01"), KEPT),
    Damage("a clock of the year 9999", cell("date", "9999-12-31"), KEPT),
    Damage("a date that is none", cell("date", "2018-02-30"), REJECTED, "expected a date", 1),
    Damage("a row twice", lines(lambda r: [*r[:4], r[3], *r[4:]]), REJECTED, "position repeats", 1, lost=0),
    Damage("a session of two lengths", lines(_disagreeing), REJECTED, "session_length differs", 1),
    Damage("sessions torn apart", lines(_interleaved), KEPT),
    Damage("the header again, in the middle", lines(lambda r: [*r[:9], r[0], *r[9:]]), REJECTED, _NUMBER, 1, lost=0),
    Damage("a byte 0", cell("context_type", "ra\0dio"), KEPT),
    Damage("a name of 1 MB", cell("track_id_clean", LONG), KEPT, new=1, lost=1),
    Damage("a line of 3 MB", cell("context_type", "x" * 3_000_000), REJECTED, "the line is too long", 1),
    Damage("a line of 3 MB among quotes", lines(more(f'"{"x" * 3_000_000}')), REJECTED, "too long", 1, lost=0),
    Damage("a line of 200 MB", _long_line(200_000_000), REJECTED, "too long", 1, lost=0, is_slow=True),
    Damage("every second row is wrong", lines(_many_bad), REJECTED, _NUMBER, 72),
    Damage("the last line cut short", _ends_early, REJECTED, "too few", 1),
    Damage("no line end at the end", _no_last_end, KEPT),
    Damage("nothing but a header", lines(lambda r: r[:1]), KEPT, lost=144),
    Damage("no header", lines(lambda r: r[1:]), REFUSED, "looks like mssd"),
    Damage("a column of the header twice", lines(lambda r: [r[0] + ",date", *(x + ",1" for x in r[1:])]), REFUSED, "twice"),
    Damage("semicolons", lines(lambda r: [x.replace(",", ";") for x in r]), REFUSED, "looks like mssd"),
    Damage("a session in two files", _two_files, REFUSED, "give each log once"),
]  # fmt: skip

# clocks: a source of UTC starts keeps what lies from 1990 to 2099, and one of numbers takes large ones for milliseconds
SECONDS = ["-1", "0", "315532800", "1234567890", "1972700000", "2147483648", "4102444800", "253402300800", "-62135596800",
           "1234567890123", "1234567890.5", "1e9", "inf", "nan", "9" * 400, "1.234.567", "", "0x1234"]  # fmt: skip
TEXTS = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1989-12-31T23:59:59Z", "1990-01-01T00:00:00Z", "2032-02-29T10:00:00Z",
         "2099-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2019-02-29T10:00:00Z", "2018-01-01T25:00:00Z",
         "-001-01-01T00:00:00Z", "2018-01-01", "\u0662\u0660\u0661\u0668-01-01T00:00:00Z"]  # fmt: skip


N_NOISY = 48  # lines of it


def _common(source: str, delimiter: str, title: int, clock: int, wrong: str, n_sound: int) -> list[Damage]:
    """What is the same for every log of delimited rows with a title and a clock, by the columns these stand in."""
    damage: Callable[..., Damage] = partial(Damage, source=source)
    at: Callable[..., Callable[[Path], object]] = partial(cell, delimiter=delimiter)
    by_name = source == "scrobbles"  # a track goes by its title; elsewhere by an id
    return [
        damage("bytes that are not UTF-8", at(title, "S\udcff\udcfe"), REJECTED, "UTF-8", 1),
        damage("a row with a cell too few", lines(lambda r: [*r[:3], r[3].rsplit(delimiter, 1)[0], *r[4:]]),
            REJECTED, "too few", 1),
        damage("a row with a cell too many", lines(lambda r: [*r[:3], r[3] + delimiter + "x", *r[4:]]),
            REJECTED, "too many columns", 1),
        damage("blank lines", lines(lambda r: [*r[:3], "", "", *r[3:], ""]), KEPT),
        damage("rows twice", lines(lambda r: [*r[:4], r[3], *r[4:], r[4]]), REJECTED, "same play", 2, lost=0),
        damage("a line of 3 MB", lines(more("x" * 3_000_000)),
            REJECTED, "too long" if source == "tables" else "longer than", 1, lost=0),
        damage("a line of 200 MB", _long_line(200_000_000), REJECTED, "", 1, lost=0, is_slow=True),
        damage("10 kB of noise among the lines", spoilt(log_of, _noisy), REJECTED, "", N_NOISY, lost=0),
        damage("no line end at the end", _no_last_end, KEPT),
        damage("a byte 0 in a name", at(title, "So\0ng"), KEPT, new=by_name, lost=by_name),
        damage("a name of 1 MB", at(title, LONG), KEPT, lost=by_name,
               new=by_name),
        damage("a name of control characters", at(title, "\x1b[31mred\x07\x7f\u202e\x85"), KEPT, new=by_name, lost=by_name),
        damage("a clock of nowhere", at(clock, "yesterday"), REJECTED, wrong, 1),
        damage("the same log twice, once as .gz", _twice, *TWICE[source], n=n_sound if TWICE[source][0] == REJECTED else 0,
               lost=0),
    ]  # fmt: skip


def _noisy(raw: bytearray) -> bytes:
    at = raw.index(b"\n", len(raw) // 2) + 1
    return bytes(raw[:at]) + noise(10_000).replace(b"\r", b"") + b"\n" + bytes(raw[at:])


COLUMNS = {"columns": "artist=2,album=3,track=4,time=5"}
CSV_QUOTES = [
    Damage(name, make, outcome, says, n, source=source,
           lost=0 if source == "tables" and not n else n if source == "tables" else lost, new=0 if source == "tables" else new)
    for source, column in (("scrobbles", 3), ("tables", 4))
    for name, make, outcome, says, n, lost, new in (
        ("a quote that does not close", cell(column, '"Song'), REJECTED, "", 1, 1, 0),
        ("a quoted cell with a comma", cell(column, '"Song, the"'), KEPT, "", 0, 1, 1),
        ("a quote within a cell", cell(column, 'So"ng'), KEPT, "", 0, 1, 1),
        ("every second quote is lost", cells(column, ['"Song', "Song", '"Song', "Song"]), REJECTED, "", 2, 4, 2),
    )
]  # fmt: skip
STARTS = [
    *_common("lastfm1k", "\t", 5, 1, _UTC, 173),
    *_common("scrobbles", ",", 3, 4, _UTC, 40),
    *_common("tables", ",", 4, 5, _UTC, 85),
    *CSV_QUOTES,
    Damage("line ends of an old Mac", lines(end="\r"), REFUSED, "as on an old Mac", source="lastfm1k"),
    Damage("line ends of an old Mac", lines(end="\r"), REFUSED, "as on an old Mac", source="scrobbles"),
    Damage("line ends of an old Mac", lines(end="\r"), KEPT, source="tables"),
    Damage("clocks of all times", cells(1, TEXTS, delimiter="\t"), REJECTED, _UTC, 10, source="lastfm1k", lost=13, new=3),
    Damage("clocks of all times", cells(4, TEXTS), REJECTED, _UTC, 10, source="scrobbles", lost=13, new=3,
           options=COLUMNS),
    Damage("clocks of all times", cells(5, TEXTS), REJECTED, _UTC, 10, source="tables", lost=13, new=3),
    Damage("clocks that are odd numbers", cells(4, SECONDS), REJECTED, _UTC, 12, source="scrobbles", lost=18, new=6,
           options=COLUMNS),
    Damage("clocks that are odd numbers", cells(5, SECONDS), REJECTED, _UTC, 12, source="tables", lost=18, new=6),
    Damage("ids that are none", cells(4, ["x", "0" * 36, "\0"], delimiter="\t"), REJECTED, "expected a MusicBrainz id", 3,
           source="lastfm1k"),
    Damage("a listener torn apart", lines(lambda r: [r[-1], *r[:-1]]), KEPT, source="lastfm1k"),
    Damage("a listener in two files", lambda f: log_of(f).with_name("z.tsv").write_bytes(log_of(f).read_bytes()[:500]), REFUSED,
           "is in", source="lastfm1k"),
    Damage("nobody's play", cell(0, " ", delimiter="\t"), REJECTED, "expected a listener's id", 1, source="lastfm1k"),
    Damage("no artist, no title", lines(lambda r: [*r[:3], "\t".join([*r[3].split("\t")[:3], "", "", ""]), *r[4:]]), REJECTED,
           "expected the name of the artist", 1, source="lastfm1k"),
    Damage("profiles that are none", beside("userid-profile.tsv", (
        "#id\tgender\tage\tcountry\tregistered\nuser_000001\tf\t31\t\tAug 1, 2006\nuser_000001\tm\t30\t\t\nuser_000002\tm\t-4\t\t\n"
        "user_000003\tm\t1e9\t\t\nuser_000004\tm\n\tm\t\t\t\nuser_000005\tm\t\t\tFeb 30, 2006\nuser_6\t\x1b\t٣٠\t\t\n").encode()),
        REJECTED, "the profile is there twice", 6, source="lastfm1k", lost=0),
    Damage("profiles twice", lambda f: [beside(n, b"#id\tgender\tage\tcountry\tregistered\nuser_000001\tf\t\t\t\n")(f)
                                        for n in ("p1.tsv", "p2.tsv")], REJECTED, "the profile is there twice", 1,
           source="lastfm1k", lost=0),
    Damage("nothing but a header", lines(lambda r: r[:1]), KEPT, source="scrobbles", lost=40),
    Damage("nothing but a header", lines(lambda r: r[:1]), KEPT, source="tables", lost=85),
    Damage("no header", lines(lambda r: r[1:]), REFUSED, "which columns are artist", source="scrobbles"),
    Damage("no header", lines(lambda r: r[1:]), REFUSED, "looks like tables", source="tables"),
    Damage("the header again, in the middle", lines(lambda r: more(r[0], 9)(r)), REJECTED, _UTC, 1, source="scrobbles", lost=0),
    Damage("the header again, in the middle", lines(lambda r: more(r[0], 9)(r)), REJECTED, "", 1, source="tables", lost=0),
    Damage("a column of the header twice", lines(lambda r: [r[0] + ",track", *(x + ",1" for x in r[1:])]), KEPT,
           source="scrobbles"),
    Damage("a column of the header twice", lines(lambda r: [r[0] + ",user", *(x + ",1" for x in r[1:])]), REFUSED, "twice",
           source="tables"),
    Damage("semicolons", lines(lambda r: [x.replace(",", ";") for x in r]), KEPT, source="scrobbles"),
    Damage("semicolons", lines(lambda r: [x.replace(",", ";") for x in r]), KEPT, source="tables"),
    Damage("no column of times", lines(lambda r: [",".join(x.split(",")[:4]) for x in r]), REFUSED, source="scrobbles"),
    Damage("no column of times", lines(lambda r: [",".join(x.split(",")[:5]) for x in r]), REFUSED, source="tables"),
    Damage("times heard that are none", cells(6, ["-1", "nan", "inf", "1e3", "9" * 400, str(2**64), "604800001", "0", "1.5", "x"]),
           REJECTED, "expected a whole number from 0 to 604800000", 8, source="tables", lost=10, new=2),
    Damage("flags that are none", cells(7, ["maybe", "2", "-1", "True", "NO", ""]), REJECTED, "expected true or false", 3,
           source="tables", lost=5, new=2),
    Damage("skips that are none", cells(9, ["maybe", "2", "-1"]), REJECTED, "expected true or false", 3, source="tables"),
    Damage("plays that are nobody's", cells(0, ["", " "]), REJECTED, "expected who listened", 2, source="tables"),
]  # fmt: skip


# ListenBrainz: a listen a line


def _listens(change: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    return lines(change)


_BREAKS = "the line breaks inside a record"
_NESTED = "[" * 100_000
LISTENS = [
    Damage(name, make, outcome, says, n, "listenbrainz", lost=lost, new=new)
    for name, make, outcome, says, n, lost, new in (
        ("bytes that are not UTF-8", lines(lambda r: [*r[:3], r[3].replace("Song", "So\udcffng"), *r[4:]]),
            REJECTED, "UTF-8", 1, 1, 0),
        ("a line cut short", lines(lambda r: [*r[:3], r[3][:-20], *r[4:]]), REJECTED, _BREAKS, 1, 1, 0),
        ("two records in a line", lines(lambda r: [*r[:3], r[3] + r[4], *r[5:]]), REJECTED, _BREAKS, 1, 2, 0),
        ("lines that are no records", lines(lambda r: [*r[:3], "[]", "1", '"x"', "null", "{}", "[{}]", *r[3:]]),
            REJECTED, "one listen", 6, 0, 0),
        ("blank lines", lines(lambda r: [*r[:3], "", "  ", *r[3:]]), KEPT, "", 0, 0, 0),
        ("rows twice", lines(lambda r: [*r[:4], r[3], *r[4:], r[4]]), REJECTED, "same play", 2, 0, 0),
        ("a line of 3 MB", lines(more('{"x": "' + "x" * 3_000_000 + '"}')), REJECTED, "longer than a megabyte", 1, 0, 0),
        ("nested 100,000 deep", lines(more('{"listened_at": ' + _NESTED)), REJECTED, _BREAKS, 1, 0, 0),
        ("nested 100,000 deep, and closed", lines(more('{"listened_at": ' + _NESTED + "]" * 100_000 + "}")),
            REJECTED, "", 1, 0, 0),
        ("a clock of 5,000 digits", value("listened_at", "@", **{"@": "9" * 5000}), REJECTED, "", 1, 1, 0),
        ("a clock of -5,000 digits and a fraction", value("listened_at", "@", **{"@": "-" + "9" * 5000 + ".5"}),
            REJECTED, "", 1, 1, 0),
        ("a clock of 1e999", value("listened_at", "@", **{"@": "1e999"}), REJECTED, "expected seconds", 1, 1, 0),
        ("clocks of all times", values("listened_at", [-1, 0, 631151999, 631152000, 1972700000, 4102444799, 4102444800,
        253402300800,
            -62135596800, 1234567890123, 1234567890.5, float("nan"), float("inf"), 2**64, True, None, "1234567890", [], {}, ...]),
            REJECTED, "expected seconds since 1970", 15, 20, 5),
        ("names that are none", values("track_metadata.track_name", [None, "", " ", 1, [], {}, True, ..., "\ud800", "\x1b[31m"]),
            REJECTED, "expected the name of the track", 9, 9, 0),
        ("artists that are none", values("track_metadata.artist_name", [None, "", " ", 1, [], {}, True, ..., "\ud800", "\0"]),
            REJECTED, "expected the name of the artist", 9, 10, 1),
        ("tracks that are none", values("track_metadata", [None, "", 1, [], {}, True, ...]),
            REJECTED, "expected a record", 7, 7, 0),
        ("notes that are none", values("track_metadata.additional_info", [None, "x", 1, [], True, ..., {"duration_ms": "x"},
            {"duration_ms": -1}, {"duration_ms": 1e300}, {"recording_mbid": [1]}, {"recording_mbid": "x"},
            {"duration": "1" * 5000}]),
            KEPT, "", 0, 10, 10),
        ("half a character in what is not read", value("track_metadata.x", "\ud800"), KEPT, "", 0, 0, 0),
        ("a listener that is none", values("user_name", [1, [], "\ud800"]), REJECTED, "expected a text", 2, 2, 0),
        ("keys twice", lines(lambda r: [*r[:3], '{"listened_at": 1, ' + r[3][1:], *r[4:]]), KEPT, "", 0, 0, 0),
        ("a title of 1 MB", value("track_metadata.track_name", "x" * 1_000_000), KEPT, "", 0, 1, 1),
        ("a .gz of two streams", packed, KEPT, "", 0, 0, 0),
        ("as one list", lambda f: _as_list(f, 1.0), KEPT, "", 0, 0, 0),
        ("as one list, cut short", lambda f: _as_list(f, 0.5), REJECTED, "the file ends or breaks", 1, 15, 0),
        ("line ends of an old Mac", lines(end="\r"), REFUSED, "as on an old Mac", 0, 0, 0),
        ("the same log twice, once as .gz", _twice, REJECTED, "same play", 28, 0, 0),
    )
]  # fmt: skip


def _as_list(folder: Path, share: float) -> None:
    log = log_of(folder)
    text = json.dumps([json.loads(line) for line in log.read_text().splitlines()], indent=1)
    log.write_text(text[: int(len(text) * share)])


OF_ROWS = [*MSSD, *STARTS, *LISTENS]
