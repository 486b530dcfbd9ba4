"""Which preemptions could change a run: each that could stands beside one that is nearly the same and could not."""

from __future__ import annotations

import pytest
from written import traces

from pytest_racecheck.core.values import TaskId
from pytest_racecheck.strategies.prospects import could_change, moments
from pytest_racecheck.strategies.sequential import Sequential
from pytest_racecheck.strategies.simulation import Script, script


def promising(written: Script, task: TaskId = "0", other: TaskId = "1") -> list[int]:
    """Before which operations of a task it could change something to let the other one move."""
    (trace,) = traces(Sequential(), written, 1)
    doings = {name: [step.operation for step in trace.operations if step.task == name] for name in written}
    return [
        number
        for number, moment in enumerate(moments(doings[task], trace.operations))
        if could_change(moment, other, doings)
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(script(_0="read n, write n", _1="read n, write n"), [1], id="between two accesses"),
        pytest.param(script(_0="read n, write n", _1="read m, write m"), [], id="of other locations"),
        pytest.param(script(_0="read n, read n", _1="read n"), [], id="that only read"),
        pytest.param(script(_0="write n, write own, write n", _1="read n"), [1], id="not again after an own one"),
        pytest.param(
            script(_0="acquire m, read n, write n, release m", _1="acquire m, write n, release m"),
            [],
            id="not under one lock",
        ),
        pytest.param(
            script(
                _0="acquire m, read n, release m, acquire m, write n, release m", _1="acquire m, write n, release m"
            ),
            [3],
            id="between two sections of one lock",
        ),
        pytest.param(
            script(_0="acquire a, acquire b, release b, release a", _1="acquire b, acquire a, release a, release b"),
            [1],
            id="into a deadlock",
        ),
        pytest.param(
            script(_0="acquire a, write own, release a", _1="acquire b, acquire a, release a, release b"),
            [],
            id="not for a lock of its own",
        ),
    ],
)
def test_where_a_preemption_could_change_something(written: Script, expected: list[int]) -> None:
    assert promising(written) == expected


def test_a_moment_knows_who_has_done_what_and_holds_what() -> None:
    written = script(_0="acquire m, write n, release m", _1="acquire m, release m")
    (trace,) = traces(Sequential(), written, 1)
    operations = [step.operation for step in trace.operations]
    lock = operations[0].target
    known = [(moment.task, dict(moment.done), dict(moment.held)) for moment in moments(operations, trace.operations)]

    assert known == [
        ("0", {}, {}),
        ("0", {"0": 1}, {lock: "0"}),
        ("0", {"0": 2}, {lock: "0"}),
        ("1", {"0": 3}, {}),
        ("1", {"0": 3, "1": 1}, {lock: "1"}),
    ]
