"""What `import segue` offers, and no more."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import segue

ROOT = Path(__file__).parents[1]
DOTTED = re.compile(r"(?<![\w./'@-])segue(?:\.[A-Za-z_]\w*)+")

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


@pytest.mark.parametrize(
    ("typo", "meant"), [("exlpain", "explain"), ("staying_contest", "stay_contest"), ("aliek", "alike")]
)
def test_a_typo_is_told_what_is_nearest(typo, meant):
    with pytest.raises(AttributeError, match=f"module 'segue' has no attribute '{typo}'; did you mean .*{meant}"):
        getattr(segue, typo)


def test_a_typo_below_is_told_what_is_nearest():
    with pytest.raises(
        AttributeError, match=r"module 'segue.datasets' has no attribute 'sound_file'; did you mean sound_files"
    ):
        _ = segue.datasets.sound_file
    with pytest.raises(ImportError, match="cannot import name 'sound_file'"):
        exec("from segue.datasets import sound_file")


@pytest.mark.parametrize("name", ["_nothing", "__wrapped__", "datasets.sound_files", "", "__main__"])
def test_what_is_no_plain_name_is_no_attribute(name):
    assert not hasattr(segue, name)


def documented():
    """Every dotted name of ours that the documentation says."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    said = {name for page in pages for name in DOTTED.findall(page.read_text(encoding="utf-8"))}
    return sorted(said)


def test_every_dotted_name_in_the_docs_can_be_had_after_import_segue():
    names = documented()
    assert {"segue.alike.like", "segue.datasets.sound_files.read", "segue.explore"} <= set(names)
    program = f"""
import segue
from functools import reduce
for name in {names!r}:
    try:
        reduce(getattr, name.split(".")[1:], segue)
    except Exception as why:
        print(name, type(why).__name__, why)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


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
