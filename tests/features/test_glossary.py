"""Features in words: what they may see, which settings grant them, and the page that is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segue import registry
from segue.features import glossary
from segue.features.feature import feature
from segue.features.glossary import granted_in, sees

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_what_the_features_say():
    assert PAGE.read_text(encoding="utf-8") == glossary.page(), "run: python scripts/feature_page.py"


def test_the_page_has_every_feature_once_with_its_unit_and_sentence():
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", glossary.page(), re.M)
    assert sorted(rows) == sorted((f.name, f.unit, f.sentence) for f in registry.features().values())


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda past: past.mean("skipped"), "past: skipped"),
        (lambda past: past.count(), "past: how many plays"),
        (lambda past: past.count(same="artist"), "now: artist; past: artist"),
        (lambda past: past.since("skipped"), "past: plays back, skipped"),
        (lambda history: history.rate("listener", "track"), "history: by listener × track, of all"),
        (lambda history: history.count("track"), "history: by track"),
        (lambda history: history.count(), "history: of all"),
        (lambda history, now: history.recent.count(same="artist") + now.shuffle, "now: artist, shuffle; recent: artist"),
        (lambda history: history.sessions.count(), "sessions: how many sessions"),
        (lambda history, past: history.sessions.lag("n_plays") - past.count(), "past: how many plays; sessions: n_plays"),
        (lambda queue: queue.count(same="track"), "now: track; queue: track"),
        (lambda session: session.length, "session: length"),
        (lambda past: past.similarity(to="skipped"),
         "now: acoustic_vector_0 to 7; past: acoustic_vector_0 to 7, skipped"),
        (lambda now: 1, "nothing"),
    ],
)  # fmt: skip
def test_what_a_feature_may_see_in_words(say, words):
    assert sees(feature("1", "Whatever", name="made_up")(say)) == words


@pytest.mark.parametrize(
    ("say", "settings"),
    [
        (lambda past: past.count(), ["online", "challenge", "last"]),
        (lambda now: now.reason_start == "fwdbtn", ["online with reason_start"]),
        (lambda now: now.us_popularity_estimate / 1000,
         ["online with us_popularity_estimate", "challenge with us_popularity_estimate", "last with us_popularity_estimate"]),
        (lambda queue: queue.count(same="track"), ["challenge"]),
        (lambda queue, now: queue.count(same="track") + now.shuffle, []),
    ],
)  # fmt: skip
def test_which_settings_grant_a_feature_and_what_must_be_asked_for(say, settings):
    assert granted_in(feature("1", "Whatever", name="made_up")(say), registry.task("skip")) == settings


def test_the_page_says_where_a_feature_is_built_only_if_it_is_named():
    made = glossary.page()
    (row,) = re.findall(r"^\| `plays_so_far` .*$", made, re.M)
    assert "| skip, by name: online, challenge, last; length: stay |" in row
    (row,) = re.findall(r"^\| `absence` .*$", made, re.M)
    assert "| length: stay |" in row
    (row,) = re.findall(r"^\| `skip_rate_of_session` .*$", made, re.M)
    assert "| skip: online, challenge, last; length: stay |" in row


def test_a_feature_that_two_groups_know_stands_in_the_first():
    names = [f.name for own in glossary.groups().values() for f in own]
    assert len(names) == len(set(names)) == len(registry.features())
    assert list(glossary.groups()) == list(registry.FEATURES)
