"""A world is frozen: its constants, its rows and its tracks are pinned, and nothing else decides what is written."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import simulated
from simulated import FEW, WORLDS, few, made

import segue
from segue import registry
from segue.simulate import mssd, sessions
from segue.simulate.catalogue import Catalogue
from segue.simulate.mssd import simulate
from segue.simulate.place import SEEDS

# By name and version: of the constants, of the rows (as world.json says it), of the text of the logs, of the features of
# their tracks. Whoever has to change one gives the world another version.
FROZEN = {
    ("tastes-1", 1): (
        "49987dbd5dc8621fe3b554320f50b8c0998cd6bd280fad0f249466a01569fb9f",
        "f31df997993e7bc9682d5b0f15ed2657551ae8b1b7e027f4afdaedc5992d5ef0",
        "82acac46c655bb7c2e38291e3de33904cc0fb05df787daeeb82ebe4d22216a6b",
        "e3995fb91ee3daf11aed020b008b9edc655d271d19812622e12968f51399a7a9",
    ),
    ("echoes-1", 1): (
        "63b71c3653b431ef980543f07eb18f672033bf8d9d827517bb780ac262b51449",
        "0a8692fff527af8d9d4fd0078f2a9d99b5184d680aed1c5c73f3a04ea87ccd9d",
        "72668ce60528a40dacd7d3c1b9878eb45e4423574699fcbba96fdddf38619584",
        "bd944093ee0609533739f833f42ac0ec4e5781f98e700fd3c9fce442560bb478",
    ),
}
SHARED = "41ee49ada7af8261ff67af627422c3a4e21b826d43242f37fd625b686fb01a9c"
CHANGED = "a frozen world has changed: models were measured on it; undo this, or give the world another version"


@pytest.fixture(params=WORLDS)
def name(request):
    return request.param


def constants(*named):
    """A digest of numbers, words and arrays: fractions in 2^32nds, as draws are compared with them."""
    said = []
    for name, value in named:
        if isinstance(value, str):
            said.append([name, value])
            continue
        array = np.asarray(value)
        whole = array if array.dtype.kind in "iu" else np.rint(array * 2.0**32)
        said.append([name, list(array.shape), whole.astype(np.int64).ravel().tolist()])
    return simulated.digest(json.dumps(said))


def of_world(world):
    own = [
        (f.name, getattr(world, f.name)) for f in fields(world) if f.name not in ("version", "sentence", "catalogue")
    ]
    return constants(*own, *((f.name, getattr(world.catalogue, f.name)) for f in fields(Catalogue)))


def canonical(rows):
    """Rows of a table of tracks with their numbers as Python writes them, whoever wrote them."""
    return json.dumps(
        [[cell if cell[:2] == "t_" or cell.isalpha() else float(cell) for cell in row.values()] for row in rows]
    )


def written(found):
    path = found.path
    logs = "".join(simulated.text(p) for p in sorted(path.rglob("log_*")))
    tracks = simulated.rows(*sorted((path / "track_features").iterdir()))
    return found.about["row_hash"], simulated.digest(logs), simulated.digest(canonical(tracks))


def test_every_world_is_frozen():
    assert set(registry.WORLDS) == {name for name, _ in FROZEN} == set(WORLDS)


def test_the_constants_of_a_world_change_only_with_its_version(name):
    world = simulated.world(name)
    assert of_world(world) == FROZEN[name, world.version][0], CHANGED


def test_what_all_worlds_share_is_frozen():
    assert constants(
        *((f"hours {n}", kinds) for n, kinds in enumerate(sessions._HOURS)),
        *((r, p) for r, p in (*mssd._OPENS, *mssd._AFTER_BREAK)),
        ("reasons", ",".join(sessions.REASONS)), ("first day", str(mssd.FIRST_DAY)), ("shard", mssd.SHARD),
    ) == SHARED, CHANGED  # fmt: skip


def test_rows_and_tracks_of_a_seed_are_frozen(name):
    assert written(made(name)) == FROZEN[name, made(name).about["version"]][1:], CHANGED


def test_a_constant_that_moves_by_little_is_seen():
    world = simulated.world("tastes-1")
    for f in fields(world):
        value = getattr(world, f.name)
        if isinstance(value, np.ndarray) and value.size:
            moved = value.copy()
            moved.flat[-1] += 1 if value.dtype.kind == "i" else 1e-6
            assert of_world(replace(world, **{f.name: moved})) != of_world(world), f.name
    assert of_world(replace(world, catalogue=replace(world.catalogue, quality_sd=0.621))) != of_world(world)


def test_the_row_hash_sees_every_column_and_every_row():
    world = simulated.world("tastes-1")
    played = sessions.of_day(world, 0, 0, 3, n_listeners=20)
    numbers = mssd._numbers(world, played)
    found = mssd._row_hash(numbers)
    assert mssd._row_hash(dict(reversed(numbers.items()))) == found
    assert set(numbers) >= {"key", "track", "end", "reason_start", "reason_end", "second"}
    for column, values in numbers.items():
        moved = values.copy()
        moved[-1] += 1
        assert mssd._row_hash(numbers | {column: moved}) != found, column


def test_the_same_seed_gives_the_same_bytes_of_every_file(name, tmp_path):
    again = simulate(name, tmp_path / "elsewhere" / "raw", **FEW)
    assert simulated.contents(again.path) == simulated.contents(few(name).path)
    assert again.about == few(name).about


def test_a_world_tells_neither_when_nor_where_it_was_made(name):
    said = json.loads((few(name).path / "truth" / "world.json").read_text())
    assert set(said) == {
        "format", "world", "version", "says", "seed", "sessions", "days", "test_sessions", "first_day", "plays", "tracks",
        "skipped_share", "test_plays", "row_hash", "columns", "segue", "note",
    }  # fmt: skip
    assert said["segue"] == segue.__version__
    for file in few(name).path.rglob("*"):
        if file.is_file():
            assert str(simulated.folder()).encode() not in file.read_bytes()
    for file in few(name).path.rglob("*.gz"):
        assert file.read_bytes()[3:8] == bytes(5)  # of a gzip header: no name, no clock


@pytest.mark.parametrize("seed", [1, SEEDS - 1])
def test_another_seed_gives_other_rows_of_the_same_tracks(name, tmp_path, seed):
    one, other = few(name), simulate(simulated.world(name), tmp_path / "raw", **FEW | {"seed": seed})
    assert other.about["row_hash"] != one.about["row_hash"]
    sessions_, tracks = ([{row[column] for row in simulated.rows(*(found.path / "training_set").iterdir())}
                          for found in (one, other)] for column in ("session_id", "track_id_clean"))  # fmt: skip
    assert not sessions_[0] & sessions_[1]
    assert len(tracks[0] & tracks[1]) < len(tracks[0]) / 2
    features = [{row["track_id"]: row for row in simulated.rows(*(found.path / "track_features").iterdir())}
                for found in (one, other)]  # fmt: skip
    shared = set(features[0]) & set(features[1])
    assert shared
    assert all(features[0][track] == features[1][track] for track in shared)


def test_worlds_differ():
    assert few("tastes-1").about["row_hash"] != few("echoes-1").about["row_hash"]


def test_more_days_leave_the_first_ones_as_they_are(tmp_path):
    """So that a longer run can be compared with a shorter one."""
    longer = simulate(simulated.world("tastes-1"), tmp_path / "raw", sessions=28, days=4)
    shorter = simulate(simulated.world("tastes-1"), tmp_path / "less", sessions=14, days=2)
    for day in ("15", "16"):
        name = f"training_set/log_0_201807{day}_000000000000.csv.gz"
        assert (longer.path / name).read_bytes() == (shorter.path / name).read_bytes()
