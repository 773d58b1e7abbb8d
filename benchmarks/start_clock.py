"""What a wrong start clock is worth: `ts − ms_played` moves a play's own pauses to before its start.

Prints `compare skip` on the extended histories under SEGUE_DATA, with the recorded start and with the derived one.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import segue
from segue import experiment
from segue.datasets import spotify_history

DATA = Path(os.environ.get("SEGUE_DATA", "../shared/data"))


def hidden_pauses() -> None:
    """Skips among plays by how long they were paused within: what a derived start would show beforehand."""
    for folder in sorted((DATA / "spotify_history").iterdir()):
        found: dict[bool, list[int]] = {True: [], False: []}
        for path in sorted(folder.glob("*.json")):
            for record in json.loads(path.read_text(encoding="utf-8")):
                end = spotify_history._clock(record["ts"])
                start = spotify_history._recorded(record.get("offline_timestamp"), end or 0)
                skipped = spotify_history.skipped(record, "fwdbtn-or-flagged-30s")
                if start is not None and end is not None and skipped is not None:
                    found[end - record["ms_played"] - start > 600_000].append(skipped)
        print(", ".join(f"{folder.name}: {sum(v) / len(v):.1%} of {len(v):,} plays {'with' if long else 'without'} ten minutes "
                        "of pause within are skipped" for long, v in found.items() if v))  # fmt: skip


def main() -> None:
    if not (DATA / "spotify_history").is_dir():
        print(f"no {DATA}/spotify_history: set SEGUE_DATA to a folder with Spotify histories")
        return
    recorded = spotify_history._recorded
    hidden_pauses()
    print(f"segue {segue.__version__}; test: each listener's last days; boosting; 95 % by day within listener")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("recorded", "ts − ms_played"):
            spotify_history._recorded = recorded if name == "recorded" else (lambda stamp, end: None)
            options = {"start_clock": "recorded" if name == "recorded" else "estimated"}
            library = segue.ingest(
                "spotify_history", [DATA / "spotify_history"], Path(folder) / name[:2], options=options
            )
            for granted in ((), ("reason_start",)):
                found = experiment.compare("skip", library, models=["ewma", "boosting"], options=granted)
                for score in found.scores:
                    m = score.metrics
                    print(f"start {name:15} {'with' if granted else 'without':7} reason_start  {score.model:9} "
                          f"n {found.about['counts'][0]['test']:,}  log-loss {m['log_loss']}  AUC {m['auc']}")  # fmt: skip
    spotify_history._recorded = recorded


if __name__ == "__main__":
    main()
