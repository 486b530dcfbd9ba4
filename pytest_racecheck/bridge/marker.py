"""What stands in a test's markers, and which tests can be checked at all."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Final

import pytest

from pytest_racecheck.bridge.defaults import DEFAULTS, MARKED, Sourced
from pytest_racecheck.bridge.options import BY_NAME, MARKER, OPTIONS, from_value
from pytest_racecheck.bridge.settings import Settings, resolve

KEYWORDS: Final = tuple(option.name for option in OPTIONS if option.marker)


def settings_of(item: pytest.Item) -> Settings:
    """What is in force for a marked test.

    Raises:
        ValueError: for a marker that is not right, or a test that can't be checked; with the whole message.
    """
    reason = refusal(item)
    if reason:
        raise ValueError(f"{_place(item)}: {reason}")
    alone = 1 if "racecheck" in getattr(item, "fixturenames", ()) else 2
    settings = resolve(item.config.stash[DEFAULTS], _marked(item), threads=alone)
    reason = refused_processes(settings)
    if reason:
        raise ValueError(f"{_place(item)}: {reason}")
    return settings


def refused_processes(settings: Settings) -> str:
    """Why processes can't run the body, "" if they can, or need not."""
    if not settings.processes:
        return ""
    if settings.mode == "stress":
        return f"processes={settings.processes} does not work yet with mode='stress'; use threads=N."
    if not hasattr(os, "fork"):
        return f"processes={settings.processes}: this platform can't fork; use threads=N."
    return ""


def refusal(item: pytest.Item) -> str:
    """Why this item can't be checked, "" if it can."""
    if not isinstance(item, pytest.Function):
        return f"only test functions can be checked, and this is a {type(item).__name__}."
    unittest = sys.modules.get("unittest")
    if unittest is not None and item.cls is not None and issubclass(item.cls, unittest.TestCase):
        return "methods of unittest.TestCase can't be checked; write a function, or a class without TestCase."
    if inspect.iscoroutinefunction(item.obj) or inspect.isasyncgenfunction(item.obj):
        return "an async test can't be checked; write a plain function that starts what is to be checked."
    if inspect.isgeneratorfunction(item.obj):
        return "a test that yields can't be checked; write a plain function."
    if getattr(item.obj, "is_hypothesis_test", False):
        return "a test with hypothesis' @given can't be checked; use pytest.mark.parametrize, or two tests."
    return ""


def _marked(item: pytest.Item) -> dict[str, Sourced]:
    """Every keyword from the marker that is closest to the test."""
    found: dict[str, Sourced] = {}
    for node, mark in item.iter_markers_with_node(MARKER):
        place = f"@pytest.mark.{MARKER} of {node.nodeid}"
        if mark.args:
            raise ValueError(
                f"{place}: {mark.args[0]!r} stands there without a keyword; write for example "
                f"@pytest.mark.{MARKER}(threads=3)."
            )
        for name, value in mark.kwargs.items():
            if name not in KEYWORDS:
                raise ValueError(f"{place}: {_unknown(name)}")
            found.setdefault(name, Sourced(from_value(BY_NAME[name], value, name=name, where=place), MARKED))
    return found


def _unknown(name: str) -> str:
    near = [keyword for keyword in KEYWORDS if distance(name, keyword) <= max(1, len(keyword) // 3)]
    remedy = f"Did you mean {near[0]!r}?" if near else f"Keywords: {', '.join(KEYWORDS)}."
    return f"there is no keyword {name!r}. {remedy}"


def _place(item: pytest.Item) -> str:
    return f"@pytest.mark.{MARKER} of {item.nodeid}"


def distance(one: str, other: str) -> int:
    """How many letters must be put in, left out or changed to make ``other`` of ``one`` (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, wanted in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != wanted))
    return row[-1]


def looks_like_ours(name: str) -> bool:
    """Whether the name of a marker may be a misspelling of ours."""
    plain = name.replace("_", "").lower()
    return name != MARKER and abs(len(plain) - len(MARKER)) <= 2 and distance(plain, MARKER) <= 2


def misspelling(name: str, config: pytest.Config) -> str:
    """A sentence on a name that looks like ours, "" if somebody has registered it."""
    registered = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    if name in registered:
        return ""
    return f"did you mean @pytest.mark.{MARKER}? This test was not checked; if the marker is another's, register it."
