from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest

from figures.drawn import figures, table
from segue.errors import AskedWrongly
from segue.figures.figure import Figure


def of(rows, **more):
    return Figure("What?", "This.", rows, "2 plays", **more)


def test_csv_has_every_column_of_every_row_in_the_order_of_appearance_and_leaves_the_unknown_empty():
    made = of([{"a": 1, "b": 0.5}, {"a": None, "c": "x, y"}, {"b": float("nan"), "c": 'say "z"'}]).csv()
    assert made == 'a,b,c\r\n1,0.5,\r\n,,"x, y"\r\n,,"say ""z"""\r\n'


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "a\r=1", '=HYPERLINK("https://example.invalid")', "＝1"],
)
def test_text_that_a_spreadsheet_would_run_is_told_apart_by_an_apostrophe(name):
    written = list(csv.reader(io.StringIO(of([{"track": name}]).csv(), newline="")))
    assert written == [["track"], [name if name[0] == "a" else "'" + name]]


def test_numbers_below_zero_and_ordinary_names_are_written_as_they_are():
    assert of([{"loudness": -7.5, "track": "a=b", "n": np.int64(-3)}]).csv() == "loudness,track,n\r\n-7.5,a=b,-3\r\n"


def test_json_knows_no_number_that_is_none_and_no_number_of_numpy():
    rows = [
        {"a": float("nan"), "b": float("inf"), "c": np.float64(0.5), "d": np.int64(7), "e": np.bool_(True), "f": None}
    ]
    made = of(rows, name="odd", section="Oddities", note="Beware.").to_json()
    assert json.loads(json.dumps(made, allow_nan=False)) == {
        "section": "Oddities", "name": "odd", "question": "What?", "finding": "This.", "n": "2 plays", "note": "Beware.",
        "rows": [{"a": None, "b": None, "c": 0.5, "d": 7, "e": True, "f": None}],
    }  # fmt: skip


def test_a_figure_is_saved_as_what_the_name_ends_in(tmp_path):
    figure = next(figures())
    assert figure.save(tmp_path / "x.svg").read_text().startswith("<svg")
    assert figure.save(str(tmp_path / "x.png")).read_bytes().startswith(b"\x89PNG")
    assert figure.save(tmp_path / "x.csv").read_text() == "what,n\na name,0\nanother,1\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.csv", "x.png", "x.svg"]


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.SVG", "svg"])
def test_another_ending_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(AskedWrongly, match=rf"^{name}: expected a name that ends in .svg, .png or .csv$"):
        next(figures()).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_table_has_no_picture_and_says_so(tmp_path):
    for ask in (table().svg, table().png, lambda: table().save(tmp_path / "x.svg")):
        with pytest.raises(AskedWrongly, match=r"^table is a table without a picture: take its rows$"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_a_figure_says_its_name_and_finding():
    assert repr(table("Ada")) == "Figure('table': Ada leads.)"


def test_a_notebook_gets_one_piece_of_html_that_needs_nothing_else_and_runs_nothing():
    made = next(figures())._repr_html_()
    assert made.startswith('<div class="segue alone">')
    assert "What is bars?" in made
    assert "It leads." in made
    assert "<svg" in made
    assert not re.search(r"<(script|link|img|iframe|base|meta|button)\b", made)
    assert not re.search(r'\b(href|src)="(?!#)|url\((?!#)|@import', made)


def test_no_rule_of_style_reaches_the_notebook_around_it():
    style = re.search(r"<style>(.*?)</style>", table()._repr_html_(), re.DOTALL)[1]
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", style) for one in rule.split(",")]
    assert len(selectors) > 20
    assert [one for one in selectors if not one.startswith(".segue")] == []


def test_figures_without_a_name_do_not_share_their_identifiers():
    first, second = (Figure("What?", found, [{"a": 1}], "1 play")._repr_html_() for found in ("This.", "That."))
    ids = re.findall(r' id="([^"]+)"', first)
    assert ids
    assert not set(ids) & set(re.findall(r' id="([^"]+)"', second))
