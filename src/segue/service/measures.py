"""What the service counts of itself, for Prometheus; of several processes, all together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Measures:
    """Counters of one process, each told what it counts."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self._own = CollectorRegistry()
        self.requests = Counter(
            "segue_requests", "Requests, by route and status", ["route", "status"], registry=self._own
        )
        self.seconds = Histogram(
            "segue_request_seconds",
            "Seconds from a request to its answer",
            ["route"],
            buckets=SECONDS,
            registry=self._own,
        )
        self._answers = Counter("segue_answers", "Plays that were scored, by model", ["model"], registry=self._own)
        self.events = Counter(
            "segue_events", "Plays that were told, by what became of them", ["kind"], registry=self._own
        )
        self.rejected = Counter(
            "segue_rejected", "Requests that were turned away, and why", ["why"], registry=self._own
        )
        self.busy = self.rejected.labels("busy")
        self.batch = Histogram(
            "segue_batch_size",
            "Requests that were answered together",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._own,
        )
        self._bound: dict[tuple[str, ...], tuple[Any, Any]] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        key = (route, str(status))
        if key not in self._bound:
            self._bound[key] = self.requests.labels(*key), self.seconds.labels(route)
        count, took = self._bound[key]
        count.inc()
        took.observe(seconds)

    def answers(self, model: str, n: int) -> None:
        key = ("answers", model)
        if key not in self._bound:
            self._bound[key] = self._answers.labels(model), None
        self._bound[key][0].inc(n)

    def event(self, kind: str) -> None:
        key = ("event", kind)
        if key not in self._bound:
            self._bound[key] = self.events.labels(kind), None
        self._bound[key][0].inc()

    def text(self, told: list[dict[str, Any]], state_bytes: int) -> bytes:
        """In the text format of Prometheus, of all processes; and how right each model was."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        found = self._own
        if FOLDER in os.environ:
            found = CollectorRegistry()
            MultiProcessCollector(found)
        counted: bytes = generate_latest(found)
        lines = ["# HELP segue_state_bytes Bytes of the state that hold something", "# TYPE segue_state_bytes gauge",
                 f"segue_state_bytes {state_bytes}"]  # fmt: skip
        for name, what in (("n", "outcomes"), ("log_loss", "log_loss"), ("base_log_loss", "base_log_loss")):
            lines += [f"# HELP segue_live_{what} Of predictions that have come true", f"# TYPE segue_live_{what} gauge"]
            lines += [
                f'segue_live_{what}{{model="{_escaped(t["model"])}"}} {t[name]}' for t in told if t[name] is not None
            ]
        return counted + ("\n".join(lines) + "\n").encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def several(folder: Path) -> None:
    """Count in files of a folder, where several processes count: before anything is counted."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()
    os.environ[FOLDER] = str(folder)
