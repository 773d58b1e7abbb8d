from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from segue.errors import MissingExtra
from segue.figures.pc import USUAL, Dependence, Variable, bend, edges, graph, kurtosis, skew, straightened, twins

# cause, effect, weight: the ten variables of a planted graph
PLANTED = ((0, 2, 0.6), (1, 2, 0.5), (0, 3, 0.7), (2, 4, 0.6), (3, 4, 0.5), (1, 5, 0.8), (4, 6, 0.5), (5, 6, 0.4),
           (5, 7, -0.6), (6, 8, 0.7), (7, 8, 0.4), (3, 9, 0.4), (6, 9, 0.5), (2, 7, 0.4))  # fmt: skip
PAIRS = {(a, b) for a, b, _ in PLANTED}
TOLD = PAIRS - {(0, 3), (1, 5)}  # no collider and no rule tells these two
NUMBERS = [Variable(f"x{k}") for k in range(10)]


def planted(n, seed=0, flag=None, kind=None):
    """Rows of the planted graph; one variable may be a flag, one of twelve levels, each with an effect of its own."""
    rng = np.random.default_rng(seed)
    table, effect = np.empty((n, 10)), np.empty((n, 10))
    for k in range(10):
        pull = sum((w * effect[:, a] for a, b, w in PLANTED if b == k), np.zeros(n))
        if k == flag:
            table[:, k] = rng.random(n) < 1 / (1 + np.exp(-2 * pull))
            effect[:, k] = 2 * table[:, k] - 1
        elif k == kind:
            lean, value = rng.normal(size=12), rng.normal(size=12)
            table[:, k] = (2 * pull[:, None] * lean + rng.gumbel(size=(n, 12))).argmax(1)
            effect[:, k] = ((value - value.mean()) / value.std())[table[:, k].astype(int)]
        else:
            table[:, k] = effect[:, k] = pull + rng.normal(size=n)
    return table


def f1(marks):
    return 2 * len(marks.keys() & PAIRS) / (len(marks) + len(PAIRS))


def columns(*values):
    """Columns of a few values, a thousand times over."""
    return np.column_stack([np.tile(np.array(v, float), 1000) for v in values])


# ── dependence ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_strength_of_two_numbers_is_their_partial_correlation():
    x, e, z = [1, 1, 1, 1, -1, -1, -1, -1], [1, 1, -1, -1, 1, 1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]
    y = np.array(x) - np.array(e) + 2 * np.array(z)  # correlation with x: 1/√6; given z, which takes 4 of 6: 1/√2
    of = Dependence(columns(x, y, z), [Variable("x"), Variable("y"), Variable("z")])
    assert of.strength(0, 1) == pytest.approx(6**-0.5, abs=1e-3)
    assert of.strength(0, 1, (2,)) == pytest.approx(2**-0.5, abs=1e-3)
    assert of.strength(0, 2) == 0
    assert (of.sign(0, 1, ()), of.sign(0, 1, (2,))) == (1, 1)
    assert of.p(0, 1) < 1e-9
    assert of.p(0, 2) > 0.99


def test_levels_without_order_are_tested_jointly_and_their_names_do_not_matter():
    """Means of -1, 0, 1 and a spread of 1 around them: the levels explain 2/3 of 5/3."""
    level, y = [0, 0, 1, 1, 2, 2], [-2, 0, -1, 1, 0, 2]
    renamed = [7, 7, 2, 2, 5, 5]
    for names in (level, renamed):
        of = Dependence(columns(names, y), [Variable("key", "kind"), Variable("y")])
        assert of.strength(0, 1) == pytest.approx(0.4**0.5, abs=1e-3)
    as_number = Dependence(columns(renamed, y), [Variable("key"), Variable("y")])
    assert as_number.strength(0, 1) < 0.4


def test_on_a_circle_the_last_hour_is_beside_the_first():
    hours = np.arange(24)
    of_night = np.cos(2 * np.pi * hours / 24)
    of = Dependence(columns(hours, of_night), [Variable("hour", "circle", period=24.0), Variable("y")])
    assert of.strength(0, 1) > 0.99
    assert Dependence(columns(hours, of_night), [Variable("hour"), Variable("y")]).strength(0, 1) < 0.2


def test_p_is_small_as_often_as_it_says_for_numbers_and_kinds():
    rng, small = np.random.default_rng(0), [0, 0]
    variables = [Variable("x"), Variable("y"), Variable("key", "kind"), Variable("z")]
    for _ in range(400):
        x, z = rng.normal(size=(2, 500))
        table = np.column_stack([x + z, rng.normal(size=500) + z, rng.integers(0, 12, 500), z])
        of = Dependence(table, variables)
        small[0] += of.p(0, 1, (3,)) < 0.05
        small[1] += of.p(0, 2, (3,)) < 0.05
    assert 7 <= small[0] <= 33  # 20 expected, three standard errors either side
    assert 7 <= small[1] <= 33


def test_a_column_that_does_not_vary_depends_on_nothing():
    of = Dependence(columns([1, 1], [1, 2], [4, 4]), [Variable("a"), Variable("b"), Variable("c", "kind")])
    assert (of.p(0, 1), of.strength(0, 1), of.p(1, 2)) == (1.0, 0.0, 1.0)


# ── graphs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_planted_graph_is_found_at_100_000_rows_with_its_colliders_the_right_way():
    marks, _ = graph(planted(100_000), NUMBERS)
    assert f1(marks) >= 0.9
    assert {pair for pair, mark in marks.items() if mark == 1} == TOLD  # causes have the lower numbers
    assert {pair for pair, mark in marks.items() if mark == 0} == {(0, 3), (1, 5)}


def test_a_planted_graph_with_a_mode_and_a_key_is_found_at_100_000_rows():
    variables = [replace(v, kind={1: "flag", 3: "kind"}.get(k, "number")) for k, v in enumerate(NUMBERS)]
    table = planted(100_000, flag=1, kind=3)
    marks, _ = graph(table, variables)
    as_numbers, _ = graph(table, NUMBERS)
    assert f1(marks) >= 0.9
    assert {p for p in marks if 3 in p} == {(0, 3), (3, 4), (3, 9)}
    assert f1(as_numbers) < f1(marks)
    assert {pair for pair, mark in marks.items() if mark == -1} == set()


def test_columns_shuffled_apart_have_no_edge():
    rng = np.random.default_rng(1)
    variables = [replace(v, kind={1: "flag", 3: "kind"}.get(k, "number")) for k, v in enumerate(NUMBERS)]
    table = planted(5_000, flag=1, kind=3)
    assert graph(table, variables)[0]
    assert graph(np.column_stack([rng.permutation(column) for column in table.T]), variables)[0] == {}


def test_what_is_significant_but_weak_is_no_edge():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200_000))
    table, two = np.column_stack([x, y + 0.015 * x]), [Variable("x"), Variable("y")]
    marks, of = graph(table, two)
    assert of.p(0, 1) < 1e-6
    assert marks == {}
    assert graph(table, two, replace(USUAL, parted=0.0))[0] == {(0, 1): 0}


def test_relations_that_are_not_quite_straight_leave_rests_that_are_no_edges():
    """A chain seen through a curve: its ends are not parted by what is seen of its middle, but too little is left to speak of."""
    x, y, z = np.random.default_rng(0).normal(size=(100_000, 3)).cumsum(axis=1).T
    table, three = np.column_stack([x, y + 0.045 * y**3, z]), NUMBERS[:3]
    marks, of = graph(table, three)
    assert of.p(0, 2, (1,)) < 1e-9
    assert (0, 2) in marks  # strong enough to be found
    found = edges(table, three, np.random.default_rng(0), replace(USUAL, resamples=5))
    assert {(e.first, e.second) for e in found if e.stands} == {(0, 1), (1, 2)}


def test_of_an_edge_across_tiers_the_lower_is_the_cause():
    table = np.random.default_rng(0).normal(size=(5_000, 4)).cumsum(axis=1)  # a chain of causes: a → b → c → d
    names = ["a", "b", "c", "d"]
    assert set(graph(table, [Variable(n) for n in names])[0].values()) == {0}
    turned = [Variable(n, tier=t) for n, t in zip(names, (2, 1, 1, 0), strict=True)]
    assert graph(table, turned)[0] == {(0, 1): -1, (1, 2): -1, (2, 3): -1}
    found = {(e.first, e.second): (e.directed, e.assumed) for e in edges(table, turned, np.random.default_rng(0),
             replace(USUAL, resamples=3))}  # fmt: skip
    assert found == {(1, 0): (True, True), (2, 1): (True, False), (3, 2): (True, True)}


def test_an_edge_stands_by_its_strength_and_where_resamples_find_it_again_and_the_strongest_is_first():
    rng = np.random.default_rng(0)
    x, y, z, w = rng.normal(size=(4, 60_000))
    table = np.column_stack([x, x + y, 0.1 * x + z, 0.06 * x + w])
    few, many = (
        edges(table, NUMBERS[:4], np.random.default_rng(0), replace(USUAL, resamples=10, rows=n)) for n in (300, 60_000)
    )
    assert [(e.first, e.second, e.sign, e.stands) for e in few] == [(0, 1, 1, True), (0, 2, 1, False), (0, 3, 1, False)]
    assert [(e.first, e.second, e.sign, e.stands) for e in many] == [(0, 1, 1, True), (0, 2, 1, True), (0, 3, 1, False)]
    assert [e.edge_frequency for e in many] == [1.0, 1.0, 1.0]  # the last is found again, but weak
    assert few[1].edge_frequency < 0.8
    assert few[0].strength == pytest.approx(2**-0.5, abs=0.01)


def test_the_same_seed_finds_the_same_edges_and_another_draws_other_rows():
    table = planted(3_000)
    first, again, other = (
        edges(table, NUMBERS, np.random.default_rng(s), replace(USUAL, resamples=3)) for s in (0, 0, 1)
    )
    assert first == again
    assert [(e.first, e.second, e.strength) for e in first] == [(e.first, e.second, e.strength) for e in other]


def test_without_causal_learn_the_line_to_install_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "causallearn.search.ConstraintBased.PC", None)
    with pytest.raises(MissingExtra, match=r"causal-learn is not installed; run: pip install 'segue\[report\]'"):
        graph(planted(100), NUMBERS)


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fat_tails_are_taken_in_logs_whichever_side_they_are_on():
    right = np.exp(np.random.default_rng(0).normal(size=2_000))
    left = 2_020 - right
    assert skew(right) > 3
    for values in (right, left):
        logs, taken = straightened(values)
        assert taken
        assert abs(skew(logs)) < 1.2
        assert (np.argsort(logs) == np.argsort(values)).all()
    even = np.arange(100.0)
    assert straightened(even) == (pytest.approx(even), False)


def test_skew_and_kurtosis_by_hand():
    assert skew(np.array([0.0, 0, 0, 4])) == pytest.approx(2 / 3**0.5)  # mean 1, deviations -1, -1, -1, 3
    assert kurtosis(np.array([1.0, -1, 1, -1])) == -2


def test_a_number_that_nearly_repeats_an_earlier_one_is_its_twin():
    rng = np.random.default_rng(0)
    x, y, e = rng.normal(size=(3, 1_000))
    table = np.column_stack([x, y, -x + 0.1 * e, x + 0.1 * e])
    assert twins(table, [Variable(n) for n in "abcd"]) == {2: 0, 3: 0}
    assert twins(table, [Variable("a", "kind"), *(Variable(n) for n in "bcd")]) == {3: 2}


def test_a_bend_is_what_a_parabola_explains_beyond_a_line():
    x = np.linspace(-1, 1, 1001)
    assert bend(x, x**2) == pytest.approx(1)
    assert bend(x, 3 * x + 1) == pytest.approx(0, abs=1e-9)
    assert bend(np.array([0.0, 1, 1, 0]), np.array([1.0, 2, 3, 0])) == 0
