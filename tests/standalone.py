"""A cluster of Spark's on this machine, each of its parts a process that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path


class Cluster:
    """Spark's master and workers, from pyspark's own jars, as docs/engines.md starts them."""

    def __init__(self, folder: Path) -> None:
        import pyspark

        self.folder = folder
        home = Path(pyspark.__file__).parent
        self._class = home / "bin" / "spark-class"
        self._environment = os.environ | {
            "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
        }  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"spark://127.0.0.1:{free.getsockname()[1]}"
        place = ["--host", "127.0.0.1", "--port", self.url.rpartition(":")[2], "--webui-port", "0"]
        self.processes = {"master": self._run("master", "master.Master", *place)}
        until(lambda: "I have been elected leader" in self.log("master"))

    def _run(self, name, what, *options):
        with (self.folder / f"{name}.log").open("a") as log:
            run = [self._class, f"org.apache.spark.deploy.{what}", *options]
            return subprocess.Popen(run, env=self._environment, cwd=self.folder, stdout=log, stderr=log)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def start(self, name):
        before = self.log("master").count("Registering worker")
        options = ["--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0"]
        self.processes[name] = self._run(name, "worker.Worker", *options, "--work-dir", self.folder / name, self.url)
        until(lambda: self.log("master").count("Registering worker") > before)

    def kill(self, name):
        """With -9, and all that it started: its executor, and the Python that this runs."""
        self.signal(name, signal.SIGKILL)
        self.processes[name].wait()

    def signal(self, name, what):
        for process in [self.processes[name].pid, *below(self.processes[name].pid)]:
            with suppress(ProcessLookupError):
                os.kill(process, what)

    def stop(self):
        for name, process in self.processes.items():
            if process.poll() is None:
                self.kill(name)


def below(process):
    """The numbers of the processes that a process started, and of those that these did."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        found = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []
    return [n for child in found for n in (child, *below(child))]


def until(condition, seconds=120, every=0.05):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(every)
    return found
