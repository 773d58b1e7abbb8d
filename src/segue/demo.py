"""The demo: the whole story, offline, in a made-up world whose exact answers are known."""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from segue import bundle, experiment, registry, stay_training, submission, training
from segue.errors import AskedWrongly
from segue.figures.report import explore
from segue.intervals import Interval
from segue.library import ingest
from segue.simulate.lastfm1k import simulate as simulate_stays
from segue.simulate.mssd import simulate

WORLD, SESSIONS, DAYS = "tastes-1", 6000, 12
PAGE, PAGE_SESSIONS = ("levels", "telling", "skip-runs", "popularity"), 3000  # findings told, and sessions looked at
MODELS = ("repeat-last", "ewma", "logistic", "boosting")
HOW = {
    "prior": "always says how often plays were skipped before",
    "repeat-last": "says of each play what the last one did",
    "position-table": "how often such a place in a session is skipped",
    "ewma": "how often this session was skipped, the last plays most",
    "logistic": "a weighted sum of facts",
    "boosting": "trees over the same facts",
    "ceiling, tracks unknown": "knows the law of the world, but not its single tracks",
    "ceiling": "knows the law and every track: nobody can do better",
}


LISTENERS, STAY_DAYS = 60, 120
STAY_HOW = {
    "user-mean": "the listener's own mean",
    "user-median": "the listener's own median",
    "shrunk": "the listener's own lengths, drawn towards everybody's",
    "hazard": "the chance of leaving in each minute, by all that is known",
}


def tell(out: Path, say: Callable[[str], Any], table: Callable[[list[dict[str, str]], str], Any]) -> None:
    """Make a world, read its logs, compare models with what could be known, train one, ask it; all is left under `out`."""
    _empty(out)
    begun = time.perf_counter()
    say("1. A world. The logs of streaming services are closed, so here is a made-up one, in the files of Spotify's")
    say("   sessions data set. Its law is known: the exact chance of every skip lies beside the logs.\n")
    made = simulate(WORLD, out / "raw" / "mssd", sessions=SESSIONS, days=DAYS)
    library = ingest("mssd", [out / "raw" / "mssd"], out / "library")
    m = library.manifest
    say(f"   {made.about['world']}: {m['sessions']:,} sessions over {DAYS} days; {m['rows_in']:,} rows = {m['kept']:,} kept + "
        f"{sum(m['rejected'].values())} rejected; {m['skips'] / m['kept']:.0%} of the plays are skipped\n")  # fmt: skip
    truth = str(out / "raw" / "mssd" / "truth")
    say("2. Will they skip? Asked as each play starts, from nothing but what is known then; tested on the last days.\n")
    found = experiment.compare("skip", library, setting="online", models=MODELS, budget=2, truth=truth).to_json()
    (out / "comparison.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    table(in_words(found["scores"], "log_loss"), "as each play starts")
    say(
        "   Surprise is the mean log-loss, less is better. The last column is what counts: 0 % is what repeating the last"
    )
    say("   answer gives for nothing, 100 % is all that could possibly be known.\n")
    say(
        "   The same with the outcomes permuted before any fact is made of them: whoever still gained something would look ahead.\n"
    )
    noise = experiment.compare("skip", library, setting="online", models=["prior", "repeat-last", "logistic", "boosting"],
                               permute=True, budget=1).to_json()  # fmt: skip
    table(in_words(noise["scores"], "log_loss"), "outcomes permuted: nobody should beat the first row")
    say("3. The challenge's question: half of a session was heard, the rest is asked about all at once.\n")
    halves = experiment.compare("skip", library, setting="challenge", models=MODELS, budget=2, truth=truth).to_json()
    table(in_words(halves["scores"], "maa"), "second halves: mean average accuracy (MAA), the first answer right")
    say(
        "4. Models to keep: one for that question, whose answers to a sealed test set are then scored; one to ask live.\n"
    )
    training.train("skip", library, str(out / "challenge.bundle"), setting="challenge", budget=1)
    tested = submission.submit(str(out / "challenge.bundle"), [str(out / "raw" / "mssd" / "test_set")],
                               str(out / "submission.txt"), truth=truth)  # fmt: skip
    say(f"   {out}/submission.txt: {tested.sessions:,} lines, one a session, each checked.\n")
    if tested.score is not None:
        kept = ("", "MAA", "FPA", "share of MAA gain")
        rows = [{"answers" if k == "" else k: row[k] for k in kept} for row in tested.score.table()]
        table(rows, "the sealed test set, as expected under the truth (FPA: the first answer right)")
    model = training.train("skip", library, str(out / "skip.bundle"), setting="online", budget=1)
    session = _session(library)
    (out / "session.json").write_text(json.dumps(session, indent=1), encoding="utf-8")
    answer = bundle.open_bundle(out / "skip.bundle").predict(session).answers[0]
    say(
        f"   {len(session['plays'])} plays so far; the coming play is skipped with probability {answer.probability:.2f}. Why:"
    )
    for reason in answer.reasons:
        say(f"   {reason['log_odds']:+.2f} log-odds  {reason['sentence']}: {reason['value']}")
    say("\n5. Look at the plays themselves: one page of questions, pictures and findings. The first of them:\n")
    report = explore(library, fast=True, sample=PAGE_SESSIONS)
    report.save(out / "report.html", overwrite=True)
    for name in PAGE:
        if name in {figure.name for figure in report}:
            say(textwrap.fill(report[name].finding, 110, initial_indent="   ", subsequent_indent="   "))
    stays(out, say, table)
    registry.dataset("spotify_history").sample(out / "raw" / "spotify_history", sessions=900)
    _farewell(out, say, len(model.asking.features), time.perf_counter() - begun)


def stays(out: Path, say: Callable[[str], Any], table: Callable[[list[dict[str, str]], str], Any]) -> None:
    """How long they stay: a model, beside the listener's own median, and what it says as a session goes on."""
    say(
        "\n6. How long will they stay? Another made-up world, in Last.fm's files: listeners who stay for a short or a long while.\n"
    )
    simulate_stays("stays-1", out / "raw" / "lastfm1k", listeners=LISTENERS, days=STAY_DAYS)
    library = ingest("lastfm1k", [out / "raw" / "lastfm1k"], out / "listening")
    made = stay_training.train(library, str(out / "length.bundle"))
    rows = []
    for s in (*made.card["baselines"], made.card["score"]):
        every = s["by_group"]["all"]
        mae, curve = every["mae_min"]["value"], s["is_curve"]
        rows.append({"who": s["model"], "how": STAY_HOW[s["model"]], "median is off by": f"{mae:.0f} min",
                     "the curve by": f"{every['crps_min']['value']:.0f} min" if curve else "",
                     "80 % intervals hold": f"{every['coverage']['value']:.0%}" if curve else ""})  # fmt: skip
    table(rows, "at the start of sessions, and after 1, 2, 5 and 10 plays")
    plays = _listened(library)
    for heard in (0, 5, 20):
        said = {"start": plays[0]["start_ms"], "plays": plays[:heard]} if heard else {"start": plays[0]["start_ms"]}
        told = made.predict(said)
        assert told.minutes is not None
        when, m = f"after {heard} plays" if heard else "at the start", told.minutes
        say(f"   {when}: {m.median:.0f} more minutes; with 80 % between {m.low:.0f} and {m.high:.0f}; gone within a quarter of an "
            f"hour: {told.gone['within 15 minutes']:.0%}")  # fmt: skip
        (out / "listening.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def _listened(library: Any) -> list[dict[str, Any]]:
    """The plays of the last session that went on for a while."""
    rows = list(library.plays())[-1].to_pylist()
    last = next(r["session_id"] for r in reversed(rows) if r["session_length"] >= 25)
    return [
        {c: r[c] for c in ("track", "artist", "start_ms") if r[c] is not None} for r in rows if r["session_id"] == last
    ]


def in_words(scores: Sequence[Mapping[str, Any]], decides: str) -> list[dict[str, str]]:
    """A comparison's scores (as JSON) for someone who sees one for the first time, the best last."""
    rows = []
    for s in sorted(scores, key=lambda s: [*HOW].index(s["model"])):
        values = {k: str(Interval(**v)) for k, v in s["metrics"].items() if v["value"] is not None}
        row = {"who": s["model"], "how": HOW[s["model"]]}
        row |= {"MAA": values["maa"], "first answer right": values["fpa"]} if decides == "maa" else {}
        row |= {"surprise": values["log_loss"], "right": values["accuracy"]}
        share = s.get("share_of_attainable_gain", {}).get(decides)
        if share is not None:
            within = "" if share["low"] is None else f" [{share['low']:z.0%}, {share['high']:z.0%}]"
            row["of what can be gained"] = f"{share['value']:z.0%}{within}"
        rows.append(row)
    return rows


def _empty(out: Path) -> None:
    if out.exists():
        if not (out / "made-by-segue-demo").exists() and any(out.iterdir()):
            raise AskedWrongly(f"{out} holds something else: choose another -o")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / "made-by-segue-demo").touch()


def _farewell(out: Path, say: Callable[[str], Any], n_features: int, seconds: float) -> None:
    segue = "segue" if shutil.which("segue") else ".venv/bin/segue"
    say(f"\nDone in {seconds:.0f} s. Now look at:")
    say(f"   {out}/report.html                 the page: open it in a browser, it needs no network")
    say(f"   {out}/comparison.json            every score with its interval, every trial of the tuning")
    say(f"   {out}/skip.bundle/card.json      what the model is, what it learned from ({n_features} features)")
    say(f"   {segue} predict {out}/skip.bundle {out}/session.json")
    say(f"   {segue} predict {out}/length.bundle {out}/listening.json")
    say("   make serve                        live predictions, and a page to play with them (installs what it needs)")
    say(f"   {segue} compare skip {out}/library --setting challenge --truth {out}/raw/mssd/truth")
    say(f"   {segue} ingest spotify_history my_spotify_data/ -o library/     and then the same with your own plays")


def _session(library: Any) -> dict[str, Any]:
    """A session of the last day, its last play as the coming one, as if it were played on the day after."""
    rows = list(library.plays())[-1].to_pylist()
    last = next(r["session_id"] for r in reversed(rows) if r["session_length"] >= 12)
    plays = [r for r in rows if r["session_id"] == last]
    start = ("track", "hour", "weekday", "context", "context_switch", "no_pause", "short_pause", "long_pause", "shuffle",
             "premium")  # fmt: skip
    ended = ("skipped", "skip_1", "skip_3", "not_skipped", "reason_end", "n_seeks_forward", "n_seeks_back")
    newest = date.fromisoformat(max(p["last_day"] for p in library.parts))
    return {
        "day": str(date.fromordinal(newest.toordinal() + 1)),
        "plays": [{c: p[c] for c in (*start, *ended) if p[c] is not None} for p in plays[:-1]],
        "next": {c: plays[-1][c] for c in start if plays[-1][c] is not None},
    }
