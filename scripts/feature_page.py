"""Write docs/features.md from what is registered. Run: python scripts/feature_page.py"""

from __future__ import annotations

from pathlib import Path

from segue.features import glossary

PAGE = Path(__file__).parents[1] / "docs" / "features.md"


def main() -> None:
    PAGE.write_text(glossary.page(), encoding="utf-8")


if __name__ == "__main__":
    main()
