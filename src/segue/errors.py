"""One tree of errors: value, expectation, remedy, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SegueError(Exception):
    """Something failed; the message says what was found, what was expected and what to do."""


class AskedWrongly(SegueError):
    """The question itself cannot be answered as asked (a typo, a wrong option): exit code 2."""


class UnknownName(AskedWrongly):
    """A name that nothing answers to."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"no {what} is called {name!r}; {hint}")


class NotGranted(AskedWrongly):
    """A feature asks for something that is not known at that moment."""


class BadInput(SegueError):
    """A file, a row or a value is not what its format promises."""


class TooLittleMemory(BadInput):
    """What was to be read takes more memory than it was given."""


class Tampered(SegueError):
    """A bundle or a library is not what was written."""


class MissingExtra(SegueError):
    """An optional part is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'segue[{extra}]'")


def in_one_line(name: str) -> str:
    """A name as it can be printed and kept: what is no visible character is written as \\n, \\x1b, \\udcff."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def first_line(cause: BaseException) -> str:
    """What others' errors say at length, in short."""
    return str(cause).strip().split("\n")[0]
