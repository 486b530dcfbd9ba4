"""Races around what is no Python object of the test: sockets, files, objects of the standard library, text."""

from __future__ import annotations

import io
import os
import select
import selectors
import socket
import tempfile
import time
import weakref
from collections import UserDict
from pathlib import Path
from typing import Any

import pytest
from races import Made, assert_found, assert_silent, explored, race

BUMP = """
def bump(counter):
    value = counter[0]
    counter[0] = value + 1
"""


def _wait_for_select(end: socket.socket) -> None:
    assert select.select([end], [], [], 60)[0] == [end]


def _wait_for_selector(end: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(end, selectors.EVENT_READ)
        assert selector.select(60)


WAITS: dict[str, Any] = {
    "recv": lambda end: end.recv(1),
    "recv_into": lambda end: end.recv_into(bytearray(1)),
    "makefile": lambda end: end.makefile("rb", buffering=0).read(1),
    "select": _wait_for_select,
    "selector": _wait_for_selector,
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_socket_orders_what_two_tasks_do(wait: Any) -> None:
    """What comes before the sending and what follows the receiving never race; time-outs do not fire."""

    def case() -> Made:
        ours, theirs = socket.socketpair()
        counter = [0]

        def receiver() -> None:
            wait(ours)
            counter[0] += 1

        def sender() -> None:
            counter[0] += 1
            theirs.send(b"x")

        def check() -> None:
            ours.close()
            theirs.close()
            assert counter == [2]

        return (receiver, sender), check

    assert_silent(explored(case, runs=200))


def test_a_socket_that_orders_nothing() -> None:
    def case() -> Made:
        ours, theirs = socket.socketpair()
        counter = [0]

        def receiver() -> None:
            ours.recv(1)
            counter[0] += 1  # race

        def sender() -> None:
            theirs.send(b"x")
            counter[0] += 1  # race

        def check() -> None:
            ours.close()
            theirs.close()
            assert counter == [2]

        return (receiver, sender), check

    assert_found(explored(case), case)


def test_a_poll_with_a_time_out_is_virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_racecheck.core.outside.Outside._has_other_threads", lambda _self: False)

    def case() -> Made:
        def body() -> None:
            before = time.monotonic()
            assert select.select([], [], [], 60) == ([], [], [])
            assert time.monotonic() - before >= 60

        return body, bool

    assert_silent(explored(case, runs=200))


@race
def test_an_item_of_a_user_dict() -> Made:
    counts = UserDict({"n": 0})

    def body() -> None:
        counts["n"] += 1  # race

    def check() -> None:
        assert counts["n"] == 2

    return body, check


class Thing:
    """Something that can be weakly referenced."""


@race
def test_a_weak_value_made_twice() -> Made:
    things: Any = weakref.WeakValueDictionary()
    made: list[Thing] = []

    def body() -> None:
        if "k" not in things:  # race
            made.append(Thing())
            things["k"] = made[-1]  # race

    def check() -> None:
        assert len(made) == 1

    return body, check


@race
def test_a_text_stream_asked_then_written() -> Made:
    stream = io.StringIO()

    def body() -> None:
        if not stream.getvalue():  # race
            stream.write("x")  # race

    def check() -> None:
        assert stream.getvalue() == "x"

    return body, check


@race
def test_a_folder_made_if_it_is_missing() -> Made:
    path = Path(tempfile.mkdtemp()) / "made"

    def body() -> None:
        if not os.path.exists(path):  # noqa: PTH110  # race
            os.mkdir(path)  # noqa: PTH102  # race

    return body, bool


@race
def test_a_number_in_a_file() -> Made:
    path = Path(tempfile.mkdtemp()) / "number"
    path.write_text("0")

    def body() -> None:
        value = int(path.read_text())  # race
        path.write_text(str(value + 1))  # race

    def check() -> None:
        assert path.read_text() == "2"

    return body, check


def test_what_exec_defines_in_a_namespace_of_its_own() -> None:
    def case() -> Made:
        counter = [0]

        def body() -> None:
            namespace: dict[str, Any] = {}
            exec(BUMP, namespace)
            namespace["bump"](counter)

        def check() -> None:
            assert counter == [2]

        return body, check

    assert explored(case).findings
    assert_silent(explored(case, locked=True, runs=200))
