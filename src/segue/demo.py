"""The whole story on made-up logs, told in the terminal."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from segue import bundle, experiment, registry, training
from segue.errors import AskedWrongly
from segue.library import ingest

SESSIONS = {"spotify_history": 900, "mssd": 6000}  # the samples, enlarged


def tell(out: Path, say: Callable[[str], Any], table: Callable[[list[dict[str, str]], str], Any]) -> None:
    """Make logs, read them, compare models, train one, ask it; everything is left under `out`."""
    if out.exists():
        if not (out / "made-by-segue-demo").exists() and any(out.iterdir()):
            raise AskedWrongly(f"{out} holds something else: choose another -o")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / "made-by-segue-demo").touch()
    begun = time.perf_counter()
    say("1. Logs. These are made up: three people's Spotify exports, and a sessions data set in Spotify's format.\n")
    libraries = {}
    for source, sessions in SESSIONS.items():
        registry.dataset(source).sample(out / "raw" / source, sessions=sessions)
        libraries[source] = ingest(source, [out / "raw" / source], out / source)
        m = libraries[source].manifest
        aside, rejected = sum(m["set_aside"].values()), sum(m["rejected"].values())
        say(f"   {source}: {m['rows_in']:,} rows = {m['kept']:,} kept + {aside} set aside (podcasts) + {rejected} rejected; "
            f"{m['sessions']:,} sessions, {m['skips'] / m['kept']:.0%} skipped")  # fmt: skip
    say("\n2. Will they skip? Asked as each play starts, from nothing but what is known then.\n")
    found = experiment.compare("skip", libraries["spotify_history"], setting="online")
    table(_short(found.table()), "three people's exports, online, on their last days")
    (out / "comparison.json").write_text(json.dumps(found.to_json(), indent=1), encoding="utf-8")
    say(
        "   The same plays, outcomes permuted before any feature is made: whoever still gains something here looks ahead.\n"
    )
    noise = experiment.compare("skip", libraries["spotify_history"], models=["prior", "position-table", "logistic", "boosting"],
                               permute=True, budget=2)  # fmt: skip
    table(_short(noise.table()), "permuted labels")
    say("   And the challenge's question: all second halves at once, scored by mean average accuracy.\n")
    halves = experiment.compare("skip", libraries["mssd"], setting="challenge")
    table(_short(halves.table()), "sessions data set, challenge")
    say("3. A model to keep, and a question for it.\n")
    model = training.train("skip", libraries["spotify_history"], str(out / "skip.bundle"), model="boosting")
    session = _session(libraries["spotify_history"])
    (out / "session.json").write_text(json.dumps(session, indent=1), encoding="utf-8")
    opened = bundle.open_bundle(out / "skip.bundle")
    answer = opened.predict(session).answers[0]
    say(
        f"   {len(session['plays'])} plays so far; the coming play is skipped with probability {answer.probability:.2f}. Why:"
    )
    for reason in answer.reasons:
        say(f"   {reason['log_odds']:+.2f} log-odds  {reason['sentence']}: {reason['value']}")
    say(f"\nDone in {time.perf_counter() - begun:.0f} s. Now look at:")
    say(f"   {out}/comparison.json            every score with its interval, every trial of the tuning")
    say(
        f"   {out}/skip.bundle/card.json      what the model is, what it learned from ({len(model.asking.features)} features)"
    )
    segue = "segue" if shutil.which("segue") else ".venv/bin/segue"
    say(f"   {segue} predict {out}/skip.bundle {out}/session.json")
    say(f"   {segue} ingest spotify_history my_spotify_data/ -o library/     and then the same with your own plays")


def _short(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    kept = ("model", "MAA", "FPA", "log-loss", "AUC", "AUC within listener", "ECE (floor)")
    return [{k: v for k, v in row.items() if k in kept or "gained" in k} for row in rows]


def _session(library: Any) -> dict[str, Any]:
    """The last made-up session of some length, its last play as the coming one."""
    rows = next(iter(library.plays())).to_pylist()
    last = next(r["session_id"] for r in reversed(rows) if r["session_length"] >= 6)
    plays = [r for r in rows if r["session_id"] == last]
    newest = max(p["last_day"] for p in library.parts)
    days = (
        date.fromisoformat(newest) - plays[0]["day"]
    ).days + 1  # as if it were played on the day after the library ends
    for play in plays:
        for clock in ("start_ms", "end_ms"):
            play[clock] += days * 86_400_000
    start = ("track", "artist", "album", "start_ms", "shuffle", "platform", "reason_start")
    known = (*start, "end_ms", "played_ms", "skipped", "reason_end")
    coming = {c: plays[-1][c] for c in start if c != "reason_start"}
    return {"plays": [{c: p[c] for c in known if p[c] is not None} for p in plays[:-1]],
            "next": {c: v for c, v in coming.items() if v is not None}}  # fmt: skip
