"""What is registered has a unit and a sentence, and no two features share a name."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import pytest

from segue import registry
from segue.errors import AskedWrongly
from segue.features.feature import NAMED, PURE, Feature, collect, feature
from segue.features.tree import const
from segue.features.words import Now, Plays

FEATURES = registry.features()


def module(name, **things):
    made = ModuleType(name)
    vars(made).update(things)
    return made


def some(name):
    return Feature(name, "share", "A sentence", const(1))


def test_there_are_at_least_twenty_features():
    assert len(FEATURES) >= 20


@pytest.mark.parametrize("name", FEATURES)
def test_a_registered_feature_has_its_own_name_a_unit_a_sentence_and_a_number(name):
    found = FEATURES[name]
    assert found.name == name
    assert name.isidentifier()
    assert name == name.lower()
    assert found.unit in (*PURE, *NAMED)
    assert found.sentence[0].isupper()
    assert len(found.sentence) > 10
    assert not found.sentence.endswith(".")
    assert found.tree.unit != "text"
    assert found.tree.over == ""
    assert found.needs


def test_a_category_and_nothing_else_names_its_values():
    assert [n for n, f in FEATURES.items() if (f.unit == "category") != bool(f.domain)] == []
    assert {n for n, f in FEATURES.items() if f.domain} == {
        "context", "platform", "reason_start",
        "start_context", "start_weekday", "last_reason_end", "listener_gender", "listener_region",
    }  # fmt: skip


def test_no_two_features_say_the_same_or_share_a_sentence():
    assert [f.name for f in FEATURES.values() if Counter(g.tree for g in FEATURES.values())[f.tree] > 1] == []
    assert [s for s, n in Counter(f.sentence for f in FEATURES.values()).items() if n > 1] == []


def test_a_features_name_is_that_of_its_function_unless_it_is_given_one():
    @feature("share", "Plays so far that were skipped")
    def rate(past):
        return past.mean("skipped")

    named = feature("share", "The same", name="other")(lambda past: past.mean("skipped"))
    assert (rate.name, rate.unit, rate.sentence, rate.domain) == ("rate", "share", "Plays so far that were skipped", ())
    assert rate.tree is named.tree is Plays("past").mean("skipped")
    assert named.name == "other"


def test_a_literal_becomes_a_tree():
    assert feature("1", "One, always", name="one")(lambda: 1).tree is const(1)


def test_a_flag_may_come_from_a_comparison_and_a_time_only_from_a_time():
    assert feature("flag", "Late in the day", name="late")(lambda now: now.hour > 21).tree is (Now().hour > 21)
    with pytest.raises(AskedWrongly, match="feature 'late' says 's' but its tree measures '1'"):
        feature("s", "Late in the day", name="late")(lambda now: now.hour > 21)


@pytest.mark.parametrize(("unit", "sentence"), [("", "A sentence"), ("share", "")])
def test_a_feature_without_unit_or_sentence_is_refused(unit, sentence):
    with pytest.raises(AskedWrongly, match="feature 'bare' needs a unit and a sentence"):
        feature(unit, sentence, name="bare")(lambda past: past.mean("skipped"))


def test_an_unknown_unit_is_refused_and_the_known_ones_are_told():
    with pytest.raises(AskedWrongly, match="feature 'f' has the unit 'furlong': expected one of share, flag, plays"):
        feature("furlong", "A sentence", name="f")(lambda now: now.hour)


def test_two_features_of_one_name_are_refused_and_the_second_module_is_named():
    with pytest.raises(AskedWrongly, match=r"two features are called 'same' \(the second in two\)"):
        collect([module("one", a=some("same")), module("two", b=some("same"))])
    with pytest.raises(AskedWrongly, match=r"two features are called 'same' \(the second in one\)"):
        collect([module("one", a=some("same"), group=(some("other"), some("same")))])


def test_a_feature_imported_by_another_module_is_the_same_feature():
    a = some("a")
    assert collect([module("one", a=a), module("two", a=a, also=a)]) == {"a": a}


def test_features_are_collected_from_names_and_tuples_in_order_and_nothing_else_is():
    a, b, c = some("a"), some("b"), some("c")
    made = module("one", first=a, group=(b, "text", c), text="text", number=3, listed=[some("d")])
    assert list(collect([made]).items()) == [("a", a), ("b", b), ("c", c)]
