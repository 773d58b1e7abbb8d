"""Start the service: one process for each core behind one port, until it is told to end."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.errors import AskedWrongly, MissingExtra

if TYPE_CHECKING:
    from segue.service.settings import Settings

SAID = "SEGUE_SERVICE"  # where a process finds its settings
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # all addresses of this machine, and that by which it asks itself
PATIENCE_S = 60.0  # until it answers


def serve(
    bundles: Sequence[str], *, host: str = "127.0.0.1", port: int = 8000, state: str = "segue-state.sqlite",
    durability: str = "process", workers: int = 0, listeners: str | Path | None = None,
    catalogue: str | Path | None = None,
    keys: str | Path | None = None, open: bool = False, rate: float = 0.0, body_mb: float = 2.0, sound_mb: float = 64.0,
    keep_days: float = 90.0, state_mb: float = 4096.0, said: Callable[[str], None] = lambda line: None,
) -> None:  # fmt: skip
    """Serve bundles until a signal ends it.

    Parameters
    ----------
    workers : processes; 0: one for each core
    listeners : a library whose listeners' history is read into the state first
    catalogue : a library whose tracks can be searched by name, where the bundles name none
    keys : a file of API keys; without one, only this machine may ask
    open : no keys are asked for though others may ask: something in front asks for them
    said : told what a person should read

    Raises
    ------
    AskedWrongly, BadInput, Tampered, MissingExtra : before anything is listened to
    """
    check_extra()
    from segue.service.keys import read_keys
    from segue.service.settings import Limits, Settings
    from segue.service.shelf import Shelf

    local = host in LOOPBACK
    if not local and keys is None and not open:
        raise AskedWrongly(
            f"--host {host} lets others ask: give --keys keys.json (make one with segue key NAME), or --open where something in "
            "front asks for keys"
        )
    if not 0 < port < 65_536:
        raise AskedWrongly(f"port {port}: expected 1 to 65535")
    place = Path(state).expanduser().absolute()
    if not place.parent.is_dir():
        raise AskedWrongly(f"--state {state}: there is no folder {place.parent}; make it, or choose another --state")
    shelf = Shelf.of(bundles)
    models = ", ".join(f"{s.name} ({s.task}, {s.about()['setting']})" for s in shelf.all)
    zone = shelf.zone
    del shelf  # each process opens its own
    settings = Settings(
        bundles=[str(Path(b).expanduser().resolve()) for b in bundles], state=str(place),
        durability=durability, keys=None if keys is None else read_keys(Path(keys).expanduser()), local=local and not open,
        limits=Limits(body=int(body_mb * 1e6), sound=int(sound_mb * 1e6), rate=rate), keep_days=keep_days, state_mb=state_mb,
        checked=True,
        catalogue=None if catalogue is None else str(_catalogue(catalogue, place)),
    )  # fmt: skip
    _check_state(settings, zone, listeners, said)
    count = workers or len(os.sched_getaffinity(0))
    lines = lines_of(models, host, port, count, keyed=keys is not None)
    watching = threading.Thread(target=_watch, args=(url_of(ANY.get(host, host), port), lines, said), daemon=True)
    with _listening(host, port) as socket:
        watching.start()
        with suppress(KeyboardInterrupt):  # it has ended in order, and was asked to
            _run(settings, socket, count)


def check_extra() -> None:
    """Raises MissingExtra where what the service runs on is not installed; nothing of it is imported yet."""
    from importlib.util import find_spec

    for name in ("fastapi", "uvicorn", "httptools", "prometheus_client", "jinja2"):
        if find_spec(name) is None:
            raise MissingExtra(name, "serve")


def _check_state(settings: Settings, zone: str, listeners: str | Path | None, said: Callable[[str], None]) -> None:
    """The state can be used; and it holds a library's listeners, if that is wished."""
    from segue.service.listeners import Listeners, keys_of_listeners
    from segue.service.state import State

    state = State(Path(settings.state), settings.durability)
    try:
        held = Listeners.of(state, keys_of_listeners(), zone)
        if listeners is not None:
            from segue.library import open_library
            from segue.service.importing import import_listeners

            said(import_listeners(open_library(listeners), held))
        state.checkpoint()
    finally:
        state.close()


def _catalogue(library: str | Path, state: Path) -> Path:
    """The names of a library's tracks, in a file beside the state."""
    from safetensors.numpy import save_file

    from segue.bundle import named_tracks
    from segue.features.columns import from_arrow
    from segue.features.history import Snapshot
    from segue.library import open_library

    place = state.with_name(f"{state.name}.catalogue")
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    opened = open_library(library)
    told = [
        np.unique(from_arrow(plays, ["track"])["track"][0], return_counts=True) for plays in opened.plays(["track"])
    ]
    key, at = np.unique(np.concatenate([k for k, _ in told]), return_inverse=True)
    n = np.bincount(at, np.concatenate([n for _, n in told]), len(key)).astype(np.int64)
    named = named_tracks(opened.tracks(), Snapshot(key, n, n, n))  # the most played first
    if not named:
        raise AskedWrongly(f"--catalogue {library}: the library names no tracks; leave it out")
    save_file(named, aside)
    aside.replace(place)
    return place


def _listening(host: str, port: int) -> Any:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as cause:
        made.close()
        raise AskedWrongly(
            f"cannot listen at {host}:{port} ({cause.strerror or cause}): choose another --port or --host"
        ) from None
    made.listen(2048)
    made.set_inheritable(True)
    return made


def _config(app: Any, **more: Any) -> Any:
    import uvicorn

    return uvicorn.Config(
        app, http="segue.service.protocol:Bounded", ws="none", lifespan="on", access_log=False, log_level="warning",
        server_header=False, date_header=False, timeout_keep_alive=30, timeout_graceful_shutdown=10, proxy_headers=False, **more,
    )  # fmt: skip


def _run(settings: Settings, socket: Any, count: int) -> None:
    import uvicorn

    if count == 1:
        from segue.service.app import create

        uvicorn.Server(_config(_settled(create(settings)))).run(sockets=[socket])
        return
    from uvicorn.supervisors import Multiprocess

    from segue.service.measures import several

    folder = Path(tempfile.mkdtemp(prefix="segue-counts-"))
    several(folder)
    os.environ[SAID] = json.dumps(asdict(settings))
    try:
        config = _config("segue.service.run:worker", factory=True, workers=count)
        Multiprocess(config, sockets=[socket]).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def worker() -> Any:
    """The app of one of several processes."""
    from segue.service.app import create
    from segue.service.settings import Limits, Settings

    threading.Thread(target=_end_with_parent, daemon=True).start()
    said = json.loads(os.environ[SAID])
    return _settled(create(Settings(**{**said, "limits": Limits(**said["limits"])})))


def _settled(app: Any) -> Any:
    """What was made by now stays until the end: the collector need not walk it again and again, some 50 ms each time, while others
    wait for an answer."""
    gc.collect()
    gc.freeze()
    return app


def _end_with_parent() -> None:
    """One of several processes ends when what started them was killed: it would hold the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def lines_of(models: str, host: str, port: int, count: int, *, keyed: bool) -> list[str]:
    """What a person should know of a service that answers."""
    url = url_of(ANY.get(host, host), port)
    lines = [f"Serving {models} at {url} with {count} process{'es' if count > 1 else ''}",
             f"The page: {url}/   the API: {url}/docs   Ctrl-C ends it."]  # fmt: skip
    if host not in LOOPBACK:
        who = "all who have a key" if keyed else "all, without a key"
        lines.append(f"Open to the network, to {who}: others reach it at {url_of(seen_from_outside(host), port)}/")
    return lines


def url_of(address: str, port: int) -> str:
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def seen_from_outside(host: str) -> str:
    """The address by which others reach what listens at a host: of all addresses, that of the way out; nothing is sent."""
    import socket

    if host not in ANY:
        return host
    family, far = (socket.AF_INET6, "2001:db8::1") if ":" in host else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((far, 9))
            return str(asked.getsockname()[0])
    except OSError:  # there is no way out
        return socket.gethostname()


def _watch(url: str, lines: Sequence[str], said: Callable[[str], None]) -> None:
    """Say where it is, once it answers: first what is ready, then the other lines."""
    from urllib.error import URLError
    from urllib.request import urlopen

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            with urlopen(f"{url}/ready", timeout=5) as answer:
                if answer.status == 200:
                    break
        except (URLError, OSError):
            time.sleep(0.05)
    said(f"{lines[0]}, ready {_age():.1f} s after its start.")
    for line in lines[1:]:
        said(line)


def _age() -> float:
    """Seconds since this process was started, its imports and all."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began
