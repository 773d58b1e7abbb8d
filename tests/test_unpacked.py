from __future__ import annotations

import gzip
import random
import zipfile

import pytest

from segue import unpacked
from segue.errors import BadInput


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path, embedded):
    with pytest.raises(BadInput, match=r"gone.csv cannot be opened") as refused, \
            unpacked.open_binary(tmp_path / "gone.csv"):  # fmt: skip
        raise AssertionError("opened")
    assert "\n" not in str(refused.value)


def packed(folder, raw, kind):
    path = folder / {"gz": "log.csv.gz", "zip": "logs.zip", "plain": "log.csv"}[kind]
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("in/log.csv", raw)
        return path, "in/log.csv"
    path.write_bytes(gzip.compress(raw) if kind == "gz" else raw)
    return path, None


@pytest.mark.parametrize("kind", ["plain", "gz", "zip"])
def test_a_packed_file_is_unpacked_aside_and_cleared_away(tmp_path, kind):
    raw = random.Random(0).randbytes(100_000)
    with unpacked.plain(*packed(tmp_path, raw, kind)) as path:
        assert path.read_bytes() == raw
    assert path.exists() == (kind == "plain")


def test_what_is_gzipped_is_unpacked_whatever_its_name_says(tmp_path):
    (tmp_path / "log.csv").write_bytes(gzip.compress(b"x"))
    with unpacked.plain(tmp_path / "log.csv") as path, unpacked.open_binary(tmp_path / "log.csv") as source:
        assert (path.read_bytes(), source.read()) == (b"x", b"x")


def test_a_file_that_only_says_it_is_gzipped_is_told_in_one_line(tmp_path):
    (tmp_path / "log.csv.gz").write_bytes(b"a,b\n")
    with pytest.raises(BadInput, match=r"^log.csv.gz is broken \(it is not gzip'd\): download it again, or name it without"), \
            unpacked.plain(tmp_path / "log.csv.gz"):  # fmt: skip
        raise AssertionError("given out")


def test_a_file_is_unpacked_where_there_is_room(tmp_path):
    with unpacked.plain(*packed(tmp_path, b"x", "gz"), folder=tmp_path / "a" / "spill") as path:
        assert path.parent.parent == tmp_path / "a" / "spill"
    assert not list((tmp_path / "a" / "spill").iterdir())


@pytest.mark.parametrize(
    ("n_bytes", "n_packed", "says"),
    [
        (unpacked.MOST_FREE, 1, ""),
        (
            unpacked.MOST_FREE + 1,
            1,
            r"log.gz unpacks to more than 200 times its size \(1 bytes gave 33,554,433\), which no log",
        ),
        (200 << 30, 1 << 30, "log.gz unpacks to more than 64 GiB: split it"),
        (200 << 30, 200 << 30, ""),  # not packed at all
    ],
)
def test_what_unpacks_beyond_all_measure_is_refused(n_bytes, n_packed, says):
    if not says:
        unpacked.check_size("log.gz", n_bytes, n_packed)
        return
    with pytest.raises(BadInput, match=says):
        unpacked.check_size("log.gz", n_bytes, n_packed)


def test_a_plain_file_is_not_copied(tmp_path):
    path, _ = packed(tmp_path, b"x", "plain")
    with unpacked.plain(path) as same:
        assert same == path


@pytest.mark.parametrize("kind", ["gz", "zip"])
@pytest.mark.parametrize("damage", ["checksum", "cut", "middle"])
def test_a_packed_file_that_is_damaged_is_never_given_out(tmp_path, kind, damage):
    path, member = packed(tmp_path, random.Random(0).randbytes(50_000) + b"x" * 50_000, kind)
    raw = bytearray(path.read_bytes())
    if damage == "cut":
        raw = raw[:-9] if kind == "gz" else raw[:40_000] + raw[-100:]
    else:
        at = 25_000 if damage == "middle" else -8 if kind == "gz" else raw.index(b"PK\x01\x02") + 16
        raw[at] ^= 0x40
    path.write_bytes(raw)
    with pytest.raises(BadInput, match=r"log.* (is broken|cannot be opened) .*(download it again|that can be read)"), \
            unpacked.plain(path, member):  # fmt: skip
        raise AssertionError("given out")


def test_a_zip_with_a_password_is_told_in_one_line(tmp_path):
    path, member = packed(tmp_path, b"x", "zip")
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # the flag for a password, in the member's header and in the directory
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with (
        pytest.raises(BadInput, match=r"logs.zip!in/log.csv cannot be opened .*password"),
        unpacked.plain(path, member),
    ):
        raise AssertionError("opened")


def test_a_mistake_of_the_readers_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(RuntimeError, match="mine"), unpacked.open_binary(*packed(tmp_path, b"x", "gz")):
        raise RuntimeError("mine")
