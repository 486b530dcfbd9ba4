"""What all hooks at reads and writes do: announce the access, and note it.

A hook passes through for whoever is not the task that may move. It never runs the user's code: no ``__eq__``,
``__hash__``, ``__getattr__`` or ``__repr__`` of a user's object, and nothing that a metaclass defines.
"""

from __future__ import annotations

from collections.abc import Hashable

from pytest_racecheck.core.controller import QUIET_STREAK, Controller
from pytest_racecheck.core.values import Kind, Site, new_operation
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.state import STATE


def admitted(controller: Controller) -> bool:
    """Whether the calling thread, which does not have the baton, is a task that was away; then it has it now."""
    return bool(controller.away) and controller.come_back()


def access(
    controller: Controller,
    kind: Kind,
    site: Site,
    target: int,
    part: Hashable,
    also: tuple[Place, ...] = (),
    obj: object = None,
) -> None:
    """Announce an access if its site is a choice; note it in any case.

    ``also`` are further places that it touches; ``obj`` is the target itself, if that may be gone before the run is.
    """
    task = controller.running
    if task is None:
        return
    note = STATE.sharing.note
    write = kind != "read"
    note(task, site, target, part, write, obj)
    for place in also:
        note(task, site, *place, write)
    if site.shared:
        controller.reach(new_operation((kind, site, target, part, also, False, False, "")))
    else:
        if write:
            controller.wrote = True
        go_on(controller)


def go_on(controller: Controller) -> None:
    """The running task does something that is no choice; it may be in a loop that waits for others."""
    controller.quiet += 1
    if controller.quiet > QUIET_STREAK:
        controller.lapse()
