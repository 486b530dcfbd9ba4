"""How long it takes to run every order of locked increments, beside frontrun where it is installed.

    python benchmarks/verify.py

Some threads increment a counter under a lock some times; k threads with m increments each can do so in
(k * m)! / (m!)^k orders. Prints how many runs each tool makes until it says that it is done, and how much of the
processor's time that takes: the median of some repetitions, in a process of its own, in which it has done the same once
before. The tools take turns, so that other work on the machine slows all of them. frontrun's search leaves orders out.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

from side_by_side import Workers

from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.dpor import Dpor

REPETITIONS = 15
ENOUGH_SECONDS = 2.0
ROUNDS = 3
"""So often do the tools take turns; the median counts."""

SIZES = ((2, 1), (3, 1), (2, 3), (3, 2), (3, 3))


class State:
    """What the threads of one run share."""

    def __init__(self) -> None:
        self.n = 0
        self.lock = threading.Lock()


def incrementing(times: int) -> Callable[[State], None]:
    """A worker that increments the counter under its lock."""

    def worker(state: State) -> None:
        for _ in range(times):
            with state.lock:
                state.n += 1

    return worker


def racecheck(threads: int, times: int) -> int:
    """Runs of this plugin's engine until all classes were run, those included that learn what is shared."""
    here = Path(__file__)
    program = Workers(State, [incrementing(times)] * threads)
    with Runner(program, Rewriting(Scope(here.parent, (), here)), Limits(), 0, ()) as runner:
        covering = Dpor()
        while covering.start_run():
            covering.end_run(runner.run(covering))
        assert covering.complete
        assert covering.classes == math.factorial(threads * times) // math.factorial(times) ** threads
        return runner.runs


def frontrun(threads: int, times: int) -> int:
    """Executions of frontrun until it says that it is done."""
    import frontrun as tool  # type: ignore[import-not-found]

    result = tool.explore(
        State,
        [incrementing(times)] * threads,
        lambda _state: True,
        strategy="dpor",
        stop_on_first=False,
        preemption_bound=None,
        detect_io=False,
        reproduce_on_failure=0,
    )
    return int(result.num_explored)


TOOLS = {"pytest-racecheck": racecheck, "frontrun": frontrun}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", choices=TOOLS, help="measure this one only, and print the bare numbers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    if options.tool:
        print(*measure_here(TOOLS[options.tool], options.threads, options.times))
    else:
        compare()


def compare() -> None:
    build = " free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    print(f"Python {sys.version.split()[0]}{build}")
    tools = [tool for tool in TOOLS if tool == "pytest-racecheck" or importlib.util.find_spec(tool)]
    for threads, times in SIZES:
        orders = math.factorial(threads * times) // math.factorial(times) ** threads
        rounds = [{tool: measure(tool, threads, times) for tool in tools} for _ in range(ROUNDS)]
        measured = {tool: sorted((each[tool] for each in rounds), key=itemgetter(1))[ROUNDS // 2] for tool in tools}
        for tool, (runs, seconds) in measured.items():
            print(f"{threads} x {times}: {orders:5,} orders  {tool:18} {runs:6,} runs {seconds * 1000:10,.1f} ms")
        if len(measured) > 1:
            print(f"    {measured['frontrun'][1] / measured['pytest-racecheck'][1]:.1f} x frontrun")


def measure_here(tool: Callable[[int, int], int], threads: int, times: int) -> tuple[int, float]:
    """Measure a tool in this process: runs, and the median of its seconds."""
    tool(threads, times)  # what every tool does once a process is not measured
    spent: list[float] = []
    while not spent or (len(spent) < REPETITIONS and sum(spent) < ENOUGH_SECONDS):
        began = time.process_time()
        runs = tool(threads, times)
        spent.append(time.process_time() - began)
    return runs, statistics.median(spent)


def measure(tool: str, threads: int, times: int) -> tuple[int, float]:
    """Measure one tool in a process of its own: runs and seconds."""
    command = [sys.executable, __file__, "--tool", tool, "--threads", str(threads), "--times", str(times)]
    if tool == "frontrun":  # works only below its own command
        command = [str(Path(sys.executable).with_name("frontrun")), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    runs, seconds = done.stdout.split()[-2:]
    return int(runs), float(seconds)


if __name__ == "__main__":
    main()
