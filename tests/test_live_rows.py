"""A few sessions' features straight from their rows: the cells that the way by columns gives, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from segue import registry, schema
from segue.features.build import ask
from segue.features.columns import combine, combined
from segue.features.feature import Feature
from segue.features.history import Rolling, Snapshot, is_personal
from segue.features.keys import key64
from segue.features.words import History, Now, Plays, where
from segue.heard import COLUMNS, OWN, UNKNOWN, Heard
from segue.live import NOBODY, Bundle
from segue.live_rows import NO_VALUE, LiveRows, few
from segue.tasks import length, skip

ATTRIBUTES = list(schema.TRACKS)
TRACKS = [key64(f"t{i}") for i in range(12)]  # of which the bundle knows ten
ALBUM = Plays("recent")["album"] == "a"
MORE = [  # what no feature of ours reads, and another's may
    Feature("days_of_track", "day", "Days since the last play of the track", History().days_since("track")),
    Feature("album", "1", "It is of album a", where(Now().album == "a", 1, 0)),
    Feature("albums", "1", "Plays of before of album a", Plays("recent").sum(where(ALBUM, 1, 0))),
]
FEATURES = registry.features() | {f.name: f for f in MORE}
KINDS = {name: i for i, name in enumerate(COLUMNS)}


def bundle(setting, rng, *, tables=True):
    asking = ask(skip.TASK, skip.TASK.settings[setting], FEATURES, options=skip.TASK.settings[setting].options)
    known = np.sort(np.array(TRACKS[:10]))
    tracks = {"track": known} | {
        n: np.where(rng.random(10) < 0.2, NO_VALUE, rng.integers(-3000, 3000, 10)).astype(np.int32)
        for n in ATTRIBUTES[:-1]
    }
    history = {by: counted(by, rng) for by in asking.keys if not is_personal(by)}
    card = {"source_options": {}, "history_as_of_day": 17_000, "history_as_of": "2016-07-18"}
    return Bundle(
        card, asking, None, history if tables else dict.fromkeys(history, NOBODY), tracks if tables else {}, {}
    )


def counted(by, rng):
    """History of the keys that the sessions below may ask about, or not."""
    if not by:
        keys = np.zeros(1, np.int64)
    elif by == ("track",):
        keys = np.sort(np.array(TRACKS[3:]))
    else:  # a track with each value of the other column, and some that nobody asks about
        texts = [key64(text) for name in by for text in ("a", "b", *schema.PLAYS[name].domain)]
        rows = rng.choice(np.array([0, 1, *texts]), (200, len(by)))
        rows[:, 0] = rng.choice(TRACKS, 200) if by[0] == "track" else rows[:, 0]
        asked = combine([*rows.T]) if len(by) > 1 else rows[:, 0]
        keys = np.unique(np.append(asked, rng.integers(-(2**62), 2**62, 5)))
    n = rng.integers(1, 50, len(keys))
    return Snapshot(keys, n, rng.integers(0, n + 1), rng.integers(16_000, 17_000, len(keys)))


def table(rng, n, *, wide=False):
    """Plays of which some cells are not known."""
    rows = np.full((n, len(COLUMNS) if wide else len(OWN)), UNKNOWN, np.int64)
    for i in range(n):
        for name in OWN:
            if rng.random() < 0.7:
                c = schema.PLAYS[name]
                rows[i, KINDS[name]] = (
                    key64(str(rng.choice(c.domain or ["a", "b"]))) if c.kind == "text" else rng.integers(2) if c.kind == "flag"
                    else rng.integers(24)
                )  # fmt: skip
        if rng.random() < 0.9:
            rows[i, KINDS["track"]] = rng.choice(TRACKS)
        for name in ("start_ms", "end_ms"):
            rows[i, KINDS[name]] = 1_500_000_000_000 + 200_000 * i if rng.random() < 0.8 else UNKNOWN
        for k in range(len(OWN), rows.shape[1]):
            if rng.random() < 0.3:
                rows[i, k] = rng.integers(-2000, 2000)
    return rows


def heard(rng, setting):
    n = int(rng.integers(0, 12)) if rng.random() < 0.95 else int(rng.integers(126, 140))  # more than is looked back at
    asked = int(rng.integers(1, 5)) if setting == "challenge" or rng.random() < 0.4 else 1
    before, day = int(rng.integers(0, 300)) * (rng.random() < 0.1), int(rng.integers(16_990, 17_010))
    return Heard(
        table(rng, n, wide=rng.random() < 0.2), table(rng, asked, wide=rng.random() < 0.2), n + before, day,
        setting == "challenge", table(rng, int(rng.integers(0, 70))) if rng.random() < 0.5 else None,
        *(v if rng.random() < 0.7 else None for v in ("u1", 33, "DE", 1_500_000_000_000)),
        length=None if rng.random() < 0.5 else n + before + asked,
    )  # fmt: skip


def personal(asking, rng):
    """Of listeners: counts by day, as a library has them."""
    made = {}
    for by in asking.keys:
        if is_personal(by):
            key = np.array([key64("u1")] * 3 + [5]) if by == ("listener",) else rng.integers(-9, 9, 4)
            made[by] = Rolling.count(key, np.array([16_990, 16_995, 17_000, 16_000]), np.array([1, 0, 1, 1]))
    return made


def assert_alike(one, other):
    assert one.columns == other.columns
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.known, other.known)
    assert np.array_equal(one.label, other.label)
    for part in (one.values, one.known, one.label):
        assert (
            part.dtype
            == getattr(other, "values" if part is one.values else "known" if part is one.known else "label").dtype
        )
    for name in ("keys", "counts"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert set(mine) == set(theirs)
        for key in set(mine) - {"row"}:  # of a table that is not there
            assert np.array_equal(mine[key], theirs[key]), key
            assert mine[key].dtype == theirs[key].dtype, key
    assert (one.domains, one.units, one.kind) == (other.domains, other.units, other.kind)
    assert one.tensors is other.tensors is one.earlier is other.earlier is None


@pytest.mark.parametrize("tables", [True, False], ids=["", "a bundle that knows no track"])
@pytest.mark.parametrize("setting", ["online", "challenge", "last"])
def test_rows_give_the_cells_that_columns_give(setting, tables, monkeypatch):
    rng = np.random.default_rng([1, len(setting), tables])
    opened = bundle(setting, rng, tables=tables)
    lately = personal(opened.asking, rng)
    told = 0
    for _ in range(60):
        some = [heard(rng, setting) for _ in range(int(rng.integers(1, 5)))]
        while not few(some):
            some.pop()
        with monkeypatch.context() as long_way:
            long_way.setattr("segue.live.few", lambda _: False)
            long_way.setattr("segue.features.evaluator.few", lambda _: False)
            by_columns = opened.batch_of(some, personal=lately)
        assert_alike(opened.batch_of(some, personal=lately), by_columns)
        told += int(by_columns.known.sum())
    assert told > 1000


def test_the_key_of_a_row_is_that_of_its_columns():
    rng = np.random.default_rng(3)
    parts = rng.integers(-(2**63), 2**63, (3, 200), endpoint=False)
    assert [combined(row) for row in parts.T.tolist()] == combine([*parts]).tolist()
    assert combined([1, -2]) == 931_383_981_812_488_093


def test_a_listener_is_looked_up_once_for_all_that_is_asked():
    rng = np.random.default_rng(5)
    opened = bundle("online", rng)
    lately, asked = personal(opened.asking, rng), []

    class Counted:
        def find(self, key, day):
            asked.append((key.tolist(), day.tolist()))
            return lately["listener",].find(key, day)

    one = Heard(table(rng, 4), table(rng, 8), 4, 17_000, False, listener="u1")
    opened.batch_of([one, one], personal=lately | {("listener",): Counted()})
    assert asked == [([key64("u1")], [17_000])]


def test_what_was_asked_before_changes_nothing():
    rng = np.random.default_rng(4)
    opened, again = (bundle("online", np.random.default_rng(7)) for _ in range(2))
    some = [heard(rng, "online") for _ in range(20)]
    for one in some:
        opened.batch_of([one])
    for one in some:
        assert_alike(opened.batch_of([one]), again.batch_of([one]))
        again = bundle("online", np.random.default_rng(7))  # nothing is kept


def test_few_sessions_go_by_rows_and_many_by_columns(monkeypatch):
    rng = np.random.default_rng(2)
    opened = bundle("online", rng)
    taken = []
    monkeypatch.setattr(LiveRows, "batch", lambda *_: taken.append(1))
    opened.batch_of([heard(rng, "online")])
    assert taken == [1]
    monkeypatch.undo()
    many = [heard(rng, "online") for _ in range(200)]
    assert not few(many)
    assert not few([])
    assert len(opened.batch_of(many)) == sum(len(s.coming) for s in many)


def test_lengths_and_networks_are_not_read_so():
    stay = length.TASK
    asking = ask(stay, stay.settings[stay.default], registry.features())
    assert LiveRows.of(asking, {}, {}) is None


def test_a_bundle_knows_a_track_by_its_attributes_or_its_history():
    opened = bundle("online", np.random.default_rng(1))
    rows = np.full((13, len(OWN)), UNKNOWN, np.int64)
    rows[:12, KINDS["track"]] = TRACKS  # and one that says no track
    one = Heard(rows[:0], rows, 0, 17_000, False)
    assert opened.notes(one) == ()
    none = Heard(rows[:0], rows.copy(), 0, 17_000, False)
    none.coming[:2, KINDS["track"]] = 5, 6
    assert "2 of 12 asked tracks are not known" in opened.notes(none)[0]
