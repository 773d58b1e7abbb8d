"""A service on the small bundles, within this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import small


@contextmanager
def service(place: Path, *settings: str, bundles: tuple[Any, ...] = (), **more: Any) -> Iterator[Any]:
    """A client of a service that serves the bundles of some settings, its state in a folder."""
    from starlette.testclient import TestClient

    from segue.service.app import Settings, create

    folders = [str(b) for b in bundles] or [str(small.bundle(s)) for s in settings or ("online",)]
    app = create(Settings(folders, str(place / "state.sqlite"), **more))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.book = app.book
        yield client
