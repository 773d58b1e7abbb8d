"""Segue: from listening logs to what happens next, without ever looking ahead.

segue.ingest("spotify_history", ["my_spotify_data/"], "library/")
library = segue.load("library/")
segue.compare("skip", library)
bundle = segue.train("skip", library, "skip.bundle")
bundle.predict({"plays": [...], "next": {"track": "..."}})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from segue.bundle import open_bundle as open
    from segue.errors import SegueError
    from segue.experiment import compare
    from segue.explanation import explain
    from segue.features.feature import feature
    from segue.figures.report import explore
    from segue.library import ingest
    from segue.library import open_library as load
    from segue.submission import submit
    from segue.training import evaluate, train

_FACE = {
    "load": "segue.library:open_library",
    "ingest": "segue.library:ingest",
    "compare": "segue.experiment:compare",
    "train": "segue.training:train",
    "evaluate": "segue.training:evaluate",
    "explain": "segue.explanation:explain",
    "explore": "segue.figures.report:explore",
    "open": "segue.bundle:open_bundle",
    "submit": "segue.submission:submit",
    "feature": "segue.features.feature:feature",
    "SegueError": "segue.errors:SegueError",
}
__all__ = [
    "SegueError",
    "compare",
    "evaluate",
    "explain",
    "explore",
    "feature",
    "ingest",
    "load",
    "open",
    "submit",
    "train",
]


def __getattr__(name: str) -> Any:
    """The public face and the modules below, imported when they are first used: `import segue` stays quick."""
    if name in _FACE:
        from segue.registry import load as find

        return find(_FACE[name])
    from segue.on_demand import modules_of

    return modules_of(__name__, __all__)(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
