"""Measures the plugin's engine and other tools on the same programs, side by side."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.random_walk import RandomWalk
from pytest_racecheck.strategies.sequential import Sequential

Worker = Callable[[Any], None]
WARM_UP = 50


class Workers:
    """The program of an exploration: fresh state, one body for each worker."""

    def __init__(self, make_state: Callable[[], Any], workers: list[Worker]) -> None:
        self._make_state = make_state
        self._workers = workers

    def set_up(self) -> list[Callable[[], None]]:
        """Make the state and the bodies."""
        state = self._make_state()
        return [_bound(worker, state) for worker in self._workers]

    def check(self) -> None:
        """Nothing is checked: this measures the search, not the finding."""

    def tear_down(self) -> None:
        """Nothing is left."""


def _bound(worker: Worker, state: Any) -> Callable[[], None]:
    def body() -> None:
        worker(state)

    return body


def racecheck(make_state: Callable[[], Any], workers: list[Worker], seconds: float) -> float:
    """Runs per second of this plugin's engine, instrumentation included."""
    here = Path(sys.modules[make_state.__module__].__file__ or "")
    instrument = Rewriting(Scope(here.parent, (), here))
    with Runner(Workers(make_state, workers), instrument, Limits(), 0, ()) as runner:
        learning = Sequential()
        while learning.start_run():
            runner.run(learning)
        strategy = RandomWalk(0)
        for _ in range(WARM_UP):
            strategy.start_run()
            runner.run(strategy)
        return _rate(_forever(runner, strategy), seconds)


def _forever(runner: Runner, strategy: RandomWalk) -> Iterator[int]:
    while strategy.start_run():
        runner.run(strategy)
        yield 1


_clock = {"now": time.perf_counter}


def _rate(runs: Iterator[int], seconds: float) -> float:
    count = 0
    now = _clock["now"]
    began = now()
    for done in runs:
        count += done
        spent = now() - began
        if spent > seconds:
            break
    return count / spent


def frontrun(make_state: Callable[[], Any], workers: list[Worker], seconds: float, **options: object) -> float:
    """Executions per second of frontrun."""
    import frontrun as tool  # type: ignore[import-not-found]

    def executions() -> Iterator[int]:
        for seed in range(1000):
            result = tool.explore(
                make_state,
                workers,
                lambda _state: True,
                detect_io=False,
                reproduce_on_failure=0,
                **(options if options["strategy"] == "dpor" else {**options, "seed": seed}),
            )
            yield max(1, result.num_explored)

    return _rate(executions(), seconds)


def interleave_test(make_state: Callable[[], Any], workers: list[Worker], seconds: float, strategy: str) -> float:
    """Schedules per second of interleave-test."""
    import interleave_test as tool  # type: ignore[import-not-found]

    def model() -> None:
        state = make_state()
        threads = [tool.spawn(worker, state) for worker in workers]
        for thread in threads:
            thread.join()

    def schedules() -> Iterator[int]:
        for seed in range(10_000):
            options = {} if strategy == "dfs" else {"seed": seed}
            result = tool.explore(model, iterations=100, strategy=strategy, raise_on_failure=False, **options)
            yield max(1, result.schedules_run if hasattr(result, "schedules_run") else result.iterations)

    return _rate(schedules(), seconds)


TOOLS: dict[str, Callable[[Callable[[], Any], list[Worker], float], float]] = {
    "pytest-racecheck": racecheck,
    "frontrun dpor": lambda m, w, s: frontrun(m, w, s, strategy="dpor", stop_on_first=False, preemption_bound=None),
    "frontrun random": lambda m, w, s: frontrun(m, w, s, strategy="random", max_attempts=100),
    "interleave-test random": lambda m, w, s: interleave_test(m, w, s, "random"),
    "interleave-test pct": lambda m, w, s: interleave_test(m, w, s, "pct"),
}


def installed() -> list[str]:
    """The tools that can be measured here, ours first."""
    missing = [name for name in ("frontrun", "interleave_test") if not importlib.util.find_spec(name)]
    return [tool for tool in TOOLS if not tool.replace("-", "_").startswith(tuple(missing))]


class Suite:
    """Some programs that work on a fresh state; what each tool makes of them."""

    def __init__(
        self, description: str, script: str, make_state: Callable[[], Any], programs: dict[str, list[Worker]]
    ) -> None:
        self._description = description
        self._script = script
        self._make_state = make_state
        self._programs = programs

    def main(self) -> None:
        """Measure one tool, or compare all."""
        parser = argparse.ArgumentParser(
            description=self._description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--seconds", type=float, default=2.0, help="how long to measure each tool on each program")
        parser.add_argument("--tool", choices=TOOLS, help="measure this one only, and print the bare number")
        parser.add_argument("--program", choices=self._programs, default=next(iter(self._programs)))
        parser.add_argument(
            "--processor", action="store_true", help="count processor time: on a machine that others use as well"
        )
        options = parser.parse_args()
        if options.processor:
            _clock["now"] = time.process_time
        if options.tool:
            print(TOOLS[options.tool](self._make_state, self._programs[options.program], options.seconds))
        else:
            self._compare(options.seconds)

    def _compare(self, seconds: float) -> None:
        build = " free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
        of = " of processor time" if _clock["now"] is time.process_time else ""
        print(f"Python {sys.version.split()[0]}{build}; runs per second{of}")
        ours, *others = installed()
        for program in self._programs:
            rates = {tool: self._measured(tool, program, seconds) for tool in (ours, *others)}
            for tool, rate in rates.items():
                print(f"({program}) {tool:24} {rate:10,.0f}")
            best = max(others, key=rates.__getitem__, default=ours)
            if best != ours and rates[best]:
                print(f"    {rates[ours] / rates[best]:.1f} x {best}")

    def _measured(self, tool: str, program: str, seconds: float) -> float:
        """Measure one tool on one program, in a process of its own."""
        command = [sys.executable, self._script, "--tool", tool, "--program", program, "--seconds", str(seconds)]
        if _clock["now"] is time.process_time:
            command.append("--processor")
        if tool.startswith("frontrun"):  # works only below its own command
            command = [str(Path(sys.executable).with_name("frontrun")), *command]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 + 20 * seconds)
        except subprocess.TimeoutExpired:
            print(f"({program}) {tool} did not end", file=sys.stderr)
            return 0.0
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 0.0
        return float(done.stdout.split()[-1])
