"""Every law over every registered source, feature, task and model."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import small
from segue import checks, metrics, registry, splits
from segue.batch import Batch, Bernoulli, Values
from segue.checks import LawBroken
from segue.engines import Embedded
from segue.experiment import reads_steps
from segue.features.build import ask, from_library
from segue.features.feature import Feature
from segue.features.tree import make
from segue.library import Library, ingest
from segue.models.baseline import Prior
from segue.models.stays import FittedShrunk, Shrunk
from segue.noise import Dealt, Permuted
from segue.simulate.lastfm1k import simulate
from segue.stay_checks import gain_on_noise
from together import Together

PER_SESSION = {
    "online": 1,
    "challenge": 1,
    "last": 10,
    "stay": 2,
}  # one play of a session is asked about, not all: fewer cells to compare
QUESTIONS = [(t, s) for t in registry.TASKS for s in registry.task(t).settings]


@cache
def sound(source: str) -> Library:
    return checks.sound_source(source, small.folder() / "sound" / source)


@pytest.fixture(scope="module", params=list(registry.DATASETS))
def library(request: pytest.FixtureRequest) -> Library:
    return sound(request.param)


@cache
def labelled(task: str) -> Together:
    """Every source that has a label: for skips, those that say what was skipped; for lengths, all of them.

    An oracle takes long to write its question, and little to answer it.
    """
    return Together(tuple(one for one in map(sound, registry.DATASETS) if is_labelled(one, task)))


@pytest.fixture(scope="module")
def real(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    place = tmp_path_factory.mktemp("real") / "library"
    return ingest("spotify_history", data / "spotify_history" / "listener_c", place)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return checks.sample_library("spotify_history", tmp_path_factory.mktemp("history"), sessions=700)


SOME = (
    "last_skipped", "skip_rate_of_session", "skip_rate_of_last_5", "skip_rate_decayed", "kept_run", "skip_run",
    "position_in_session", "pause", "time_away", "context", "skip_rate_of_artist_so_far", "skip_depth_within_80",
    "recent_skip_rate_of_track", "skip_rate_across_80", "skip_rate_of_track", "days_since_track", "queue_of_artist",
    "session_length", "similarity_to_kept",
    "time_so_far", "variety_of_last_10", "last_reason_end", "start_weekend", "absence", "sessions_this_week",
    "last_session_skip_rate", "session_s_decayed", "mean_session_s_at_this_hour", "share_over_20_plays",
)  # fmt: skip


def asking(task: str, setting: str, names=None):
    found = registry.task(task)
    chosen = found.setting(setting)
    granted = ask(found, chosen, registry.features(), names=names, options=chosen.options)
    return replace(granted, steps=checks.all_steps(chosen, granted.features))


def is_labelled(library, task):
    return not registry.task(task).label or library.manifest["unknown_labels"] < library.manifest["kept"]


def has_labels(library, task):
    """Where a source cannot say what was skipped, no play of it is an example of this task."""
    if not is_labelled(library, task):
        pytest.skip(f"{library.manifest['source']} does not say what was skipped: nothing to build examples of")


@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_law_1_what_is_not_granted_is_invisible(library, task, setting):
    checks.invisible(asking(task, setting), library)


@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_law_2_the_oracle_on_duckdb_agrees(task, setting):
    each, libraries = 10_000 // PER_SESSION[setting], labelled(task)
    assert checks.agrees_with_oracle(asking(task, setting), libraries, Embedded()) > each * len(libraries.libraries)


@pytest.mark.spark
@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_law_2_the_oracle_on_spark_agrees(task, setting, spark):
    granted = asking(task, setting).features
    names = [n for n in SOME if n in granted]  # tests/features holds all of them against Spark, in parts
    each, libraries = 3_000 // PER_SESSION[setting], labelled(task)
    assert checks.agrees_with_oracle(asking(task, setting, names), libraries, spark) > each * len(libraries.libraries)


@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_of_every_labelled_source_there_are_examples_to_hold_an_oracle_to(task, setting):
    libraries = labelled(task)
    batch, _ = from_library(replace(asking(task, setting, ["last_skipped"]), steps=None), libraries)
    of_part = [one.manifest["source"] for one in libraries.libraries for _ in one.parts]
    n = {one: sum(of_part[p] == one for p in batch.keys["part"]) for one in of_part}
    assert {"mssd", "spotify_history", "spotify_account", "tables"} <= set(n)
    assert min(n.values()) > 20


@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_law_2_live_equals_batch(library, task, setting):
    assert checks.live_equals_batch(asking(task, setting), library) > 1_000 // PER_SESSION[setting]


@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_laws_1_and_2_hold_on_a_real_history(real, task, setting):
    question = asking(task, setting)
    checks.invisible(question, real, moments=15)
    assert checks.live_equals_batch(question, real, moments=60) > 1_000 // PER_SESSION[setting]
    assert checks.agrees_with_oracle(replace(question, steps=None), real, Embedded()) > 10_000 // PER_SESSION[setting]


@pytest.mark.parametrize(("task", "setting"), QUESTIONS)
def test_law_3_features_are_finite_and_say_what_they_are(library, task, setting):
    has_labels(library, task)
    question = asking(task, setting)
    batch, _ = from_library(replace(question, steps=None), library)
    checks.sound_features(question.features, batch)


def test_law_3_input_row_order_is_irrelevant(tmp_path):
    import csv
    import gzip
    import json

    registry.dataset("spotify_history").sample(tmp_path / "raw", sessions=60)
    before = ingest("spotify_history", [tmp_path / "raw"], tmp_path / "before")
    for path in (tmp_path / "raw").rglob("*.json"):
        records = json.loads(path.read_text())
        path.write_text(json.dumps(records[::-1]))
    checks.order_is_irrelevant(before, ingest("spotify_history", [tmp_path / "raw"], tmp_path / "after"))

    registry.dataset("mssd").sample(tmp_path / "logs", sessions=60)
    before = ingest("mssd", [tmp_path / "logs"], tmp_path / "logs-before")
    for path in (tmp_path / "logs").rglob("log_*.csv.gz"):
        with gzip.open(path, "rt") as read:
            head, *rows = csv.reader(read)
        with gzip.open(path, "wt", newline="") as out:
            csv.writer(out).writerows([head, *rows[::-1]])
    checks.order_is_irrelevant(before, ingest("mssd", [tmp_path / "logs"], tmp_path / "logs-after"))


@pytest.fixture(scope="module")
def split(history: Library) -> tuple[Batch, Batch, Batch]:
    batch, _ = from_library(asking("skip", "online"), history)
    cut = splits.by_time(batch.keys)
    return batch, batch.take(cut.rows(splits.TRAIN, splits.VALID)), batch.take(cut.rows(splits.TEST))


def in_three(question, library) -> list[Batch]:
    """What models of lengths are given: no tensors; the latest days of training apart."""
    batch, _ = from_library(replace(question, steps=None), library)
    cut = splits.by_time(batch.keys)
    return [batch.take(cut.rows(role)) for role in (splits.TRAIN, splits.VALID, splits.TEST)]


@pytest.fixture(scope="module")
def stayers(tmp_path_factory: pytest.TempPathFactory) -> list[Batch]:
    """Thirty listeners of whom each stays for about as long as they are used to."""
    place = tmp_path_factory.mktemp("stayers")
    simulate("stays-1", place / "raw", listeners=30, days=120, seed=1)
    return in_three(asking("length", "stay"), ingest("lastfm1k", [place / "raw"], place / "library"))


@pytest.fixture(scope="module")
def dealt(history: Library) -> list[Batch]:
    """The same library with its lengths dealt anew before any feature is made of them."""
    return in_three(asking("length", "stay"), Dealt(history))


LIFELINES = ("weibull", "lognormal")


def model_of(task: str, name: str):
    """A model as it is by default; a network small and trained briefly, which changes none of what the laws say of it."""
    model = registry.model(task, name)()
    if task == "length" and name in LIFELINES:
        pytest.importorskip("lifelines", reason="these are fitted with lifelines: pip install 'segue[length]'")
    if not reads_steps(model) and not hasattr(model, "hidden_size"):
        return model
    pytest.importorskip("torch", reason="networks are trained with torch: pip install 'segue[neural]'")
    small = {
        "hidden_size": 12,
        "decoder_size": 12,
        "tracks_size": 12,
        "dense_size": 8,
        "vectors": 8,
        "heads": 2,
        "epochs": 2,
        "batch_size": 32,
        "n_tracks": 50,
        "jitter": 0,
    }
    return replace(model, **{name: value for name, value in small.items() if hasattr(model, name)})


@pytest.mark.parametrize(("task", "name"), list(registry.MODELS))
def test_law_4_a_model_answers_alike_however_it_is_asked(task, name, request):
    if task == "length":
        train, valid, held = request.getfixturevalue("stayers")
        checks.sound_model(model_of(task, name), train, held, valid)
        return
    _, train, held = request.getfixturevalue("split")
    checks.sound_model(model_of(task, name), train, held)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["challenge", "last"])
@pytest.mark.parametrize("name", [n for t, n in registry.MODELS if t == "skip" and reads_steps(registry.model(t, n))])
def test_law_4_a_network_answers_alike_in_every_setting(setting, name, tmp_path):
    library = checks.sample_library("mssd", tmp_path, sessions=300)
    batch, _ = from_library(asking("skip", setting), library)
    cut = splits.by_time(batch.keys)
    train, held = batch.take(cut.rows(splits.TRAIN, splits.VALID)), batch.take(cut.rows(splits.TEST))
    checks.sound_model(model_of("skip", name), train, held)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_law_4_a_model_beats_the_baselines_where_there_is_signal(name, split):
    _, train, held = split
    loss = {n: metrics.log_loss(registry.model("skip", n)().fit(train).predict(held).p, held.label).mean()
            for n in ("prior", "repeat-last", "ewma", name)}  # fmt: skip
    assert loss[name] < min(loss[n] for n in ("prior", "repeat-last", "ewma")) - 0.02


@pytest.fixture(scope="module")
def noise(history: Library) -> tuple[Batch, Batch]:
    return parted(asking("skip", "online"), history)


def parted(question, library: Library) -> tuple[Batch, Batch]:
    """The same library with its outcomes permuted before any feature is made of them: to train on, and to be asked."""
    batch, _ = from_library(question, Permuted(library))
    cut = splits.by_time(batch.keys)
    return batch.take(cut.rows(splits.TRAIN, splits.VALID)), batch.take(cut.rows(splits.TEST))


def mark(train: Batch, held: Batch) -> float:
    answers = [registry.model("skip", n)().fit(train).predict(held).p for n in ("prior", "position-table")]
    return min(float(metrics.log_loss(p, held.label).mean()) for p in answers)


@pytest.mark.parametrize("name", [n for t, n in registry.MODELS if t == "skip"])
def test_law_4_a_model_learns_nothing_from_permuted_labels(name, noise):
    checks.learns_nothing_from_noise(model_of("skip", name), *noise, mark(*noise))


@pytest.mark.parametrize("name", [n for t, n in registry.MODELS if t == "length"])
def test_law_4_a_model_learns_nothing_of_lengths_that_were_dealt_anew(name, dealt):
    checks.learns_nothing_of_lengths(model_of("length", name), *dealt)


@pytest.mark.parametrize("name", ["shrunk", "lognormal", "hazard"])
def test_law_4_a_curve_gains_on_everybodys_where_there_is_signal(name, stayers):
    assert gain_on_noise(model_of("length", name), *stayers).low > 0


def test_a_leaky_feature_gains_on_lengths_that_were_dealt_anew_and_is_caught_by_law_4(history):
    question = replace(asking("length", "stay", ["time_so_far", "plays_so_far", "start_hour"]), steps=None)
    leak = Feature("leak", "plays", "The length itself", make("col", "now", "session_length"))
    parts = in_three(replace(question, features={**question.features, "leak": leak}), Dealt(history))
    with pytest.raises(LawBroken, match="lengths are noise, yet it gains"):
        checks.learns_nothing_of_lengths(registry.model("length", "hazard")(trees=50), *parts)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_a_leaky_feature_gains_on_permuted_labels_and_is_caught_by_law_4(name, history):
    question = replace(asking("skip", "online", ["position_in_session", "hour"]), steps=None)
    leak = Feature("leak", "flag", "The label itself", make("col", "now", "skipped"))
    train, held = parted(replace(question, features={**question.features, "leak": leak}), history)
    with pytest.raises(LawBroken, match="labels are noise, yet it gains"):
        checks.learns_nothing_from_noise(registry.model("skip", name)(), train, held, mark(train, held))


@pytest.mark.parametrize("task", list(registry.TASKS))
def test_law_6_metrics_match_hand_worked_cases(task):
    checks.sound_metrics(registry.task(task))


@pytest.mark.parametrize(
    "tree",
    [
        make("col", "now", "skipped"),
        make("col", "now", "reason_end") == "fwdbtn",
        make("col", "now", "played_ms"),
        make("col", "now", "session_length"),
        make("col", "now", "end_day") - make("col", "now", "day"),
        make("col", "now", "asked"),
        make("fold", "past", "max", make("col", "past", "end_day"), None, None, None),
        make("fold", "past", "max", make("col", "past", "session_length"), None, None, None),
        make("fold", "queue", "sum", make("col", "queue", "skipped"), None, None, None),
    ],
    ids=[
        "label",
        "reason",
        "time heard",
        "length",
        "day of the end",
        "asked",
        "day of the end by way of the past",
        "length by way of the past",
        "queue's labels",
    ],
)
def test_a_leaky_feature_is_caught_by_law_1_even_past_the_grants(tree, tmp_path):
    library = checks.sample_library("mssd", tmp_path)
    task = registry.task("skip")
    leak = Feature("leak", "score", "What it must not know", tree)
    setting = "challenge" if tree.op == "fold" and tree.args[0] == "queue" else "online"
    assert task.setting(setting).refuses(leak) is not None
    question = ask(task, task.setting(setting), registry.features(), names=["last_skipped"])
    with pytest.raises(LawBroken, match=r"law 1: feature 'leak' changed .* it looks ahead"):
        checks.invisible(replace(question, features={"leak": leak}), library, moments=150)


class Peeking(Prior):
    """A model that reads the label of the play it is asked about."""

    def fit(self, train, valid=None):
        table = super().fit(train, valid)

        class Reads(type(table)):
            def predict(self, batch):
                return Bernoulli(np.where(batch.label == 1, 0.9, 0.1))

        table.__class__ = Reads
        return table


class Nosy(Prior):
    """A model that learns each session's own labels by heart, the asked ones' neighbours among them."""

    def fit(self, train, valid=None):
        table = super().fit(train, valid)

        class Remembers(type(table)):
            def predict(self, batch):
                total = np.zeros(len(batch))
                for session in np.unique(batch.keys["session"]):
                    rows = batch.keys["session"] == session
                    total[rows] = batch.label[rows].mean()
                return Bernoulli(np.clip(total, 0.05, 0.95))

        table.__class__ = Remembers
        return table


def test_a_leaky_model_is_caught_by_law_4(split, noise):
    _, train, held = split
    with pytest.raises(LawBroken, match="it reads them"):
        checks.sound_model(Peeking(), train, held)
    for model in (Peeking(), Nosy()):
        with pytest.raises(LawBroken, match="labels are noise, yet it gains"):
            checks.learns_nothing_from_noise(model, *noise, mark(*noise))


def test_a_source_that_loses_a_row_is_caught_by_law_5(tmp_path, monkeypatch):
    source = registry.dataset("mssd")
    monkeypatch.setattr(registry, "dataset", lambda name: replace(source, citation=""))
    with pytest.raises(LawBroken, match="lacks a licence or a citation"):
        checks.sound_source("mssd", Path(tmp_path))


class ReadsWhatCame(Shrunk):
    """A model of lengths that answers with what came."""

    def fit(self, train, valid=None):
        class Reads(FittedShrunk):
            def predict(self, batch):
                found = batch.also["remaining_ms"] / 1000, batch.also["remaining_tracks"]
                return Values(("seconds", "tracks"), np.stack(found, 1))

        return Reads(*vars(super().fit(train)).values())


class Overhears(Shrunk):
    """A model of lengths to which the sessions of whoever is asked beside them are those of a new listener, too."""

    def fit(self, train, valid=None):
        class Mistaken(FittedShrunk):
            def predict(self, batch):
                new = batch.earlier.begin == batch.earlier.end
                begin = np.where(new, 0, batch.earlier.begin)
                return super().predict(replace(batch, earlier=replace(batch.earlier, begin=begin)))

        return Mistaken(*vars(super().fit(train)).values())


def test_a_leaky_model_of_lengths_is_caught_by_law_4(stayers, dealt):
    train, _, held = stayers
    with pytest.raises(LawBroken, match="it reads them"):
        checks.sound_model(ReadsWhatCame(), train, held)
    with pytest.raises(LawBroken, match="lengths are noise, yet it gains"):
        checks.learns_nothing_of_lengths(ReadsWhatCame(), *dealt)
    with pytest.raises(LawBroken, match="with their earlier sessions"):
        checks.sound_model(Overhears(), train, held)
