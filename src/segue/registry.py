"""Names → "module:Object". To add a source, a group of features, a task or a model: one file and one line here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from segue.errors import UnknownName

DATASETS = {
    "mssd": "segue.datasets.mssd:SOURCE",
    "spotify_history": "segue.datasets.spotify_history:SOURCE",
    "spotify_account": "segue.datasets.spotify_account:SOURCE",
    "lastfm1k": "segue.datasets.lastfm1k:SOURCE",
    "scrobbles": "segue.datasets.scrobbles:SOURCE",
    "listenbrainz": "segue.datasets.listenbrainz:SOURCE",
    "mpd": "segue.datasets.mpd:SOURCE",
    "tables": "segue.datasets.tables:SOURCE",
}
FEATURES = {
    "prefix": "segue.features.prefix",
    "ending": "segue.features.ending",
    "place": "segue.features.place",
    "clock": "segue.features.clock",
    "context": "segue.features.context",
    "listener": "segue.features.listener",
    "taste": "segue.features.taste",
    "track": "segue.features.track",
    "sound": "segue.features.sound",
    "relation": "segue.features.relation",
    "likeness": "segue.features.likeness",
    "queue": "segue.features.queue",
}
WORLDS = {
    "tastes-1": "segue.simulate.tastes:world",
    "echoes-1": "segue.simulate.echoes:world",
}
TASKS = {
    "skip": "segue.tasks.skip:TASK",
}
MODELS = {
    ("skip", "prior"): "segue.models.baseline:Prior",
    ("skip", "repeat-last"): "segue.models.baseline:RepeatLast",
    ("skip", "position-table"): "segue.models.baseline:PositionTable",
    ("skip", "ewma"): "segue.models.baseline:Ewma",
    ("skip", "logistic"): "segue.models.linear:Logistic",
    ("skip", "boosting"): "segue.models.boosting:Boosting",
    ("skip", "lstm"): "segue.models.recurrent:Lstm",
    ("skip", "bilstm"): "segue.models.recurrent:BiLstm",
    ("skip", "gru"): "segue.models.recurrent:Gru",
    ("skip", "layered-lstm"): "segue.models.recurrent:LayeredLstm",
    ("skip", "seq2seq"): "segue.models.seq2seq:Seq2Seq",
    ("skip", "one-input-lstm"): "segue.models.fusion:OneInputLstm",
    ("skip", "fusion"): "segue.models.fusion:Fusion",
    ("skip", "winner2019"): "segue.models.winner2019:Winner2019",
    ("skip", "attention"): "segue.models.attention:Attention",
    ("skip", "blend"): "segue.models.blend:Blend",
}
# the figures of segue explore, by section, in the order of the page
FIGURES = {
    ("What is here", "counts"): "segue.explore.here:counts",
    ("What is here", "columns"): "segue.explore.here:columns",
    ("What is here", "quality"): "segue.explore.here:quality",
    ("What is here", "levels"): "segue.explore.here:levels",
    ("One at a time", "attributes"): "segue.explore.spread:attributes",
    ("One at a time", "behaviour"): "segue.explore.spread:behaviour",
    ("One at a time", "popularity"): "segue.explore.spread:popularity",
    ("One at a time", "session-length"): "segue.explore.staying:survival",
    ("One at a time", "leaving"): "segue.explore.staying:hazard",
    ("What distinguishes a skipped play", "telling"): "segue.explore.telling:ranked",
    ("What distinguishes a skipped play", "skip-by-hour"): "segue.explore.clocks:by_hour",
    ("What distinguishes a skipped play", "skip-by-weekday"): "segue.explore.clocks:by_weekday",
    ("What distinguishes a skipped play", "skip-by-day-of-month"): "segue.explore.clocks:by_day_of_month",
    ("What distinguishes a skipped play", "skip-by-position"): "segue.explore.clocks:by_position",
    ("What distinguishes a skipped play", "skip-by-context"): "segue.explore.clocks:by_context",
    ("What distinguishes a skipped play", "skip-by-reason"): "segue.explore.clocks:by_reason",
    ("What distinguishes a skipped play", "skip-by-state"): "segue.explore.clocks:by_state",
    ("What distinguishes a skipped play", "attribute-by-clock"): "segue.explore.clocks:attribute",
    ("What distinguishes a skipped play", "skip-runs"): "segue.explore.runs:last_two",
    ("Two at a time", "correlation"): "segue.explore.pairs:correlation",
    ("Two at a time", "relation"): "segue.explore.pairs:relation",
    ("Outliers", "odd-tracks"): "segue.explore.odd:tracks",
    ("Outliers", "odd-sessions"): "segue.explore.odd:sessions",
    ("What follows what", "transitions"): "segue.explore.follows:tracks",
    ("What follows what", "artists-follow"): "segue.explore.follows:artists",
    ("What follows what", "repeats"): "segue.explore.follows:repeats",
    ("Over time", "skips-by-day"): "segue.explore.rhythm:daily",
    ("Over time", "skips-by-hour"): "segue.explore.rhythm:hourly",
    ("Over time", "small-artists"): "segue.explore.exposure:deciles",
    ("Few dimensions", "components"): "segue.explore.plane:components",
    ("Few dimensions", "loadings"): "segue.explore.plane:loadings",
    ("Few dimensions", "map"): "segue.explore.plane:drawn",
    ("Groups", "how-many-groups"): "segue.explore.groups:how_many",
    ("Groups", "track-groups"): "segue.explore.groups:tracks",
    ("Groups", "track-tree"): "segue.explore.groups:tree",
    ("Groups", "spectral-groups"): "segue.explore.groups:spectral",
    ("Groups", "session-groups"): "segue.explore.groups:sessions",
    ("Causes", "causes-of-tracks"): "segue.explore.causes:of_tracks",
    ("Causes", "causes-of-sessions"): "segue.explore.causes:of_sessions",
}


def load(address: str) -> Any:
    module, _, name = address.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found


def dataset(name: str) -> Any:
    if name not in DATASETS:
        raise UnknownName("source", name, DATASETS)
    return load(DATASETS[name])


def world(name: str) -> Any:
    if name not in WORLDS:
        raise UnknownName("world", name, WORLDS)
    made = load(WORLDS[name])
    return made()


def task(name: str) -> Any:
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return load(TASKS[name])


def model(task: str, name: str) -> Any:
    if (task, name) not in MODELS:
        raise UnknownName(f"model for {task}", name, [m for t, m in MODELS if t == task])
    return load(MODELS[(task, name)])


@cache
def features() -> dict[str, Any]:
    """Every registered feature by name, traced."""
    from segue.features.feature import collect

    return collect([load(address) for address in FEATURES.values()])
