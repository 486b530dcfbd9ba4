"""A test is called verified where every class of interleavings was run, and never where anything was out of sight."""

from __future__ import annotations

import json
from typing import Any

import pytest

HEAD = """
import threading, time, weakref, logging
import pytest

class Box:
    def __init__(self):
        self.n = 0
        self.lock = threading.Lock()

@pytest.fixture
def box():
    return Box()

@pytest.mark.racecheck{keywords}
def test_it(box):
{body}
"""


def checked(pytester: pytest.Pytester, body: str, keywords: str = "", *arguments: str) -> dict[str, Any]:
    """The entry of the report on a test of this body."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    pytester.makepyfile(test_it=HEAD.format(body=indented, keywords=keywords))
    pytester.runpytest_inprocess("--racecheck-json=report.json", "-pno:cacheprovider", *arguments)
    entry: dict[str, Any] = json.loads((pytester.path / "report.json").read_text())["tests"][0]
    return entry


@pytest.mark.parametrize(
    ("body", "classes"),
    [
        ("pass", 1),
        ("with box.lock: box.n += 1", 2),
        ("with box.lock: box.n += 1\nwith box.lock: box.n += 1", 6),
        ("own = Box()\nown.n += 1", 1),
        ("if box.lock.acquire(blocking=False):\n    box.n += 1\n    box.lock.release()", 4),
    ],
)
def test_with_the_number_of_classes(pytester: pytest.Pytester, body: str, classes: int) -> None:
    entry = checked(pytester, body)

    assert (entry["outcome"], entry["classes"], entry["unproven"]) == ("verified", classes, [])


def test_the_summary_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD.format(body="    with box.lock: box.n += 1", keywords="(threads=3)"))
    result = pytester.runpytest_inprocess("-v", "-pno:cacheprovider")

    result.stdout.fnmatch_lines(
        ["test_it.py::test_it: verified, no failure in all 6 classes of interleavings, * runs in *"]
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(1)", "sleeps and timed waits were taken to end only when nothing else could move"),
        ("exec('1 + 1')", "text is executed in one step, at "),
        ("print('x')", "several tasks call print(), and what that does to files is not seen"),
        ("weakref.ref(box)()", "a weak reference is followed, at "),
        ("threading.current_thread().name", "an attribute of a "),
        ("logging.getLogger('x').level", "an attribute of a Logger, whose own code is not explored, is used at "),
        ("Box.__len__ = lambda self: 1", "code is changed while several tasks run, at "),
        ("items = sorted([box.n], key=lambda n: n)\nbox.n = box.n", ""),
        ("while box.n < 2: box.n = box.n or 2", ""),
    ],
)
def test_what_stands_in_the_way_is_said(pytester: pytest.Pytester, body: str, reason: str) -> None:
    """Two of them are harmless: they are here so that not everything is refused."""
    entry = checked(pytester, body, "(runs=60)")

    assert [text[: len(reason)] for text in entry["unproven"][:1]] == ([reason] if reason else [])
    assert entry["outcome"] == ("passed" if reason else "verified")


def test_a_library_that_is_not_named_may_share_state(pytester: pytest.Pytester) -> None:
    """The same call is explored where the library is named, and then it is a race."""
    site = pytester.mkdir("site-packages")
    (site / "library.py").write_text("n = 0\ndef add():\n    global n\n    n += 1\n    return n\n")
    pytester.makeini("[pytest]\npythonpath = site-packages")

    entry = checked(pytester, "import library\nlibrary.add()", "(runs=60)")

    assert entry["outcome"] == "passed"
    assert entry["unproven"] == [
        "several tasks call code of library, which is not explored (racecheck_source) and may share state"
    ]


def test_a_small_budget_proves_nothing(pytester: pytest.Pytester) -> None:
    entry = checked(pytester, "with box.lock: box.n += 1\nwith box.lock: box.n += 1", "(threads=3, runs=40)")

    assert (entry["outcome"], entry["classes"], entry["stopped_by"]) == ("passed", 0, "runs")


def test_early_timeouts_prove_nothing(pytester: pytest.Pytester) -> None:
    entry = checked(pytester, "with box.lock: box.n += 1", "(timeouts='explore')")

    assert entry["outcome"] == "passed"
    assert entry["unproven"] == ["with timeouts='explore' not every moment at which a timed wait may end was tried"]


def test_a_source_that_does_not_exist_is_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD.format(body="    box.n = 1", keywords="(runs=20, source='no_such_thing')"))
    result = pytester.runpytest_inprocess("-pno:cacheprovider", "-Werror")

    result.stdout.fnmatch_lines(["*racecheck_source names 'no_such_thing',", "*and there is no such module"])


def test_endless_recursion_is_an_ordinary_failure(pytester: pytest.Pytester) -> None:
    entry = checked(pytester, "def deeper(): deeper()\ndeeper()")

    (finding,) = entry["findings"]
    assert finding["message"].startswith("RecursionError")
    assert finding["token"]
