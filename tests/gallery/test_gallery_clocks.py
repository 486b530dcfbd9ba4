"""Time inside a run is virtual, whoever asks for it; who waits in a loop for another task gets what it waits for."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from races import Made, assert_silent, explored, silent


class Stamp(dt.datetime):
    """A subclass that leaves asking for the time to its base."""


NOW: list[Callable[[], Any]] = [
    lambda: dt.datetime.now().timestamp(),  # noqa: DTZ005  (local time is what is tested)
    lambda: dt.datetime.now(tz=dt.UTC).timestamp(),
    lambda: dt.datetime.today().timestamp(),  # noqa: DTZ002
    lambda: Stamp.now(dt.UTC).timestamp(),
    lambda: time.mktime(time.localtime()),
    lambda: time.mktime(time.gmtime(None)),
    lambda: time.mktime(time.strptime(time.ctime())),
    lambda: float(time.strftime("%s")),
    time.time,
    time.monotonic,
]


@pytest.mark.parametrize("now", NOW, ids=range(len(NOW)))
def test_a_sleep_is_as_long_as_every_clock_says(now: Callable[[], float]) -> None:
    def case() -> Made:
        def body() -> None:
            before = now()
            time.sleep(600)
            assert 598 < now() - before < 602

        return body, bool

    assert_silent(explored(case, runs=200))


def test_a_date_moves_on() -> None:
    def case() -> Made:
        def body() -> None:
            before = dt.date.today()  # noqa: DTZ011
            time.sleep(3 * 24 * 3600)
            assert (dt.date.today() - before).days in {2, 3, 4}  # noqa: DTZ011
            assert type(Stamp.now(dt.UTC)) is Stamp

        return body, bool

    assert_silent(explored(case, runs=200))


@silent
def test_spinning_on_an_event() -> Made:
    ready = threading.Event()

    def waiter() -> None:
        while not ready.is_set():
            pass

    return (waiter, ready.set), bool


@silent
def test_spinning_until_a_deadline() -> Made:
    ready: list[int] = []

    def waiter(ready: list[int] = ready) -> None:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if ready:
                return
        raise TimeoutError

    return (waiter, lambda: ready.append(1)), bool


def test_an_event_that_is_asked_and_then_set() -> None:
    def case() -> Made:
        done = threading.Event()
        first: list[int] = []

        def body() -> None:
            if not done.is_set():
                done.set()
                first.append(1)

        def check() -> None:
            assert len(first) == 1

        return body, check

    assert explored(case).findings
    assert_silent(explored(case, locked=True, runs=200))
