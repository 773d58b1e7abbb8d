"""Tables of descriptors: every row is told of, tracks of one maker stay together, what was measured is an input."""

from __future__ import annotations

import numpy as np
import pytest

from segue.errors import AskedWrongly, BadInput
from segue.sound_contest import ALL, compare
from segue.sound_table import read_table


def written(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    return tmp_path / "t.csv"


def test_every_row_is_kept_or_rejected_with_a_reason(tmp_path):
    rows = ["track_id,energy,tempo,mode,genre", "2,.5,120,major,pop", "2,.6,,minor,pop", ",.7,1,0,", "5,1.5,0,minor",
            "7,.1,n/a,Minor,folk", "", ""]  # fmt: skip
    found = read_table(written(tmp_path, "\n".join(rows)))
    assert found.names == ("2", "7")
    assert found.n_rows == 6 == len(found.names) + sum(found.rejected.values())
    assert found.rejected == {
        "an identity again": 1,
        "no identity": 1,
        "not as many cells as the header": 1,
        "blank line": 1,
    }
    assert found.said["energy"].tolist() == [0.5, 0.1]
    assert found.said["mode"].tolist() == [1, 0]
    assert found.refused == {"tempo": 1}
    assert found.columns == ()


def test_artists_stay_together_else_albums_else_runs_of_numbers(tmp_path):
    found = read_table(written(tmp_path, "file,artist,energy\na.mp3,X,.1\nb.mp3,y,.2\nc.mp3,x,.3\nd.mp3,,.4\n"))
    assert found.grouped_by == "artist"
    assert found.group[0] == found.group[2]
    assert len(set(found.group)) == 3
    found = read_table(written(tmp_path, "track_id,energy\n1,.1\n17,.2\n34,.3\n"))
    assert found.group.tolist() == [0, 0, 1]
    assert found.grouped_by.startswith("runs of track numbers at most 16 apart")
    assert read_table(written(tmp_path, "file,energy\na,.1\nb,.2\n")).group.tolist() == [0, 1]


def test_what_was_measured_is_an_input(tmp_path):
    found = read_table(written(tmp_path, "track_id,mfcc,mfcc.1,zcr,feature,energy\n1,2,3,4,5,.5\n2,x,3,4,5,.6\n"))
    assert found.columns == ("mfcc", "mfcc.1", "zcr")
    np.testing.assert_array_equal(found.measured().values, np.float32([[2, 3, 4], [np.nan, 3, 4]]))
    with pytest.raises(AskedWrongly, match="give the folder of its recordings"):
        read_table(written(tmp_path, "track_id,energy\n1,.5\n")).measured()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty: expected a header and a row a track"),
        ("track_id,genre\n1,pop\n", "says nothing of acousticness, danceability"),
        ("name,energy\nx,.5\n", "names no tracks: expected a column such as file or track_id; found name, energy"),
        (
            "track_id,a,track_id,energy\n1,0,2,.5\n",
            "two columns called track_id, which differ in 1 rows: rename the one",
        ),
        ('track_id,energy\n1,"2"3\n', "is not CSV"),
    ],
)
def test_what_is_no_table_of_descriptors_is_one_line(tmp_path, text, words):
    with pytest.raises(BadInput, match=words):
        read_table(written(tmp_path, text))


def test_no_file_and_no_text_are_told(tmp_path):
    with pytest.raises(AskedWrongly, match="no such file; give a CSV"):
        read_table(tmp_path / "no.csv")
    (tmp_path / "t.csv").write_bytes(b"track_id,energy\n\xff,1\n")
    with pytest.raises(BadInput, match="byte 16 is not UTF-8"):
        read_table(tmp_path / "t.csv")


def test_what_fma_says_of_650_tracks_is_learned_from_its_statistics(data):
    table = read_table(data / "fma" / "final_data.csv")
    assert len(table.names) == table.n_rows == 650
    assert len(table.columns) == 74
    found = compare(table.measured(), models=["ridge"], draws=50)
    ridge = found["ridge"]
    assert ridge.nmse["acousticness"].value < 0.35
    assert ridge.nmse["energy"].value < 0.4
    assert ridge.nmse[ALL].high < 0.85
    assert {"liveness", "tempo"} <= set(found.not_learnt())
    assert all(0.85 < c < 0.95 for c in ridge.coverage.values())
