"""``ShareableList``: what is done to an item is one access to the memory that it lies in."""

from __future__ import annotations

from functools import cache, partial
from multiprocessing import shared_memory
from typing import Any

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import WHOLE, Kind, Site
from pytest_racecheck.instrument import mapped
from pytest_racecheck.instrument.accesses import access
from pytest_racecheck.instrument.classify import dict_of
from pytest_racecheck.instrument.primitives import Within, perform
from pytest_racecheck.instrument.stand_ins import Handler


@cache
def _item(kind: Kind) -> Handler:
    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        index = arguments[0] if arguments and type(arguments[0]) is int else None
        value = arguments[1] if len(arguments) == 2 else None
        return _access(controller, site, function, owner, kind, index, value)

    return handler


def _whole(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    return _access(controller, site, function, owner, "read", None, None)


def _access(
    controller: Controller, site: Site, function: Any, owner: Any, kind: Kind, index: int | None, value: Any
) -> Any:
    task = controller.running
    fields = dict_of(owner) or {}
    if task is None or "shm" not in fields or task.within is not None:
        return function
    if controller.concurrent:
        target, part, also = _place(owner, fields, index)
        access(controller, kind, site, target, part, also)
        recorder: Any = controller.recorder
        if recorder is not None and kind == "write":
            recorder.write_key(site, owner, index, value, target, part, also)
        elif recorder is not None:
            with controller.unhooked():
                found = function(index) if index is not None and -len(owner) <= index < len(owner) else None
            recorder.read_item(site, owner, index, target, part, found, also)
    return partial(perform, task, Within(site, owner, "", task, (), open=False), function)


def _place(owner: Any, fields: dict[str, Any], index: int | None) -> mapped.Where:
    """Where an item lies; its bytes and those that say what it is."""
    memory = fields["shm"]._mmap
    if index is None:
        return mapped.place(memory, memory, WHOLE)
    offsets = fields["_allocated_offsets"]
    number = index + fields["_list_len"] if index < 0 else index
    if not 0 <= number < fields["_list_len"]:
        return mapped.place(memory, memory, WHOLE)
    return mapped.place(memory, memory, owner._offset_data_start + offsets[number])


def handlers() -> list[tuple[Any, Handler]]:
    """Functions that have a stand-in, and what it asks."""
    kind: Any = shared_memory.ShareableList
    return [
        (kind.__getitem__, _item("read")),
        (kind.__setitem__, _item("write")),
        (kind.count, _whole),
        (kind.index, _whole),
    ]
