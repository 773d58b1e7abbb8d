"""Ingest killed with -9: at every change of a name, and at random instants; each time run again, until it comes to its end.

Plain pytest kills some times, `make torture` (see torture.py) 200 times or as often as --kills says.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from segue.datasets import mssd
from segue.errors import AskedWrongly
from segue.in_place import held_alone
from segue.library import ingest, open_library
from test_library import content, history

INGEST = """
import signal, sys
from segue.library import ingest

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
source, folder, out, jobs = sys.argv[1:5]
print("begun", flush=True)
ingest(source, folder, out, overwrite=True, jobs=int(jobs))
"""

STEP = """
import os, signal, sys
import segue.in_place
from segue.library import ingest

folder, out, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

def step():  # dies at the n-th change of a name: a file made whole, taken away, the library itself
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    if event in ("os.rename", "os.remove") and out in os.path.abspath(str(arguments[0])):
        step()

def watched(one, other, swap=segue.in_place.swap):
    step()
    swapped = swap(one, other)
    step()
    return swapped

sys.addaudithook(watch)
segue.in_place.swap = watched
ingest("mssd", [folder], out, overwrite=True)
"""


@pytest.fixture
def kills(pytestconfig):
    """How often a way of reading is killed: there are four."""
    return max(1, pytestconfig.getoption("kills", 4) // 4)


def killed_until_done(tmp_path, steps, check):
    """Ingest the sample, killed at step after step, each time going on; how often it was killed."""
    for n, step in enumerate(steps):
        run = [sys.executable, "-c", STEP, tmp_path / "in", tmp_path / "out", str(step)]
        ended = subprocess.run(run, capture_output=True, text=True, timeout=60)
        if ended.returncode == 0:
            return n
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        check()
    raise AssertionError("never came to its end")


def no_library(out):
    def check():
        with pytest.raises(AskedWrongly, match="is not a library"):
            open_library(out)
        partial = out.with_name("out.partial")
        if (partial / "manifest.json").exists():  # killed at the last of its steps: it is whole
            assert open_library(partial).describe()["sessions"] == 30

    return check


def test_killed_and_resumed_it_holds_the_same_rows_as_uninterrupted(tmp_path):
    mssd.sample(tmp_path / "in", sessions=30, seed=5)
    assert killed_until_done(tmp_path, (2, 3, 4, 99), no_library(tmp_path / "out")) == 3
    assert content(open_library(tmp_path / "out")) == content(ingest("mssd", tmp_path / "in", tmp_path / "whole"))
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.slow
def test_killed_at_every_step_and_resumed_it_holds_the_same_rows_as_uninterrupted(tmp_path):
    mssd.sample(tmp_path / "in", sessions=30, seed=5)
    assert killed_until_done(tmp_path, range(1, 40), no_library(tmp_path / "out")) >= 5
    assert content(open_library(tmp_path / "out")) == content(ingest("mssd", tmp_path / "in", tmp_path / "whole"))
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.parametrize("steps", [
    (5, 6, 7, 8, 9, 99),
    pytest.param(range(1, 60), marks=pytest.mark.slow),
])  # fmt: skip
def test_while_a_library_takes_anothers_place_there_is_always_one_and_it_is_whole(tmp_path, steps):
    mssd.sample(tmp_path / "older", sessions=12, seed=1)
    older = content(ingest("mssd", tmp_path / "older", tmp_path / "out"))
    mssd.sample(tmp_path / "in", sessions=30, seed=5)
    newer = content(ingest("mssd", tmp_path / "in", tmp_path / "whole"))
    seen = []
    killed_until_done(tmp_path, steps, lambda: seen.append(content(open_library(tmp_path / "out"))))
    assert all(found in (older, newer) for found in seen)
    assert older in seen
    assert content(open_library(tmp_path / "out")) == newer
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "older", "out", "whole"]


# at random instants


def logs(folder, plays=300):
    """Four listeners' exports of so many plays; some plays are there twice."""
    for n in range(4):
        minutes = [7 * i + n for i in range(plays)]
        history(folder / f"listener{n}", *minutes, *minutes[:: n + 3])
    return folder


def tarred(folder):
    with tarfile.open(folder.with_suffix(".tar.gz"), "w:gz") as archive:
        archive.add(folder, ".")
    return folder.with_suffix(".tar.gz")


def begun(given, out, jobs):
    """A process that has begun to ingest."""
    running = subprocess.Popen(
        [sys.executable, "-c", INGEST, "spotify_history", given, out, str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout.readline() == b"begun\n"
    return running


def ended(running):
    _, said = running.communicate(timeout=120)
    assert running.returncode in (0, -signal.SIGKILL), said.decode()
    return running.returncode == 0


@pytest.mark.parametrize(("packed", "jobs", "overwrites"), [
    (False, 1, False), pytest.param(True, 1, False, marks=pytest.mark.slow), (True, 2, False),
    pytest.param(False, 2, True, marks=pytest.mark.slow),
], ids=["a folder", "a tar.gz", "a tar.gz read by two processes", "a folder over an older library, by two"])  # fmt: skip
def test_killed_at_random_instants_it_holds_the_same_rows_as_uninterrupted(tmp_path, kills, packed, jobs, overwrites):
    given, out = logs(tmp_path / "in"), tmp_path / "out"
    given = tarred(given) if packed else given
    older = None
    if overwrites:
        history(tmp_path / "older" / "somebody", 5, 6)
        older = content(ingest("spotify_history", tmp_path / "older", out))
    start = time.perf_counter()
    running = begun(given, tmp_path / "whole", jobs)
    start = time.perf_counter()
    assert ended(running)
    seconds = time.perf_counter() - start
    whole = content(open_library(tmp_path / "whole"))
    random.seed(0)
    n_killed = n_done = 0
    while n_killed < kills or not n_done:
        running = begun(given, out, jobs)
        time.sleep(random.uniform(0, seconds) if n_killed < kills else 0)
        if n_killed < kills:
            running.kill()
        if not ended(running):
            n_killed += 1
            if older is not None or n_done:
                assert content(open_library(out)) in (older, whole)
            continue
        n_done += 1
        older = whole
        assert content(open_library(out)) == whole
    print(f"{n_killed} kills, {n_done} times to the end; a run takes {seconds:.1f} s")
    assert content(open_library(out)) == whole


# the processes that read


def children(process):
    return [int(n) for task in Path(f"/proc/{process}/task").iterdir() for n in (task / "children").read_text().split()]


def runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


def seen(folder):
    """Every file there, its size and when it was changed."""
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def at_work(tmp_path):
    """An ingest by two processes that are both at a unit, which keeps them long enough for a busy machine to look."""
    running = begun(logs(tmp_path / "in", plays=3000), tmp_path / "out", 2)
    readers = until(lambda: len(found := children(running.pid)) == 2 and found)
    until(
        lambda: (
            (tmp_path / "out.partial" / "spill").exists() and len(list((tmp_path / "out.partial/spill").iterdir())) == 2
        )
    )
    yield running, readers
    for process in (running.pid, *readers):
        if runs(process):
            os.kill(process, signal.SIGKILL)
    running.communicate()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc for processes")
def test_when_ingest_is_killed_the_processes_that_read_for_it_write_nothing_more(tmp_path, at_work):
    running, readers = at_work
    running.kill()
    running.wait()
    until(lambda: not any(map(runs, readers)), seconds=5)
    before = seen(tmp_path / "out.partial")
    with held_alone(tmp_path / "out.partial", patience_s=0):
        time.sleep(0.3)
    assert seen(tmp_path / "out.partial") == before
    library = ingest("spotify_history", tmp_path / "in", tmp_path / "out")
    assert content(library) == content(ingest("spotify_history", tmp_path / "in", tmp_path / "whole"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc for processes")
def test_a_run_waits_for_the_processes_of_one_that_was_killed(tmp_path, at_work):
    running, readers = at_work
    os.kill(readers[0], signal.SIGSTOP)
    running.kill()
    running.wait()
    with pytest.raises(AskedWrongly, match=r"another segue is writing .*out.partial"), \
            held_alone(tmp_path / "out.partial", patience_s=0.2):  # fmt: skip
        raise AssertionError("held, though a process may still write there")
    os.kill(readers[0], signal.SIGCONT)
    with held_alone(tmp_path / "out.partial", patience_s=5):
        assert not any(map(runs, readers))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc for processes")
def test_a_process_that_is_killed_is_told_in_one_line_and_ingest_goes_on_later(tmp_path, at_work):
    running, readers = at_work
    os.kill(readers[1], signal.SIGKILL)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 1
    (line,) = [line for line in said.decode().splitlines() if line.startswith("segue.errors")]
    assert line.startswith("segue.errors.BadInput: the process that was at work on listener")
    assert (
        "died (killed by signal 9, as a machine does that runs out of memory): run the same again, with --jobs 1"
        in line
    )
    until(lambda: not any(map(runs, readers)), seconds=5)
    library = ingest("spotify_history", tmp_path / "in", tmp_path / "out", jobs=2)
    assert content(library) == content(ingest("spotify_history", tmp_path / "in", tmp_path / "whole"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc for processes")
def test_ctrl_c_ends_every_process_and_only_the_one_it_is_meant_for_says_so(tmp_path, at_work):
    running, readers = at_work
    for process in (*readers, running.pid):  # as a terminal does
        os.kill(process, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert (running.returncode, said.count(b"KeyboardInterrupt"), said.count(b"Traceback")) == (-signal.SIGINT, 1, 1)
    until(lambda: not any(map(runs, readers)), seconds=5)
    assert content(ingest("spotify_history", tmp_path / "in", tmp_path / "out"))[0]["kept"] == 12_000
