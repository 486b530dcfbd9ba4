"""What tests of the bridge and of the plugin share: an engine that only plays a part, and suites to run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_racecheck.core import explore as real
from pytest_racecheck.core.values import Exploration, Failure, Finding, Trace

NO_TRACE = Trace(schedule=(), failures=(), steps=0, choices=0, tasks=(), fingerprint=0)
PASSED = Exploration("passed", runs=3, seconds=0.5, strategy="random", seed=0, tasks=2, choices=4, interleavings=3)


def finding(message: str, error: BaseException | None = None, *, token: str = "token-1") -> Finding:
    """What an engine says of one failure."""
    failure = Failure(kind="assertion", message=message, task="0", exception=error)
    return Finding("assertion", message, (), token, NO_TRACE, failure, run=2, sequential=True)


@dataclass
class FakeEngine:
    """Runs a program a few times, one body after another; keeps what it was called with."""

    runs: int = 3
    outcome: Exploration = PASSED
    calls: list[dict[str, Any]] = field(default_factory=list)
    during: Callable[[int], None] = lambda run: None

    def explore(self, program: Any, **arguments: Any) -> Exploration:
        self.calls.append(arguments)
        for run in range(1, self.runs + 1):
            error = self.one_run(program, arguments.get("control", ()))
            self.during(run)
            if error is not None:
                message = f"{type(error).__name__}: {error}"
                return replace(self.outcome, outcome="failed", runs=run, findings=(finding(message, error),))
        return self.outcome

    def one_run(self, program: Any, control: tuple[type[BaseException], ...]) -> BaseException | None:
        bodies: Sequence[Callable[[], object]] = program.set_up()
        try:
            for body in bodies:
                body()
            program.check()
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, *control)):
                raise
            return error
        finally:
            program.tear_down()
        return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of processes come first: what a fork costs grows with the process."""
    items.sort(key=lambda item: "processes" not in item.path.parts)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """What ends a search is the number of its runs, however busy the machine is.

    The summary of hypothesis' plugin imports all of it, for every suite anew: left out.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", "--racecheck-time=600 -p no:hypothesispytest")
    return pytester


@pytest.fixture
def engine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Put the fake in the engine's place, for suites that run in this process."""
    fake = FakeEngine()
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    install = types.ModuleType("install")
    install.Rewriting = lambda scope: ("instrument", scope)  # type: ignore[attr-defined]
    scope = types.ModuleType("scope")
    scope.Scope = lambda **arguments: arguments  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytest_racecheck.instrument.install", install)
    monkeypatch.setitem(sys.modules, "pytest_racecheck.instrument.scope", scope)
    monkeypatch.setattr(real, "explore", fake.explore)
    monkeypatch.setattr(real, "replay", fake.explore)
    return fake


@pytest.fixture
def interrupted(pytester: pytest.Pytester) -> Callable[[], str]:
    """Run pytest on what stands in the folder and press Ctrl-C after a test has made the file ``started``; its output.

    The session must end as interrupted; whatever happens, its process is gone afterwards.
    """

    def run() -> str:
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", "-pno:cacheprovider"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=pytester.path,
        ) as process:
            try:
                _wait_for(pytester.path / "started")
                time.sleep(0.3)  # into what follows; right at any moment, so nothing depends on how long this takes
                process.send_signal(signal.SIGINT)
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        return output

    return run


def _wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.01)
    raise TimeoutError(path)
