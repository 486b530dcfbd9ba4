"""What a callable raises in an executor is a failure, if nobody looks; and only then."""

from __future__ import annotations

import pytest

HEAD = """
import asyncio, concurrent.futures, threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
import pytest

futures = []

def bad(number=0):
    return 1 // number

def look():
    for future in futures:
        future.exception()
    futures.clear()

@pytest.mark.racecheck(threads=1, runs=100, invariant=look)
def test_it():
"""

UNSEEN = {
    "submit": "with ThreadPoolExecutor(2) as pool: pool.submit(bad)",
    "map": "with ThreadPoolExecutor(2) as pool: pool.map(bad, [0, 1])",
    "wait": "with ThreadPoolExecutor(2) as pool: wait([pool.submit(bad)])",
    "after others that were looked at and are gone": """
with ThreadPoolExecutor(1) as pool:
    for _ in range(5):
        pool.submit(int).result()
    pool.submit(bad)
    for _ in range(5):
        pool.submit(int).result()
""",
    "done": "with ThreadPoolExecutor(2) as pool: assert not pool.submit(bad).cancelled()",
}

SEEN = {
    "result": """
with ThreadPoolExecutor(2) as pool:
    future = pool.submit(bad)
with pytest.raises(ZeroDivisionError):
    future.result()
""",
    "result before it is there": """
with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
    pool.submit(bad).result()
""",
    "exception": "with ThreadPoolExecutor(2) as pool: assert pool.submit(bad).exception()",
    "callback": "with ThreadPoolExecutor(2) as pool: pool.submit(bad).add_done_callback(lambda future: None)",
    "the first of many": """
with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
    list(pool.map(bad, [0, 0, 0]))
""",
    "as completed": """
with ThreadPoolExecutor(2) as pool:
    for future in as_completed([pool.submit(bad) for _ in range(2)]):
        assert isinstance(future.exception(), ZeroDivisionError)
""",
    "asyncio": """
async def main():
    with pytest.raises(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(None, bad)
asyncio.run(main())
""",
    "called by C": """
with ThreadPoolExecutor(2) as pool:
    all_of_them = [pool.submit(bad)]
assert all(map(Future.exception, all_of_them))
""",
    "in an invariant": "with ThreadPoolExecutor(2) as pool: futures.append(pool.submit(bad))",
    "a future of one's own": """
Future().set_exception(ValueError())
with ThreadPoolExecutor(1) as pool: pool.submit(int)
""",
}


def run(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=HEAD + "    " + body.strip().replace("\n", "\n    "))
    return pytester.runpytest_subprocess("-Werror", "-pno:cacheprovider", "--racecheck-json=report.json", timeout=60)


@pytest.mark.parametrize("body", UNSEEN.values(), ids=UNSEEN.keys())
def test_nobody_looks(pytester: pytest.Pytester, body: str) -> None:
    result = run(pytester, body)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "ZeroDivisionError: *",
            "  task 0.0 (in an executor, and nobody looked at its future), test_it.py:*",
        ]
    )
    assert '"kind": "executor-exception"' in (pytester.path / "report.json").read_text()


@pytest.mark.parametrize("body", SEEN.values(), ids=SEEN.keys())
def test_somebody_looks(pytester: pytest.Pytester, body: str) -> None:
    run(pytester, body).assert_outcomes(passed=1)


def test_the_end_of_waiting_workers_is_not_logged(pytester: pytest.Pytester) -> None:
    """They are ended with the run, and their pool must not call that an error."""
    result = run(pytester, "pool = ThreadPoolExecutor(1)\npool.submit(int).result()\nassert False")

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*Exception in worker*")


FOREIGN = """
import threading

def started(threads):
    for thread in threads:
        thread.start()

def ended(threads):
    for thread in threads:
        thread.join()
"""

STARTS = {
    "by a package out of scope": "foreign.started(threads)\n    foreign.ended(threads)",
    "by C": "list(map(threading.Thread.start, threads))\n    list(map(threading.Thread.join, threads))",
}


@pytest.mark.parametrize("starts", STARTS.values(), ids=STARTS.keys())
@pytest.mark.parametrize("locked", [False, True])
def test_threads_that_are_started_where_there_are_no_hooks(
    pytester: pytest.Pytester, starts: str, *, locked: bool
) -> None:
    site_packages = pytester.mkdir("elsewhere") / "site-packages"
    site_packages.mkdir()
    (site_packages / "foreign.py").write_text(FOREIGN)
    pytester.makeini("[pytest]\npythonpath = elsewhere/site-packages")
    pytester.makepyfile(
        test_it=f"""
import threading, foreign
import pytest

lock = threading.Lock()
n = 0

def add():
    global n
    {"with lock: n += 1" if locked else "n += 1"}

@pytest.mark.racecheck(threads=1)
def test_it():
    global n
    n = 0
    threads = [threading.Thread(target=add) for _ in range(2)]
    {starts}
    assert n == 2
"""
    )
    result = pytester.runpytest_subprocess("-Werror", "-pno:cacheprovider", timeout=60)

    result.assert_outcomes(passed=int(locked), failed=int(not locked))
    if not locked:
        result.stdout.fnmatch_lines(["AssertionError: assert 1 == 2", "Fails with 1 preemption."])
