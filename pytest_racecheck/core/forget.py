"""Keeps a thread that nobody can end from holding up the end of the process."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any, Final

_forgotten: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()


def never_join(thread: threading.Thread) -> None:
    """Don't wait for this thread at the end of the process, whatever becomes of it."""
    _forgotten.add(thread)


def forget_thread(ident: int) -> None:
    """Let the interpreter end without waiting for this thread, as if it had been a daemon from the start."""
    thread: Any = threading._active.get(ident)  # type: ignore[attr-defined]
    if thread is None or thread.daemon:
        return
    pools: Any = sys.modules.get("concurrent.futures.thread")
    if pools is not None:
        pools._threads_queues.pop(thread, None)
    if hasattr(threading, "_shutdown_locks"):  # up to 3.12
        threading._shutdown_locks.discard(thread._tstate_lock)
    else:
        never_join(thread)
        threading._thread_shutdown = _join_others  # type: ignore[attr-defined]


def _join_others() -> None:
    """What the interpreter does at its end from 3.13 on; written in C there, where nothing can be left out."""
    for thread in threading.enumerate():
        if not thread.daemon and thread not in _forgotten and thread is not threading.current_thread():
            thread.join()
