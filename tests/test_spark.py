"""Spark as it schedules pieces, fails, and holds tables; on its own machine (tests/test_cluster.py: on a cluster's)."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

import segue.spark
from segue import cli, registry, tensor_table
from segue.datasets import mssd
from segue.datasets.source import find
from segue.errors import AskedWrongly, BadInput, MissingExtra, TooLittleMemory, UnknownName
from segue.feature_table import write
from segue.library import ingest, open_library
from segue.parts import Job, write_unit
from segue.spark import asked_for

HEARD = []


@dataclass(frozen=True)
class Counted:
    """Pieces that leave a mark in a folder each time they are done, and some of which do not go well."""

    folder: Path
    wrong: tuple[int, ...] = ()  # fail, and say so
    slow: tuple[int, ...] = ()
    dies: tuple[int, ...] = ()  # the first time only
    always_dies: tuple[int, ...] = ()
    too_large: tuple[int, ...] = ()
    odd: tuple[int, ...] = ()  # fail as nobody expects

    def do(self, n, report):
        if n in self.slow:
            time.sleep(1)
        tries = len(list(self.folder.glob(f"{n}.*")))
        (self.folder / f"{n}.{tries}").touch()
        if n in self.always_dies or (n in self.dies and not tries):
            os.kill(os.getpid(), signal.SIGKILL)
        if n in self.too_large:
            raise TooLittleMemory("too much")
        if n in self.wrong:
            raise UnknownName("piece", f"piece {n}", ["none"])
        if n in self.odd:
            raise KeyError(n)
        return {"twice": 2 * n}

    def called(self, n):
        return f"piece {n}"

    def alone(self):
        return replace(self, too_large=())


@pytest.fixture
def work(tmp_path):
    pytest.importorskip("pyspark")
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # executors have no tests
    yield Counted(tmp_path)
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def content(folder):
    """Every byte of a library, and its manifest but for when it was made."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    manifest = json.loads(files.pop("manifest.json"))
    return files, {k: v for k, v in manifest.items() if k != "made"}


# ── pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.spark
def test_every_piece_is_done_once_and_told(spark, work):
    told = dict(spark.written(work, range(5), HEARD.append))
    assert told == {n: {"twice": 2 * n} for n in range(5)}
    assert sorted(p.name for p in work.folder.iterdir()) == [f"{n}.0" for n in range(5)]
    assert list(spark.written(work, [], HEARD.append)) == []


@pytest.mark.spark
def test_a_piece_is_told_when_it_is_done_and_not_when_all_are(spark, work):
    numbers = iter(spark.written(replace(work, slow=(1, 2, 3)), range(4), HEARD.append))
    assert next(numbers)[0] == 0
    assert len(list(work.folder.iterdir())) < 4
    assert sorted(n for n, _ in numbers) == [1, 2, 3]


@pytest.mark.spark
def test_the_first_piece_that_fails_is_told_whichever_fails_first_in_time_and_is_not_tried_again(spark, work):
    wrong = replace(work, wrong=(1, 2), slow=(1,))
    with pytest.raises(AskedWrongly, match=r"^no piece is called 'piece 1'; known: none$"):
        list(spark.written(wrong, range(4), HEARD.append))
    assert sorted(p.name for p in work.folder.glob("[12].*")) == ["1.0", "2.0"]


@pytest.mark.spark
def test_an_error_that_nobody_expects_says_where_it_was_raised(spark, work):
    with pytest.raises(KeyError) as caught:
        list(spark.written(replace(work, odd=(0,)), range(1), HEARD.append))
    assert "in do" in caught.value.__notes__[0]


@pytest.mark.spark
def test_a_piece_whose_process_dies_is_done_again(spark, work):
    told = dict(spark.written(replace(work, dies=(0, 2)), range(3), HEARD.append))
    assert told == {n: {"twice": 2 * n} for n in range(3)}
    assert {p.name for p in work.folder.iterdir()} >= {"0.1", "1.0", "2.1"}


@pytest.mark.spark
def test_a_piece_whose_process_dies_again_and_again_is_given_up_in_one_line(spark, work):
    with pytest.raises(BadInput) as caught:
        list(spark.written(replace(work, always_dies=(1,)), range(2), HEARD.append))
    said = str(caught.value)
    assert said.startswith("Spark gave up on piece 1 after 4 tries (the last: ")
    assert said.endswith("it goes on where it stopped")
    assert "\n" not in said
    assert len(list(work.folder.glob("1.*"))) == 4


@pytest.mark.spark
def test_what_is_too_large_for_an_executor_is_done_at_last_by_the_driver(spark, work):
    told = [n for n, _ in spark.written(replace(work, too_large=(0,)), range(3), HEARD.append)]
    assert told[-1] == 0
    assert sorted(told) == [0, 1, 2]


@pytest.mark.spark
def test_who_stops_listening_ends_the_job(spark, work):
    numbers = spark.written(replace(work, slow=tuple(range(1, 40))), range(40), HEARD.append)
    assert next(numbers)[0] == 0
    numbers.close()
    time.sleep(3)  # those at work come to their end
    n_done = len(list(work.folder.iterdir()))
    assert n_done < 20
    assert sorted(dict(spark.written(work, [40, 41], HEARD.append))) == [40, 41]
    assert len(list(work.folder.iterdir())) == n_done + 2


@pytest.mark.spark
def test_a_folder_that_an_executor_does_not_see_is_named_with_what_to_do(spark, work, tmp_path):
    with pytest.raises(
        BadInput, match=r"/nowhere is not there on \S+: expected a folder that every machine of the cluster sees"
    ):
        list(spark.written(work, range(2), HEARD.append, [tmp_path, tmp_path / "nowhere"]))
    assert list(work.folder.iterdir()) == []


@pytest.mark.spark
def test_an_executor_with_another_segue_is_refused(spark, work, monkeypatch):
    monkeypatch.setattr(segue, "__version__", "99.0")
    with pytest.raises(BadInput, match=r"has segue \d\S+, the driver 99.0: install the same on every machine"):
        list(spark.written(work, range(2), HEARD.append))


# ── libraries ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.spark
@pytest.mark.parametrize("source", list(registry.DATASETS))
def test_a_library_is_the_same_bytes_whoever_reads(spark, source, tmp_path):
    registry.dataset(source).sample(tmp_path / "raw", sessions=60, seed=1)
    ingest(source, tmp_path / "raw", tmp_path / "embedded")
    ingest(source, tmp_path / "raw", tmp_path / "spark", engine=spark)
    assert content(tmp_path / "spark") == content(tmp_path / "embedded")
    assert open_library(tmp_path / "spark").manifest["kept"] > 0


@pytest.mark.spark
@pytest.mark.parametrize("source", ["mssd", "spotify_history"])
def test_examples_and_tensors_are_the_same_bytes_whoever_writes(spark, source, tmp_path):
    registry.dataset(source).sample(tmp_path / "raw", sessions=60, seed=1)
    library = ingest(source, tmp_path / "raw", tmp_path / "library")
    made = write(library, tmp_path / "embedded")
    write(library, tmp_path / "spark", engine=spark)
    assert content(tmp_path / "spark") == content(tmp_path / "embedded")
    assert made.manifest["examples"] > 0
    tensor_table.write(library, tmp_path / "tensors")
    tensor_table.write(library, tmp_path / "tensors-spark", engine=spark)
    assert content(tmp_path / "tensors-spark") == content(tmp_path / "tensors")


@pytest.mark.spark
def test_a_broken_log_is_told_as_without_spark_and_what_was_read_before_is_not_read_again(spark, tmp_path):
    mssd.sample(tmp_path / "raw", sessions=400, seed=1)
    last = max((tmp_path / "raw" / "training_set").iterdir())
    kept = last.read_bytes()
    last.write_bytes(kept[:-9])
    said = []
    for place, by in (("one", None), ("two", spark)):
        with pytest.raises(BadInput) as caught:
            ingest("mssd", tmp_path / "raw", tmp_path / place, engine=by)
        said.append(str(caught.value))
    assert said[0] == said[1]
    noted = (tmp_path / "two.partial" / "done.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in noted] == [json.loads(noted[0])["name"]]


@pytest.mark.spark
def test_what_spark_begins_processes_finish(spark, tmp_path, monkeypatch):
    mssd.sample(tmp_path / "raw", sessions=60, seed=1)
    ingest("mssd", tmp_path / "raw", tmp_path / "whole")

    def stops(self, work, left, heard, places):
        yield left[0], work.do(left[0], lambda share, rows: None)
        raise KeyboardInterrupt

    monkeypatch.setattr(segue.spark.Spark, "written", stops)
    with pytest.raises(KeyboardInterrupt):
        ingest("mssd", tmp_path / "raw", tmp_path / "out", engine=spark)
    done = (tmp_path / "out.partial" / "done.jsonl").read_bytes()
    monkeypatch.undo()
    assert done.count(b"\n") == 1
    ingest("mssd", tmp_path / "raw", tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_two_at_the_same_unit_leave_what_one_leaves(tmp_path):
    """An executor that is thought dead, and the one that does its piece again."""
    mssd.sample(tmp_path / "raw", sessions=200, seed=1)
    units, _ = registry.dataset("mssd").units(find([tmp_path / "raw"]))
    found = []
    for at_once in (1, 2):
        partial = tmp_path / f"{at_once}.partial"
        partial.mkdir()
        job = Job("mssd", {}, units, partial, "125MB", 1)
        with ThreadPoolExecutor(at_once) as pool:
            said = list(pool.map(lambda _, job=job: write_unit(job, 0), range(at_once)))
        assert len({json.dumps(one) for one in said}) == 1
        files = {str(p.relative_to(partial)): p.read_bytes() for p in partial.rglob("*") if p.is_file()}
        found.append((said[0], files))
    assert found[0] == found[1]


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

ROWS = pa.table({
    "n": pa.array([1, None, 1 << 60], pa.int64()), "x": pa.array([0.5, None, float("inf")], pa.float64()),
    "text": pa.array(["a", None, "ö"], pa.string()), "day": pa.array([date(2024, 2, 29), None, date(1970, 1, 1)], pa.date32()),
    "flag": pa.array([True, None, False], pa.bool_()), "small": pa.array([1, None, 3], pa.int32()),
})  # fmt: skip


@pytest.mark.spark
def test_a_table_comes_back_as_it_was_given_null_for_null_and_bit_for_bit(spark):
    assert spark.to_arrow(spark.table(ROWS)).equals(ROWS)
    assert spark.to_arrow(spark.table(ROWS[:0])).equals(ROWS[:0])


@pytest.mark.spark
def test_a_query_can_be_kept_as_a_table_and_dropped(spark):
    given = spark.table(ROWS)
    kept = spark.table(given.filter(given.n == 1).mutate(twice=given.n * 2))
    assert spark.to_arrow(kept.select("n", "twice")).to_pylist() == [{"n": 1, "twice": 2}]
    assert spark.to_arrow(kept.count()).as_py() == 1
    spark.drop(kept)
    with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.to_arrow(kept)


@pytest.mark.spark
def test_who_is_done_drops_their_own_tables_and_nobody_elses(spark):
    first = spark.table(ROWS)
    apart = spark.apart()
    second = apart.table(first.filter(first.n == 1))
    assert apart.to_arrow(second.count()).as_py() == 1
    cached = spark.session.sparkContext._jsc.getPersistentRDDs().size()
    assert cached > 0
    apart.close()
    assert spark.to_arrow(first).equals(ROWS)
    assert spark.session.sparkContext._jsc.getPersistentRDDs().size() == cached - 1
    with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.to_arrow(second)


@pytest.mark.spark
def test_parquet_is_read_under_any_name(spark, tmp_path):
    import pyarrow.parquet as pq

    places = [tmp_path / "a [1] {b} *?.parquet", tmp_path / "100% #ö é.parquet"]
    for place in places:
        pq.write_table(ROWS, place)
    table = spark.read_parquet(places)
    assert spark.to_arrow(table.agg(n=table.count(), small=table.small.sum().cast("int64"))).to_pylist() == [
        {"n": 6, "small": 8}
    ]


@pytest.mark.spark
def test_a_query_that_cannot_be_answered_is_told_in_one_line(spark, tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(ROWS, tmp_path / "rows.parquet")
    table = spark.read_parquet([tmp_path / "rows.parquet"])
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(
        BadInput, match=r"^Spark gave up on a query \(.*rows\.parquet.*\): is a machine or a file gone\?$"
    ) as caught:
        spark.to_arrow(table)
    assert "\n" not in str(caught.value)


# ── asking for it ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_embedded_engine_is_each_functions_own():
    with asked_for("embedded") as engine:
        assert engine is None


@pytest.mark.parametrize(("asked", "said"), [
    (("sparc",), r"^no engine is called 'sparc'; did you mean spark\?$"),
    (("embedded", "local[2]"), r"^--master local\[2\] means nothing without --engine spark: add that, or leave it out$"),
    (("embedded", "", ["spark.x=1"]), r"^--spark-conf spark.x=1 means nothing without --engine spark"),
    (("spark", "localhost:7077"), r"^--master localhost:7077: expected local\[2\], two pieces .*, or spark://HOST:PORT"),
    (("spark", "spark://host"), r"^--master spark://host: expected"),
    (("spark", "", ["memory=4g"]), r"^--spark-conf memory=4g: expected NAME=VALUE, such as spark.executor.memory=4g$"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_starts(asked, said):
    with pytest.raises(AskedWrongly, match=said):
        asked_for(*asked)


def test_a_cluster_that_nobody_runs_is_told_in_one_line():
    with pytest.raises(
        BadInput, match=r"^no Spark answers at spark://127.0.0.1:9 \(Connection refused\): start its master"
    ):
        segue.spark._of_master("spark://127.0.0.1:9")


@pytest.mark.spark
def test_a_second_spark_of_a_process_is_the_first_or_refused(spark):
    assert segue.spark.Spark("local[2]").session.sparkContext is spark.session.sparkContext
    with pytest.raises(
        AskedWrongly, match=r"^local\[7\]: this process has a Spark at local\[2,4\] already; stop that first$"
    ):
        segue.spark.Spark("local[7]")


def test_without_pyspark_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingExtra, match=r"^pyspark is not installed; run: pip install 'segue\[spark\]'$"):
        segue.spark.Spark()


def test_without_java_the_line_says_which_is_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BadInput, match=r"^Spark needs Java 17 or 21, and there is none: install it, or set JAVA_HOME"):
        segue.spark._check_java()


@pytest.mark.parametrize(("verb", "options", "said"), [
    ("ingest", ["--engine", "duck"], "no engine is called 'duck'; known: embedded, spark"),
    ("ingest", ["--engine", "spark", "--jobs", "3"], "--jobs 3 means nothing to Spark: leave it out, and give --master local[3]"),
    ("explore", ["--master", "local[2]"], "--master local[2] means nothing without --engine spark: add that, or leave it out"),
])  # fmt: skip
def test_the_command_line_refuses_what_cannot_be_meant(verb, options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["segue", verb, str(tmp_path), "-o", str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"segue: {said}\n"
