from __future__ import annotations

import json
import os

import pytest

from by_hand import plays, session
from figures.drawn import ROOMS, figures, report, table
from figures.looked import library
from segue import registry
from segue.errors import AskedWrongly, UnknownName
from segue.figures.report import explore


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A library of three plays, and figures of which the second has nothing to say."""
    monkeypatch.setattr(registry, "FIGURES", ROOMS)
    return library(tmp_path / "lib", plays(session("a", track=["x", "y", "x"])))


def names(made):
    return [figure.name for figure in made]


# ── what is made ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_figures_come_in_the_order_of_the_registry_with_their_names_and_sections(house):
    made = explore(house)
    assert [(f.section, f.name, f.finding[:8]) for f in made] == [
        ("First", "one", "3 plays."),
        ("Second", "three", "acoustic"),
    ]
    assert len(made) == 2
    assert repr(made) == f"Report(2 figures of {house.path})"


def test_only_takes_figures_and_sections(house):
    assert names(explore(house, only=["three", "one"])) == ["one", "three"]
    assert names(explore(house, only=["First"])) == ["one"]
    assert names(explore(house, only="Second")) == ["three"]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("thre", "did you mean three?"),
        ("Secnd", "did you mean Second?"),
        ("zzzz", "known: First, Second, one, three, two"),
    ],
)
def test_a_name_that_nothing_answers_to_is_refused_with_those_near_it(house, asked, hint):
    with pytest.raises(UnknownName, match=rf"^no figure or section is called '{asked}'; {hint}"):
        explore(house, only=[asked])


def test_what_a_library_cannot_answer_is_listed_with_the_reason(house):
    made = explore(house)
    assert made.silent == (("two", "there is no two"),)
    with pytest.raises(AskedWrongly, match=r"^the report has no 'two': there is no two$"):
        made["two"]
    with pytest.raises(UnknownName, match=r"^no figure of this report is called 'thre'; did you mean three\?$"):
        made["thre"]
    assert made["one"].finding == "3 plays."


def test_a_report_of_nothing_is_refused_with_the_reasons(house):
    with pytest.raises(AskedWrongly, match=r"nothing to draw: two: .+"):
        explore(house, only="two")


def test_a_figure_that_breaks_is_not_hidden(house, monkeypatch):
    monkeypatch.setitem(registry.FIGURES, ("First", "one"), "figures.drawn:broken")
    with pytest.raises(ZeroDivisionError):
        explore(house)


# ── wishes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "relate",
    [["energy~release_year"], "energy ~ release_year", [("energy", "release_year")]],
    ids=["list", "text", "pair"],
)
def test_pairs_are_two_attributes_with_a_tilde_between(house, relate):
    (made,) = explore(house, only=["three"], relate=relate, attribute="tempo")
    assert made.finding == "tempo, (('energy', 'release_year'),)"


@pytest.mark.parametrize("pair", ["energy", "energy~energy", "energy,tempo"])
def test_what_is_no_pair_is_refused(house, pair):
    with pytest.raises(AskedWrongly, match=rf"^{pair}: expected two track attributes, such as energy~release_year$"):
        explore(house, relate=[pair])


def test_an_attribute_that_is_none_is_refused_with_those_near_it(house):
    for wish in ({"attribute": "enregy"}, {"relate": ["enregy~tempo"]}, {"relate": ["tempo~enregy"]}):
        with pytest.raises(UnknownName, match=r"^no track attribute is called 'enregy'; did you mean energy"):
            explore(house, **wish)


def test_a_sample_below_zero_is_refused(house):
    with pytest.raises(AskedWrongly, match=r"^sample=-1, seed=0: expected 0 or more$"):
        explore(house, sample=-1)


def test_a_library_without_plays_is_refused(house):
    house.manifest["kept"] = 0
    with pytest.raises(AskedWrongly, match=r"holds no play: there is nothing to look at$"):
        explore(house)


def test_progress_is_told_before_each_figure_and_at_the_end(house):
    told = []
    explore(house, progress=lambda *now: told.append(now))
    assert told == [(0, 3, "one"), (1, 3, "two"), (2, 3, "three"), (3, 3, "done")]


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_is_written_whole_and_the_same_each_time(tmp_path):
    first, second = (report(*figures(), table()).save(tmp_path / name) for name in ("a.html", "b.html"))
    assert first.read_text().startswith("<!doctype html>")
    assert first.read_text().rstrip().endswith("</html>")
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_page_that_exists_is_kept_unless_it_may_be_overwritten(tmp_path):
    target = tmp_path / "report.html"
    target.write_text("mine")
    with pytest.raises(AskedWrongly, match=r"report.html exists already: choose another -o, or give --overwrite$"):
        report().save(target)
    with pytest.raises(
        AskedWrongly, match=r"report.html is not a report, --overwrite would delete what it holds: choose"
    ):
        report().save(target, overwrite=True)
    assert target.read_text() == "mine"
    own = report().save(tmp_path / "own.html")
    empty = own.read_text()
    assert report(next(figures())).save(own, overwrite=True).read_text() != empty


def test_a_place_where_no_page_can_be_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "missing" / "report.html"):
        with pytest.raises(AskedWrongly, match=r"expected a file in a folder that exists, such as report.html$"):
            report().save(place, overwrite=True)


@pytest.mark.parametrize("step", ["segue.figures.page.page", "os.replace"])
def test_what_breaks_off_leaves_the_old_page_and_nothing_beside_it(tmp_path, monkeypatch, step):
    target = report().save(tmp_path / "report.html")
    old = target.read_text()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="no space left"):
        report(next(figures())).save(target, overwrite=True)
    assert target.read_text() == old
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_export_writes_each_picture_twice_each_table_and_all_numbers(tmp_path):
    made = report(next(figures()), table())
    written = made.export(tmp_path / "out")
    assert [p.name for p in written] == ["bars.csv", "bars.png", "bars.svg", "figures.json", "table.csv"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in written)
    told = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert told == made.to_json()
    assert [f["name"] for f in told["figures"]] == ["bars", "table"]
    assert told["silent"] == [{"name": "not-told", "why": "its source (a name) does not tell"}]
    assert told["about"]["library"] == "a name"


@pytest.mark.parametrize("there", [False, True], ids=["a new folder", "one that is there"])
def test_an_export_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path, monkeypatch, there):
    if there:
        report(table()).export(tmp_path / "out")
    moved = os.replace

    def full(one, other):
        if other.name == "table.csv":
            raise OSError("no space left on device")
        moved(one, other)

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        report(next(figures()), table()).export(tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "figures.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_holds_something_is_kept_unless_it_may_be_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AskedWrongly, match=r"is not empty: choose another folder, or give --overwrite$"):
        report().export(tmp_path)
    with pytest.raises(AskedWrongly, match=r"mine.txt is a file: expected a folder to export to$"):
        report().export(tmp_path / "mine.txt", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    report().export(tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_notebook_shows_every_figure_of_a_report():
    made = report(next(figures()), table("Ada"))._repr_html_()
    assert made.count("<style>") == 1
    assert made.count("<article ") == 2
