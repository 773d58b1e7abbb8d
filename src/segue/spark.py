"""Apache Spark: the same pieces of work on its executors, the same Ibis expressions on its tables; the only file that imports it.

Pieces (`jobs.Work`) are one task each, and Spark does what it is good at: finds them a core, and does them again elsewhere
when an executor dies. What a piece says comes back as its task ends, by way of an accumulator, so that it is noted at once.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segue
from segue.errors import AskedWrongly, BadInput, MissingExtra, SegueError, TooLittleMemory, UnknownName
from segue.jobs import Heard, Work, portable

MASTER = "local[2]"
ENGINES = ("embedded", "spark")
TRIES = 4  # of a piece whose process or machine dies, before it is given up
PATIENCE_S = 120.0  # for the first worker of a cluster to start
_LOOK_S = 0.05  # how often we look for what was done
_CANCEL_S = 15  # how long a job that is cancelled may take to end


class Spark:
    """A session of Spark's, this process being its driver. One a process: a second asks the first.

    Parameters
    ----------
    master : `local[2]`, threads of this machine's; or `spark://host:7077`, a cluster's
    settings : Spark's own, as `{"spark.executor.memory": "4g"}`
    """

    name = "spark"

    def __init__(self, master: str = MASTER, settings: Mapping[str, str] | None = None) -> None:
        import ibis

        with _interrupts_wait():
            self.session = _session(master, dict(settings or {}))
            self.ibis = ibis.pyspark.connect(self.session)
        if master.startswith("spark://"):
            _wait_for_workers(self.session.sparkContext, master, PATIENCE_S)
        self._n = 0
        self._made: dict[str, Any] = {}

    @property
    def cores(self) -> int:
        """How many pieces are done at once, as far as is known: cores of a cluster come and go."""
        return int(self.session.sparkContext.defaultParallelism)

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def table(self, rows: Any) -> Any:
        """An arrow table; or an Ibis table made once, kept in the executors' memory as far as there is room, else on disk."""
        if hasattr(rows, "to_pyarrow"):
            from pyspark import StorageLevel

            return self._named(self.session.sql(self.ibis.compile(rows)).persist(StorageLevel.MEMORY_AND_DISK))
        from pyspark.sql.pandas.types import from_arrow_schema

        return self._named(self.session.createDataFrame(rows, schema=from_arrow_schema(rows.schema)))

    def read_parquet(self, paths: Iterable[Path]) -> Any:
        files = [re.sub(r"([\\\[\]{}*?])", r"\\\1", str(Path(p).absolute())) for p in paths]  # no pattern of names
        return self._named(self.session.read.parquet(*[f"file://{name}" for name in files]))

    def to_arrow(self, table: Any) -> Any:
        wanted = table.as_table()
        try:
            found = self.session.sql(self.ibis.compile(wanted)).toArrow()
        except Exception as cause:
            if not (said := _of_java(cause)):
                raise
            raise BadInput(
                f"Spark gave up on a query ({_first_line(said[-1])}): is a machine or a file gone?"
            ) from cause
        return table.__pyarrow_result__(found.cast(wanted.schema().to_pyarrow()))

    def drop(self, table: Any) -> None:
        name = table.get_name()
        self.session.catalog.dropTempView(name)
        self._made.pop(name).unpersist()

    def _named(self, frame: Any) -> Any:
        self._n += 1
        name = f"t{self._n}_{id(self):x}"  # two engines may share a session
        frame.createOrReplaceTempView(name)
        self._made[name] = frame
        return self.ibis.table(name)

    def apart(self) -> Spark:
        """The same session, for somebody whose tables go when they are done."""
        other = copy(self)
        other._made = {}
        return other

    def close(self) -> None:
        """Drop the tables made here; the session goes on for others."""
        for name, frame in self._made.items():
            self.session.catalog.dropTempView(name)
            frame.unpersist()
        self._made.clear()

    def stop(self) -> None:
        self.session.stop()

    # ── pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def written(
        self, work: Work, numbers: Iterable[int], heard: Heard, places: Iterable[Path] = ()
    ) -> Iterator[tuple[int, Any]]:
        """Numbers of pieces and what was written of them, as they are done: `jobs.written`, but on Spark's executors.

        A piece may be done twice, and by two at once: of an executor that is lost nobody knows how far it came. So a piece
        writes aside, under a name of its own, and renames; and whichever comes first or last, it is the same bytes.

        Parameters
        ----------
        numbers : the pieces to do, ascending
        places : folders that every machine must see

        Raises
        ------
        Exception : what the first piece that fails raised, whichever fails first in time
        BadInput : Spark gave up: executors died at a piece, again and again; or they cannot do any
        """
        left = list(numbers)
        if not left:
            return
        failed: dict[int, BaseException] = {}
        too_large: list[int] = []
        waited_for = set(left)
        for n, kind, said in self._answers(work, left, tuple(Path(p).absolute() for p in places)):
            waited_for.discard(n)
            if kind == "done":
                yield n, said
            elif kind == "too large":
                too_large.append(n)
            else:
                failed[n] = said
            # pieces before one that failed are waited for: which failure is told does not depend on who is faster
            if failed and not (waited_for and min(waited_for) < min(failed)):
                break
        if failed:
            raise failed[min(failed)]
        alone = work.alone()
        for n in sorted(too_large):
            yield n, alone.do(n, lambda share, rows, n=n: heard(n, share, rows))  # type: ignore[misc]

    def _answers(self, work: Work, numbers: list[int], places: tuple[Path, ...]) -> Iterator[tuple[int, str, Any]]:
        """Number, how it went, and what is said of it, each once, as tasks end."""
        from pyspark import cloudpickle

        context, group = self.session.sparkContext, f"segue-{uuid.uuid4()}"
        told = context.accumulator([], _told())
        task = _Task(cloudpickle.dumps(work), segue.__version__, places, told)
        over: list[Any] = []  # the answers of all, or why there are none

        def run() -> None:
            try:
                context.setJobGroup(group, f"{len(numbers)} pieces", interruptOnCancel=True)
                over.append(context.parallelize(numbers, len(numbers)).map(task).collect())
            except BaseException as cause:
                over.append(cause)

        running = threading.Thread(target=run, daemon=True)
        running.start()
        left, n_told = set(numbers), 0
        try:
            while left:
                is_over = not running.is_alive()
                news = told.value[n_told:]
                n_told += len(news)
                if is_over and isinstance(over[0], list):
                    news = over[0]  # none is lost, were an update to be
                for n, kind, said in news:
                    if n in left:
                        left.remove(n)
                        yield n, kind, said
                if is_over and left:
                    raise _gave_up(over[0], work, numbers) from over[0]
                running.join(_LOOK_S)
        finally:
            if running.is_alive():
                context.cancelJobGroup(group)
                running.join(_CANCEL_S)


def _told() -> Any:
    """How what tasks say is gathered. A class of pyspark's, which is imported where it is used."""
    from pyspark.accumulators import AccumulatorParam

    class Told(AccumulatorParam):  # type: ignore[misc]
        def zero(self, value: list[Any]) -> list[Any]:
            return []

        def addInPlace(self, value1: list[Any], value2: list[Any]) -> list[Any]:  # as pyspark calls it
            value1 += value2
            return value1

    return Told()


@dataclass(frozen=True)
class _Task:
    """What is sent to the executors: a piece's number → how it went."""

    work: bytes
    version: str
    places: tuple[Path, ...]
    told: Any

    def __call__(self, n: int) -> tuple[int, str, Any]:
        answer = (n, *self._done(n))
        self.told.add([answer])
        return answer

    def _done(self, n: int) -> tuple[str, Any]:
        try:
            _check_here(self.version, self.places)
            work: Work = pickle.loads(self.work)
            return "done", work.do(n, lambda share, rows: None)
        except TooLittleMemory as cause:
            return "too large", str(cause)
        except Exception as cause:  # said here and raised there: tried again it would fail again
            return "failed", portable(cause)


def _check_here(version: str, places: Iterable[Path]) -> None:
    """Refuse to work where segue is another, or does not see what it is to read and where it is to write."""
    here = socket.gethostname()
    if segue.__version__ != version:
        raise BadInput(f"{here} has segue {segue.__version__}, the driver {version}: install the same on every machine")
    for place in places:
        if not place.exists():
            raise BadInput(
                f"{place} is not there on {here}: expected a folder that every machine of the cluster sees, by the same name; "
                "put logs and library on a file system that they share"
            )


def _gave_up(cause: BaseException, work: Work, numbers: Sequence[int]) -> BaseException:
    """What Spark makes of a job that cannot be done, in one line instead of Java's hundred."""
    said = "\n".join(_of_java(cause) or [str(cause)])
    if "No module named 'segue" in said:
        return BadInput(
            "Spark's executors have no segue: install it on every machine for the Python that PYSPARK_PYTHON names"
        )
    found = re.search(r"Task (\d+) in stage \S+ failed (\d+) times?, most recent failure: (.*)", said)
    if found:
        index, n_tries, last = int(found[1]), found[2], found[3]
        why = re.sub(r"^Lost task \S+ in stage \S+ \(TID \d+\) ", "", last).strip()
        return BadInput(
            f"Spark gave up on {work.called(numbers[index])} after {n_tries} tries (the last: {why}): where memory is short, "
            "give it fewer cores (--master local[1]); run the same again, it goes on where it stopped"
        )
    if isinstance(cause, SegueError | KeyboardInterrupt):
        return cause
    return BadInput(f"Spark gave up ({_first_line(said)}): run the same again, it goes on where it stopped")


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _session(master: str, settings: dict[str, str]) -> Any:
    """The one of this process; started, where there is none."""
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingExtra("pyspark", "spark") from None
    running = SparkContext._active_spark_context
    if running is not None:
        if _told_tries(master) != running.master:
            raise AskedWrongly(f"{master}: this process has a Spark at {running.master} already; stop that first")
        return SparkSession(running)
    _check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # executors run what we run
    fixed = _of_master(master) | {
        "spark.app.name": "segue", "spark.sql.session.timeZone": "UTC", "spark.ui.enabled": "false",
        "spark.task.maxFailures": str(TRIES), "spark.sql.execution.arrow.pyspark.enabled": "true",
    }  # fmt: skip
    conf = SparkConf().setAll([*fixed.items(), *settings.items()]).setMaster(_told_tries(master))
    # Java says on stderr whatever befalls an executor, and what befalls a job is ours to tell; who sets a level wants to read it
    aside = None if "spark.log.level" in settings else tempfile.TemporaryFile()  # noqa: SIM115 it goes with Java
    try:
        gateway = launch_gateway(conf, popen_kwargs={} if aside is None else {"stdout": aside, "stderr": aside})
        context = SparkContext(conf=conf, gateway=gateway)
        if aside is not None:
            context.setLogLevel("OFF")
        return SparkSession(context)
    except Exception as cause:
        raise BadInput(f"Spark does not start at {master} ({_why(cause, aside)}): see docs/engines.md") from cause


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C is heard at the end of these some seconds, by Java never: half a start says it in a hundred lines of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for_workers(context: Any, master: str, patience_s: float) -> None:
    """Until the first executor is there. A job without any would wait for ever, and Spark says so where nobody looks."""
    until = time.monotonic() + patience_s
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # the driver counts as one
        if time.monotonic() > until:
            context.stop()
            raise BadInput(
                f"no worker at {master} took anything on for {patience_s:.0f} s: start one, free one, or ask for no more than it "
                "has, as --spark-conf spark.executor.memory=512m"
            )
        time.sleep(0.1)


def _told_tries(master: str) -> str:
    """On one machine, too, a piece whose process dies is tried again."""
    return re.sub(r"^local\[(\d+|\*)\]$", rf"local[\1,{TRIES}]", master)


def check_master(master: str) -> None:
    """Refuse what is no place of Spark's."""
    places = r"local(\[(\d+|\*)(,\d+)?\])?|spark://[^,/]+:\d+(,[^,/]+:\d+)*|yarn|k8s://.+"
    if not re.fullmatch(places, master):
        raise AskedWrongly(
            f"--master {master}: expected local[2], two pieces at a time on this machine, or spark://HOST:PORT, a cluster's"
        )


def _of_master(master: str) -> dict[str, str]:
    """Where the driver is reached: by nobody else; or at the address that this machine has in the cluster's network."""
    check_master(master)
    if master.startswith("local"):
        here = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
        return here | {"spark.sql.shuffle.partitions": "4"}
    why = ""
    for one in master.removeprefix("spark://").split(",") if master.startswith("spark://") else ():
        host, _, port = one.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=10) as reached:
                address = reached.getsockname()[0]
            return {"spark.driver.bindAddress": address, "spark.driver.host": address}
        except (OSError, OverflowError) as cause:
            why = f"{getattr(cause, 'strerror', None) or cause}"
    if why:
        raise BadInput(f"no Spark answers at {master} ({why}): start its master, or give the URL that its page shows")
    return {}


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not (home and (Path(home) / "bin" / "java").exists()) and shutil.which("java") is None:
        raise BadInput("Spark needs Java 17 or 21, and there is none: install it, or set JAVA_HOME to where it is")


def _why(cause: BaseException, aside: Any) -> str:
    """What Java said first of what went wrong, where Python was told only that it is gone."""
    said = _first_line((_of_java(cause) or [str(cause)])[0])
    if aside is not None and ("JAVA_GATEWAY" in said or "stopped SparkContext" in said):
        aside.seek(0)
        lines = aside.read().decode(errors="replace").splitlines()
        told = (
            line.partition("ERROR ")[2] or line
            for line in lines
            if "rror" in line or "ERROR" in line or "xception" in line
        )
        return next(told, said).strip()
    return said


def _of_java(cause: BaseException) -> list[str]:
    """What an exception of Java's says, and what was its cause, and what was the cause of that; nothing, where it is none."""
    said, java = [], getattr(cause, "java_exception", None)
    while java is not None:
        said.append(str(java.getMessage() or java))
        java = java.getCause()
    return said


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def asked_for(engine: str, master: str = "", settings: Iterable[str] = ()) -> AbstractContextManager[Spark | None]:
    """The engine that a person names, started when entered and stopped at the end: None is the embedded one, each verb's own.

    Parameters
    ----------
    settings : Spark's, each as NAME=VALUE

    Raises
    ------
    AskedWrongly : at once, before anything is started
    """
    given = list(settings)
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if engine == "embedded":
        if master or given:
            asked = f"--master {master}" if master else f"--spark-conf {given[0]}"
            raise AskedWrongly(f"{asked} means nothing without --engine spark: add that, or leave it out")
        return nullcontext()
    for one in given:
        if not re.match(r"spark\.[\w.]+=", one):
            raise AskedWrongly(f"--spark-conf {one}: expected NAME=VALUE, such as spark.executor.memory=4g")
    check_master(master or MASTER)
    return _running(master or MASTER, dict(one.split("=", 1) for one in given))


@contextmanager
def _running(master: str, settings: dict[str, str]) -> Iterator[Spark]:
    spark = Spark(master, settings)
    try:
        yield spark
    finally:
        with suppress(Exception):  # of a Java that is gone; what it died of was told
            spark.stop()
