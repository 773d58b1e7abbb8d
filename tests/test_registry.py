from __future__ import annotations

import subprocess
import sys

import pytest

from segue import registry
from segue.errors import UnknownName
from segue.features.feature import collect
from segue.tasks.skip import TASK


@pytest.mark.parametrize("name", registry.DATASETS)
def test_a_source_is_registered_under_its_own_name(name):
    assert registry.dataset(name).name == name


@pytest.mark.parametrize("name", registry.TASKS)
def test_a_task_is_registered_under_its_own_name_and_its_default_is_one_of_its_settings(name):
    task = registry.task(name)
    assert task.name == name
    assert task.default in task.settings
    assert {n: s.name for n, s in task.settings.items()} == {n: n for n in task.settings}


@pytest.mark.parametrize(("task", "name"), registry.MODELS)
def test_a_model_belongs_to_a_registered_task_and_can_be_fitted(task, name):
    assert task in registry.TASKS
    assert callable(registry.model(task, name)().fit)


def test_each_group_of_features_holds_some():
    for name, address in registry.FEATURES.items():
        module = registry.load(address)
        assert module.__name__.endswith(f".{name}")
        assert collect([module])


def test_features_are_traced_once():
    assert registry.features() is registry.features()
    assert registry.features()["pause"] is registry.load("segue.features.clock:pause")


def test_an_address_names_a_module_or_something_in_it():
    assert registry.load("segue.tasks.skip:TASK") is TASK
    assert registry.load("segue.tasks.skip").TASK is TASK


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (lambda: registry.dataset("msd"), "no source is called 'msd'; did you mean mssd or mpd?"),
        (lambda: registry.task("skips"), "no task is called 'skips'; did you mean skip?"),
        (
            lambda: registry.model("skip", "logistics"),
            "no model for skip is called 'logistics'; did you mean logistic?",
        ),
        (lambda: registry.model("lengths", "prior"), "no model for lengths is called 'prior'; known: "),
        (lambda: registry.model("length", "hazzard"), "no model for length is called 'hazzard'; did you mean hazard?"),
    ],
)
def test_a_name_that_is_not_registered_is_told_the_nearest(look, message):
    with pytest.raises(UnknownName) as refused:
        look()
    assert str(refused.value) == message


def test_reading_the_registry_imports_nothing_heavy():
    heavy = ("numpy", "pyarrow", "duckdb", "ibis", "sklearn", "lightgbm", "torch", "pyspark", "pandas")
    program = f"import sys, segue.registry; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"
