"""A training leaves its curves as a table, and as a picture where one can be drawn."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

from segue.curves import leave_curves

ONLINE = [
    {"epoch": 1, "train_loss": 0.75, "log_loss": 0.7, "seconds": 1.5, "work_seconds": 3.0},
    {"epoch": 2, "train_loss": 0.5, "log_loss": 0.625, "seconds": 2.25, "work_seconds": 4.0},
]
CHALLENGE = [{**line, "maa": maa} for line, maa in zip(ONLINE, (0.25, 0.375), strict=True)]


def drawn(path):
    """All that is written in a picture."""
    return [e.text for e in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_the_table_has_a_line_an_epoch(tmp_path):
    leave_curves(tmp_path / "skip.bundle.run", CHALLENGE, "attention")
    assert (tmp_path / "skip.bundle.run" / "losses.csv").read_bytes() == (
        b"epoch,train_loss,log_loss,maa,seconds\n1,0.75,0.7,0.25,1.5\n2,0.5,0.625,0.375,2.25\n"
    )


def test_where_no_maa_is_scored_there_is_no_column_of_it(tmp_path):
    leave_curves(tmp_path, ONLINE, "gru")
    assert (tmp_path / "losses.csv").read_bytes() == (
        b"epoch,train_loss,log_loss,seconds\n1,0.75,0.7,1.5\n2,0.5,0.625,2.25\n"
    )


def test_the_picture_names_every_line_and_is_not_told_by_colour_alone(tmp_path):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    assert leave_curves(tmp_path, CHALLENGE, "attention") == [tmp_path / "losses.csv", tmp_path / "losses.svg"]
    said = drawn(tmp_path / "losses.svg")
    for words in (
        "attention: 2 epochs",
        "what is trained on",
        "log-loss, validation",
        "MAA, validation",
        "loss",
        "MAA",
    ):
        assert words in said
    assert "stroke-dasharray" in (tmp_path / "losses.svg").read_text(encoding="utf-8")


def test_where_no_maa_is_scored_none_is_drawn(tmp_path):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    leave_curves(tmp_path, ONLINE, "gru")
    said = drawn(tmp_path / "losses.svg")
    assert {"gru: 2 epochs", "what is trained on", "log-loss, validation"} <= set(said)
    assert not [words for words in said if "MAA" in words]


@pytest.mark.parametrize("missing", ["altair", "vl_convert"])
def test_where_nothing_can_draw_only_the_table_is_written(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert leave_curves(tmp_path, ONLINE, "gru") == [tmp_path / "losses.csv"]
    assert [p.name for p in tmp_path.iterdir()] == ["losses.csv"]


def test_curves_of_another_training_are_replaced(tmp_path):
    leave_curves(tmp_path, CHALLENGE, "attention")
    leave_curves(tmp_path, ONLINE[:1], "gru")
    assert (tmp_path / "losses.csv").read_bytes() == b"epoch,train_loss,log_loss,seconds\n1,0.75,0.7,1.5\n"
