"""The fixtures that share values between tasks, and the switch interval."""

from __future__ import annotations

import multiprocessing
import re
import sys
from collections.abc import Callable
from multiprocessing import sharedctypes
from typing import Any

import pytest

from pytest_racecheck import Racecheck, SwitchInterval

TYPECODES: dict[str, type] = vars(sharedctypes)["typecode_to_type"]
LIST = ", ".join(f"{code!r} ({kind.__name__.removeprefix('c_')})" for code, kind in TYPECODES.items())


def test_shared_value(shared_value: Any) -> None:
    with shared_value.get_lock():
        shared_value.value += 1

    assert shared_value.value == 1


def test_shared_array(shared_array: Any) -> None:
    assert list(shared_array) == [0] * 10


def test_shared_lock(shared_lock: Any) -> None:
    with shared_lock:
        assert not shared_lock.acquire(block=False)


def add(value: Any) -> None:
    with value.get_lock():
        value.value += 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # fork, while xdist's threads are there
def test_processes_share_it(make_shared_value: Callable[..., Any]) -> None:
    value = make_shared_value("i", 1)
    process = multiprocessing.Process(target=add, args=(value,))
    process.start()
    process.join(60)

    assert value.value == 2


@pytest.mark.parametrize("typecode", TYPECODES)
def test_every_typecode(
    make_shared_value: Callable[..., Any], make_shared_array: Callable[..., Any], typecode: str
) -> None:
    zero = {"c": b"\0", "u": "\0"}.get(typecode, 0)

    assert make_shared_value(typecode).value == zero
    assert make_shared_value(typecode, zero).value == zero
    assert list(make_shared_array(typecode, 2)) == [zero, zero]
    assert list(make_shared_array(typecode, [zero])) == [zero]


def test_a_ctypes_type_is_right_as_well(make_shared_value: Callable[..., Any]) -> None:
    assert make_shared_value(TYPECODES["i"], 3).value == 3


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        ("make_shared_value", ("x", 0), (f"make_shared_value('x', 0): 'x' is no typecode; there are {LIST}; "
         "a ctypes type is right as well.")),
        ("make_shared_value", (3,), (f"make_shared_value(3): 3 is no typecode; there are {LIST}; "
         "a ctypes type is right as well.")),
        ("make_shared_array", ("int", 2), (f"make_shared_array('int', 2): 'int' is no typecode; there are {LIST}; "
         "a ctypes type is right as well.")),
    ],
)  # fmt: skip
def test_an_unknown_typecode(
    request: pytest.FixtureRequest, make: str, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        request.getfixturevalue(make)(*arguments)


def test_a_value_that_does_not_fit(make_shared_value: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"^make_shared_value\('i', 'x'\): "):
        make_shared_value("i", "x")


def test_switch_interval(pytester: pytest.Pytester) -> None:
    before = sys.getswitchinterval()
    pytester.makepyfile(
        f"""
import sys

def test_a(switch_interval):
    with switch_interval(0.25):
        assert sys.getswitchinterval() == 0.25
    assert sys.getswitchinterval() == {before}
    switch_interval(0.5)
    switch_interval(0.125)
    assert sys.getswitchinterval() == 0.125
"""
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)

    assert sys.getswitchinterval() == before


@pytest.mark.parametrize("seconds", [0, -1, True, "1"])
def test_a_wrong_switch_interval(switch_interval: SwitchInterval, seconds: Any) -> None:
    with pytest.raises(
        ValueError,
        match="^" + re.escape(f"switch_interval({seconds!r}): {seconds!r} is not a number of seconds above 0") + "$",
    ):
        switch_interval(seconds)


def test_racecheck_without_the_marker(racecheck: Racecheck) -> None:
    with pytest.raises(RuntimeError) as raised:
        racecheck.run(list, list)

    assert str(raised.value) == (
        "racecheck.run() works in tests that are marked @pytest.mark.racecheck; this one is not"
    )


def test_racecheck_wants_callables(racecheck: Racecheck) -> None:
    with pytest.raises(TypeError) as nothing:
        racecheck.run()
    with pytest.raises(TypeError) as wrong:
        racecheck.run(3)  # type: ignore[arg-type]

    assert str(nothing.value) == ("racecheck.run() needs at least one callable, for example racecheck.run(read, write)")
    assert str(wrong.value) == "racecheck.run() takes callables, and 3 is none; wrap it: lambda: ..."


def test_stress_mode_from_end_to_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest

@pytest.mark.racecheck(mode="stress", runs=5, threads=3)
def test_right(shared_value, task_index):
    with shared_value.get_lock():
        shared_value.value += 1
    assert shared_value.value <= 3

@pytest.mark.racecheck(mode="stress")
def test_wrong(racecheck):
    assert racecheck.run(lambda: 1, lambda: 2) == [1, 1]

@pytest.mark.racecheck(mode="stress")
def test_skipped():
    pytest.skip("no")
"""
    )
    result = pytester.runpytest_subprocess("-v", "-Werror")

    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "racecheck-0: AssertionError: assert [[]1, 2] == [[]1, 1]",
            "Failed in run 1, with 1 free thread (mode='stress').",
            "Nothing was controlled: the threads ran freely*",
        ]
    )
