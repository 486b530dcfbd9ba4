"""Holds that ``--racecheck-replay`` meets exactly one marked test."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pytest_racecheck.bridge.options import MARKER
from pytest_racecheck.bridge.reporting import entry_of

_NONE: Final = (
    "--racecheck-replay: no marked test was run. Give the node id of the test that the token belongs to, "
    "as the last line of its report does."
)


class ReplayGuard:
    """Registered for sessions that replay; counts the marked tests and refuses any other number than one."""

    def __init__(self) -> None:
        self._selected = 0
        self._met = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count."""
        self._selected = sum(item.get_closest_marker(MARKER) is not None for item in session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fail each of several."""
        if self._selected > 1 and item.get_closest_marker(MARKER) is not None:
            pytest.fail(
                f"--racecheck-replay replays one test, and {self._selected} marked tests are selected. "
                "Give the node id of the one that the token belongs to, as the last line of its report does.",
                pytrace=False,
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See whether a marked test was met: one that was explored, or did not get so far."""
        self._met += entry_of(report) is not None or report.outcome != "passed"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        """Refuse a session that has replayed nothing."""
        if not self._met and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say so."""
        if not self._met:
            terminalreporter.write_line(f"ERROR: {_NONE}", red=True)
