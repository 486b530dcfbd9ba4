"""What the hooks in rewritten code look at: the controller of the exploration that is going on, if any."""

from __future__ import annotations

from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.instrument.sharing import Sharing


class State:
    """One for the process: hooks are constants of rewritten code, and some of that outlives an exploration.

    ``ident`` of the controller is 0 while nothing is controlled, so that every hook passes through at the cost of one
    look-up.
    """

    __slots__ = ("controller", "discoverer", "entries", "sharing", "starting")

    def __init__(self) -> None:
        self.controller = Controller.idle()
        self.sharing = Sharing()
        self.discoverer: Any = None
        self.entries: dict[int, Any] = {}
        """What it knows of code, see `prepared`: by identity."""
        self.starting: Any = None
        """The thread that a task is just starting, see `instrument.threads`."""


class Switch(list[None]):
    """True or false for rewritten code, which holds it as a constant: so it must be the same object all the time."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]


STATE: Final = State()

PLAINLY: Final = Switch()
"""True while the running task does something in one step that surely waits for nothing: no hook need look at it."""
