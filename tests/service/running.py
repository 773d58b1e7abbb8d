"""A service on a free port of this machine, in a thread of the tests' own process."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager


@contextmanager
def running(bundles, folder, **given):
    """Its address, while it runs; its state lies in the folder, the rest as `segue serve` has it."""
    import uvicorn

    from segue.service.app import Settings, create
    from segue.service.run import _config

    app = create(Settings(bundles=[str(b) for b in bundles], state=str(folder / "state.sqlite"), **given))
    server = uvicorn.Server(_config(app))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
