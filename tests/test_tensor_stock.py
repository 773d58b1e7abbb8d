"""A folder of tensors, opened: any rows of it, and what becomes of one that is damaged."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import small
from segue import splits
from segue.batch import concat
from segue.errors import AskedWrongly, BadInput, SegueError, Tampered
from segue.experiment import prepare
from segue.models.attention import Attention
from segue.models.recurrent import Lstm
from segue.splits import TRAIN, VALID
from segue.tensor_records import FILES, header
from segue.tensor_table import open_tensors, write
from test_tensor_table import same

NAMES = ("last_skipped", "skip_rate_of_track")


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    return write(small.library("mssd"), tmp_path_factory.mktemp("stock") / "tensors", setting="online", features="all")


@pytest.fixture
def copy(stock, tmp_path):
    return shutil.copytree(stock.path, tmp_path / "copy")


def refused(words, folder, error):
    with pytest.raises(error) as raised:
        list(open_tensors(folder).batches(10))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


# ── any rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_any_rows_are_given_in_the_order_asked_for(stock):
    wanted = [70, 3, 4, 3, 83, 0]  # of two parts
    one_by_one = concat([stock.rows([row]) for row in wanted])
    same(stock.rows(wanted), one_by_one)
    assert len(stock.rows([])) == 0
    assert stock.rows([70]).keys["part"][0] == 1


def test_a_row_that_is_not_there_is_refused(stock):
    for row in (-1, 84):
        with pytest.raises(AskedWrongly, match=f"row {row}: expected 0 to 83"):
            stock.rows([0, row])


def test_a_batch_is_as_wide_as_its_widest_row(stock):
    heard = [int(stock.rows([row]).tensors.sees.max()) for row in range(len(stock))]
    short = [row for row, n in enumerate(heard) if n < 12][:5]
    assert stock.rows(short).tensors.past.width == max(heard[row] for row in short) < max(heard)


def test_what_is_read_can_be_written_to(stock):
    """A batch is the reader's own: models may scale it in place."""
    batch = stock.rows([0])
    batch.values[:] = 7
    batch.tensors.past.values[:] = 7
    assert stock.rows([0]).values.max() != 7


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_short_or_longer_or_gone_is_told_when_it_is_opened(copy, name):
    file = copy / f"00001.{name}.npy"
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole + b"x", whole[:100], b"", b"\x00" + whole[1:]):
        file.write_bytes(damaged)
        refused(f"00001.{name}.npy has {len(damaged):,} bytes, expected {len(whole):,} and the header", copy, BadInput)
    file.unlink()
    refused(f"00001.{name}.npy cannot be read (No such file or directory)", copy, BadInput)


def test_a_file_that_is_cut_short_while_it_is_open_is_told(copy):
    opened = open_tensors(copy)
    file = copy / "00001.past.npy"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(
        BadInput, match=r"00001.past.npy cannot be read .*: expected [0-9,]+ records; write the tensors again"
    ):
        list(opened.batches(10))


def test_a_changed_byte_is_found_by_who_verifies(copy):
    opened = open_tensors(copy)
    opened.verify()
    file = copy / "00000.queue.npy"
    content = bytearray(file.read_bytes())
    content[-400] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(Tampered, match=r"00000.queue.npy is not what was written: write the tensors again"):
        open_tensors(copy).verify()


@pytest.mark.parametrize("end", [-5, 10**12])
@pytest.mark.parametrize("name", ["past_end", "queue_end", "examples_end"])
def test_rows_that_end_nowhere_are_told(copy, stock, name, end):
    rows = np.load(copy / "00000.rows.npy", mmap_mode="r+")
    rows[name][3] = end
    rows.flush()
    refused("00000.rows.npy is damaged", copy, Tampered)


def test_an_example_that_has_no_place_is_told(copy):
    examples = np.load(copy / "00000.examples.npy", mmap_mode="r+")
    examples["place"][2] = 999
    examples.flush()
    refused("is damaged (an example has no place in its row)", copy, Tampered)


def test_any_bytes_in_the_files_end_in_a_batch_or_in_one_line(copy):
    rng = np.random.default_rng(0)
    told = []
    for _ in range(60):
        file = copy / f"0000{rng.integers(2)}.{rng.choice(FILES)}.npy"
        whole = file.read_bytes()
        content = bytearray(whole)
        for at in rng.integers(len(content), size=20):
            content[at] = rng.integers(256)
        file.write_bytes(bytes(content))
        try:
            list(open_tensors(copy).batches(50, seed=0))
        except SegueError as error:
            told.append(str(error))
        file.write_bytes(whole)
    assert 0 < len(told) < 60
    assert not [line for line in told if "\n" in line]


def _without(name):
    return lambda m: m.pop(name)


@pytest.mark.parametrize(
    ("change", "words", "error"),
    [
        (lambda m: m.update(format="tensors 0"), "was written in format tensors 0, this segue reads tensors 1", BadInput),
        (lambda m: m.update(rows=3), "its counts or records do not fit together", Tampered),
        (lambda m: m["files"][0].update(past="many"), "manifest.json is damaged", Tampered),
        (lambda m: m["files"][0].update(past=-1), "manifest.json is damaged", Tampered),
        (lambda m: m["columns"]["past"].pop(), "its counts or records do not fit together", Tampered),
        (lambda m: m["columns"].update(own=7), "manifest.json is damaged", Tampered),
        (lambda m: m["columns"]["own"][0].pop("name"), "manifest.json is damaged", Tampered),
        (lambda m: m["columns"]["past"][0].pop("unit"), "manifest.json is damaged", Tampered),
        (lambda m: m["files"][0].update(name="../other"), "part 0 is called '../other'", Tampered),
        (lambda m: m["files"][0]["sha256"].pop("past"), "manifest.json is damaged", Tampered),
        (_without("columns"), "manifest.json is damaged ('columns')", Tampered),
        (_without("files"), "manifest.json is damaged ('files')", Tampered),
        (_without("together"), "manifest.json is damaged ('together')", Tampered),
        (_without("also"), "manifest.json is damaged ('also')", Tampered),
    ],
)  # fmt: skip
def test_a_manifest_that_was_changed_is_told(copy, change, words, error):
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    refused(words, copy, error)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000])
def test_a_manifest_that_is_none_is_told(copy, text):
    (copy / "manifest.json").write_text(text, encoding="utf-8")
    refused("write the tensors again", copy, BadInput)


def test_a_folder_that_holds_no_tensors_is_told(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        refused(
            f"{place} holds no tensors (no manifest.json): run segue tensors LIBRARY -o {place}", place, AskedWrongly
        )
    refused("holds no tensors, but something else that segue wrote", small.library("mssd").path, AskedWrongly)


def test_a_header_is_one_that_numpy_reads_and_as_long_for_any_number_of_records(stock):
    kind = stock.kinds["past"]
    lengths = {len(header(kind, n)) for n in (0, 1, 10**9, 10**18)}
    assert len(lengths) == 1
    assert lengths.pop() % 64 == 0
    assert np.load(stock.path / "00000.past.npy").dtype == kind


# ── networks ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("setting", "network"),
    [
        ("challenge", Lstm(hidden_size=8, epochs=2)),
        ("online", Attention(hidden_size=12, epochs=1, layers=1, vectors=4)),
    ],
)
def test_a_network_fitted_on_rows_read_back_is_the_same_to_the_byte(tmp_path, setting, network):
    pytest.importorskip("torch")
    library = small.library("mssd")
    prepared = prepare("skip", library, setting, features=NAMES, models=[network])
    batch = prepared.batch.select(NAMES)
    opened = write(library, tmp_path / "tensors", setting=setting, features=NAMES)
    read = opened.rows(np.arange(len(opened)))
    cut = splits.by_time(batch.keys)
    one, other = (network.fit(b.take(cut.rows(TRAIN)), b.take(cut.rows(VALID))) for b in (batch, read))
    assert one.onnx == other.onnx
    assert (one.slope, one.intercept) == (other.slope, other.intercept)
    told = concat(list(opened.batches(20)))
    answers = np.concatenate([one.predict(b).p for b in opened.batches(20)])
    assert np.allclose(one.predict(batch).p, answers, atol=1e-6)
    assert np.array_equal(told.label, batch.label)
