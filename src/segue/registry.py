"""Names → "module:Object". To add a source, a group of features, a task or a model: one file and one line here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from segue.errors import AskedWrongly, UnknownName

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
    "person": "segue.features.person",
    "staying": "segue.features.staying",
    "stays_before": "segue.features.stays_before",
}
# laws of what is played and skipped, for segue simulate mssd and mpd
WORLDS = {
    "tastes-1": "segue.simulate.tastes:world",
    "echoes-1": "segue.simulate.echoes:world",
}
# and of how long listeners stay, for segue simulate lastfm1k
STAYS = {
    "stays-1": "segue.simulate.stays:world",
}
TASKS = {
    "skip": "segue.tasks.skip:TASK",
    "length": "segue.tasks.length:TASK",
}
# how the service opens a bundle and answers with it, by task
SERVICES = {
    "skip": "segue.service.skip",
    "next-track": "segue.service.next_track",
    "length": "segue.service.length",
    "descriptors": "segue.service.describing",
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
    ("length", "global-median"): "segue.models.stays:GlobalMedian",
    ("length", "user-mean"): "segue.models.stays:UserMean",
    ("length", "user-median"): "segue.models.stays:UserMedian",
    ("length", "previous"): "segue.models.stays:Previous",
    ("length", "ewma"): "segue.models.stays:EwmaOfSessions",
    ("length", "shrunk"): "segue.models.stays:Shrunk",
    ("length", "weibull"): "segue.models.lifetimes:Weibull",
    ("length", "lognormal"): "segue.models.lifetimes:LogNormal",
    ("length", "gru"): "segue.models.session_rnn:Gru",
    ("length", "lstm"): "segue.models.session_rnn:Lstm",
    ("length", "layered-lstm"): "segue.models.session_rnn:LayeredLstm",
    ("length", "attention"): "segue.models.session_rnn:Attention",
    ("length", "clustered"): "segue.models.clustered:Clustered",
    ("length", "hazard"): "segue.models.hazard:Hazard",
    ("length", "blend"): "segue.models.stay_blend:StayBlend",
}
# what is said of a sound: models of segue audio
DESCRIBERS = {
    ("descriptors", "mean"): "segue.models.sound_mean:Mean",
    ("descriptors", "ridge"): "segue.models.sound_ridge:Ridge",
    ("descriptors", "kernel"): "segue.models.sound_ridge:Kernel",
    ("descriptors", "boosting"): "segue.models.sound_trees:Boosting",
    ("descriptors", "blend"): "segue.models.sound_blend:Blend",
    ("descriptors", "two-linear"): "segue.models.sound_nets:TwoLinear",
    ("descriptors", "three-relu"): "segue.models.sound_nets:ThreeRelu",
    ("descriptors", "three-tanh"): "segue.models.sound_nets:ThreeTanh",
    ("descriptors", "bins-net"): "segue.models.sound_nets:BinsNet",
}
# the settings of the question next-track
ASKINGS = {
    "continue": "segue.asking:CONTINUE",
    "next": "segue.next_play:NEXT",
}
# what proposes how lists go on, by setting
PROPOSERS = {
    ("continue", "popularity"): "segue.proposers.popularity:Popularity",
    ("continue", "same-artist"): "segue.proposers.same_artist:SameArtist",
    ("continue", "title"): "segue.proposers.titles:Titles",
    ("continue", "named"): "segue.proposers.named:Named",
    ("continue", "transitions"): "segue.proposers.transitions:Transitions",
    ("continue", "item-cf"): "segue.proposers.item_neighbours:ItemCf",
    ("continue", "rp3beta"): "segue.proposers.item_neighbours:Rp3Beta",
    ("continue", "playlist-knn"): "segue.proposers.list_neighbours:ListKnn",
    ("continue", "ials"): "segue.proposers.factorisation:Ials",
    ("continue", "content"): "segue.proposers.content:Content",
    ("continue", "clusters"): "segue.proposers.clusters:Clusters",
    ("continue", "clusters-ward"): "segue.proposers.clusters:ClustersWard",
    ("continue", "attribute-net"): "segue.proposers.attribute_net:AttributeNet",
    ("continue", "blend"): "segue.proposers.blend:Blend",
    ("next", "popularity"): "segue.proposers.popularity:Popularity",
    ("next", "recent-popularity"): "segue.proposers.popularity:RecentPopularity",
    ("next", "same-artist"): "segue.proposers.same_artist:SameArtist",
    ("next", "transitions"): "segue.proposers.transitions:NextTransitions",
    ("next", "context-tree"): "segue.proposers.context_tree:ContextTree",
    ("next", "item-cf"): "segue.proposers.item_neighbours:ItemCf",
    ("next", "session-knn"): "segue.proposers.list_neighbours:SessionKnn",
    ("next", "ials"): "segue.proposers.factorisation:Ials",
    ("next", "content"): "segue.proposers.content:Content",
    ("next", "clusters"): "segue.proposers.clusters:Clusters",
    ("next", "clusters-ward"): "segue.proposers.clusters:ClustersWard",
    ("next", "attribute-net"): "segue.proposers.attribute_net:AttributeNet",
    ("next", "own-plays"): "segue.proposers.own_plays:OwnPlays",
    ("next", "own-order"): "segue.proposers.own_order:OwnOrder",
    ("next", "sasrec"): "segue.proposers.sasrec:SasRec",
    ("next", "blend"): "segue.proposers.blend:SessionBlend",
}
# the figures of segue explore, by section, in the order of the page
FIGURES = {
    ("What is here", "counts"): "segue.figures.here:counts",
    ("What is here", "columns"): "segue.figures.here:columns",
    ("What is here", "quality"): "segue.figures.here:quality",
    ("What is here", "levels"): "segue.figures.here:levels",
    ("One at a time", "attributes"): "segue.figures.spread:attributes",
    ("One at a time", "behaviour"): "segue.figures.spread:behaviour",
    ("One at a time", "popularity"): "segue.figures.spread:popularity",
    ("How long they stay", "session-length"): "segue.figures.staying:survival",
    ("How long they stay", "leaving"): "segue.figures.staying:hazard",
    ("How long they stay", "length-by-clock"): "segue.figures.stay_clocks:by_clock",
    ("How long they stay", "staying-by-listeners"): "segue.figures.stayers:by_listeners",
    ("How long they stay", "length-calibration"): "segue.figures.stay_promises:calibration",
    ("How long they stay", "gap-sensitivity"): "segue.figures.cuts:sensitivity",
    ("How long they stay", "ends-known"): "segue.figures.cuts:ends_known",
    ("What distinguishes a skipped play", "telling"): "segue.figures.telling:ranked",
    ("What distinguishes a skipped play", "skip-by-hour"): "segue.figures.clocks:by_hour",
    ("What distinguishes a skipped play", "skip-by-weekday"): "segue.figures.clocks:by_weekday",
    ("What distinguishes a skipped play", "skip-by-day-of-month"): "segue.figures.clocks:by_day_of_month",
    ("What distinguishes a skipped play", "skip-by-position"): "segue.figures.clocks:by_position",
    ("What distinguishes a skipped play", "skip-by-context"): "segue.figures.clocks:by_context",
    ("What distinguishes a skipped play", "skip-by-reason"): "segue.figures.clocks:by_reason",
    ("What distinguishes a skipped play", "skip-by-state"): "segue.figures.clocks:by_state",
    ("What distinguishes a skipped play", "skip-runs"): "segue.figures.runs:last_two",
    ("Two at a time", "correlation"): "segue.figures.pairs:correlation",
    ("Two at a time", "relation"): "segue.figures.pairs:relation",
    ("Outliers", "odd-tracks"): "segue.figures.odd:tracks",
    ("Outliers", "odd-sessions"): "segue.figures.odd:sessions",
    ("What follows what", "transitions"): "segue.figures.follows:tracks",
    ("What follows what", "artists-follow"): "segue.figures.follows:artists",
    ("What follows what", "repeats"): "segue.figures.follows:repeats",
    ("Over time", "skips-by-day"): "segue.figures.rhythm:daily",
    ("Over time", "skips-by-hour"): "segue.figures.rhythm:hourly",
    ("Over time", "attribute-by-clock"): "segue.figures.clocks:attribute",
    ("Over time", "small-artists"): "segue.figures.exposure:deciles",
    ("Few dimensions", "components"): "segue.figures.plane:components",
    ("Few dimensions", "loadings"): "segue.figures.plane:loadings",
    ("Few dimensions", "map"): "segue.figures.plane:drawn",
    ("Groups", "how-many-groups"): "segue.figures.groups:how_many",
    ("Groups", "track-groups"): "segue.figures.groups:tracks",
    ("Groups", "track-tree"): "segue.figures.groups:tree",
    ("Groups", "spectral-groups"): "segue.figures.groups:spectral",
    ("Groups", "session-groups"): "segue.figures.groups:sessions",
    ("Causes", "causes-of-tracks"): "segue.figures.causes:of_tracks",
    ("Causes", "causes-of-sessions"): "segue.figures.causes:of_sessions",
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
    return _law(name, WORLDS, STAYS, "how long listeners stay, not what is played and skipped")


def stays(name: str) -> Any:
    return _law(name, STAYS, WORLDS, "what is played and skipped, not how long listeners stay")


def _law(name: str, known: dict[str, str], others: dict[str, str], of_others: str) -> Any:
    if name in others:
        raise AskedWrongly(f"world {name!r} is a law of {of_others}: expected {' or '.join(known)}")
    if name not in known:
        raise UnknownName("world", name, known)
    made = load(known[name])
    return made()


def task(name: str) -> Any:
    if name in SERVICES and name not in TASKS:
        raise AskedWrongly(f"{name} is asked of whole lists, not of features of plays: expected {' or '.join(TASKS)}")
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return load(TASKS[name])


def model(task: str, name: str) -> Any:
    if (task, name) not in MODELS:
        raise UnknownName(f"model for {task}", name, [m for t, m in MODELS if t == task])
    return load(MODELS[(task, name)])


def describers() -> list[str]:
    return [name for _, name in DESCRIBERS]


def describer(name: str) -> Any:
    if ("descriptors", name) not in DESCRIBERS:
        raise UnknownName("model for descriptors", name, describers())
    return load(DESCRIBERS["descriptors", name])


def asking(name: str) -> Any:
    if name not in ASKINGS:
        raise UnknownName("setting of next-track", name, ASKINGS)
    return load(ASKINGS[name])


def proposers(setting: str) -> list[str]:
    return [name for s, name in PROPOSERS if s == setting]


def proposer(setting: str, name: str) -> Any:
    if (setting, name) not in PROPOSERS:
        raise UnknownName(f"model for next-track, setting {setting}", name, proposers(setting))
    return load(PROPOSERS[(setting, name)])


@cache
def features() -> dict[str, Any]:
    """Every registered feature by name, traced."""
    from segue.features.feature import collect

    return collect([load(address) for address in FEATURES.values()])
