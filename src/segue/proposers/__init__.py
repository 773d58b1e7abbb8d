"""What proposes tracks, one a file."""

from typing import TYPE_CHECKING

from segue.on_demand import modules_of

if not TYPE_CHECKING:  # types are those of the modules that are imported
    __getattr__ = modules_of(__name__)
