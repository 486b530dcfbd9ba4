"""Lets go of what each run prints, logs and records, so that only the last run's output reaches the report."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_racecheck.bridge.warning_log import WarningLog


class RunOutput:
    """What the runs of one test leave behind. Made before pytest sets the test up."""

    def __init__(self, item: pytest.Item) -> None:
        plugins = item.config.pluginmanager
        self._item: Any = item
        self._capture: Any = plugins.get_plugin("capturemanager")
        self._logging: Any = plugins.get_plugin("logging-plugin")
        self._properties = len(item.user_properties)
        self._sections = len(self._item._report_sections)
        self._of_setup: list[tuple[str, str, str]] = []
        self._warnings = WarningLog()

    def forget(self) -> None:
        """Drop everything that was left since the object was made, or since the last time."""
        self._warnings.fold()
        if self._capture is not None and self._printed():
            self._capture.read_global_capture()
        if self._logging is not None:
            self._forget_records(self._logging.caplog_handler)
            self._forget_records(self._logging.report_handler)
        del self._item.user_properties[self._properties :]
        self._item._report_sections[self._sections :] = self._of_setup

    def end(self) -> None:
        """All runs are done: what the last one has left stays, repeated warnings don't."""
        self._warnings.fold()

    def setup_is_done(self) -> None:
        """Keep the sections that pytest has made of the setup phase."""
        made = self._item._report_sections[self._sections :]
        self._of_setup = [section for section in made if section[0] == "setup"]

    def _printed(self) -> bool:
        """Whether anything was captured; asked before every run, so it must cost less than reading."""
        captured = self._capture._global_capturing
        if captured is None:
            return False
        return any(stream.tmpfile.buffer.tell() for stream in (captured.out, captured.err) if stream is not None)

    def _forget_records(self, handler: Any) -> None:
        if handler.records:
            handler.clear()
