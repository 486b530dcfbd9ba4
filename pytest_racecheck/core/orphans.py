"""Makes this process the parent of processes whose own parent has gone, so that none of a run stays as a zombie."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_SET: Final = 36
_GET: Final = 37
"""``PR_SET_CHILD_SUBREAPER`` and ``PR_GET_CHILD_SUBREAPER``, of Linux."""


def adopt(yes: bool) -> bool:
    """Adopt orphans from now on, or not any more; tell what was so before."""
    if sys.platform != "linux":
        return False
    prctl = ctypes.CDLL(None).prctl
    before = ctypes.c_int()
    prctl(_GET, ctypes.byref(before), 0, 0, 0)
    prctl(_SET, int(yes), 0, 0, 0)
    return bool(before.value)
