"""What is known of a marked test from its setup on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from pytest_racecheck.bridge.defaults import MARKED
from pytest_racecheck.bridge.marker import settings_of
from pytest_racecheck.bridge.reporting import carry_entries
from pytest_racecheck.bridge.run_output import RunOutput
from pytest_racecheck.bridge.settings import Settings
from pytest_racecheck.bridge.strategy import check_name
from pytest_racecheck.core.errors import RacecheckError


@dataclass(frozen=True, slots=True)
class Check:
    """A test that is going to be checked."""

    settings: Settings
    output: RunOutput


CHECK: Final = pytest.StashKey[Check]()
"""On every item that is going to be checked, and on no other."""


def prepare(item: pytest.Item) -> Check:
    """Read the marker of an item that has one; fails the test, with a message only, if it is not right."""
    __tracebackhide__ = True
    try:
        settings = settings_of(item)
        if settings.origin("strategy") == MARKED:
            check_name(item.config, settings.strategy, where=f"@pytest.mark.racecheck of {item.nodeid}")
    except (ValueError, RacecheckError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    carry_entries(item.config)
    check = item.stash[CHECK] = Check(settings, RunOutput(item))
    return check
