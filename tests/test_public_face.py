"""What `import segue` offers, and no more."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import segue

FACE = [
    "SegueError", "compare", "evaluate", "explain", "explore", "feature", "ingest", "load", "open", "submit", "train",
]  # fmt: skip


def test_the_public_face_is_exactly_this():
    assert segue.__all__ == FACE
    assert sorted(set(dir(segue)) - {"__version__"}) == sorted(FACE)


@pytest.mark.parametrize("name", FACE)
def test_every_public_name_can_be_had_and_says_what_it_does(name):
    found = getattr(segue, name)
    first = inspect.getdoc(found).splitlines()[0]
    assert first[0].isupper()
    assert first[-1] in ".;:" or len(first) > 100
    assert found is getattr(segue, name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'segue' has no attribute 'fit'"):
        _ = segue.fit


def test_importing_everything_by_star_gives_the_face():
    found: dict = {}
    exec("from segue import *", found)
    assert sorted(set(found) - {"__builtins__"}) == sorted(FACE)


def test_the_version_is_the_one_that_is_installed():
    from importlib.metadata import version

    assert segue.__version__ == version("segue")
    assert re.fullmatch(r"\d+\.\d+\.\d+", segue.__version__)


def test_importing_segue_imports_none_of_its_parts():
    program = (
        "import sys, segue; print(sorted(m for m in sys.modules if m.startswith('segue')), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['segue'] False\n"


def test_the_errors_are_one_tree():
    from segue import errors

    for found in vars(errors).values():
        if inspect.isclass(found) and issubclass(found, Exception):
            assert issubclass(found, segue.SegueError)
            assert found.__doc__
