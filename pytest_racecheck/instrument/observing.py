"""Watches a run from which something is to be learned: what it leaves behind, and what happens at some of its steps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import chain
from types import CellType, FrameType, FunctionType, MethodType
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.observation import Left, Seen, Spots
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import WHOLE, Event, Kind, Operation, Side, Site
from pytest_racecheck.instrument.attributes import module_dict
from pytest_racecheck.instrument.canonical import Canonical
from pytest_racecheck.instrument.classify import DELETED, FIELDS, dict_of, found_on, name_of
from pytest_racecheck.instrument.memories import content_of, is_memory
from pytest_racecheck.instrument.names import attribute_name, container_name, item_name
from pytest_racecheck.instrument.recording import NOTHING, item_of, peek, text_of
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import HOLDERS

MOST_FRAMES: Final = 20


class _Touched(NamedTuple):
    """A location that the run has touched; its owner is kept, or another object would get its identity."""

    what: str
    """``global``, ``cell``, ``attribute``, ``items`` or ``memory``, which processes can share."""
    owner: Any
    part: Any
    site: Site

    @property
    def name(self) -> str:
        """What to call it, the same in every run."""
        if self.what in _WHOLE:
            return str(name_of(type(self.owner)))
        if self.what == "cell":
            return str(self.part)
        if self.what == "global":
            return f"{self.owner.get('__name__')}.{self.part}"
        return f"{name_of(_class_of(self.owner))}.{self.part}"

    @property
    def shown(self) -> str:
        """What to call it where people look at the source."""
        if self.what == "items":
            name = _container(container_name(self.site))
            return self.name if name in ("self", "cls", "") else name
        if self.what == "memory":
            return re.sub(r"\[[^\[\]]*\]$", "", attribute_name(self.site)) or self.name
        return self.name if self.what == "attribute" else str(self.part)


class Observing:
    """An `Observer`. It is told of everything that is touched and remembers only what; the rest is found at the end."""

    def __init__(self, controller: Controller, spots: Spots) -> None:
        self.seen: dict[str, Seen] = {}
        self._controller = controller
        self._spots = spots
        self._touched: dict[tuple[str, int, object], _Touched] = {}
        self._last: _Touched
        """What was touched last."""
        self._identities = self._canonical()

    # -- what hooks tell ---------------------------------------------------------------------------------------

    def read_global(self, site: Site) -> None:
        """A global variable was read."""
        self._met("global", site.namespace, site.name, site)
        if self._is_spot(site):
            self._look(site, "read", site.name, (site.namespace or {}).get(site.name, NOTHING))

    def read_cell(self, site: Site, cell: CellType) -> None:
        """A variable of an enclosing function was read."""
        self._met("cell", cell, site.name, site)
        if self._is_spot(site):
            self._look(site, "read", site.name, _content(cell))

    def write_variable(
        self,
        site: Site,
        owner: Any,
        target: int,
        value: object,
        part: Hashable = None,
        also: tuple[Place, ...] = (),
    ) -> None:
        """A variable or an attribute was set."""
        if type(owner) is CellType:
            self._met("cell", owner, site.name, site, changed=True)
        elif owner is site.namespace and owner is not None:
            self._met("global", owner, site.name, site, changed=True)
        elif is_memory(owner):
            self._met("memory", owner, None, site)
        else:
            self._met_attribute(site, owner)
        if self._is_spot(site):
            with self._controller.unhooked():
                is_variable = "attribute" not in site.action and "call" not in site.action
                self._look(site, "write", site.name if is_variable else attribute_name(site), value)

    def read_attribute(self, site: Site, obj: Any, target: int, part: Hashable, also: tuple[Place, ...] = ()) -> None:
        """An attribute was read."""
        self._met_attribute(site, obj)
        if self._is_spot(site):
            with self._controller.unhooked():
                self._look(site, "read", attribute_name(site), peek(obj, site.name))

    def read_key(self, site: Site, container: Any, key: Any, target: int, part: Hashable) -> None:
        """An item was read, or an attribute of a module."""
        if site.action == "read_attribute":
            self._met("global", container, site.name, site)
        else:
            self._met("items", container, None, site)
        if self._is_spot(site):
            with self._controller.unhooked():
                name = attribute_name(site) if site.action == "read_attribute" else item_name(site, text_of(key))
                self._look(site, "read", name, item_of(container, key))

    def read_value(
        self, site: Site, owner: Any, target: int, part: Hashable, value: object, also: tuple[Place, ...]
    ) -> None:
        """Memory was read that processes can share."""
        self._met("memory", owner, None, site)
        if self._is_spot(site):
            with self._controller.unhooked():
                self._look(site, "read", attribute_name(site), value)

    def read_item(
        self, site: Site, owner: Any, key: object, target: int, part: Hashable, value: object, also: tuple[Place, ...]
    ) -> None:
        """An item of such memory was read."""
        self._met("memory", owner, None, site)
        if self._is_spot(site):
            with self._controller.unhooked():
                self._look(site, "read", item_name(site, text_of(key)), value)

    def write_key(
        self,
        site: Site,
        container: Any,
        key: Any,
        value: object,
        target: int,
        part: Hashable,
        also: tuple[Place, ...] = (),
    ) -> None:
        """An item was set."""
        self._met("memory" if is_memory(container) else "items", container, None, site)
        if self._is_spot(site):
            with self._controller.unhooked():
                self._look(site, "write", item_name(site, text_of(key)), value, key=self._canonical().text(key))

    def container(
        self,
        site: Site,
        kind: Kind,
        obj: Any,
        target: int,
        part: Hashable,
        detail: str = "",
        also: tuple[Place, ...] = (),
    ) -> None:
        """A container was read or changed as a whole."""
        self._met("items", obj, None, site)
        if self._is_spot(site):
            with self._controller.unhooked():
                name = container_name(site) + (f".{detail}" if detail else "")
                self._look(site, kind, name, NOTHING, text_of(obj) if kind == "read" else "", detail)

    def files(self, site: Site, kind: Kind, target: int, name: str, part: Hashable = WHOLE) -> None:
        """The file system was read or changed by a function."""

    def step(self, site: Site, kind: Kind, target: int, name: str) -> None:
        """Something was done to what processes share, and is known by its target only."""

    def synchronisation(self, site: Site, kind: Kind, obj: object, name: str) -> None:
        """A lock was taken or released, a thread joined."""

    def note(self, task: Task, operation: Operation, text: str) -> None:
        """See `Recorder`."""

    def preempted(self, task: Task) -> None:
        """See `Recorder`."""

    # -- what is asked at the end ------------------------------------------------------------------------------

    def events(self) -> tuple[Event, ...]:
        """See `Recorder`: nothing is written down."""
        return ()

    def initial_values(self) -> tuple[tuple[str, str], ...]:
        """See `Recorder`."""
        return ()

    def left(self, bodies: Sequence[Callable[[], object]]) -> tuple[Left, ...]:
        """See `Observer`: what bodies returned and hold, and what is at the places that tasks share."""
        results = [self._controller.returned[task] for task in sorted(self._controller.returned)]
        given = [each for task in sorted(self._controller.held) for each in self._controller.held[task]]
        found: list[Left] = []
        for each in self._touched.values():
            value, is_there = _value_of(each)
            text = f"{each.shown} = {text_of(value)}" if is_there else f"no {each.shown}"
            found.append(Left(each.name, self._canonical().text(value) if is_there else "", text))
        held = [
            Left(name, self._canonical().text(value), f"{name} = {text_of(value)}")
            for name, value in _held_by([*bodies, *chain.from_iterable(given)])
        ]
        everything = Left("everything", self._canonical().text([results, list(bodies), given]), "")
        if any(result is not None for result in results):
            held.append(Left("results", self._canonical().text(results), f"results {text_of(results)}"))
        return (*sorted(found), *held, everything)

    def _canonical(self) -> Canonical:
        return Canonical(self._controller.clock.instants())

    # -- inside ------------------------------------------------------------------------------------------------

    def _met_attribute(self, site: Site, owner: Any) -> None:
        namespace = owner if type(owner) is dict else module_dict(owner) if type(owner) is _MODULE else None
        if namespace is not None:
            self._met("global", namespace, site.name, site)
        else:
            self._met("attribute", owner, site.name, site)

    def _met(self, what: str, owner: Any, part: Any, site: Site, *, changed: bool = False) -> None:
        """A location was touched; it counts where tasks are known to share it, or if it is a variable that is set."""
        self._last = _Touched(what, owner, part, site)
        if site.shared or changed:
            self._touched.setdefault((what, id(owner), part), self._last)

    def _is_spot(self, site: Site) -> bool:
        """Whether the running task is at a step of interest."""
        task = self._controller.running
        spot = self._spots.get(task.id) if task is not None else None
        return spot is not None and spot.place == site.key and spot.label not in self.seen

    def _look(
        self, site: Site, kind: Kind, name: str, raw: object, text: str = "", detail: str = "", key: str = ""
    ) -> None:
        """Keep what is to be known of the step of interest."""
        task = self._controller.running
        if task is None:
            return
        known = raw is not NOTHING and raw is not DELETED
        text = text or ("" if raw is NOTHING else text_of(raw))
        side = Side(
            task=task.id,
            kind=kind,
            filename=site.filename,
            line=site.line,
            function=site.qualname,
            name=name,
            value=text,
            stack=_stack(sys._getframe(1)),
            locks=tuple([holder.name for holder in HOLDERS.held_by(task) if not holder.site.hidden]),
            started=task.spawned_at,
        )
        self.seen[self._spots[task.id].label] = Seen(
            side,
            self._last.name if self._last.what not in _WHOLE else self._last.shown,
            self._last.shown,
            self._last.name,
            key + (self._canonical().text(raw) if known else detail or text),
            self._identities.text(raw) if known else detail or text,
        )


_MODULE: Final = type(re)
_WHOLE: Final = frozenset({"items", "memory"})
"""What is looked at as a whole."""


def _class_of(owner: Any) -> type:
    kind = type(owner)
    return owner if issubclass(kind, type) else kind


def _container(name: str) -> str:
    """``self.items`` of ``self.items[0]`` and ``self.items.append(1)``."""
    return re.sub(r"(\[[^\[\]]*\]|\.\w+\(.*\))$", "", name)


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return NOTHING


def _value_of(touched: _Touched) -> tuple[Any, bool]:
    """What is at a location now, and whether anything is."""
    owner, part = touched.owner, touched.part
    value: Any = NOTHING
    if touched.what == "items":
        value = owner
    elif touched.what == "memory":
        value = content_of(owner)
    elif touched.what == "global":
        value = owner[part] if part in owner else NOTHING
    elif touched.what == "cell":
        value = _content(owner)
    elif issubclass(type(owner), type):
        value = found_on(owner, part)[1]
    else:
        value = (dict_of(owner) or {}).get(part, NOTHING)
        member = found_on(type(owner), part)[1]
        if value is NOTHING and id(type(member)) in FIELDS:
            try:
                value = member.__get__(owner, type(owner))
            except AttributeError:
                value = NOTHING
    return value, value is not NOTHING


def _held_by(bodies: Sequence[Any]) -> list[tuple[str, Any]]:
    """The variables that bodies share with others, and their arguments: each once, by name."""
    found: dict[tuple[str, int], Any] = {}
    for each in bodies:
        body = each
        if type(body) is partial:
            found.update({(name, id(value)): value for name, value in body.keywords.items()})
            body = body.func
        function = body
        if type(body) is MethodType:
            function, owner = body.__func__, body.__self__
            found[str(name_of(_class_of(owner))), id(owner)] = owner
        if type(function) is FunctionType:
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
                value = _content(cell)
                if value is not NOTHING:
                    found[name, id(value)] = value
    return [(name, value) for (name, _), value in found.items()]


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    """The code in scope that led here, innermost first."""
    found: list[str] = []
    while frame is not None and len(found) < MOST_FRAMES:
        code = frame.f_code
        if not is_ours(code.co_filename) and STATE.discoverer.covers(code, frame.f_globals):
            found.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}")
        frame = frame.f_back
    return tuple(found)
