"""Batons count signals, wake whoever waits, and give up in time."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from pytest_racecheck.core import baton
from pytest_racecheck.core.baton import Baton

POSIX = pytest.mark.skipif(os.name != "posix", reason="pipes can be waited for with a time limit only on POSIX")
KINDS = [
    pytest.param(baton.EventfdBaton, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")),
    pytest.param(baton.PipeBaton, marks=POSIX),
    baton.LockBaton,
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_is_taken_once(kind: type[Baton]) -> None:
    made = kind()
    assert not made.wait_for(0)
    made.signal()
    assert made.wait_for(0)
    assert not made.wait_for(0)
    made.signal()
    made.wait()
    assert not made.wait_for(0.01)
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_wakes_who_waits(kind: type[Baton]) -> None:
    made = kind()
    woken = []
    thread = threading.Thread(target=lambda: woken.append(made.wait_for(30)))
    thread.start()
    time.sleep(0.01)  # right before and right after it began to wait are both fine
    made.signal()
    thread.join(30)
    assert woken == [True]
    made.close()


@POSIX
@pytest.mark.parametrize("kind", KINDS[:2])
def test_descriptors_above_1024_can_be_waited_for(kind: type[Baton]) -> None:
    """A process with many open files is no reason to fail, as it is for ``select``."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < 1200:
        pytest.skip(f"this machine allows {limit} open files")
    opened = [os.dup(0) for _ in range(1030)]
    try:
        made = kind()
        made.signal()
        assert made.wait_for(1)
        assert not made.wait_for(0)
        made.close()
    finally:
        for each in opened:
            os.close(each)
