"""The files of the page, as they lie in the package."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

PAGE = files("segue.service") / "page"
FILES = {file.name: file.read_text(encoding="utf-8") for file in PAGE.iterdir()}
MODULES = {name: text for name, text in FILES.items() if name.endswith(".js")}
MARKUP = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc|createContextualFragment"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_makes_markup_or_code_of_a_text(name):
    assert re.findall(MARKUP, MODULES[name]) == []


def test_no_script_style_or_handler_stands_in_the_page_itself():
    html = FILES["index.html"]
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", html) == []
    assert re.findall(r"<script[^>]*>[^<]*", html) == ['<script type="module" src="/page/page.js">']


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name):
    said = set(re.findall(r"https?://[^\s'\"`)]+", FILES[name]))
    assert said <= {"http://www.w3.org/2000/svg"}


def test_every_module_is_reached_and_every_import_is_there():
    imported = {name for text in MODULES.values() for name in re.findall(r'(?:from|module:) "\./([^"]+)"', text)}
    assert imported | {"page.js"} == set(MODULES)


def test_the_colours_are_those_of_the_report():
    report = (files("segue.figures") / "static" / "figure.css").read_text(encoding="utf-8")
    ours, theirs = (
        dict(re.findall(r"(--[a-z0-9]+): (light-dark\([^)]*\))", text)) for text in (FILES["page.css"], report)
    )
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 8
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
