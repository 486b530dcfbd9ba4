"""What holds for the report of any failure whatever."""

from __future__ import annotations

import re
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from report_traces import exploration, failure, finding

from pytest_racecheck.core.values import Event, Exploration, Kind, Switch, Trace
from pytest_racecheck.report.interleaving import matters
from pytest_racecheck.report.lanes import interleaving
from pytest_racecheck.report.text import render_error, render_failure

TASKS = ("0", "1", "2", "0.1.2.3.4.5.6.7.8.9.10.11.12.13")
FILES = (
    "/repo/tests/test_x.py",
    "/repo/app/x.py",
    "/repo/app/deep/x.py",
    "/usr/lib/python3.12/site-packages/z/\xe9.py",
)
FURTHER = re.compile(
    r"^(?:Also found|The same preemption, another end|The same failure, at another line):$", re.MULTILINE
)
"""What stands above each finding but the first."""

derandomized = settings(deadline=None, derandomize=True, max_examples=30)

WIDTHS = st.sampled_from([1, 40, 60, 80, 120, 200])

some_text = st.sampled_from(
    [
        *("", "a", "counter", "\n", " ", "\x1b[31m", "a\tb\r\nc\x85d\u2028e", "'\\", "\ud800\udc80"),
        *("long " * 40, "\u4e2d" * 200, "x" * 3000, "line\n" * 100),
    ]
)
numbers = st.integers(1, 10**7)


def moved(tasks: tuple[str, ...]) -> st.SearchStrategy[tuple[Event, ...]]:
    event = st.builds(
        Event,
        st.sampled_from(tasks),
        st.sampled_from(get_args(Kind)),
        st.sampled_from(FILES),
        numbers,
        st.just("f"),
        some_text,
        some_text,
        st.booleans(),
        st.just("") | some_text,
    )
    # Rounds of the same operations, and long ones, so that there is something to join and to leave out.
    loops = st.tuples(st.lists(event, min_size=1, max_size=4), st.sampled_from([1, 1, 2, 30])).map(
        lambda p: p[0] * p[1]
    )
    return st.lists(loops, max_size=8).map(lambda parts: tuple(event for part in parts for event in part))


switches = st.builds(
    Switch,
    st.sampled_from(TASKS),
    st.sampled_from(["m:f+1.0", "end"]),
    st.just(1),
    st.sampled_from(TASKS),
    st.booleans(),
)
traces = st.builds(
    Trace,
    schedule=st.lists(switches, max_size=4).map(tuple),
    failures=st.just(()),
    steps=st.just(1),
    choices=st.just(1),
    tasks=st.sampled_from([(), TASKS]),
    fingerprint=st.just(1),
    events=st.integers(1, 4).flatmap(lambda count: moved(TASKS[:count])),
    uncontrolled=st.lists(some_text, max_size=2).map(tuple),
    leaked=st.lists(some_text, max_size=2).map(tuple),
    initial_values=st.lists(st.tuples(some_text, some_text), max_size=15).map(tuple),
)
failures = st.builds(
    failure,
    some_text,
    kind=st.sampled_from(["assertion", "invariant", "deadlock", "thread-exception"]),
    task=st.none() | st.sampled_from(TASKS),
    place=st.sampled_from(["", "m:f+1", "m:\xe9.<locals>.<lambda>+0"]),
    locations=st.lists(st.sampled_from([f"{name}:3" for name in FILES]), max_size=6).map(tuple),
)
findings = st.builds(
    finding,
    traces,
    failures,
    token=st.sampled_from(["", "r1-abc", "r1-a b'c"]),
    sequential=st.booleans(),
    remarks=st.lists(some_text, max_size=2).map(tuple),
)
explorations = st.builds(
    lambda found, remarks: exploration(*found, remarks=remarks, error="".join(remarks)),
    st.lists(findings, min_size=1, max_size=3),
    st.lists(some_text, max_size=2).map(tuple),
)


def source(filename: str, line: int) -> str:
    return ["", "counter += 1", "\tvalue = '\xe9\u4e2d'\n", "x = " + "y + " * 100][(line + len(filename)) % 4]


def render(result: Exploration, width: int, color: bool = False, nodeid: str = "t.py::\xe9[a b]") -> str:
    return render_failure(result, nodeid=nodeid, read_line=source, root="/repo", width=width, color=color)


@derandomized
@given(explorations, WIDTHS, some_text)
def test_no_line_is_wider_than_asked_for(result: Exploration, width: int, nodeid: str) -> None:
    lines = render(result, width, nodeid=nodeid).split("\n")
    # Not broken: the tokens to paste, and a file:line that is wider by itself.
    wide = [line for line in lines if len(line) > max(width, 40)]

    assert all("--racecheck-replay=" in line or re.fullmatch(r"\s*\S+:\d+,?", line) for line in wide)
    assert all(line == line.rstrip() for line in lines)


@derandomized
@given(explorations, WIDTHS, some_text)
def test_a_report_is_ascii(result: Exploration, width: int, nodeid: str) -> None:
    for report in (render(result, width, nodeid=nodeid), render_error(result, root="/repo", width=width)):
        assert report.isascii()
        assert report.replace("\n", "").isprintable()


@derandomized
@given(explorations, WIDTHS)
def test_colour_changes_nothing_but_colour(result: Exploration, width: int) -> None:
    assert re.sub("\x1b\\[[0-9;]*m", "", render(result, width, color=True)) == render(result, width)


@derandomized
@given(explorations, WIDTHS)
def test_the_last_line_replays_the_first_finding(result: Exploration, width: int) -> None:
    last = render(result, width).split("\n")[-1]
    token = result.findings[0].token

    assert last.startswith(r"pytest $'t.py::\u00e9[a b]' --racecheck-replay=") == bool(token)
    assert last.endswith("nothing to replay.") == (not token)


@derandomized
@given(explorations, WIDTHS)
def test_no_finding_is_lost(result: Exploration, width: int) -> None:
    report = render(result, width)

    assert len(FURTHER.findall(report)) == len(result.findings) - 1
    assert report.count("--racecheck-replay=") == sum(bool(found.token) for found in result.findings)


@derandomized
@given(st.integers(1, 4).flatmap(lambda count: moved(TASKS[:count])), st.sampled_from([60, 80, 120, 200]))
def test_every_operation_that_matters_is_shown_or_counted(events: tuple[Event, ...], width: int) -> None:
    # Names that fit on one line, no look-alikes of what is counted, and no reads, of which equal ones are shown once.
    events = tuple(
        event._replace(
            kind="write" if event.kind == "read" else event.kind,
            name="n",
            value="",
            note="raises E" if event.note else "",
        )
        for event in events
    )
    path = tuple((event.task, "m:f+1.0") for event in events)
    trace = Trace((), (), 1, 1, TASKS, 1, path=path, events=events)
    shown = 0
    for line in interleaving(trace, read_line=lambda _file, _line: "", root="/repo", width=width):
        text = line.rpartition("|")[2].strip()
        if hidden := re.match(r"\.\.\. ([\d,]+) more operation", text):
            shown += int(hidden[1].replace(",", ""))
        elif again := re.fullmatch(r"\.\.\. (?:these (\d+) operations )?(\d+) times", text):
            shown += int(again[1] or 1) * (int(again[2]) - 1)
        elif re.fullmatch(rf"(?:{'|'.join(get_args(Kind))}) +n|n: raises E", text):
            shown += 1

    assert shown == sum(map(matters, events))
