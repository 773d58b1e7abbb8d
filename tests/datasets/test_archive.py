from __future__ import annotations

import gzip
import io
import pickle
import random
import subprocess
import tarfile
import tracemalloc
import zlib
from itertools import pairwise

import pytest

from segue.datasets import archive
from segue.datasets.archive import Inflated, Tar
from segue.datasets.source import find
from segue.errors import BadInput

FILES = {f"logs/{n}.csv": random.Random(n).randbytes(30_000 * n + 1) for n in range(6)}


def tar_of(files, mode="w", kind=tarfile.GNU_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=kind) as tar:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def written(folder, raw, name="all.tar.gz"):
    path = folder / name
    path.write_bytes(raw)
    return path


def read(tar):
    return {entry.name: tar.open(entry.name).read() for entry in tar.entries if entry.is_read}


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_every_file_of_a_tar_gives_its_own_bytes_in_any_order(tmp_path, mode, kind):
    tar = Tar(written(tmp_path, tar_of(FILES, mode, kind)))
    assert [entry.name for entry in tar.entries] == list(FILES)
    for name in random.Random(1).choices(list(FILES), k=20):
        with tar.open(name) as source:
            assert source.read(100) == FILES[name][:100]
            assert source.read() == FILES[name][100:]


def test_long_and_odd_names_are_kept_whole(tmp_path):
    files = {f"{'deep/' * 40}{n}.csv": b"x" for n in range(3)} | {"\udcff ☃\n.csv": b"y"}
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert read(Tar(written(tmp_path, tar_of(files, kind=kind)))) == files
    shown = [file.shown for file in find([tmp_path])]
    assert all(name.isprintable() for name in shown)
    assert shown[-1] == r"all.tar.gz!\udcff ☃\n.csv"


def test_a_packed_tar_may_be_several_streams_joined_and_padded(tmp_path):
    raw = tar_of(FILES)
    joined = gzip.compress(raw[:70_000]) + gzip.compress(raw[70_000:]) + bytes(70_000)
    assert read(Tar(written(tmp_path, joined))) == FILES


def test_going_back_to_a_mark_reads_no_more_than_lies_behind_it(tmp_path):
    raw = random.Random(0).randbytes(1_000_000)
    stream = Inflated(written(tmp_path, gzip.compress(raw)), [])
    for at in (200_000, 900_000):
        stream.seek(at)
        stream.mark()
    later = Inflated(tmp_path / "all.tar.gz", stream.marks)
    later.seek(950_000)
    assert (later.tell(), later.read(10)) == (950_000, raw[950_000:950_010])
    back = [mark[1] for mark in stream.marks]
    later.seek(200_001)
    assert back[0] <= later.packed() <= back[0] + 2 * archive._PACKED_STEP
    assert later.read(10) == raw[200_001:200_011]
    later.seek(5)
    assert later.read(10) == raw[5:15]
    stream.close()
    later.close()


def test_marks_are_spread_out_where_there_would_be_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MOST_MARKS", 8)
    files = {f"{n}.csv": random.Random(n).randbytes(1000) for n in range(200)}
    tar = Tar(written(tmp_path, tar_of(files, "w:gz")))
    places = [place for place, *_ in tar._marks]
    assert len(places) <= 9
    assert places == sorted(set(places))
    assert max(b - a for a, b in pairwise(places)) < places[-1] / 2
    assert read(tar) == files


def test_another_process_reads_the_same(tmp_path):
    tar = Tar(written(tmp_path, tar_of(FILES, "w:gz")))
    assert read(pickle.loads(pickle.dumps(tar))) == FILES


def test_another_process_unpacks_all_just_once_in_whatever_order_it_reads(tmp_path, monkeypatch):
    files = {f"{n}.csv": random.Random(n).randbytes(20_000) for n in range(100)}
    tar = pickle.loads(pickle.dumps(Tar(written(tmp_path, tar_of(files, "w:gz")))))
    unpacked, plain = [], Inflated.read

    def counted(stream, n_bytes):
        unpacked.append(n_bytes)
        return plain(stream, n_bytes)

    monkeypatch.setattr(Inflated, "read", counted)
    for name in reversed(files):
        with tar.open(name) as source:
            assert source.read() == files[name]
    assert sum(unpacked) < 3 * 100 * 20_512


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_of_a_tar_cut_anywhere_the_files_before_are_whole_and_the_loss_is_said(tmp_path, mode):
    raw = tar_of(FILES, mode)
    for at in range(600, len(raw) - 12_000, len(raw) // 60):
        tar = Tar(written(tmp_path, raw[:at]))
        *before, last = tar.entries
        assert "cut short" in last.lost
        assert [entry.name for entry in before] == list(FILES)[: len(before)]
        assert last.name in ("", list(FILES)[len(before)])
        assert all(tar.open(entry.name).read() == FILES[entry.name] for entry in before)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_noise_in_a_tar_is_an_error_of_ours_or_a_loss_that_is_said(tmp_path, mode):
    draw, small = random.Random(0), {name: raw[:700] for name, raw in FILES.items()}
    raw = tar_of(small, mode)
    heads = list(range(0, len(raw), 512)) if mode == "w" else [0]
    for _ in range(400):
        spoilt = bytearray(raw)
        for _ in range(draw.choice((1, 1, 3, 20))):
            spoilt[min(draw.choice(heads) + draw.randrange(512 if mode == "w" else len(raw)), len(raw) - 1)] = (
                draw.randrange(256)
            )
        try:
            tar = Tar(written(tmp_path, bytes(spoilt)))
        except BadInput as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        found = read(tar)
        if mode == "w:gz":  # its checksum holds: nothing of the files was touched
            assert found == small
        else:
            assert tar.entries[-1].lost or list(found) == list(small)


def header(name="a.csv", size=b"00000000001\0", kind=b"0"):
    """A header whose checksum is right, whatever it says."""
    block = bytearray(512)
    block[: len(name)] = name.encode()
    block[124:136], block[156:157], block[148:156] = size, kind, b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


NEGATIVE = b"\xff" * 10 + b"\xfe\x00"  # -512
HUGE = b"\x80" + b"\0" * 3 + (10**10).to_bytes(8, "big")
END = bytes(1024)


@pytest.mark.parametrize(("name", "raw", "says"), [
    ("a negative size", header(size=NEGATIVE), "a file of -512 bytes"),
    ("a header of a negative size", header(size=NEGATIVE, kind=b"x"), "a header of -512 bytes"),
    ("a name of 10 GB", header(size=HUGE, kind=b"L"), "a header of 10,000,000,000 bytes"),
    ("an extended header of 10 GB", header(size=HUGE, kind=b"x"), "a header of 10,000,000,000 bytes"),
    ("an extended header of nothing", header(size=b"00000000010\0", kind=b"x") + b"no head!" + bytes(504),
     "an extended header that cannot be read"),
    ("headers without end", (header(kind=b"L", size=b"00003777777\0") + bytes(1 << 20)) * 9, "a header of 1,048,575 bytes"),
])  # fmt: skip
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_would_lead_astray_is_refused(tmp_path, name, raw, says, pack):
    path = written(tmp_path, pack(raw + END))
    with pytest.raises(BadInput, match=rf"^all.tar.gz is not a whole tar \({says}"):
        Tar(path)
    behind = written(tmp_path, pack(tar_of({"a.csv": b"x"})[:1024] + raw + END))
    kept, lost = Tar(behind).entries
    assert (kept.name, kept.is_read) == ("a.csv", True)
    assert says in lost.lost


def test_a_file_of_nothing_but_zeros_is_refused_in_little_memory(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    size = 300 << 20
    raw = packer.compress(header(size=f"{size:011o}\0".encode()))
    raw += b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    path = written(tmp_path, raw)
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=r"all.tar.gz unpacks to more than 200 times its size"):
            Tar(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 5)
    with pytest.raises(BadInput, match=r"all.tar.gz holds more than 5 files: pack them into several archives"):
        Tar(written(tmp_path, tar_of(FILES)))


def test_a_file_made_by_tar_with_holes_is_said_to_be_lost_and_the_next_is_read(tmp_path):
    with (tmp_path / "holes.csv").open("wb") as out:
        for n in range(60):  # so many that the map of holes takes blocks of its own
            out.seek(n * 100_000)
            out.write(b"x" * 10)
    (tmp_path / "next.csv").write_bytes(b"next")
    for kind in ("gnu", "pax"):
        command = ["tar", f"--format={kind}", "-cSf", "all.tar.gz", "holes.csv", "next.csv"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=20)
        holes, after = Tar(tmp_path / "all.tar.gz").entries
        assert (holes.lost, after.name, after.is_read) == (
            "a sparse file is not read: pack it without --sparse",
            "next.csv",
            True,
        )
        assert Tar(tmp_path / "all.tar.gz").open("next.csv").read() == b"next"


def test_whoever_waits_is_told_how_far_it_is(tmp_path):
    said = []
    path = written(tmp_path, tar_of(FILES, "w:gz"))
    Tar(path, lambda done, n, name: said.append((done, n, name)))
    assert len(said) == len(FILES)
    assert said == sorted(said)
    assert {(n, name) for _, n, name in said} == {(path.stat().st_size, "looking into all.tar.gz")}
