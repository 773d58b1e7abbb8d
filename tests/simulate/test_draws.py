"""Draws are even, keyed, and for ever the same."""

from __future__ import annotations

import numpy as np
import pytest

from segue.simulate.catalogue import name_order, uuids
from segue.simulate.draws import ONE, bell, bits, choose, key, steps, threshold, uniform

MANY = 200_000


def many(seed=11):
    return key(seed, np.arange(MANY))


def chi_square(counts, share=None):
    """In standard errors of a chi-square over its degrees of freedom."""
    expected = counts.sum() / len(counts) if share is None else counts.sum() * np.asarray(share)
    degrees = len(counts) - 1
    return float((((counts - expected) ** 2 / expected).sum() - degrees) / np.sqrt(2 * degrees))


@pytest.mark.parametrize(("seed", "stream"), [  # as published with the generator, and in many languages since
    (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
    (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]),
])  # fmt: skip
def test_bits_are_the_published_stream_of_splitmix64(seed, stream):
    keys = np.array([seed], np.uint64)
    assert [int(bits(keys, n)[0]) for n in range(len(stream))] == stream


def test_the_stream_is_frozen():
    keys = key(7, np.arange(3))
    assert [hex(k) for k in keys] == ["0xcaa6944b372d94ba", "0x9cd42d1744f0e31e", "0x6ca3b15890436233"]
    assert [hex(int(key(*n)[0])) for n in ((0,), (1,), (0, 0), (1, 2), (2, 1))] == [
        "0xa706dd2f4d197e6f", "0x5e41ab087439611e", "0xa7f72697a2731486", "0xd97d4205fdab0823", "0x186a2de8268e9286",
    ]  # fmt: skip
    assert [hex(b) for b in bits(keys, 5)] == ["0xc639c9e9ebf96884", "0xeacba45d14cdc7e8", "0x522fb8e391e5eb39"]
    assert uniform(keys, 5).tolist() == [3325676009, 3939214429, 1378859235]
    assert bell(keys, 0).tolist() == pytest.approx([0.65084839, -0.8966217, -0.90252686], abs=5e-9)
    assert bell(keys, 1).tolist() == pytest.approx([0.76046753, -0.94190979, 0.71772766], abs=5e-9)
    assert uuids(keys)[0] == "ded190a3-8d4b-96a3-3583-0e4906a3d19a"


def test_a_key_depends_on_each_of_its_numbers_their_order_and_how_many_they_are():
    made = [
        key(*n)[0]
        for n in ((0,), (1,), (-1,), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0, 0), (0, 1, 0), (2**40,), (2**40, 1))
    ]
    assert len(set(made)) == len(made)
    assert key(3, np.array([4, 5]))[1] == key(3, 5)[0]


def test_keys_and_counters_do_not_meet():
    keys = many()
    assert len(np.unique(keys)) == MANY
    assert len(np.unique(np.concatenate([bits(keys, n) for n in range(4)]))) == 4 * MANY


def test_neighbouring_keys_and_counters_are_not_correlated():
    columns = np.stack([uniform(many(), n) for n in range(4)] + [uniform(many(12), 0), np.roll(uniform(many(), 0), 1)])
    off = np.corrcoef(columns)[np.triu_indices(len(columns), 1)]
    assert np.abs(off).max() * np.sqrt(MANY) < 4


@pytest.mark.parametrize("counter", [0, 1, 19 * 22, 10_000, 1 << 30])
def test_a_uniform_draw_is_even_in_its_first_and_its_last_bits(counter):
    drawn = uniform(many(), counter)
    assert drawn.min() >= 0
    assert drawn.max() < ONE
    assert abs(chi_square(np.bincount(drawn >> np.int64(24), minlength=256))) < 4
    assert abs(chi_square(np.bincount(drawn & np.int64(255), minlength=256))) < 4
    for bit in range(32):
        assert abs((drawn >> np.int64(bit) & np.int64(1)).mean() - 0.5) * 2 * np.sqrt(MANY) < 4.5, bit


def test_pairs_of_draws_of_one_key_are_even():
    pair = (uniform(many(), 0) >> np.int64(28)) * 16 + (uniform(many(), 1) >> np.int64(28))
    assert abs(chi_square(np.bincount(pair, minlength=256))) < 4


def test_thresholds_are_probabilities_in_whole_numbers():
    assert threshold([0, 0.25, 1]).tolist() == [0, 1 << 30, 1 << 32]
    assert steps([0.25, 0.25, 0.5]).tolist() == [1 << 30, 1 << 31]


def test_a_choice_falls_on_the_outcome_its_draw_lies_in():
    quarter = 1 << 30
    drawn = np.array([0, quarter - 1, quarter, 2 * quarter - 1, 2 * quarter, ONE - 1])
    assert choose(steps([0.25, 0.25, 0.5]), drawn).tolist() == [0, 0, 1, 1, 2, 2]
    by_row = steps([[0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 0]])
    for draw in (0, ONE - 1):
        assert choose(by_row, np.full(3, draw)).tolist() == [2, 0, 1]


def test_choices_are_as_often_as_they_should_be():
    share = [0.5, 0.3, 0.15, 0.05]
    assert abs(chi_square(np.bincount(choose(steps(share), uniform(many(), 3))), share)) < 4


def test_a_bell_is_about_normal():
    drawn = bell(many(), 2)
    assert abs(drawn.mean()) * np.sqrt(MANY) < 4
    assert abs(drawn.var() - 1) * np.sqrt(MANY / 2) < 4
    assert abs((drawn**3).mean()) * np.sqrt(MANY / 6) < 4
    assert np.mean(np.abs(drawn) < 1.96) == pytest.approx(0.95, abs=0.003)
    assert abs(np.corrcoef(drawn, bell(many(), 3))[0, 1]) * np.sqrt(MANY) < 4


def test_names_are_apart_in_the_form_of_a_uuid_and_in_their_order():
    keys = many()[:20_000]
    names = uuids(keys)
    assert len(set(names)) == len(names)
    assert {tuple(map(len, name.split("-"))) for name in names} == {(8, 4, 4, 4, 12)}
    assert [names[i] for i in name_order(keys)] == sorted(names)
