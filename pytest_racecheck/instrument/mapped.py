"""Memory that processes share: which part of which mapping an access touches, the same in every process."""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections.abc import Hashable
from multiprocessing import heap
from pathlib import Path
from typing import Any, Final

from pytest_racecheck.core.shared_things import Key
from pytest_racecheck.core.values import WHOLE
from pytest_racecheck.instrument.classify import C_DATA, c_base, dict_of, found_on, mro_of, namespace_of
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.state import STATE

MOST_PARTS: Final = 16
"""An access that touches more of them touches the whole."""

Where = tuple[int, Hashable, tuple[Place, ...]]
"""Target, part, and further places."""

_address_of: Final = ctypes.addressof
_size_of: Final = ctypes.sizeof


class _Buffer(ctypes.Structure):
    """``Py_buffer``."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    )


_WITH_STRIDES: Final = 0x0010 | 0x0008
_get_buffer: Final = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int)
_release_buffer: Final = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.POINTER(_Buffer),)


class _Span:
    """Where the memory of a buffer begins, and how its items follow each other if there is one row of them."""

    __slots__ = ("begin", "count", "item", "step")

    def __init__(self, exporter: Any) -> None:
        buffer = _Buffer()
        _get_buffer(exporter, buffer, _WITH_STRIDES)
        try:
            self.begin = buffer.buf or 0
            self.item = buffer.itemsize
            row = buffer.ndim == 1
            self.step = buffer.strides[0] if row and buffer.strides else 0
            self.count = buffer.shape[0] if row and buffer.shape else 0
        finally:
            _release_buffer(buffer)


def place(obj: Any, memory: Any, part: Hashable) -> Where:
    """Where an access to a part of an object lands: an attribute by name, an item by index, or `WHOLE`.

    ``memory`` is what `shared_memory` says of the object. What is no memory that processes share is named by its
    identity.
    """
    if not isinstance(memory, mmap.mmap):
        return id(memory), part if memory is obj else WHOLE, ()
    if any(owner is C_DATA for owner in mro_of(type(obj))):
        return _place_in_data(obj, memory, part)
    base = mapping(memory)
    if base is None:
        return id(memory), part if memory is obj else WHOLE, ()
    key, begin = base
    target = STATE.controller.shared_things.number(key)
    item = _item_of_buffer(obj, part) if type(part) is int else None
    return (target, WHOLE, ()) if item is None else _bytes(target, item[0] - begin, item[1])


def _item_of_buffer(obj: Any, index: int) -> tuple[int, int] | None:
    """Address and size of an item, if that is one of a row of them."""
    try:
        span = _Span(obj)
    except (BufferError, ValueError, TypeError):
        return None
    index = index + span.count if index < 0 else index
    return (span.begin + index * span.step, span.item) if span.step and 0 <= index < span.count else None


def whole(obj: Any, memory: Any) -> int:
    """The target of an access to all of an object; ``memory`` is what `shared_memory` says of it."""
    if type(memory) is not mmap.mmap:
        return STATE.sharing.unalias(id(memory))
    return place(obj, memory, WHOLE)[0]


def _bytes(target: int, begin: int, size: int) -> Where:
    if size > MOST_PARTS:
        return target, WHOLE, ()
    return target, begin, tuple([(target, each) for each in range(begin + 1, begin + size)])


# -- objects of ctypes -----------------------------------------------------------------------------------------------


def _place_in_data(obj: Any, memory: mmap.mmap, part: Hashable) -> Where:
    root = obj
    while (above := c_base(root)) is not None:
        root = above
    block = _block_of(root)
    base = None if block is not None else mapping(memory)
    if block is None and base is None:
        return id(memory), WHOLE, ()
    found = _leaf(obj, part)
    if block is not None:
        # What lies in a block of its own is seen as this type by everybody: the place where a leaf begins says it all.
        target = STATE.controller.shared_things.number(block)
        return (target, WHOLE, ()) if found is None else (target, found[0] - _address_of(root), ())
    key, begin = base or ((), 0)
    target = STATE.controller.shared_things.number(key)
    return (target, WHOLE, ()) if found is None else _bytes(target, found[0] - begin, found[1])


def _leaf(obj: Any, part: Hashable) -> tuple[int, int] | None:
    """Address and size of a simple value inside an object; ``None`` if the access touches more than one."""
    kind = type(obj)
    if type(part) is str:
        if part == "value" and issubclass(kind, _SIMPLE):
            return _address_of(obj), _size_of(obj)
        owner, field = found_on(kind, part)
        if type(field) is not _FIELD or not _is_simple(owner, part) or issubclass(kind, ctypes.Union):
            return None
        return (_address_of(obj) + field.offset, field.size) if field.size < _BITS else None
    if type(part) is int and issubclass(kind, ctypes.Array):
        item: Any = kind._type_
        length: Any = kind._length_
        index = part + length if part < 0 else part
        if issubclass(item, _SIMPLE) and 0 <= index < length:
            size = _size_of(item)
            return _address_of(obj) + index * size, size
    return None


def _is_simple(owner: Any, name: str) -> bool:
    """Whether a field of a structure holds a number, not a structure or an array."""
    fields = namespace_of(owner).get("_fields_", ())
    return any(field[0] == name and issubclass(field[1], _SIMPLE) for field in fields)


class _Example(ctypes.Structure):
    _fields_ = (("field", ctypes.c_int),)


_BITS: Final = 1 << 16
"""From here on the size of a field says how many bits of a number it has."""
_FIELD: Final = type(_Example.field)
_SIMPLE: Final[type] = mro_of(ctypes.c_int)[1]


def _block_of(root: Any) -> Key | None:
    """What names the block that ``multiprocessing`` has made for an object; ``None`` if it has not."""
    wrapper = (dict_of(root) or {}).get("_wrapper")
    if type(wrapper) is not heap.BufferWrapper:
        return None
    (arena, start, _), _ = wrapper._state  # type: ignore[attr-defined]
    return (*_key_of_arena(arena), start)


_arenas: dict[int, tuple[weakref.ref[Any], Key]] = {}


def _key_of_arena(arena: Any) -> Key:
    sought = id(arena)
    known = _arenas[sought] if sought in _arenas else None
    if known is None or known[0]() is not arena:
        try:
            status = os.fstat(arena.fd)
            key: Key = ("arena", status.st_dev, status.st_ino)
        except (OSError, AttributeError):
            key = ("arena", id(arena))
        known = _arenas[id(arena)] = (weakref.ref(arena), key)
    return known[1]


# -- mappings ----------------------------------------------------------------------------------------------------------

_mappings: dict[int, tuple[weakref.ref[Any], tuple[Key, int] | None]] = {}


def mapping(memory: mmap.mmap) -> tuple[Key, int] | None:
    """What a mapping shows, as every process that maps it would say, and where that begins here.

    ``None`` if no other process sees what is written to it.
    """
    sought = id(memory)
    known = _mappings[sought] if sought in _mappings else None
    if known is None or known[0]() is not memory:
        try:
            begin = _Span(memory).begin
        except (BufferError, ValueError):  # it was closed
            return None
        known = _mappings[id(memory)] = (weakref.ref(memory), _file_behind(begin))
    return known[1]


def _file_behind(address: int) -> tuple[Key, int] | None:
    """By device and number of the file: what is shared without a file has those as well, and so have semaphores."""
    try:
        with Path("/proc/self/maps").open(encoding="utf-8", errors="replace") as maps:
            for line in maps:
                span, flags, offset, device, inode, *_ = line.split(maxsplit=5)
                begin, _, end = span.partition("-")
                if int(begin, 16) <= address < int(end, 16):
                    shared = flags.endswith("s")
                    return (("map", device, int(inode)), int(begin, 16) - int(offset, 16)) if shared else None
    except OSError:
        pass
    return ("map", address), address
