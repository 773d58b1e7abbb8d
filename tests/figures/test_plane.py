from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.errors import MissingExtra
from segue.figures import plane
from segue.figures.figure import NothingToSay
from segue.figures.scope import Scale, scale

FIRST, SECOND = ("energy", "loudness", "liveness"), ("valence", "danceability", "tempo")


def of_tracks(folder, columns, *, skipped=None, **wishes):
    """A scope of tracks t000, t001, ... with these attributes, each played once, or by `skipped` once for each label."""
    n = len(next(iter(columns.values())))
    names = [f"t{i:03d}" for i in range(n)]
    about = [{"track": t} | {k: float(v[i]) for k, v in columns.items()} for i, t in enumerate(names)]
    labels = skipped or [[0]] * n
    played = session(
        "s",
        track=[t for t, of in zip(names, labels, strict=True) for _ in of],
        skipped=[label for of in labels for label in of],
    )
    return scope(library(folder, plays(played), about, listeners=0), **wishes)


def two_factors(seed=0, n=400):
    """Six attributes of two factors, the last of each the other way round."""
    rng = np.random.default_rng(seed)
    made = {}
    for names in (FIRST, SECOND):
        factor = rng.normal(size=n)
        for k, name in enumerate(names):
            made[name] = factor * (-1 if k == 2 else 1) + 0.5 * rng.normal(size=n)
    return made


def shuffled(columns, seed=1):
    rng = np.random.default_rng(seed)
    return {name: rng.permutation(x) for name, x in columns.items()}


# ── components ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_world_of_two_factors_has_two_components(tmp_path):
    found = plane.components(of_tracks(tmp_path, two_factors()))
    assert len(found.rows) == 6
    assert [r["share"] > r["shuffled"] for r in found.rows] == [True, True, False, False, False, False]
    # of each factor's three columns, correlated by 0.8, the factor holds (1 + 2 * 0.8) / 6 of all
    assert [r["share"] for r in found.rows[:2]] == [pytest.approx(2.6 / 6, abs=0.03)] * 2
    assert found.rows[-1]["cumulative"] == pytest.approx(1)
    assert "; the first 2 (" in found.finding
    assert "(all 6 hold 100.0 %)" in found.finding


def test_what_two_factors_say_is_said_in_words(tmp_path):
    found = plane.loadings(of_tracks(tmp_path, two_factors()))
    said = [part.partition("): ")[2] for part in found.finding.rstrip(".").split("; ")]
    assert len(said) == 2
    sides = [{way: set(side.replace(" and ", ", ").split(", ")) for side, way in _sides(one)} for one in said]
    expected = [
        {frozenset({"energy", "loudness"}), frozenset({"liveness"})},
        {frozenset({"valence", "danceability"}), frozenset({"tempo"})},
    ]
    assert {frozenset(frozenset(side) for side in one.values()) for one in sides} == {frozenset(e) for e in expected}
    assert len(found.rows) == 12


def _sides(told):
    up, _, down = told.partition(" up, ")
    return [(up, "up"), (down.removesuffix(" down"), "down")]


def test_shuffled_columns_have_no_component_to_speak_of(tmp_path):
    world = of_tracks(tmp_path, shuffled(two_factors()))
    assert "none stands out from shuffled columns" in plane.components(world).finding
    with pytest.raises(NothingToSay, match="none of the components"):
        plane.loadings(world)


def test_noise_is_told_from_components_as_often_as_it_says():
    told = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(200, 6))
        x = (x - x.mean(0)) / x.std(0)
        told += plane._components(plane._Columns(list("abcdef"), x, {}, [], 0), rng).n_told > 0
    assert told <= 8  # 3 are as it says


def test_shares_and_correlations_are_those_computed_by_hand():
    a, b = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    of = plane._Columns(["a", "minus a", "b"], np.stack([a, -a, b], axis=1), {}, [], 0)
    found = plane._components(of, np.random.default_rng(0))
    assert found.share == pytest.approx([2 / 3, 1 / 3, 0])
    assert np.abs(found.loadings[:, 0]) == pytest.approx([1, 1, 0])
    assert found.loadings[0, 0] == pytest.approx(-found.loadings[1, 0])
    assert found.loadings[:, 1] == pytest.approx([0, 0, 1])


def test_keys_go_round_and_categories_are_no_quantities(tmp_path):
    i = np.arange(48)
    columns = {"key": i % 12, "mode": i % 2, "time_signature": 3 + i % 3, "energy": (i * 7 % 48) / 48}
    found = plane._columns(of_tracks(tmp_path, columns), 100)
    assert found.names == ["energy", "key, sine", "key, cosine", "major", "four beats a bar"]
    at = {int(k): row for k, row in zip(found.drawn["key"], found.values[:, 1:3], strict=True)}
    assert np.linalg.norm(at[0] - at[11]) == pytest.approx(np.linalg.norm(at[5] - at[6]))
    four = found.values[:, 4][found.drawn["time_signature"] == 4]
    assert set(np.round(found.values[:, 4], 6)) == {round(four[0], 6), round(found.values[:, 4].min(), 6)}
    assert "the key, which goes round, is its sine and cosine" in found.note


def test_columns_are_of_tracks_that_know_all_of_them_and_leave_out_those_that_few_know(tmp_path):
    columns = two_factors(n=100)
    columns["energy"][:20] = np.nan
    columns["tempo"][:60] = np.nan
    about = [{"track": f"t{i:03d}"} | {k: v[i] for k, v in columns.items() if not np.isnan(v[i])} for i in range(100)]
    about_most = scope(library(tmp_path, plays(session("s", track=[r["track"] for r in about])), about))
    found = plane._columns(about_most, 1000)
    assert found.names == ["danceability", "energy", "liveness", "loudness", "valence"]
    assert found.n == "80 tracks of which all 5 columns are known, drawn by md5"


def test_a_library_of_few_attributes_has_no_components(tmp_path):
    for figure in (plane.components, plane.loadings, plane.drawn):
        with pytest.raises(NothingToSay, match="give a table of them"):
            figure(scope(library(tmp_path, plays(session("s", track=["a", "b"])))))


# ── the scale ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("of", [Scale(), Scale(1, 0.0, 2.0), Scale(-1, 2018.0, 5.0)])
def test_a_scale_goes_both_ways_past_its_end_too_and_keeps_the_order(of):
    values = np.array([-40.0, -1, 0, 0.5, 7, 1950, 2017, 2018, 2019, 2100])
    at = of.on(values)
    assert (np.diff(at) > 0).all()
    assert [of.back(float(y)) for y in at] == pytest.approx(list(values))
    assert np.isnan(of.on(np.array([np.nan]))).all()


def test_logs_are_taken_of_the_tail_that_is_long_and_of_none_where_neither_is():
    z = np.random.default_rng(0).normal(size=2000)
    assert scale(z) == Scale()
    assert scale(np.exp(z)).way == 1
    assert scale(2018 - np.exp(z)).way == -1
    for x in (np.exp(z), 2018 - np.exp(z)):
        y = scale(x).on(x)
        assert abs(((y - y.mean()) ** 3).mean() / y.std() ** 3) < 0.5  # that of np.exp(z) is 6


# ── the map ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def clumps(seed=0, n=120):
    """Tracks of three clumps that two dimensions of five cannot tell: the clumps are corners of a cube's space."""
    rng = np.random.default_rng(seed)
    names = ("energy", "valence", "tempo", "loudness", "liveness")
    centres = rng.normal(size=(3, 5)) * 3
    of = np.arange(n) % 3
    x = centres[of] + 0.5 * rng.normal(size=(n, 5))
    return dict(zip(names, x.T, strict=True)), of


def test_a_map_is_coloured_by_an_attribute_where_skips_are_unknown_and_is_the_same_again(tmp_path):
    columns, _ = clumps()
    columns["acousticness"] = np.arange(120) / 120
    found = plane.drawn(of_tracks(tmp_path, columns, skipped=[[None]] * 120))
    assert len(found.rows) == 120
    thirds = [r["third"] for r in found.rows]
    assert {t: thirds.count(t) for t in thirds} == {
        "lowest third of acousticness": 40, "middle third of acousticness": 40, "highest third of acousticness": 40,
    }  # fmt: skip
    assert all(r["acousticness"] < 1 / 3 for r in found.rows if r["third"].startswith("lowest"))
    assert found.finding.startswith("A drawing only: ")
    trusted = float(found.finding.partition("trustworthiness of ")[2].split()[0])
    assert trusted > 0.9
    again = plane.drawn(of_tracks(tmp_path / "again", columns, skipped=[[None]] * 120))
    assert again.rows == found.rows


def test_a_map_is_coloured_by_key_where_asked_for_those_with_the_same_tones_as_one(tmp_path):
    columns, _ = clumps()
    columns |= {"key": np.arange(120) % 12, "mode": np.arange(120) // 12 % 2}
    found = plane.drawn(of_tracks(tmp_path, columns, skipped=[[1, 0] * 5] * 120, attribute="key"))
    assert "shape and colour are keys, one of its columns" in found.finding
    keys = [r["key"] for r in found.rows]
    assert {k: keys.count(k) for k in keys}["C, A minor"] == 10  # five in C major, five in A minor
    assert len(set(keys)) == 12


def test_skips_that_gather_are_told_from_skips_that_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(plane, "MAPPED", 200)
    columns, of = clumps()
    labels = [[1] * int(k) + [0] * (10 - int(k)) for k in (1, 5, 9)]
    found = plane.drawn(of_tracks(tmp_path, columns, skipped=[labels[k] for k in of]))
    assert "of its third of skip rate in 100.0 %, by chance 3" in found.finding
    assert "no difference" not in found.finding
    assert found.n.startswith("120 tracks played 10 times or more of which all 5 columns are known")


def test_thirds_dealt_by_chance_gather_nowhere():
    rng = np.random.default_rng(3)
    x, third = rng.normal(size=(300, 4)), rng.integers(0, 3, 300)
    assert plane._gathering(x, third, 15, rng).endswith(": no difference can be told")
    assert not plane._gathering(x, np.searchsorted([-0.4, 0.4], x[:, 0]), 15, rng).endswith("told")


def test_a_map_draws_no_more_than_a_figure_may(tmp_path, monkeypatch):
    monkeypatch.setattr(plane, "MOST_ROWS", 25)
    columns, _ = clumps(n=60)
    found = plane.drawn(of_tracks(tmp_path, columns))
    assert len(found.rows) == 25
    assert found.n.endswith("25 of them drawn")


def test_the_map_can_be_of_umap_where_it_is_installed_and_says_what_to_install_elsewhere(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(60, 4))
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtra, match=r"umap-learn is not installed; run: pip install 'segue\[umap\]'"):
        plane.flattened(x, "umap", 0)
    asked = {}

    class UMAP:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, x):
            return x[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    drawn, by = plane.flattened(x, "umap", 7)
    assert (drawn.shape, by, asked["random_state"]) == ((60, 2), "UMAP's, 15 neighbours", 7)
