"""Open-loop load over HTTP/1.1: a request leaves when it is due, whatever has been answered, and its clock starts when it is due.

`run` belongs in a process of its own. It waits for a timer of the kernel (finer than the millisecond of an event loop) and for
sockets, and does as little as it can besides: requests come as bytes, and of an answer it reads the status and Content-Length.
A request that finds no connection free opens one, up to `connections`; then it queues, and its clock runs on. Answers are never
waited for before the next request is sent, but one connection carries one request at a time.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

GOOD_MS = 100.0  # an answer later than this is no answer to a listener who waits
BROKEN, SILENT, STRANGE, QUEUED = -1, -2, -3, -4  # connection lost; no answer; 2xx of another kind; never sent
WHY = {BROKEN: "connection lost", SILENT: "not answered", STRANGE: "answer of another kind", QUEUED: "gave up queueing"}
_TICK = os.sysconf("SC_CLK_TCK")
_ABSOLUTE = 1  # of timerfd_settime: not from now on
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


@dataclass(frozen=True)
class Load:
    """What is sent where, and when."""

    port: int
    requests: Sequence[bytes]  # whole ones, head and body; begun again when they are used up
    rate: float  # a second on average, with Poisson's gaps; 0: each as soon as a connection is free (no open loop, to fill a state)
    seconds: float = 10.0  # measured …
    warm: float = 2.0  # … after so many
    connections: int = 256
    patience: float = 2.0  # seconds until a queueing request is dropped, and an answer no longer waited for
    expect: bytes = b""  # is in the body of every answer that counts
    watch: Sequence[int] = ()  # the server's processes
    seed: int = 0

    def due(self) -> np.ndarray[Any, Any]:
        """Seconds from the start at which each request is due."""
        if not self.rate:
            return np.zeros(len(self.requests))
        rng, until = np.random.default_rng([self.seed, round(self.rate * 1000)]), self.warm + self.seconds
        n = int(self.rate * until + 10 * (self.rate * until) ** 0.5 + 10)
        at = np.cumsum(rng.exponential(1 / self.rate, n))
        return at[at < until]


@dataclass(frozen=True)
class Measured:
    """One run, of the requests due after the warm-up. `cores`: seconds of CPU a second."""

    asked_rate: float
    offered: float  # a second
    goodput: float  # a second: 2xx within GOOD_MS of when it was due
    answered: float  # a second: 2xx
    refused: int  # 429
    errors: int  # all else
    why: dict[str, int]
    p50: float  # ms, of 2xx
    p90: float
    p99: float
    server_ms: float  # CPU for each 2xx
    server_cores: float
    generator_cores: float
    other_cores: float  # all the machine's other processes, and what its host took
    late_p99: float  # ms from when a request was due until the generator saw it
    connections: int
    sent_again: int  # on a new connection: the server had closed the idle one
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Connection:
    __slots__ = ("blocked", "n", "open", "received", "socket", "unsent", "used")

    def __init__(self, link: socket.socket) -> None:
        self.socket, self.open, self.used, self.blocked = link, True, False, False
        self.n, self.unsent, self.received = -1, b"", b""


class _Timer:
    """Wakes epoll at a time of the monotonic clock."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = (ctypes.c_long * 4)()
        self._set = -1.0

    def wake(self, at: float) -> None:
        if at != self._set:
            self._set, whole = at, int(at)
            self._spec[2], self._spec[3] = whole, int((at - whole) * 1e9)
            self._libc.timerfd_settime(self.fd, _ABSOLUTE, self._spec, None)


class _Generator:
    def __init__(self, load: Load) -> None:
        self.load, self.requests = load, load.requests
        self.due: list[float] = load.due().tolist()
        n = len(self.due)
        self.noticed, self.answered, self.status = [np.nan] * n, [np.nan] * n, [QUEUED] * n
        self.left = n
        self.idle: deque[_Connection] = deque()
        self.waiting: deque[int] = deque()
        self.links: dict[int, _Connection] = {}
        self.again: set[int] = set()
        self.most = 0
        self.epoll, self.timer = select.epoll(), _Timer()
        self.epoll.register(self.timer.fd, _IN | select.EPOLLET)
        self.marks = [load.warm, load.warm + load.seconds] if load.rate else []
        self.taken: list[tuple[float, float, float, float]] = []
        self.end = (self.due[-1] if n else 0.0) + load.patience if load.rate else 600.0

    def work(self) -> None:
        due, waiting, patience, n, last = self.due, self.waiting, self.load.patience, 0, len(self.due)
        self.start = start = time.monotonic() + 0.05
        for _ in range(min(16, self.load.connections) if self.load.rate else 0):
            self.connect()
        while self.left or self.marks:
            now = time.monotonic() - start
            if self.marks and now >= self.marks[0]:
                self.marks.pop(0)
                self.taken.append((now, *cpu(self.load.watch)))
            if now >= self.end:
                break
            while n < last and due[n] <= now:
                self.noticed[n] = now
                waiting.append(n)
                n += 1
            while waiting:
                if self.load.rate and now - due[waiting[0]] > patience:
                    waiting.popleft()  # stays QUEUED
                    self.left -= 1
                    continue
                link = self.free()
                if link is None:
                    break
                self.send(link, waiting.popleft())
            wake = min(due[n] if n < last else self.end, self.marks[0] if self.marks else self.end)
            self.timer.wake(start + wake)
            for fd, events in self.epoll.poll():
                link = self.links.get(fd)
                if link is None:
                    continue
                if events & _OUT and link.open:
                    self.send_rest(link)
                if events & ~_OUT and link.open:
                    self.receive(link)
        for link in list(self.links.values()):
            if link.n >= 0:
                self.status[link.n] = SILENT
            self.close(link)
        self.epoll.close()
        os.close(self.timer.fd)

    def free(self) -> _Connection | None:
        """The connection that has been idle longest, so that all are used alike; else a new one."""
        while self.idle:
            link = self.idle.popleft()
            if link.open:
                return link
        if len(self.links) < self.load.connections:
            self.connect()
            return self.idle.pop()
        return None

    def connect(self) -> None:
        new = socket.socket()
        new.setblocking(False)
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        new.connect_ex(("127.0.0.1", self.load.port))
        link = self.links[new.fileno()] = _Connection(new)
        self.epoll.register(new.fileno(), _IN)
        self.idle.append(link)
        self.most = max(self.most, len(self.links))

    def send(self, link: _Connection, n: int) -> None:
        link.n, link.unsent = n, self.requests[n % len(self.requests)]
        self.send_rest(link)

    def send_rest(self, link: _Connection) -> None:
        try:
            sent = link.socket.send(link.unsent)
        except BlockingIOError:  # not connected yet, or full
            sent = 0
        except OSError:
            self.lost(link)
            return
        if sent == len(link.unsent):
            link.unsent = b""
        else:
            link.unsent = link.unsent[sent:]
        if link.blocked != bool(link.unsent):
            link.blocked = bool(link.unsent)
            self.epoll.modify(link.socket.fileno(), _IN | _OUT if link.blocked else _IN)

    def receive(self, link: _Connection) -> None:
        try:
            piece = link.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self.lost(link)
            return
        if link.n < 0:  # nothing was asked
            self.close(link)
            return
        received = link.received = link.received + piece if link.received else piece
        ends = received.find(b"\r\n\r\n") + 4
        if ends < 4:
            return
        head = received[:ends].lower()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            self.settle(link, STRANGE)
            self.close(link)
            return
        length = int(head[at + 17 : head.find(b"\r\n", at + 17)])
        if len(received) < ends + length:
            return
        status = int(head[9:12])
        if 200 <= status < 300 and self.load.expect not in received[ends:]:
            status = STRANGE
        self.settle(link, status)
        if b"\r\nconnection: close" in head:
            self.close(link)
        else:
            self.idle.append(link)

    def settle(self, link: _Connection, status: int) -> None:
        n, link.n, link.received, link.used = link.n, -1, b"", True
        self.status[n], self.answered[n] = status, time.monotonic() - self.start
        self.left -= 1

    def lost(self, link: _Connection) -> None:
        """Closed by the server. If it was idle, the request did nothing yet: it is sent once more, its clock running on."""
        n = link.n
        self.close(link)
        if n < 0:
            return
        if link.used and not link.received and n not in self.again:
            self.again.add(n)
            self.waiting.appendleft(n)
        else:
            self.settle(link, BROKEN)

    def close(self, link: _Connection) -> None:
        link.open = False
        del self.links[link.socket.fileno()]
        link.socket.close()


def run(load: Load) -> Measured:
    """Send the load and measure. Linux only: it needs a timerfd, epoll and /proc."""
    gc.collect()
    gc.freeze()
    gc.disable()
    sending = _Generator(load)
    try:
        sending.work()
    finally:
        gc.enable()
        gc.unfreeze()
    return _measured(load, sending)


def _measured(load: Load, sent: _Generator) -> Measured:
    due, status, at, noticed = (np.array(x) for x in (sent.due, sent.status, sent.answered, sent.noticed))
    seconds = load.seconds if load.rate else float(np.nanmax(at, initial=1e-9))
    warm = load.warm if load.rate else 0.0
    asked, ok = due >= warm, (status >= 200) & (status < 300)
    took = (at - due)[asked & ok] * 1000
    p50, p90, p99 = np.percentile(took, (50, 90, 99)).tolist() if len(took) else [float("nan")] * 3
    bad = Counter(status[asked & ~ok & (status != 429)].tolist())
    server_ms = server = own = other = float("nan")
    if len(sent.taken) == 2:
        begun, ended = sent.taken
        wall, server, own, machine = (b - a for a, b in zip(begun, ended, strict=True))
        within = int((ok & (at >= begun[0]) & (at < ended[0])).sum())
        server_ms = 1000 * server / within if within else float("nan")
        server, own, other = server / wall, own / wall, max(0.0, machine - server - own) / wall
    late = np.nanpercentile((noticed - due)[asked], 99) if asked.any() else np.nan
    return Measured(
        load.rate, int(asked.sum()) / seconds, int((took <= GOOD_MS).sum()) / seconds, len(took) / seconds,
        int((asked & (status == 429)).sum()), sum(bad.values()), {WHY.get(k, str(k)): n for k, n in sorted(bad.items())},
        p50, p90, p99, server_ms, server, own, other, float(late) * 1000, sent.most, len(sent.again),
        seconds,
    )  # fmt: skip


def cpu(processes: Sequence[int]) -> tuple[float, float, float]:
    """Seconds of CPU so far: of these processes, of this one, and of the whole machine with what its host kept from it."""
    ticks = 0
    for process in processes:
        try:
            said = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(said[11]) + int(said[12])
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return ticks / _TICK, time.process_time(), (user + nice + system + irq + softirq + steal) / _TICK
