"""Functions that tasks enter and that carry no marks: called by operators, descriptors, C code; entering is a look."""

from __future__ import annotations

from types import CodeType, FrameType

from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.passed import SURE
from pytest_racecheck.instrument.marking import PASSED


def entered(frame: FrameType | None) -> None:
    """The running task enters a Python function without marks; what hooks call for themselves does not count."""
    while frame is not None:
        code = frame.f_code
        if is_ours(code.co_filename):
            return
        if is_marked(code):
            PASSED[SURE] = True
            return
        frame = frame.f_back


def is_marked(code: CodeType) -> bool:
    """Whether code marks by itself where it can be stopped."""
    return any(constant is PASSED for constant in code.co_consts)
