"""Where in the code the threads of another process are: it writes that down when a signal comes, whatever it does."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import tempfile
import time
from typing import Any, Final

from pytest_racecheck.core.ours import is_ours

NUMBER: Final[int | None] = signal.SIGRTMAX - 3 if hasattr(signal, "SIGRTMAX") else None
"""The signal, where there is one that nobody else is likely to use."""

SECONDS: Final = 1.0
"""So long may it take."""

PAUSE: Final = 0.005

_THREAD: Final = re.compile(r"(?:Current thread|Thread) (0x[0-9a-f]+)")
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')


class Dump:
    """A file that processes write to; they inherit it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (it is closed with the controller)

    def fileno(self) -> int:
        """The descriptor."""
        return self._file.fileno()

    def place(self, pid: int, ident: int) -> str:
        """Where a thread is, the innermost frame that is not ours: ``file:line in function``; "" if nobody can tell."""
        if NUMBER is None:
            return ""
        descriptor = self._file.fileno()
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            os.kill(pid, NUMBER)
        except OSError:
            return ""
        return _place(self._written(descriptor), ident)

    def _written(self, descriptor: int) -> str:
        until = time.monotonic() + SECONDS
        size = 0
        while time.monotonic() < until:
            time.sleep(PAUSE)
            before, size = size, os.fstat(descriptor).st_size
            if size and size == before:
                break
        return os.pread(descriptor, size, 0).decode(errors="replace")

    def close(self) -> None:
        """Close it."""
        self._file.close()


def _place(text: str, ident: int) -> str:
    """The place of a thread in what ``faulthandler`` writes; of the one that handles signals, if there is none such."""
    places: dict[int, str] = {}
    thread = 0
    for line in text.splitlines():
        if found := _THREAD.match(line):
            thread = int(found[1], 16)
        elif (found := _FRAME.match(line)) and thread not in places and not is_ours(found[1]):
            places[thread] = f"{found[1]}:{found[2]} in {found[3]}"
    return places.get(ident) or next(reversed(places.values()), "")


def register(descriptor: int) -> None:
    """In the process that is going to be asked."""
    if NUMBER is not None:
        register: Any = faulthandler.register
        register(NUMBER, descriptor, all_threads=True, chain=False)
