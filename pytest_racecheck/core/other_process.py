"""Another process of the run, as the one that explores sees it: what its messages mean, and how it came to its end."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_racecheck.core.carried import Data
from pytest_racecheck.core.values import FROM_OUTSIDE, Operation, Site

if TYPE_CHECKING:
    from pytest_racecheck.core.remote import Remote
    from pytest_racecheck.core.run_state import RunState

END_SECONDS: Final = 10.0
"""So long may a process that has closed its channel take to be gone."""

_PRIVATE: Final = 64
"""Identities have fewer bits than this."""


class OtherProcess:
    """One process that is not the one which explores; its tasks are acted for by `Remote`."""

    def __init__(self, controller: RunState, number: int, inherited: int) -> None:
        self.pid = 0
        """0 until it was started."""
        self.reaper: Callable[[int], int] | None = None
        """For a process that another one has forked for this one: makes that one ask how it has ended."""
        self._code: int | None = None
        self.replaced_by = ""
        """How it became another program, if it has."""
        self.is_body = False
        """Whether it was started for a body, so that nobody else knows it."""
        self.has_ended = False
        """Whether it is known to be gone."""
        self.tasks: list[Remote] = []
        """Those that act for its tasks; the first for the one that it began with."""
        self.sent: dict[int, str] = {}
        """Signals that tasks have sent it, and which task did."""
        self._controller = controller
        self._private = number << _PRIVATE
        self._inherited = inherited
        self._sites: list[Site] = []
        self._shared: list[int] = [0]

    # -- what its messages mean --------------------------------------------------------------------------------

    def learn_site(self, data: Data, identity: int) -> None:
        """It is going to speak of one more site; their numbers follow on those that were known when it began."""
        site = self._controller.site_of(data)
        self._sites.append(site)
        inherited = self._controller.inherited_site(data[0], identity)
        if inherited is not None:
            self._controller.known_sites.add(inherited, site)

    def learn_shared(self, key: tuple[Any, ...]) -> None:
        """It is going to speak of one more shared thing; those are numbered from -1 downwards."""
        self._shared.append(self._controller.shared_things.number(key))

    def site(self, number: int) -> Site:
        """The site that it means."""
        if number < self._inherited:
            return self._controller.known_sites[number]
        return self._sites[number - self._inherited]

    def target(self, number: int) -> int:
        """The target that it means: its own objects are nobody else's, though they may have the same identities."""
        if number < 0:
            return self._shared[-number]
        return number | self._private if number else 0

    def place(self, place: tuple[int, Hashable]) -> tuple[int, Hashable]:
        """The target, and the part as it is."""
        return (self.target(place[0]), place[1])

    def operation(self, kind: Any, site: int, target: int, part: Hashable, also: Any, looks: bool, opens: bool) -> Any:
        """The operation that it means."""
        others = tuple(map(self.place, also))
        if type(part) is str:
            part = FROM_OUTSIDE[part] if part in FROM_OUTSIDE else part
        return Operation(kind, self.site(site), self.target(target), part, others, looks, opens)

    # -- its end -----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.pid and not self.has_ended:
            if not any(task.said_end for task in self.tasks[:1]) and not _is_gone(self.pid, 0):
                self.kill()
            self.wait_until_gone()

    def reap(self) -> None:
        """Ask how it ended, if nobody has: it is a zombie until then."""
        if self.pid and self.reaper is None:
            try:
                os.waitpid(self.pid, os.WNOHANG)
            except OSError:  # its parent has, or will
                pass

    def kill(self) -> None:
        """End it at once, if it is there."""
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except OSError:
                pass

    def wait_until_gone(self, seconds: float = END_SECONDS) -> bool:
        """Wait until it has ended and closed all it had; tell whether it has. Its parent can still ask how it ended."""
        if not self.has_ended:
            self.has_ended = not self.pid or _is_gone(self.pid, seconds)
            if self.has_ended and self.pid and self.reaper is not None:
                self._code = self.reaper(self.pid)
        return self.has_ended

    def exit_code(self) -> int | None:
        """How it ended, if that can be told: below 0 the signal that killed it; to be asked before its parent does."""
        if self._code is not None:
            return self._code
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except (OSError, AttributeError):
            return _exit_code_of_other(self.pid)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _is_gone(pid: int, seconds: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (OSError, AttributeError):
        return _is_gone_by_and_by(lambda: _exists(pid), seconds)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _is_gone_by_and_by(exists: Callable[[], bool], seconds: float) -> bool:
    """Where the platform has nothing that tells, ask again and again."""
    import time

    until = time.monotonic() + seconds
    while exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def _exists(pid: int) -> bool:
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    return found is None


def _exit_code_of_other(pid: int) -> int | None:
    """Of a process that somebody else has started and not yet asked for."""
    try:
        status = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").split()[-1])
    except (OSError, ValueError, IndexError):
        return None
    return os.waitstatus_to_exitcode(status)
