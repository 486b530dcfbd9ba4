"""What the interpreter keeps for a thread: cleared, so that one OS thread looks new to each task it serves."""

from __future__ import annotations

import _thread
import ctypes
import gc
import sys
from functools import cache
from typing import Any, Final, Protocol

_WORDS: Final = 60
"""So many words of a thread's state are searched for where its locals are; the state is much larger."""

_WORD: Final = ctypes.sizeof(ctypes.c_void_p)


class ThreadLocals(Protocol):
    """The values that every ``threading.local`` has for one thread."""

    def forget(self) -> None:
        """Drop those that came since the object was made; to be called in the thread."""


def thread_locals() -> ThreadLocals | None:
    """Find those of the calling thread; ``None`` if this interpreter keeps them where we can't find them."""
    if sys.version_info < (3, 13):
        return _InDict()
    offset = _offset()
    return None if offset is None else _InState(offset)


class _InDict:
    """Up to 3.12 they are in the dict of the thread's state."""

    def __init__(self) -> None:
        get_dict = ctypes.pythonapi.PyThreadState_GetDict
        get_dict.restype = ctypes.c_void_p
        address = get_dict()
        self._dict: dict[Any, Any] = ctypes.cast(address, ctypes.py_object).value if address else {}
        self._known = set(self._dict)

    def forget(self) -> None:
        """See `ThreadLocals`."""
        if len(self._dict) != len(self._known):
            for key in [key for key in self._dict if key not in self._known]:
                del self._dict[key]


class _InState:
    """From 3.13 on a ``threading.local`` keeps them itself: by a key and for as long as a sentinel of the thread lives.

    Without key and sentinel a thread gets new ones, as a new thread does.
    """

    def __init__(self, offset: int) -> None:
        address = _state_address() + offset
        self._key = ctypes.c_void_p.from_address(address)
        self._sentinel = ctypes.c_void_p.from_address(address + _WORD)
        self.forget()

    def forget(self) -> None:
        """See `ThreadLocals`."""
        for word in (self._sentinel, self._key):
            if word.value:
                address, word.value = word.value, None
                ctypes.pythonapi.Py_DecRef(ctypes.c_void_p(address))


def _state_address() -> int:
    get_state = ctypes.pythonapi.PyThreadState_Get
    get_state.restype = ctypes.c_void_p
    return int(get_state())


@cache
def _offset() -> int | None:
    """Where in a thread's state key and sentinel are: both are known from a local that is made for that."""
    local = _thread._local()
    local.value = None
    key, sentinel = _key_and_sentinel(local)
    state = (ctypes.c_void_p * _WORDS).from_address(_state_address())
    for position in range(_WORDS - 1):
        if key is not None and (state[position], state[position + 1]) == (key, sentinel):
            return position * _WORD
    return None


def _key_and_sentinel(local: object) -> tuple[int | None, int | None]:
    """The identities of both, taken from what a local refers to: a dict by keys, a set of weak references."""
    key = sentinel = None
    for each in gc.get_referents(local):
        if type(each) is dict and len(each) == 1:
            key = id(next(iter(each)))
        elif type(each) is set and len(each) == 1:
            sentinel = id(next(iter(each))())
    return key, sentinel
