from __future__ import annotations

import builtins
import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import small
from segue import cli, clusters, profiles
from segue.clusters import METHODS
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.figures import listener_clusters
from segue.listener_groups import best_number, group

LENGTHS = {"f": 31.0, "a": 4.0, "e": 120.0, "c": 5.0, "d": 30.0, "b": 6.0}
FILES = ["assignment.csv", "choices.csv", "clusters.csv", "clusters.png", "clusters.svg", "elbow.png", "elbow.svg"]


def table(**columns):
    columns = {"listener": list(LENGTHS), "average_session_length": list(LENGTHS.values()), **columns}
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def many(n=90, seed=0):
    """Three kinds of listeners: of 20, 60 and 120 minutes or so."""
    rng = np.random.default_rng(seed)
    length = np.array([20.0, 60, 120])[np.arange(n) % 3] + rng.standard_normal(n)
    return pa.table({"listener": [f"u{i:03}" for i in range(n)], "average_session_length": length,
                     "plays_a_day": length / 5 + rng.random(n), "night": rng.random(n), "whole": np.arange(n)})  # fmt: skip


@pytest.fixture(scope="module")
def kinds():
    return group(many(), seed=1)


# ── clusters ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_listeners_are_clustered_by_name_whatever_the_order_of_their_rows():
    found = group(table(), k=3)
    assert found.listeners.names == ["a", "b", "c", "d", "e", "f"]
    assert found.labels.tolist() == [0, 0, 0, 1, 2, 1]
    assert [(r["cluster"], r["listeners"], r["share"], r["average_session_length"]) for r in found.clusters] == [
        (1, 3, 0.5, 5.0), (2, 2, pytest.approx(1 / 3), 30.5), (3, 1, pytest.approx(1 / 6), 120.0),
    ]  # fmt: skip
    assert repr(found) == "ListenerGroups(6 listeners by average_session_length, kmeans: 3 : 2 : 1)"


def test_as_many_clusters_as_have_the_largest_silhouette_are_taken(kinds):
    assert kinds.k == 3
    assert [r["k"] for r in kinds.choices] == [*range(1, 11)]
    best = max(kinds.choices[1:], key=lambda r: r["silhouette"])
    assert best["k"] == 3
    assert kinds.choices[0]["silhouette"] is None
    assert kinds.choices[0]["left"] == 1
    assert all(a["inertia"] > b["inertia"] for a, b in zip(kinds.choices, kinds.choices[1:], strict=False))


def row(k, silhouette, smallest):
    return {"k": k, "silhouette": silhouette, "smallest": smallest}


@pytest.mark.parametrize(
    ("rows", "n", "k"),
    [
        ([row(1, None, 40), row(2, 0.6, 9), row(3, 0.61, 8), row(8, 0.7, 1)], 40, 2),  # the fewest of those as good
        ([row(1, None, 40), row(2, 0.55, 9), row(3, 0.6, 8), row(4, 0.61, 8)], 40, 3),
        ([row(1, None, 200), row(2, 0.7, 9), row(3, 0.6, 10)], 200, 3),  # 5 % are ten
        ([row(1, None, 40), row(2, 0.7, 2), row(3, 0.6, 3)], 40, 3),  # and three at least
        ([row(1, None, 40), row(2, 0.5, 1), row(3, 0.6, 1)], 40, 3),  # none is able
        ([row(1, None, 2), row(2, None, 1)], 2, None),
    ],
)
def test_of_numbers_as_good_the_fewest_clusters_are_taken_and_none_that_leaves_a_few_alone(rows, n, k):
    assert best_number(rows, n) == k


def test_one_far_out_is_no_cluster_of_its_own_unless_it_is_asked_for():
    length = np.concatenate([np.linspace(50, 70, 39), [900.0]])
    one = pa.table({"listener": [f"u{i:02}" for i in range(40)], "average_session_length": length})
    found, asked = group(one), group(one, k=2)
    assert [r["listeners"] for r in asked.clusters] == [39, 1]
    assert (asked.why, asked.choices[1]["smallest"]) == ("as asked", 1)
    assert max(found.choices[1:], key=lambda r: r["silhouette"])["k"] == 2
    judged = any(r["smallest"] >= 3 for r in found.choices[1:])
    assert not judged
    assert (
        "Every number of clusters that was tried leaves one below 3 listeners: those are hardly groups." in found.notes
    )
    assert found.why == "the largest silhouette"


def test_why_so_many_is_said():
    kinds = group(many(), seed=1)
    assert (kinds.why, kinds.choices[2]["smallest"]) == ("the largest silhouette", 30)
    rest = {"inertia": 1.0, "left": 1.0}
    two = replace(kinds, labels=np.arange(90) % 2, choices=[row(1, None, 90) | rest, row(2, 0.6, 45) | rest])
    for more, why in (
        (row(3, 0.61, 30), "the fewest whose silhouette is within 0.02 of the largest silhouette"),
        (row(3, 0.7, 1), "the largest silhouette of those without a cluster below 5 listeners"),
    ):
        found = replace(two, choices=[*two.choices, more | rest])
        assert found.why == why
        verb = "are" if "fewest" in why else "have"
        assert listener_clusters.elbow(found).finding == f"2 clusters are taken, which {verb} {why}, 0.60."


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_kinds_and_the_same_seed_the_same(method):
    found, again = (group(many(), ["average_session_length", "plays_a_day"], method=method, seed=3) for _ in range(2))
    assert (found.k, found.to_json()) == (3, again.to_json())
    assert [r["listeners"] for r in found.clusters] == [30, 30, 30]


def test_listeners_of_whom_a_column_is_unknown_are_left_out_and_counted():
    found = group(
        table(age=[30, None, 20, 25, 70, None], night=[0.1, 0.2, np.nan, 0.1, 0.1, 0.3]), ["age", "night"], k=2
    )
    assert (found.listeners.names, found.listeners.left_out) == (["c", "d", "f"], 3)
    assert found.notes[0] == "3 listeners are left out, of whom one of these is not known."
    assert [r["age"] for r in found.clusters] == [27.5, 70.0]


def test_a_column_of_large_numbers_outweighs_no_other_unless_it_is_asked_for():
    rng = np.random.default_rng(0)
    share = np.repeat([0.1, 0.9], 30)
    plays = rng.permutation(np.arange(60) + 1000 * (np.arange(60) > 29))
    two = pa.table({"listener": [f"u{i:02}" for i in range(60)], "share": share, "plays": plays})
    assert group(two, ["share", "plays"], k=2).labels.tolist() == [0] * 30 + [1] * 30
    raw = group(two, ["plays", "share"], k=2, standardise="none").labels
    assert raw.tolist() == (plays >= 500).astype(int).tolist()


def test_in_logs_a_long_tail_is_no_cluster_of_its_own():
    length = np.concatenate([np.geomspace(10, 20, 60), np.geomspace(100, 200, 40), [20_000.0]])
    long = pa.table({"listener": [f"u{i:03}" for i in range(101)], "length": length})
    found = group(long, ["length"], k=2)
    assert [r["listeners"] for r in found.clusters] == [100, 1]
    assert any("a few who lie far out may be clusters by themselves" in note for note in found.notes)
    in_logs = group(long, ["length"], k=2, standardise="logs")
    assert [r["listeners"] for r in in_logs.clusters] == [60, 41]
    assert not any("far out" in note for note in in_logs.notes)


def test_one_round_cloud_is_said_to_be_hardly_a_structure():
    points = np.random.default_rng(0).standard_normal((200, 8))
    cloud = pa.table({"listener": [f"u{i:03}" for i in range(200)]} | {f"x{i}": points[:, i] for i in range(8)})
    found = group(cloud, [f"x{i}" for i in range(8)])
    assert any(note.startswith("A silhouette below 0.25 is hardly a structure") for note in found.notes)


def test_that_a_graph_looked_at_some_listeners_only_is_said(monkeypatch):
    for module in (clusters, sys.modules["segue.listener_groups"]):
        monkeypatch.setattr(module, "MOST", 60)
        monkeypatch.setattr(module, "JUDGED", 50)
    found = group(many(), method="spectral", k=3)
    assert found.notes == ["spectral looked at 60 of the 90 listeners; the others are with the nearest of these.",
                           "Silhouettes are means over 50 listeners drawn at random."]  # fmt: skip
    assert [r["listeners"] for r in found.clusters] == [30, 30, 30]


# ── what cannot be asked ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rows", "asked", "words"),
    [
        (table(), {"by": ["averge_session_length"]}, "no column of the table is called 'averge_session_length'; did you mean "
         "average_session_length?"),
        (table(top=["x"] * 6), {"by": ["top"]}, "column 'top' of the table is string: expected numbers; choose others with --by"),
        (table(), {"by": []}, "no column to cluster by: give --by"),
        (table(), {"by": ["listener"]}, "that is who each row is of; choose columns of numbers"),
        (table(), {"k": 1}, "--k 1: expected auto, or a whole number from 2 on"),
        (table(), {"k": 7}, "7 clusters take as many listeners who differ in average_session_length: the table has 6; give "
         "a table of more listeners, or fewer clusters"),
        (table(same=[4, 4, 4, 4, 5, 6]), {"by": ["same"], "k": 5}, "the table has 3; choose other columns, or fewer clusters"),
        (table(top=["x"] * 6), {"by": ["tap"]}, "no column of the table is called 'tap'; known: average_session_length"),
        (table().select(["listener"]), {"by": ["tap"]}, "no column of the table is called 'tap', and none holds numbers"),
        (table().slice(0, 1), {}, "2 clusters take as many listeners who differ in average_session_length: the table has 1; "
         "give a table of more listeners"),
        (table(age=[None] * 5 + [3.0]), {"by": ["age"]}, "the table has 1; 5 are left out, of whom one is unknown; choose"),
        (table(same=[4] * 6), {"by": ["same"]}, "the table has 1; choose other columns"),
        (table().slice(0, 0), {}, "the table has 0"),
        (table(), {"method": "kmean"}, "no method of clustering is called 'kmean'"),
        (table(), {"standardise": "al"}, "no standardisation is called 'al'; did you mean all?"),
        (table(), {"seed": -1}, "seed -1: expected 0 or more"),
        (table().drop_columns("listener"), {}, "the table has no column 'listener': expected who each row is of; name one so"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(rows, asked, words):
    with pytest.raises(AskedWrongly) as said:
        group(rows, **asked)
    assert words in str(said.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b", "a"], "has two rows of listener 'a': expected one"),
        (["a", None, "b"], "has 1 rows without a listener"),
    ],
)
def test_a_row_is_of_one_listener(names, words):
    with pytest.raises(BadInput, match=words):
        group(pa.table({"listener": names, "average_session_length": [1.0, 2.0, 3.0]}))


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_csv_and_a_parquet_file_of_the_same_are_clustered_the_same(tmp_path):
    whole = small.library("lastfm1k")
    found = []
    for name in ("p.parquet", "p.csv"):
        profiles.write(whole, tmp_path / name)
        found.append(group(tmp_path / name, ["average_session_length", "n_plays"], k=2).to_json())
    assert found[0] | {"table": "p.csv"} == found[1]
    assert found[1]["units"] == {"average_session_length": "min", "n_plays": "plays"}


def test_cells_that_say_nothing_are_unknown(tmp_path):
    (tmp_path / "t.csv").write_text("x,listener\n1,a\n,b\nNaN,c\n2.5,d\n\n-3e1,e\n", encoding="utf-8-sig")
    found = group(tmp_path / "t.csv", ["x"], k=2)
    assert (found.listeners.names, found.listeners.left_out) == (["a", "d", "e"], 2)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "listener,x\na,1\nb,two\n",
            AskedWrongly,
            "column 'x' of t.csv holds 'two' (line 3): expected numbers; choose others",
        ),
        ("listener,x\na,1\nb\n", BadInput, "t.csv line 3 has 1 cells: expected 2"),
        ("listener,x\na,1\n,2\n", BadInput, "t.csv line 3 has no listener: expected one"),
        ("listener,y\na,1\n", UnknownName, "no column of t.csv is called 'x'"),
        ("listener,top,xs\na,y,1\nb,z,\n", UnknownName, "no column of t.csv is called 'x'; did you mean xs?"),
        ("listener,xx,y\na,y,1\nb,,2\n", UnknownName, "no column of t.csv is called 'x'; known: y"),
        ("", AskedWrongly, "no column of t.csv is called 'x', and none holds numbers"),
        ('listener,x\n"a\n', BadInput, "t.csv line"),
    ],
)
def test_a_table_that_cannot_be_read_is_said_with_its_line(tmp_path, text, kind, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(kind) as said:
        group(tmp_path / "t.csv", ["x"], k=2)
    assert words in str(said.value)


def test_no_file_a_folder_or_a_torn_one_is_one_line(tmp_path):
    (tmp_path / "torn.parquet").write_bytes(b"PAR1nothing")
    (tmp_path / "bytes.csv").write_bytes(b"listener,x\n\xff,1\n")
    for name, kind, words in (("nowhere.csv", AskedWrongly, "no such file; give the table that segue profiles"),
                              (".", AskedWrongly, "is a folder; give the table"),
                              ("torn.parquet", BadInput, "torn.parquet cannot be read as Parquet"),
                              ("bytes.csv", BadInput, "bytes.csv: byte 11 is not UTF-8: save it as UTF-8")):  # fmt: skip
        with pytest.raises(kind) as said:
            group(tmp_path / name, ["x"])
        assert words in str(said.value)


# ── files and pictures ──────────────────────────────────────────────────────────────────────────────────────────────


def read(path):
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_tables_and_pictures_are_written(kinds, tmp_path):
    assert kinds.save(tmp_path / "out") == []
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == FILES
    rows = read(tmp_path / "out" / "assignment.csv")
    assert [(r["listener"], r["cluster"]) for r in rows[:4]] == [
        ("u000", "1"),
        ("u001", "2"),
        ("u002", "3"),
        ("u003", "1"),
    ]
    choices = read(tmp_path / "out" / "choices.csv")
    assert [list(r) for r in choices] == [["k", "inertia", "silhouette"]] * 10
    assert choices[0]["silhouette"] == ""
    assert [float(r["silhouette"]) for r in choices[1:]] == [r["silhouette"] for r in kinds.choices[1:]]
    assert [r["listeners"] for r in read(tmp_path / "out" / "clusters.csv")] == ["30", "30", "30"]
    assert (tmp_path / "out" / "elbow.png").read_bytes()[:4] == b"\x89PNG"
    assert "average session length (min)" in (tmp_path / "out" / "clusters.svg").read_text(encoding="utf-8")


def test_the_pictures_say_how_many_and_where(kinds):
    assert listener_clusters.elbow(kinds).finding.startswith(
        "3 clusters are taken, which have the largest silhouette, 0.9"
    )
    figure = listener_clusters.plane(kinds)
    assert figure.finding == "3 clusters of 30 : 30 : 30 listeners, in the order of their average session length."
    assert sum(r["listeners"] for r in figure.rows) == 90
    asked = listener_clusters.elbow(group(many(), k=4)).finding
    assert asked.startswith("4 clusters are taken, as was asked: a silhouette of 0.")


@pytest.mark.parametrize(
    "by", [["average_session_length", "plays_a_day"], ["average_session_length", "plays_a_day", "night"]]
)
@pytest.mark.parametrize("how", ["all", "logs", "none"])
def test_two_columns_or_more_are_points_of_each_cluster(by, how):
    figure = listener_clusters.plane(group(many(), by, k=3, standardise=how))
    assert len(figure.rows) == 90
    assert {r["cluster"] for r in figure.rows} == {"1", "2", "3"}
    assert figure.svg().startswith("<svg")


@pytest.mark.parametrize("how", ["all", "logs"])
def test_who_lies_far_out_is_drawn_at_the_edge_or_in_logs(how):
    length = np.concatenate([np.linspace(10, 20, 300), [5000.0]])
    found = group(pa.table({"listener": [str(i) for i in range(301)], "x": length}), ["x"], k=2, standardise=how)
    figure = listener_clusters.plane(found)
    assert sum(r["listeners"] for r in figure.rows) == 301
    if how == "all":
        assert figure.note == "1 listener lies beyond what is drawn, at its edge."
        assert max(r["high"] for r in figure.rows) < 25
    else:
        assert (figure.note, max(r["high"] for r in figure.rows)) == ("", pytest.approx(5000))


def test_a_folder_that_holds_something_is_replaced_only_if_that_is_said(kinds, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AskedWrongly, match="is not empty: choose another folder, or give --overwrite"):
        kinds.save(tmp_path)
    kinds.save(tmp_path, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*FILES, "notes.txt"])


def test_without_what_pictures_need_tables_are_written_and_it_is_said(kinds, tmp_path, monkeypatch):
    real = builtins.__import__

    def lacking(name, *rest):
        if name in ("altair", "vl_convert"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    assert kinds.save(tmp_path / "out") == [
        "No pictures are drawn: altair is not installed; run: pip install 'segue[report]'"
    ]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["assignment.csv", "choices.csv", "clusters.csv"]


# ── the verb ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command line in this process: exit status, standard output, standard error."""

    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return started


def test_the_verb_prints_sizes_centres_and_silhouettes(run, tmp_path):
    pq.write_table(many(), tmp_path / "p.parquet")
    status, out, err = run("cluster", tmp_path / "p.parquet", "-o", tmp_path / "out")
    assert (status, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "cluster listeners share average session length (min)" in lines
    assert "1 30 33.3% 19.93" in lines
    assert any(line.startswith("3 ") and line.endswith("<- taken") for line in lines)
    assert lines[-1].endswith(", ".join(FILES))


def test_machines_get_json(run, tmp_path):
    pq.write_table(many(), tmp_path / "p.parquet")
    asked = ["--by", "average_session_length,plays_a_day", "--k", "3", "--method", "ward", "--json"]
    line = ("cluster", tmp_path / "p.parquet", *asked)
    status, out, _ = run(*line)
    told = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (status, told["by"], told["k"], told["method"]) == (0, ["average_session_length", "plays_a_day"], 3, "ward")
    assert (told["folder"], told["files"], told["is_chosen"]) == (None, [], False)
    assert run(*line)[1] == out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--k", "many"], "--k many: expected auto, or a whole number from 2 on"),
        (["--by", "lenth"], "no column of p.parquet is called 'lenth'"),
        (["--method", "dbscan"], "no method of clustering is called 'dbscan'; known: kmeans, spectral, ward"),
        (["-o", "."], "is not empty"),
    ],
)
def test_what_was_asked_wrongly_is_one_line_and_exit_2(run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    pq.write_table(many(), "p.parquet")
    status, out, err = run("cluster", "p.parquet", *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
