"""Fill README's console blocks with what the commands print, and draw its picture. Run: python scripts/fill_readme.py"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

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
        shoot(folder / "demo" / "report.html", ROOT / "docs/images/report.png")


def shoot(page: Path, picture: Path) -> None:
    """The demo's page as a browser shows it; needs Chromium."""
    from browser import browser

    with browser() as seen:
        seen.open(page, width=1280, height=1500, hash="#section-groups").settled()
        seen.driver.save_screenshot(str(picture))


def draw(comparison: dict[str, Any], path: Path) -> None:
    """The demo's comparison as a picture of the terminal, with no font or style from elsewhere."""
    from rich.console import Console
    from rich.text import Text

    from segue import demo, display

    rows = demo.in_words(comparison["scores"], "log_loss")
    console = Console(record=True, width=132, file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115
    console.print(
        Text("Will they skip? Asked as each play starts, in a made-up world whose law is known", style="bold")
    )
    console.print(display.table(rows))
    svg = console.export_svg(title="segue demo")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    path.write_text(svg.replace("Fira Code", "ui-monospace, Menlo, Consolas").rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
