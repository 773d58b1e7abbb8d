"""The modules of a package as its attributes, each imported when it is first asked for: `import segue` stays quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any


def modules_of(package: str, others: Iterable[str] = ()) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that imports what lies below it; `others`: what else it offers, for whoever mistypes it.

    >>> modules_of("segue")("intervals").__name__
    'segue.intervals'

    Raises
    ------
    AttributeError : there is no such module; the nearest names are said
    """

    def found(name: str) -> Any:
        from importlib import import_module
        from importlib.util import find_spec

        full = f"{package}.{name}"
        if name.isidentifier() and not name.startswith("_") and find_spec(full) is not None:
            return import_module(full)
        said = f"module {package!r} has no attribute {name!r}"
        if name.startswith("_"):  # what inspects modules asks for many such
            raise AttributeError(said)
        from difflib import get_close_matches
        from pkgutil import iter_modules

        known = {one.name for one in iter_modules(sys.modules[package].__path__)} | set(others)
        near = get_close_matches(name, sorted(n for n in known if not n.startswith("_")), n=3, cutoff=0.5)
        raise AttributeError(f"{said}; did you mean {' or '.join(near)}?" if near else said)

    return found
