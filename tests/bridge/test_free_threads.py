"""Threads that nobody controls: results, errors, ends, and what is put back."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from pytest_racecheck.bridge.free_threads import (
    EndlessError,
    eager_switching,
    results_of,
    run_at_once,
    uncaught_errors,
)

LONG = 30.0


def soon() -> float:
    return time.monotonic() + LONG


def test_all_run_at_once_and_results_keep_their_order() -> None:
    meeting = threading.Barrier(3)

    def body(number: int) -> int:
        meeting.wait(LONG)
        return number

    assert results_of([lambda: body(1), lambda: body(2), lambda: body(3)], soon()) == [1, 2, 3]


def test_one_error_is_raised_as_it_is() -> None:
    error = KeyError("x")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        results_of([fail, lambda: None], soon())

    assert raised.value is error


def test_several_errors_are_grouped() -> None:
    def fail() -> None:
        raise KeyError

    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(BaseExceptionGroup) as raised:
        results_of([fail, leave], soon())

    assert [type(each) for each in raised.value.exceptions] == [KeyError, SystemExit]


def test_a_thread_that_never_ends_is_named_with_its_place() -> None:
    go_on = threading.Event()

    def endless() -> None:
        go_on.wait(LONG)

    try:
        stuck, ended = run_at_once([endless, lambda: None], time.monotonic() + 0.05)
    finally:
        go_on.set()

    assert ended.error is None
    assert isinstance(stuck.error, EndlessError)
    assert str(stuck.error).startswith("thread racecheck-0 has not ended; it is at\n")
    assert "in endless" in str(stuck.error)


def test_the_switch_interval_is_put_back() -> None:
    before = sys.getswitchinterval()

    with eager_switching():
        assert sys.getswitchinterval() < before
    with pytest.raises(KeyError), eager_switching():
        raise KeyError

    assert sys.getswitchinterval() == before


def test_what_threads_raise_and_nobody_asks_for() -> None:
    before = threading.excepthook

    def fail() -> None:
        raise KeyError

    with uncaught_errors() as found:
        for target in (fail, sys.exit):
            thread = threading.Thread(target=target, name="lonely")
            thread.start()
            thread.join()

    assert [(name, type(error)) for name, error in found] == [("lonely", KeyError)]
    assert threading.excepthook is before
