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

    __slots__ = ("controller", "discoverer", "recorder", "sharing", "starting", "synchronisation")

    def __init__(self) -> None:
        self.controller = Controller.idle()
        self.sharing = Sharing()
        self.recorder: Any = None
        self.discoverer: Any = None
        self.synchronisation: Any = None
        self.starting: Any = None
        """The thread that a task is just starting, see `instrument.threads`."""


STATE: Final = State()
