"""Carries what became of checked tests from the test to pytest's reports, the summary and the JSON file.

Entries are JSON values: under xdist they travel from a worker to the process that reports.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_racecheck.core.values import Exploration
from pytest_racecheck.report import json_report, summary

Entry = dict[str, Any]

_ENTRY: Final = pytest.StashKey[Entry]()
_COLOURED: Final = pytest.StashKey[str]()
_ATTRIBUTE: Final = "racecheck"
"""The name of the entry on pytest's reports."""


def remember(item: pytest.Item, exploration: Exploration) -> None:
    """Keep the entry of a test until pytest makes its report."""
    item.stash[_ENTRY] = json_report.test_entry(item.nodeid, exploration)


def has_colour(config: pytest.Config) -> bool:
    """Whether reports are going to be written to a terminal that has colours."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return reporter is not None and bool(reporter.hasmarkup)


def remember_coloured(item: pytest.Item, text: str) -> None:
    """Keep the report of a failed test as a terminal with colours is to show it."""
    item.stash[_COLOURED] = text


def entry_of(report: object) -> Entry | None:
    """The entry that a report carries, if it is the report of a checked test."""
    entry = getattr(report, _ATTRIBUTE, None)
    return entry if isinstance(entry, dict) else None


def carry_entries(config: pytest.Config) -> None:
    """Put entries on reports from now on: a suite without a marked test pays nothing."""
    if not config.pluginmanager.has_plugin("racecheck-entries"):
        config.pluginmanager.register(EntryCarrier(), "racecheck-entries")


class EntryCarrier:
    """Puts the entries of checked tests on their reports."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the entry on the report of the call."""
        report = yield
        entry = item.stash.get(_ENTRY, None)
        if entry is not None and call.when == "call":
            setattr(report, _ATTRIBUTE, entry)
            shown: Any = report.longrepr
            if _COLOURED in item.stash and hasattr(shown, "toterminal"):
                shown.toterminal = _Coloured(shown, item.stash[_COLOURED]).toterminal
        return report


class _Coloured:
    """The text of a failure; what is no terminal with colours gets it as it was, so that none get into files."""

    def __init__(self, plain: Any, coloured: str) -> None:
        self._write_plain = plain.toterminal
        self._coloured = coloured

    def toterminal(self, writer: Any) -> None:
        """Write it, as pytest asks of its own ones."""
        if not writer.hasmarkup:
            self._write_plain(writer)
            return
        for line in self._coloured.split("\n"):
            writer.line(line)


class JsonWriter:
    """Writes the JSON report at the end of the session; of a test that ran again, the last run counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}

    def prepare(self) -> None:
        """Find out now, not after an hour of tests, whether the file can be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json_report.dumps([]), encoding="utf-8")
        except OSError as error:
            raise pytest.UsageError(f"--racecheck-json={self._path}: cannot write there: {error.strerror}.") from None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect."""
        entry = entry_of(report)
        if entry is not None:
            self._entries[entry["nodeid"]] = entry

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write."""
        self._path.write_text(json_report.dumps(self._entries.values()), encoding="utf-8")


def make_json_writer(config: pytest.Config, path: str) -> JsonWriter:
    """The writer for ``path``, which is taken from where pytest was called.

    Raises:
        pytest.UsageError: if the file can't be written.
    """
    writer = JsonWriter(config.invocation_params.dir / path)
    writer.prepare()
    return writer


def write_summary(reporter: Any) -> None:
    """One line for all checked tests, and for a replay in which nothing failed; at -v one for each as well."""
    entries = list(_entries_in(reporter.stats))
    if not entries:
        return
    entries.sort(key=lambda entry: str(entry["nodeid"]))
    if reporter.verbosity > 0:
        reporter.section("racecheck")
        for entry in entries:
            reporter.write_line(summary.summary_line(entry, str(reporter.config.rootpath)))
    for line in filter(None, map(summary.replay_line, entries)):
        reporter.write_line(line)
    reporter.write_line(summary.totals_line(entries))


def _entries_in(stats: dict[str, list[object]]) -> Iterator[Entry]:
    found = {}
    for reports in stats.values():
        for report in reports:
            entry = entry_of(report)
            if entry is not None:
                found[entry["nodeid"]] = entry
    yield from found.values()
