"""A plugin for `make torture`: the tests' own properties, with very many more examples; and very many more kills and damages."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("torture", max_examples=20_000, deadline=None)


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=200, help="How often ingest is killed at random instants, in all.")
    parser.addoption("--fuzz", type=int, default=2000, help="How often a log of each source is damaged by chance.")
