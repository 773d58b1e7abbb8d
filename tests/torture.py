"""A plugin for `make torture`: the tests' own properties, with very many more examples."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("torture", max_examples=20_000, deadline=None)
