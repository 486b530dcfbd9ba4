"""Traces and explorations written as text, for the tests of the reports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from pytest_racecheck.core.values import Cause, Event, Exploration, Failure, Finding, Kind, Switch, TaskId, Trace

ROOT = "/repo"
FILE = "/repo/tests/test_counter.py"

_LINE = re.compile(
    r"(?P<own>~?)(?P<task>[\d.]+) (?P<line>\d+) (?P<kind>[\w-]+)"
    r"(?: !(?P<note>.*)| (?!=)(?P<name>.*?))?(?: = (?P<value>.*))?"
)


def trace(text: str, **fields: Any) -> Trace:
    """Read ``task line kind name = value`` or ``task line kind !note``, one operation a line.

    ``~`` in front says that no other task touches the location; ``task preempted`` that it was stopped there.
    """
    events: list[Event] = []
    stopped: list[tuple[TaskId, int]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.endswith(" preempted"):
            stopped.append((line.split()[0], len(events)))
        else:
            events.append(_event(line))
    path = tuple((event.task, _place(event)) for event in events)
    values: dict[str, Any] = {
        "schedule": tuple(_switch(events, task, at) for task, at in stopped),
        "failures": (),
        "steps": len(events),
        "choices": len(stopped),
        "tasks": tuple(sorted({event.task for event in events})),
        "fingerprint": 1,
        "path": path,
        "events": tuple(events),
    }
    return Trace(**(values | fields))


def _event(line: str) -> Event:
    match = _LINE.fullmatch(line)
    assert match, line
    part = match.groupdict(default="")
    kind = cast("Kind", part["kind"])
    shared = not part["own"]
    return Event(
        part["task"], kind, FILE, int(part["line"]), "increment", part["name"], part["value"], shared, part["note"]
    )


def _place(event: Event) -> str:
    return f"tests.test_counter:increment+{event.line}.{event.kind}"


def _switch(events: list[Event], task: TaskId, at: int) -> Switch:
    seen = Counter(_place(event) for event in events[:at] if event.task == task)
    resumed = [event for event in events[at:] if event.task == task]
    place = _place(resumed[0]) if resumed else "end"
    return Switch(task, place, seen[place] + 1, events[at].task, preempts=True)


def failure(message: str = "AssertionError: assert 1 == 2", **fields: Any) -> Failure:
    """An assertion of task 0, unless told otherwise."""
    return Failure(**({"kind": "assertion", "message": message, "task": "0"} | fields))


def finding(trace: Trace, failure: Failure, **fields: Any) -> Finding:
    """What was found in run 7, with a token."""
    values: dict[str, Any] = {
        "kind": failure.kind,
        "message": failure.message,
        "locations": failure.locations,
        "token": "r1-abc",
        "trace": trace,
        "failure": failure,
        "run": 7,
        "sequential": False,
    }
    return Finding(**(values | fields))


def exploration(*findings: Finding, **fields: Any) -> Exploration:
    """The result of seven runs: failed if there are findings."""
    values: dict[str, Any] = {
        "outcome": "failed" if findings else "passed",
        "runs": 7,
        "seconds": 1.42,
        "strategy": "pct",
        "seed": 17,
        "findings": findings,
        "tasks": 2,
        "choices": 4,
        "interleavings": 5,
        "stopped_by": "finding" if findings else "runs",
    }
    return Exploration(**(values | fields))


def cause_in(trace: Trace, after: str = "", before: str = "", **fields: Any) -> Cause:
    """What a trace's first preemption depends on; both ends are named by what was touched and its value."""
    switch = next((each for each in trace.schedule), None) or Switch("", "start", 1, "1", preempts=False)
    ends = {end: _told(trace, switch.task, text) for end, text in (("after", after), ("before", before))}
    values: dict[str, Any] = {"switch": switch, "at": None} | ends
    return Cause(**(values | fields))


def _told(trace: Trace, task: TaskId, text: str) -> Event | None:
    """The operation of a task on ``name = value``."""
    told = [event for event in trace.events if event.task == task and f"{event.name} = {event.value}" == text]
    return told[0] if text else None


class Lines:
    """Source lines by number, the same for every file."""

    def __init__(self, lines: Mapping[int, str]) -> None:
        self.lines = lines

    def __call__(self, _filename: str, line: int) -> str:
        return self.lines.get(line, "")


LOST_UPDATE = """
    ~0 8 start
    0 9 read counter = 0
    0 preempted
    ~1 8 start
    1 9 read counter = 0
    1 9 write counter = 1
    ~1 9 end
    0 9 write counter = 1
    ~0 9 end
"""
