"""Programs that the code under test starts are outside of the run: nothing is called verified, and it is said why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from shared import FORK, Body, Main, explored

NOTHING = [sys.executable, "-SIc", ""]
COMMAND = f"{sys.executable} -SIc ''"


def by_run() -> None:
    assert subprocess.run(NOTHING, check=True).returncode == 0


def by_popen() -> None:
    with subprocess.Popen(NOTHING) as process:
        assert process.wait() == 0


def by_system() -> None:
    assert os.system(COMMAND) == 0  # noqa: S605


def by_posix_spawn() -> None:
    pid = os.posix_spawn(NOTHING[0], NOTHING, {})
    assert os.waitpid(pid, 0) == (pid, 0)


class Two(Main):
    """Two bodies, which run as threads of this process."""

    def set_up(self) -> Sequence[Body]:
        (body,) = super().set_up()
        return [body, body]


@pytest.mark.parametrize(
    ("way", "name"),
    [
        (by_run, "subprocess.Popen"),
        (by_popen, "subprocess.Popen"),
        (by_system, "os.system"),
        (by_posix_spawn, "os.posix_spawn"),
    ],
)
def test_a_program_that_is_started_is_outside(way: Callable[[], None], name: str) -> None:
    result = explored(Two(way), runs=4, strategy="dpor")

    assert not result.findings, result.findings[0].message
    assert result.outcome == "passed"
    start = f"a program is started ({name}), which is outside of the run, at "
    assert [each.startswith(start) and "test_process_programs.py:" in each for each in result.unproven].count(True) == 1


def test_a_test_that_starts_none_is_verified() -> None:
    assert explored(Two(bool)).outcome == "verified"


def test_the_session_is_not_replaced_by_another_program() -> None:
    def body() -> None:
        os.execv(NOTHING[0], NOTHING)  # noqa: S606

    result = explored(Main(body), runs=1)

    assert result.findings[0].message == (
        "os.execv() was called\n"
        "  it would have replaced the whole session by another program, with no report; replace it in the test"
    )


def test_a_process_that_becomes_another_program_is_out_of_control() -> None:
    def replaced() -> None:
        os.execv(NOTHING[0], NOTHING)  # noqa: S606

    def body() -> None:
        process = FORK.Process(target=replaced)
        process.start()
        process.join()
        assert process.exitcode == 0

    result = explored(Main(body), runs=2)

    assert not result.findings, result.findings[0].message
    (said,) = result.uncontrolled
    assert "task 0.0 became another program by execv, at " in said
    assert "test_process_programs.py:" in said
