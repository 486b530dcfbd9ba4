"""Coverage of a checked test: every line that the tasks ran, and no more."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SOURCE = """
import threading
from concurrent.futures import ThreadPoolExecutor
import pytest
from work import Box

{mark}
def test_it():
    box = Box()
    threads = [threading.Thread(target=box.add, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(2) as executor:
        assert list(executor.map(box.double, [1, 2])) == [2, 4]
    assert sorted(box.items) == [0, 1]
"""

WORK = """
import threading

class Box:
    def __init__(self):
        self.lock = threading.Lock()
        self.items = []

    def add(self, item):
        with self.lock:
            self.items.append(item)
            if item > 5:
                self.never()

    def double(self, number):
        return number * 2

    def never(self):
        raise ValueError
"""


WITH_SYSMON = pytest.mark.skipif(sys.version_info < (3, 12), reason="comes with 3.12")
CORES = [
    pytest.param("ctrace", "--cov-branch", "", id="C tracer"),
    # With branches coverage uses it from 3.14 on; before that it would fall back on its tracer.
    pytest.param("sysmon", "--no-cov-on-fail", "sys.monitoring.get_tool(1)", id="sysmon", marks=WITH_SYSMON),
]


@pytest.mark.parametrize(("core", "option", "tool"), CORES)
@pytest.mark.parametrize("mark", ["", "threads=1, runs=30"], ids=["plain", "checked"])
def test_which_core_is_at_work(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, core: str, option: str, tool: str, mark: str
) -> None:
    """What follows would be worth nothing if coverage had chosen another one."""
    pytest.importorskip("pytest_cov")
    monkeypatch.setenv("COVERAGE_CORE", core)
    expected = "sys.monitoring.get_tool(1) == 'coverage.py'" if tool else "sys.gettrace() is not None"
    marked = f"@pytest.mark.racecheck({mark})" if mark else ""
    start = "t = threading.Thread(target=int); t.start(); t.join()"
    pytester.makepyfile(
        f"import sys, threading\nimport pytest\n{marked}\ndef test_it():\n    {start}\n    assert {expected}"
    )
    pytester.runpytest_subprocess("-pno:cacheprovider", "--cov=.", option, timeout=60).assert_outcomes(passed=1)


@pytest.mark.parametrize(("core", "option", "tool"), CORES)
def test_the_same_lines_as_in_a_plain_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, core: str, option: str, tool: str
) -> None:
    pytest.importorskip("pytest_cov")
    monkeypatch.setenv("COVERAGE_CORE", core)

    plain = lines(pytester, "@pytest.mark.usefixtures()", option)
    assert plain == lines(pytester, "@pytest.mark.racecheck(threads=1, runs=30)", option)
    assert plain["work.py"][0] == [1, 3, 4, 5, 6, 8, 9, 10, 11, 14, 15, 17]


def lines(pytester: pytest.Pytester, mark: str, option: str) -> dict[str, tuple[list[int], object]]:
    """The executed lines and branches of each file, as coverage reports them."""
    pytester.makepyfile(work=WORK, test_it=SOURCE.format(mark=mark))
    report = pytester.path / "coverage.json"
    result = pytester.runpytest_subprocess(
        "-pno:cacheprovider", "--cov=.", option, f"--cov-report=json:{report}", timeout=60
    )
    result.assert_outcomes(passed=1)
    files = json.loads(Path(report).read_text())["files"]
    return {name: (each["executed_lines"], each.get("executed_branches")) for name, each in files.items()}
