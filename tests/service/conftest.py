from __future__ import annotations

import pytest

from figures.hostile import NAMES

CATALOGUE = [
    {"track": f"t{k}", "title": title, "artist": f"by {title}", "plays": 9}
    for k, title in enumerate(["Salt", "Salt and Glass", "Lantern", *(one for one in NAMES if one.strip())])
]


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Of a service that is really there, with a model of each kind."""
    import small
    from service.running import running

    with running([small.bundle("online"), small.bundle("challenge")], tmp_path_factory.mktemp("served")) as at:
        yield at


@pytest.fixture(scope="session")
def chromium():
    """For which this machine is all there is."""
    from browser import browser

    with browser(reach="127.0.0.1") as opened:
        yield opened


@pytest.fixture
def page(chromium, address):
    from service.driven import ready

    return ready(chromium, address)


@pytest.fixture
def catalogue(monkeypatch):
    """Names that no bundle of the tests has, most of them hostile."""
    from segue.service.served import Served

    def search(_, text, limit):
        return [track for track in CATALOGUE if text.lower() in track["title"].lower()][:limit]

    monkeypatch.setattr(Served, "search", search)
    return CATALOGUE


@pytest.fixture
def evaluated(monkeypatch):
    """Every batch that is evaluated, in order."""
    from segue.live import Bundle

    seen, asked = [], Bundle.batch_of
    monkeypatch.setattr(Bundle, "batch_of", lambda *a, **k: seen.append(asked(*a, **k)) or seen[-1])
    return seen
