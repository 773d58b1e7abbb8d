"""Logs damaged by chance: whatever stands in them is kept, counted or refused in one line, soon, and what is sound is kept."""

from __future__ import annotations

import io
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from segue import registry
from segue.datasets.attribute_rows import batches, cells_of
from segue.datasets.attributes import tables
from segue.datasets.json_list import Broken, records
from segue.datasets.source import LogFile, find
from segue.engines import Embedded
from segue.errors import SegueError

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import damages_of_tracks
from damaging import LISTS, LOGS, SLICES, sound

N_CASES = {"mssd": 12, "spotify_history": 15, "spotify_account": 15, "lastfm1k": 10, "scrobbles": 25, "listenbrainz": 25,
           "mpd": 60, "tables": 6}  # fmt: skip
TOKENS = [b'"', b"'", b"\\", b"\0", b"\xff", b"\xc3", b"\r", b"\n", b"\r\n", b",", b";", b"\t", b"{", b"}", b"[", b"]", b":", b"-",
          b"0", b"9" * 30, b"9" * 400, b"1e999", b"-1", b"NaN", b"Infinity", b"null", b"true", b"{}", b"[]", b"\\ud800", b"\\u0000",
          b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\x1b[2J", b"\x85", b"1969-12-31", b"9999-12-31T23:59:59Z", b"\xef\xbb\xbf",
          b"=cmd"]  # fmt: skip


@dataclass(frozen=True)
class Bytes(LogFile):
    """A file in memory."""

    raw: bytes = field(default=b"", repr=False, compare=False)

    @contextmanager
    def open(self):
        yield io.BufferedReader(io.BytesIO(self.raw))


def damaged(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """A file damaged in one to four places, and how."""
    out, told = bytearray(raw), []
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at, size = chance.randrange(len(out) or 1), chance.choice((1, 1, 3, 20, 300, 5000))
        how = chance.choice(("flip", "flip", "token", "token", "delete", "repeat", "cut", "noise", "move"))
        if how == "flip":
            out[at : at + 1] = bytes([chance.randrange(256)])
        elif how == "token":
            out[at : at + chance.choice((0, 0, 1))] = chance.choice(TOKENS)
        elif how == "delete":
            del out[at : at + size]
        elif how == "repeat":
            out[at:at] = out[at : at + size]
        elif how == "cut" and len(told) == 0 and chance.random() < 0.5:
            del out[at:]
        elif how == "noise":
            out[at:at] = chance.randbytes(min(size, 300))
        else:
            moved = out[at : at + size]
            del out[at : at + size]
            to = chance.randrange(len(out) or 1)
            out[to:to] = moved
        told.append(f"{how} {size} at {at}")
    return bytes(out), ", ".join(told)


def flipped(raw: bytes, chance: random.Random, first: int) -> bytes:
    """Another byte in one place below the first line."""
    at = chance.randrange(first, len(raw))
    return raw[:at] + bytes([raw[at] ^ chance.randrange(1, 256)]) + raw[at + 1 :]


def check_said(error: SegueError) -> None:
    assert str(error).isprintable()
    assert len(str(error)) < 600


def read(source, folder: Path, engine) -> tuple[int, int] | None:
    """Rows in, and plays kept, of what lies there; None where it is refused."""
    options = {name: values[0] for name, values in source.options.items()}
    n_rows = n_kept = 0
    try:
        units, _ = source.units(find([folder]))
        for unit in units:
            piece = source.read(unit, engine, options)
            kept = engine.to_arrow(piece.plays.count()).as_py()
            rejects = list(piece.rejects)
            assert piece.rows_in == kept + len(rejects) + sum(piece.set_aside.values())
            for file, line, column, value, reason in rejects:
                assert file.isprintable()
                assert line >= 0
                assert len(value) <= 200
                f"{column}{value}{reason}".encode()
            assert all(what.isprintable() for what in (*piece.set_aside, *piece.notes))
            n_rows, n_kept = n_rows + piece.rows_in, n_kept + kept
    except SegueError as error:
        check_said(error)
        return None
    return n_rows, n_kept


def n_cases(request, source: str) -> int:
    return request.config.getoption("--fuzz", 0) or N_CASES[source]


@pytest.mark.parametrize("name", LOGS)
def test_a_log_damaged_anywhere_is_kept_counted_or_refused_in_one_line(name, tmp_path, request):
    source, n = registry.dataset(name), n_cases(request, name)
    log = sound(name, tmp_path / "in")
    raw, engine = log.read_bytes(), Embedded()
    for case in range(n):
        if case % 50 == 49:
            engine.close()
            engine = Embedded()  # what a reading leaves behind goes with it
        made, told = damaged(raw, random.Random(f"{name} {case}"))
        log.write_bytes(made)
        start = time.monotonic()
        try:
            read(source, tmp_path / "in", engine)
        except BaseException as cause:
            cause.add_note(f"case {case}: {told}")
            raise
        assert time.monotonic() - start < 60
    engine.close()


@pytest.mark.parametrize("name", [name for name in LOGS if name != "tables"])
def test_one_wrong_byte_below_the_first_line_costs_no_more_than_its_neighbours(name, tmp_path, request):
    source, n = registry.dataset(name), max(2, n_cases(request, name) // 3)
    log = sound(name, tmp_path / "in")
    raw, engine = log.read_bytes(), Embedded()
    whole = read(source, tmp_path / "in", engine)
    assert whole is not None
    longest = max(len(p["tracks"]) for p in _playlists(raw)) if LOGS[name].kind == SLICES else 1
    first = len(raw) // 10 if LOGS[name].kind == SLICES else raw.index(b"\n") + 1
    for case in range(n):
        log.write_bytes(flipped(raw, random.Random(f"{name} {case}"), first))
        found = read(source, tmp_path / "in", engine)
        if found is not None:
            assert found[1] >= whole[1] - 3 * longest, f"case {case}"
    engine.close()


def _playlists(raw: bytes):
    import json

    return json.loads(raw)["playlists"]


@pytest.mark.parametrize("name", [name for name in LOGS if LOGS[name].kind in (LISTS, SLICES)])
def test_records_are_read_or_broken_whatever_stands_there(name, tmp_path, request):
    raw = sound(name, tmp_path / "in").read_bytes()
    key = "playlists" if LOGS[name].kind == SLICES else ""
    n_whole = 0
    for case in range(request.config.getoption("--fuzz", 0) or 150):
        made, told = damaged(raw[:30_000], random.Random(f"records {name} {case}"))
        last = 0
        try:
            for line, record in records(Bytes(Path("x.json"), raw=made), key):
                assert last <= line <= 1 + made.count(b"\n"), told
                last = line if not (isinstance(record, Broken) and "not UTF-8" in record.reason) else last
                n_whole += isinstance(record, dict)
        except SegueError as error:
            check_said(error)
        except BaseException as cause:
            cause.add_note(f"case {case}: {told}")
            raise
    assert n_whole > 0


def test_a_table_of_tracks_damaged_anywhere_is_read_counted_or_refused(tmp_path, request):
    from segue.datasets.attribute_rows import Tally

    raw = damages_of_tracks.table(sound("mpd", tmp_path / "in")).encode()
    n_rows = 0
    for case in range(request.config.getoption("--fuzz", 0) or 150):
        made, told = damaged(raw, random.Random(f"tracks {case}"))
        try:
            (table,), _ = tables([Bytes(Path("tracks.csv"), raw=made)], None)
            tally = Tally()
            kept = sum(len(rows) for rows in batches(table.files, table.layout, None, tally))
            assert tally.n_rows == kept + sum(tally.rejected().values()), told
            assert all(reason.isprintable() for reason in tally.rejected())
            n_rows += kept
        except SegueError as error:
            check_said(error)
        except BaseException as cause:
            cause.add_note(f"case {case}: {told}")
            raise
    assert n_rows > 1000


def test_cells_are_told_or_a_reason_why_not():
    for case in range(2_000):
        chance = random.Random(case)
        text = "".join(chance.choice('a",\n\r\0 ;\t\\') for _ in range(chance.randrange(12)))
        assert isinstance(cells_of(text, ","), list | str)
