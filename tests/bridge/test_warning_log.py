"""Warnings of a thousand runs are kept once each."""

from __future__ import annotations

import warnings
from typing import Any

from pytest_racecheck.bridge.warning_log import WarningLog


def texts(log: list[Any] | None) -> list[str]:
    return [str(each.message) for each in log or ()]


def test_each_different_warning_is_kept_once() -> None:
    with warnings.catch_warnings(record=True) as log:
        warnings.simplefilter("always")
        found = WarningLog()
        for _ in range(3):
            warnings.warn("one", UserWarning, stacklevel=1)
            warnings.warn("two", DeprecationWarning, stacklevel=1)
            found.fold()

    assert texts(log) == ["one", "two"]


def test_what_was_there_before_is_left_alone() -> None:
    with warnings.catch_warnings(record=True) as log:
        warnings.simplefilter("always")
        for message in ("before", "before"):
            warnings.warn(message, UserWarning, stacklevel=1)
        found = WarningLog()
        warnings.warn("one", UserWarning, stacklevel=1)
        found.fold()

    assert texts(log) == ["before", "before", "one"]


def test_where_nobody_collects_there_is_nothing_to_do() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = WarningLog()
        warnings.warn("one", UserWarning, stacklevel=1)
        found.fold()
