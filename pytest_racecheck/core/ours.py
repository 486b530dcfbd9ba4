"""Tells the plugin's own code from everybody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = str(Path(__file__).resolve().parent.parent)


def is_ours(filename: str) -> bool:
    """Whether a file belongs to the plugin itself."""
    return filename.startswith(PACKAGE)
