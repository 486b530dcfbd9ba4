"""Programs that the code under test starts: they are outside of the run, and that is said."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.member import Member
from pytest_racecheck.core.values import Failure, Site
from pytest_racecheck.instrument.processes import user_place
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.state import STATE

_STARTING: Final = (
    "forkpty", "popen", "posix_spawn", "posix_spawnp", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve",
    "spawnvp", "spawnvpe", "startfile", "system",
)  # fmt: skip
_REPLACING: Final = ("execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe")

POPEN: Final[Any] = subprocess.Popen.__init__
"""By which ``subprocess`` starts all programs."""


def started_by_popen(_owner: object) -> None:
    """A program is going to be started, in whatever thread, with `subprocess`."""
    controller = STATE.controller
    task = controller.current()
    place = None if task is None else STATE.discoverer.user_place_here()
    if task is not None:
        _outside(controller, "subprocess.Popen", "an unknown place" if place is None else f"{place[0]}:{place[1]}")


def _starts(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    if controller.running is not None:
        _outside(controller, f"os.{function.__name__}", "{}:{}".format(*user_place(site)[:2]))
    return function


def _outside(controller: Controller, name: str, place: str) -> None:
    if controller.touched is not None:
        controller.not_proven(f"a program is started ({name}), which is outside of the run, at {place}")


def _replaces(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``os.exec...``: the process does what the other program says from now on, the session would as well."""
    if controller.running is None:
        return function
    if isinstance(controller, Member):
        controller.is_replaced(f"{function.__name__}, at {{}}:{{}}".format(*user_place(site)[:2]))
        return function
    return partial(_refuse, controller, site, function.__name__)


def _refuse(controller: Controller, site: Site, name: str, *_arguments: object, **_keywords: object) -> None:
    failure = Failure(
        kind="exit",
        message=f"os.{name}() was called\n"
        "  it would have replaced the whole session by another program, with no report; replace it in the test",
        task=controller.running.id if controller.running else None,
        place=site.key,
        locations=(f"{site.filename}:{site.line}",),
    )
    controller.finish_with(failure)


def functions() -> dict[Any, Handler]:
    """For each function that starts a program, what a call of it does."""
    found = {getattr(os, name): _starts for name in _STARTING if hasattr(os, name)}
    return {**found, **{getattr(os, name): _replaces for name in _REPLACING if hasattr(os, name)}}
