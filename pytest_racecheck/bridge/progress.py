"""Tells on a terminal that a long search is still going on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from pytest_racecheck.core.values import Figures
from pytest_racecheck.report.summary import how_many_classes

QUIET_SECONDS: Final = 5.0
"""Searches that are shorter say nothing."""
EVERY_SECONDS: Final = 1.0


class Progress:
    """Called by the engine now and then; writes one line over and over, and only where somebody can watch."""

    def __init__(self, item: pytest.Item) -> None:
        plugins = item.config.pluginmanager
        self._reporter: Any = plugins.get_plugin("terminalreporter")
        self._capture: Any = plugins.get_plugin("capturemanager")
        self._watched = self._reporter is not None and self._reporter.isatty and self._reporter.verbosity >= 0
        self._nodeid = item.nodeid
        self._next = QUIET_SECONDS
        self._written = False

    def __call__(self, runs: int, seconds: float, figures: Callable[[], Figures] = Figures) -> None:
        """Say how far it is, at most once in `EVERY_SECONDS`."""
        if not self._watched or seconds < self._next:
            return
        self._next = seconds + EVERY_SECONDS
        self._written = True
        known = figures()
        far = ""
        if known.classes_run and known.classes_estimated:
            far = f", {how_many_classes(known.classes_run, known.classes_estimated)}"
        self._write(f"{self._nodeid}: {runs:,} runs, {seconds:.0f} s{far}")

    def end(self) -> None:
        """Take the line away."""
        if self._written:
            self._write("")

    def _write(self, text: str) -> None:
        if self._capture is None:
            self._rewrite(text)
            return
        with self._capture.global_and_fixture_disabled():
            self._rewrite(text)

    def _rewrite(self, text: str) -> None:
        self._reporter.rewrite(text, erase=True)
        if not text:
            self._reporter.rewrite("")
        self._reporter.flush()
