"""Garbage is collected between runs, not in them: finalisers at random points are not repeatable."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

YOUNG_OBJECTS: Final = 5000
"""Collect after a run when so many objects more than before are tracked."""


@contextmanager
def collected_between_runs() -> Iterator[Callable[[], None]]:
    """Switch automatic collection off for the length of the block; yields what to call after each run.

    What exists at the start is not looked at again until the end, so that a collection costs what the runs made.
    What somebody had frozen before is thawed too: Python can't thaw a part. (3.12 itself starts with objects frozen.)
    """
    enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield _collect_if_due
    finally:
        gc.collect()  # what the last runs made may hold semaphores, files and segments
        gc.unfreeze()
        if enabled:
            gc.enable()


def _collect_if_due() -> None:
    if gc.get_count()[0] > YOUNG_OBJECTS:
        gc.collect()
