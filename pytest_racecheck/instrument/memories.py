"""What is in memory that processes can share, where it is known only as an object of ``ctypes`` or a list in there."""

from __future__ import annotations

import ctypes
from multiprocessing.shared_memory import ShareableList
from typing import Any, Final

from pytest_racecheck.instrument.classify import C_DATA, found_on, mro_of

_GETSET: Final = type(ctypes.c_int.__mro__[1].__dict__["value"])


def is_memory(owner: Any) -> bool:
    """Whether an object is one of those."""
    kind = type(owner)
    return kind is ShareableList or any(base is C_DATA for base in mro_of(kind))


def content_of(owner: Any) -> object:
    """All that such an object holds, as data that can be compared."""
    kind = type(owner)
    if kind is ShareableList:
        return list(owner)
    if issubclass(kind, ctypes.Array):
        return ctypes.Array.__getitem__(owner, slice(None))
    if type(found_on(kind, "value")[1]) is _GETSET:
        return owner.value
    return bytes(memoryview(owner).cast("B"))
