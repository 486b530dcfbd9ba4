"""``fcntl.flock`` and ``lockf``: announced, and tried without waiting; who fails waits until something has changed."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import Operation, Site
from pytest_racecheck.instrument.files import part_of_descriptor, target_of_files
from pytest_racecheck.instrument.stand_ins import Handler

try:
    import fcntl
except ImportError:  # not a platform that has it
    fcntl = None  # type: ignore[assignment]


def _lock(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    if controller.running is None or len(arguments) < 2 or type(arguments[1]) is not int:
        return function
    return partial(_locked, controller, site, function)


def _locked(controller: Controller, site: Site, function: Any, stream: Any, command: int, *others: Any) -> Any:
    descriptor = stream if type(stream) is int else stream.fileno()
    target = target_of_files(controller)
    part = part_of_descriptor(descriptor)
    part = ("descriptor", descriptor) if part is None else part
    name = getattr(stream, "name", stream)
    if controller.concurrent:
        controller.reach(Operation("update", site, target, part))
    recorder: Any = controller.recorder
    if recorder is not None:
        recorder.step(site, "update", target, f"{function.__name__}({name}, {_named(command)})")
    while True:
        try:
            found = function(stream, command | (0 if command & fcntl.LOCK_UN else fcntl.LOCK_NB), *others)
        except OSError as error:
            if command & fcntl.LOCK_NB or not isinstance(error, BlockingIOError | PermissionError):
                raise
        else:
            controller.changed(target)
            return found
        controller.reach_change(Operation("wait", site, target, part), None, lambda: f"waits for the lock of {name}")


def _named(command: int) -> str:
    names = [name for name in ("LOCK_SH", "LOCK_EX", "LOCK_NB", "LOCK_UN") if command & getattr(fcntl, name)]
    return " | ".join(names)


def functions() -> dict[Any, Handler]:
    """For each function that locks files, what a call of it does."""
    return {} if fcntl is None else {fcntl.flock: _lock, fcntl.lockf: _lock}


__all__: Final = ["functions"]
