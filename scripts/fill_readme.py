"""Fill README's console blocks with what the commands print, and draw its picture. Run: python scripts/fill_readme.py"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    from test_readme import BLOCK, run

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("segue demo", folder)
        page = ROOT / "README.md"

        def filled(match: re.Match[str]) -> str:
            return f"```console\n$ {match['command']}\n{run(match['command'], folder)}```"

        page.write_text(BLOCK.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")
        draw(
            json.loads((folder / "demo" / "comparison.json").read_text(encoding="utf-8")),
            ROOT / "docs/images/compare.svg",
        )


def draw(comparison: dict[str, object], path: Path) -> None:
    """The demo's comparison as a picture of the terminal, with no font or style from elsewhere."""
    from rich.console import Console
    from rich.text import Text

    from segue import display
    from segue.metrics import Calibration, Interval
    from segue.scores import Comparison, Score

    scores = []
    for s in comparison["scores"]:  # type: ignore[attr-defined]
        read = {k: Interval(**v) for k, v in s["metrics"].items()}
        c = s["calibration"]
        slope = float("nan") if c["slope"] is None else c["slope"]
        better = s["gained_on_best_baseline"]
        scores.append(Score(s["model"], read, Calibration(c["ece"], c["floor"], slope, 0.0, None),  # type: ignore[arg-type]
                            s["train_accuracy"], Interval(**better) if better else None,
                            s["is_best_baseline"]))  # fmt: skip
    console = Console(record=True, width=132, file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text("$ segue compare skip library/ --setting online", style="bold"))
    console.print(
        display.table(
            Comparison("skip", "online", tuple(scores), "log_loss").table(), "skip, online: three made-up listeners"
        )
    )
    svg = console.export_svg(title="segue")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    path.write_text(svg.replace("Fira Code", "ui-monospace, Menlo, Consolas").rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
