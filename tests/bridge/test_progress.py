"""The line that tells on a terminal that a long search goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_racecheck.bridge.progress import Progress
from pytest_racecheck.core.values import Figures


class Terminal:
    """Keeps what is written over and over."""

    def __init__(self, *, isatty: bool = True) -> None:
        self.isatty = isatty
        self.verbosity = 0
        self.lines: list[str] = []

    def rewrite(self, text: str, **_how: object) -> None:
        self.lines.append(text)

    def flush(self) -> None: ...


def progress_on(terminal: Terminal) -> Progress:
    plugins = {"terminalreporter": terminal}
    item: Any = SimpleNamespace(
        nodeid="a.py::test", config=SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=plugins.get))
    )
    return Progress(item)


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (Figures(), "a.py::test: 4,512 runs, 12 s"),
        (
            Figures(classes_run=812, classes_estimated=96_432.1),
            "a.py::test: 4,512 runs, 12 s, 812 of about 96,000 classes of interleavings were run",
        ),
    ],
)
def test_how_far_it_is(figures: Figures, line: str) -> None:
    terminal = Terminal()

    progress_on(terminal)(4512, 12.3, lambda: figures)

    assert terminal.lines == [line]


def test_short_searches_say_nothing_and_long_ones_once_a_second() -> None:
    terminal = Terminal()
    progress = progress_on(terminal)

    for seconds in (1.0, 4.9, 5.0, 5.5, 5.9, 6.1):
        progress(int(10 * seconds), seconds)

    assert terminal.lines == ["a.py::test: 50 runs, 5 s", "a.py::test: 61 runs, 6 s"]


def test_the_line_is_taken_away() -> None:
    terminal = Terminal()
    progress = progress_on(terminal)

    progress(100, 6.0)
    progress.end()

    assert terminal.lines[1:] == ["", ""]


def test_nothing_is_written_where_nobody_watches() -> None:
    terminal = Terminal(isatty=False)
    progress = progress_on(terminal)

    progress(100, 60.0)
    progress.end()

    assert terminal.lines == []
