"""Bundles changed by chance, with hashes that fit: each is refused in one line, or answers chances. Nothing of them is ever run.

Plain pytest changes 120 of them, `make torture` (see torture.py) 10,000 or five times as many as --fuzz says.
"""

from __future__ import annotations

import json
import math
import pickle
import random
import shutil
import struct
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import small
from segue.catalogue import catalogue
from segue.errors import SegueError, Tampered
from segue.mapped import mapped
from segue.service.shelf import Shelf

LONGEST_S = 30.0
VALUES = [None, True, False, -1, 0, 1, 2, 7, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf, 10**30, -(2**63), 2**63, 2**31,
          0.5, "", "x", "skip", "hour", "track", "\0", "../../etc/passwd", "\ud800", [], {}, [[]], [0] * 5, {"n": 0}, {"n": 10**9},
          "2024-02-31", "__class__", "UTC", "I64", "F64", "BF16"]  # fmt: skip
NUMBERS = [
    0,
    -1,
    1,
    2**31 - 1,
    -(2**31),
    2**62,
    2**63 - 1,
    -(2**63),
    1e308,
    -1e308,
    math.nan,
    math.inf,
    -math.inf,
    5e-324,
]


@pytest.fixture
def changes(pytestconfig):
    told = pytestconfig.getoption("fuzz", None)
    return 120 if told is None else 5 * told


# ── one change ──────────────────────────────────────────────────────────────────────────────────────────────────────


def flipped(held, chance):
    made = bytearray(held)
    for _ in range(chance.choice([1, 1, 2, 8, 40])):
        made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def cut(held, chance):
    return held[: chance.randrange(len(held))]


def grown(held, chance):
    at = chance.randrange(len(held) + 1)
    return held[:at] + chance.randbytes(chance.choice([1, 8, 500])) + held[at:]


def moved(held, chance):
    """A piece of it, written over another."""
    n = chance.randrange(1, max(2, len(held) // 3))
    low, high = (chance.randrange(max(1, len(held) - n)) for _ in range(2))
    return held[:high] + held[low : low + n] + held[high + n :]


def of_json(held, chance):
    """Some values of it changed, left out, or put in another's place."""
    said = json.loads(held)
    for _ in range(chance.choice([1, 1, 3])):
        where = said
        while True:
            inner = list(where.items()) if isinstance(where, dict) else list(enumerate(where))
            if not inner:
                break
            key, value = chance.choice(inner)
            if isinstance(value, dict | list) and value and chance.random() < 0.8:
                where = value
            elif chance.random() < 0.2:
                del where[key]
                break
            else:
                where[key] = chance.choice(VALUES) if chance.random() < 0.8 else chance.choice(inner)[1]
                break
    return json.dumps(said).encode("utf-8", "surrogatepass")


def header(held, chance):
    """What a safetensors file says of itself."""
    n = struct.unpack("<Q", held[:8])[0]
    said = of_json(held[8 : 8 + n], chance)
    return struct.pack("<Q", len(said)) + said + held[8 + n :]


def cells(path, chance):
    """Some numbers of some array."""
    arrays = {name: a.copy() for name, a in load_file(path).items()}
    name = chance.choice(sorted(arrays))
    a = arrays[name].reshape(-1)
    for _ in range(chance.choice([1, 1, 5])):
        if len(a):
            with np.errstate(all="ignore"):
                a[chance.randrange(len(a))] = np.array(chance.choice(NUMBERS)).astype(a.dtype)
    other = chance.choice(["as it is", "as it is", "shorter", "turned", "other type", "gone"])
    if other == "shorter":
        arrays[name] = arrays[name][:-1]
    elif other == "turned":
        arrays[name] = np.ascontiguousarray(arrays[name][::-1])
    elif other == "other type":
        arrays[name] = a.astype(chance.choice([np.int64, np.int32, np.float64, np.uint8, np.bool_]))
    elif other == "gone":
        del arrays[name]
    save_file(arrays, path)
    return path.read_bytes()


def changed(path, chance, others):
    """A file's bytes after a change, and what it was."""
    held = path.read_bytes()
    kinds = [flipped, cut, grown, moved, "swapped"] + (
        [of_json] * 8 if path.suffix == ".json" else [header] * 3 + [cells] * 6
    )
    kind = chance.choice(kinds)
    if kind == "swapped":
        other = chance.choice(others)
        return other.read_bytes(), f"is {other.parent.name}/{other.name}"
    if kind is cells:
        with np.errstate(all="ignore"):
            return cells(path, chance), "cells"
    return kind(held, chance), kind.__name__


# ── what becomes of it ──────────────────────────────────────────────────────────────────────────────────────────────


def named(setting, folder):
    """A bundle whose tracks can be searched."""
    place = small.copied(setting, folder)
    rows = [(f"Song {i}", f"Artist {i % 5}", "Ä Record", f"t{i}") for i in range(40)]
    save_file(catalogue(rows), place / "catalogue.safetensors")
    small.rehash(place)
    return place


def outcome(place, asked):
    """ "refused" or "answered"; anything else is a defect."""
    begun, why = time.monotonic(), ""
    try:
        served = Shelf.of([place]).all[0]
    except SegueError as cause:
        why = str(cause)
    assert time.monotonic() - begun < LONGEST_S
    if why:
        assert "\n" not in why
        return "refused"
    for one in asked:
        for p in chances(served.bundle.predict(one)):
            assert math.isfinite(p)
            assert 0 <= p <= 1
    for text in ("", "song 1", "artist", "ä", "nowhere"):
        json.dumps(served.search(text, 5))
    json.dumps(served.about())
    assert time.monotonic() - begun < LONGEST_S
    return "answered"


def chances(said):
    """All that an answer says are chances; and how long they stay is a number, and what it lies between are, in order."""
    if not hasattr(said, "curve"):
        return [answer.probability for answer in said.answers]
    for of in (said.minutes, said.tracks):
        if of is not None:
            bounds = [x for x in (of.low, of.median, of.high) if x is not None]
            assert all(math.isfinite(x) and x >= 0 for x in bounds)
            assert bounds == sorted(bounds)
    for points in said.curve.values():
        assert [p for _, p in points] == sorted((p for _, p in points), reverse=True)
    return [*said.gone.values(), *(p for points in said.curve.values() for _, p in points)]


BEFORE = [
    {"start_ms": 1_533_000_000_000 + k, "end_ms": 1_533_000_000_000 + 60_000 * k, "n_plays": k} for k in (1, 20, 900)
]
STANDING = [
    {"plays": small.session(8)["plays"], "listener": "u"},
    {},
    {"start_ms": 1_534_000_000_000, "earlier": BEFORE},
]


@pytest.mark.parametrize("setting", ["online", "challenge", "stay"])
def test_a_bundle_changed_by_chance_is_refused_in_one_line_or_answers_chances(tmp_path, monkeypatch, changes, setting):
    place = named(setting, tmp_path)
    whole = {p.name: p.read_bytes() for p in place.iterdir()}
    others = [p for other in ("online", "challenge") for p in sorted(small.bundle(other).iterdir())]
    of_plays = [small.session(8), {**small.session(0), "listener": "u"}]
    asked = {"online": of_plays, "challenge": [small.halves(5, 5)], "stay": STANDING}[setting]
    assert outcome(place, asked) == "answered"
    for name in ("load", "loads"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("a pickle was loaded"))
    chance, seen = random.Random(setting), {"refused": 0, "answered": 0}
    for n in range(changes // 2):
        names = chance.sample(sorted(whole), chance.choice([1, 1, 1, 2]))
        did = []
        for name in names:
            content, how = changed(place / name, chance, others)
            (place / name).unlink()  # what is mapped stays as it is
            (place / name).write_bytes(content)
            did.append(f"{name} {how}")
        if "hashes.json" not in names:
            small.rehash(place)
        try:
            seen[outcome(place, asked)] += 1
        except Exception as cause:
            shutil.copytree(place, tmp_path / f"found-{n}.bundle")
            raise AssertionError(f"change {n}: {', '.join(did)}: {type(cause).__name__}: {cause}") from cause
        for name in [*names, "hashes.json"]:
            (place / name).unlink()
            (place / name).write_bytes(whole[name])
    print(setting, seen)
    assert seen["refused"] > seen["answered"] > 0
    assert outcome(place, asked) == "answered"


def test_a_mapped_file_changed_by_chance_gives_its_arrays_or_is_refused(tmp_path, changes):
    path, chance, seen = tmp_path / "arrays.safetensors", random.Random(3), {"refused": 0, "mapped": 0}
    arrays = {
        "a": np.arange(50),
        "b": np.linspace(0, 1, 20),
        "c": np.ones((2, 4), np.uint8),
        "d": np.zeros(0, np.int32),
    }
    save_file(arrays, path)
    whole = path.read_bytes()
    for _ in range(10 * changes):
        held = chance.choice([flipped, cut, grown, moved, header, header])(whole, chance)
        path.unlink()
        path.write_bytes(held)
        try:
            with np.errstate(all="ignore"):
                assert all(np.isscalar(a.sum()) for a in mapped(path).values())
            seen["mapped"] += 1
        except Tampered:
            seen["refused"] += 1
    assert min(seen.values()) > 0
