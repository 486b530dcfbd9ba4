"""Keeps each different warning of a test once, however many runs gave it."""

from __future__ import annotations

import warnings
from typing import Any


class WarningLog:
    """The list in which pytest collects the warnings of one test; made before the test is set up.

    It is the list behind ``warnings.catch_warnings(record=True)``, which the standard library does not hand out. A
    ``catch_warnings`` of our own around the runs would not do: fixtures such as ``recwarn`` begin before it and end
    within.
    """

    def __init__(self) -> None:
        log = getattr(getattr(warnings, "_showwarnmsg_impl", None), "__self__", None)
        self._log: list[Any] = log if isinstance(log, list) else []
        self._first = self._folded = len(self._log)

    def fold(self) -> None:
        """Drop what has been there before."""
        if len(self._log) == self._folded:
            return
        different: dict[object, Any] = {}
        for each in self._log[self._first :]:
            different.setdefault((str(each.message), each.category, each.filename, each.lineno), each)
        self._log[self._first :] = different.values()
        self._folded = len(self._log)
