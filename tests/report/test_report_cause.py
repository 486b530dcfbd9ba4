"""What a failure depends on, and who can make its preemptions, in sentences."""

from __future__ import annotations

import pytest
from report_traces import LOST_UPDATE, ROOT, cause_in, exploration, failure, finding, trace

from pytest_racecheck.core.values import Cause, Chance, Event, Switch
from pytest_racecheck.report.cause import cause_of, interpreter_of

TRACE = trace(LOST_UPDATE)
AT_9 = "tests/test_counter.py:9"


def told(*causes: Cause) -> str:
    return cause_of(finding(TRACE, failure(), causes=causes), ROOT)


def event(kind: str, name: str = "", value: str = "", note: str = "") -> Event:
    return Event("0", kind, f"{ROOT}/a.py", 7, "f", name, value, True, note)  # type: ignore[arg-type]


def test_nothing_is_said_where_nothing_was_shown() -> None:
    assert told() == ""


def test_both_ends() -> None:
    both = cause_in(TRACE, "counter = 0", "counter = 1")

    expected = f"Fails only if task 1 runs between {AT_9} (read counter = 0) and {AT_9} (write counter = 1) of task 0."
    assert told(both) == expected


def test_one_end() -> None:
    after, before = cause_in(TRACE, after="counter = 0"), cause_in(TRACE, before="counter = 1")

    assert told(after) == f"Fails only if task 1 runs after {AT_9} (read counter = 0) of task 0."
    assert told(before) == f"Fails only if task 1 runs before {AT_9} (write counter = 1) of task 0."


def test_several_preemptions() -> None:
    one, other = cause_in(TRACE, "counter = 0", "counter = 1"), cause_in(TRACE, after="counter = 0")

    assert told(one, other).endswith(f"of task 0, and task 1 runs after {AT_9} (read counter = 0) of task 0.")


@pytest.mark.parametrize(
    ("switch", "at", "expected"),
    [
        (Switch("", "start", 1, "0.1", preempts=False), None, "Fails only if task 0.1 moves first."),
        (Switch("0", "end", 1, "2", preempts=False), None, "Fails only if task 2 moves next when task 0 has ended."),
        (
            Switch("0", "m:f+1.0", 1, "2", preempts=False),
            event("wait", note="waits for a lock"),
            "Fails only if task 2 moves next when task 0 has to wait at a.py:7.",
        ),
        (
            Switch("0.1", "m:f+1.0", 1, "0.1", preempts=False),
            event("wait", "ready.wait()"),
            "Fails only if the wait of task 0.1 at a.py:7 ends before what it waits for.",
        ),
        (
            Switch("0", "m:f+1.0", 1, "2", preempts=False),
            None,
            "Fails only if task 2 moves next when task 0 has to wait.",
        ),
    ],
)
def test_without_a_preemption_it_is_the_order(switch: Switch, at: Event | None, expected: str) -> None:
    assert told(Cause(switch, None, None, at)) == expected


def test_what_passes_says_so() -> None:
    first = cause_in(trace(""), passes=True)
    before = cause_in(TRACE, before="counter = 1", passes=True)

    assert told(first) == "Passes if task 1 moves first."
    assert told(before) == f"Passes if task 1 runs before {AT_9} (write counter = 1) of task 0."


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (event("update", "items.append(1)"), "a.py:7 (update items.append(1))"),
        (event("call", "cache.clear", "None"), "a.py:7 (call cache.clear -> None)"),
        (event("acquire", note="waits for b, held by task 1 since x.py:3"), "a.py:7 (waits for b)"),
        (event("yield", note="preempted"), "a.py:7"),
        (event("read"), "a.py:7"),
        (event("read", "['a']", "['a']"), "a.py:7"),
        (event("read", "text", "'" + "a" * 90 + "'"), "a.py:7 (read text = 'aaaaaaaaaaaaaaaaaaaaaaa...(104 chars))"),
    ],
)
def test_a_step_is_named_by_what_was_done(operation: Event, expected: str) -> None:
    assert (
        told(Cause(TRACE.schedule[0], operation, None, None))
        == f"Fails only if task 1 runs after {expected} of task 0."
    )


# -- who can do it ---------------------------------------------------------------------------------------------


def can(with_gil: Chance | None, *causes: Cause, gil: bool = True) -> str:
    result = finding(TRACE, failure(), with_gil=with_gil, causes=causes)
    return interpreter_of(result, exploration(result, interpreter="CPython 3.13", gil=gil))


def test_with_its_gil_the_interpreter_can_or_can_not() -> None:
    assert can("yes") == "CPython 3.13 with its GIL can switch there."
    assert can("no") == (
        "Needs a free-threaded build (or CPython before 3.10): with its GIL, CPython 3.13 does not switch there."
    )
    assert can("unknown") == (
        "Whether CPython 3.13 with its GIL can switch there can't be told: code out of scope runs in between."
    )


def test_steps_that_were_named_are_spoken_of() -> None:
    both = cause_in(TRACE, "counter = 0", "counter = 1")

    assert can("yes", both) == "CPython 3.13 with its GIL can switch between these two steps."
    assert can("yes", cause_in(TRACE, after="counter = 0")) == "CPython 3.13 with its GIL can switch there."


def test_a_free_threaded_build_says_what_one_with_a_gil_could() -> None:
    assert can("yes", gil=False) == "This free-threaded CPython 3.13 can switch there, and with a GIL it could too."
    assert can("no", gil=False) == "This free-threaded CPython 3.13 can switch there; with a GIL it could not."
    assert can("unknown", gil=False) == "This free-threaded CPython 3.13 can switch there."


def test_without_preemptions_there_is_nothing_to_say() -> None:
    assert can(None) == ""
