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
