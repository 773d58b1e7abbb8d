"""Names of tracks, to be found by a part of them."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from segue.catalogue import Catalogue, catalogue
from segue.errors import Tampered
from segue.mapped import mapped

ROWS = [
    ("Dancing Queen", "ABBA", "Arrival", "spotify:track:1"),
    ("Straße", "Über Alles", None, "spotify:track:2"),
    ("Queen of the Dance", "Nobody", "A", "nobody\tqueen of the dance"),
    (None, None, None, "t_9"),
    ("<b>x\x1fy\x1e</b>", "a", "b", "c"),
]  # fmt: skip


@pytest.fixture(params=["made", "mapped"])
def names(request, tmp_path):
    arrays = catalogue(ROWS)
    if request.param == "mapped":
        save_file(arrays, tmp_path / "names.safetensors")
        arrays = mapped(tmp_path / "names.safetensors")
    return Catalogue(arrays)


def found(names, text, limit=20):
    return [one["track"] for one in names.search(text, limit)]


def test_all_words_must_stand_in_the_names_of_a_track_in_any_order_and_case(names):
    assert found(names, "queen") == ["spotify:track:1", "nobody\tqueen of the dance"]
    assert found(names, "QUEEN abba") == ["spotify:track:1"]
    assert found(names, "danc queen", 1) == ["spotify:track:1"]
    assert found(names, "STRASSE über") == ["spotify:track:2"]
    assert found(names, "t_9") == ["t_9"]
    assert found(names, "no such track") == []


def test_a_track_whose_title_was_asked_comes_before_those_whose_names_are_longer():
    names = Catalogue(catalogue([(f"Song {i}", f"Song {i} band", None, f"id-{i}") for i in (271, 710, 71, 7, 1071, 17)]
                                + [("song  71", None, None, "live"), ("SONG 71", "other", None, "cover")]))  # fmt: skip
    assert found(names, "song 71") == ["id-71", "cover", "id-271", "id-710", "id-1071", "live"]
    assert found(names, " Song 71 ", 2) == ["id-71", "cover"]
    assert found(names, "song 71", 3) == ["id-71", "cover", "id-271"]
    assert found(names, "71 song") == ["id-271", "id-710", "id-71", "id-1071", "live", "cover"]
    assert found(names, "cover") == ["cover"]  # the last line, and a title that nothing could hold any more
    assert found(names, "song 71" * 99) == []


def test_an_empty_text_finds_the_most_played(names):
    assert found(names, " ", 2) == ["spotify:track:1", "spotify:track:2"]


def test_names_come_back_as_they_were_and_an_artist_known_by_name_has_an_id(names):
    assert names[0] == {"title": "Dancing Queen", "artist": "ABBA", "album": "Arrival", "track": "spotify:track:1"}
    assert names[2]["artist_id"] == "nobody"
    assert names[3] == {"title": None, "artist": None, "album": None, "track": "t_9"}
    assert names[4]["title"] == "<b>x y </b>"


def test_no_text_crosses_from_one_track_to_the_next(names):
    assert found(names, "1straße") == []
    assert len(names) == len(ROWS)


def test_a_long_catalogue_is_searched_in_strides(monkeypatch):
    monkeypatch.setattr("segue.catalogue.STRIDE", 64)
    names = Catalogue(catalogue([(f"song {i}", None, None, f"id-{i}") for i in range(500)]))
    assert found(names, "song 499") == ["id-499"]
    assert len(found(names, "song", 100)) == 100
    assert found(names, "song id-7", 3) == ["id-7", "id-70", "id-71"]


@pytest.mark.parametrize(
    "harm",
    [
        lambda a: a.pop("text"),
        lambda a: a.update(text_starts=a["text_starts"][:-1]),
        lambda a: a.update(folded_starts=a["folded_starts"][::-1].copy()),
        lambda a: a.update(text=a["text"].astype(np.int32)),
        lambda a: a.update(text_starts=a["text_starts"] * 2),
    ],
)
def test_a_damaged_catalogue_is_refused(harm):
    arrays = catalogue(ROWS)
    harm(arrays)
    with pytest.raises(Tampered, match="names of tracks are damaged"):
        Catalogue(arrays)


@pytest.mark.parametrize("cut", [0, 7, 9, 40, -1])
def test_a_file_that_is_cut_is_refused(tmp_path, cut):
    save_file(catalogue(ROWS), tmp_path / "names.safetensors")
    whole = (tmp_path / "names.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:cut])
    with pytest.raises(Tampered):
        mapped(tmp_path / "cut.safetensors")
