"""Writes down what a run did, with names and values, for the one run that is going to be shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from itertools import islice
from types import CellType
from typing import Any, Final, TypeVar

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import WHOLE, Event, Kind, Operation, Site, TaskId
from pytest_racecheck.instrument.classify import DELETED, FIELDS, SIMPLE, Home, dict_of, found_on, name_of
from pytest_racecheck.instrument.names import attribute_name, container_name, item_name
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.targets import target_of

MOST_EVENTS: Final = 20_000
PREEMPTED: Final = "preempted"
"""The note of an event that marks where a task was stopped that could have gone on."""

DEPTH: Final = 3
WIDTH: Final = 8
MOST_SORTED: Final = 100
"""Of a larger set only the size is told."""
_FLAT: Final = frozenset(map(id, (list, tuple, set, frozenset)))

_NOTHING: Final = object()

UserPlace = tuple[str, int, str]
"""File, line and function."""


Method = TypeVar("Method", bound=Callable[..., None])


def _unhooked(method: Method) -> Method:
    """What writing down itself does is not part of the run."""

    @wraps(method)
    def unhooked(self: Recording, *arguments: Any, **keywords: Any) -> None:
        with self.controller.unhooked():
            method(self, *arguments, **keywords)

    return unhooked  # type: ignore[return-value]


class Recording:
    """Events in the order in which they happened; whether a location was shared is known only at the end."""

    def __init__(self, controller: Controller, attributes: Any) -> None:
        self.controller = controller
        self._attributes = attributes
        self._events: list[tuple[Event, object]] = []
        self._tasks: dict[object, set[TaskId]] = {}
        self._written: set[object] = set()
        self._initial: dict[object, tuple[str, str]] = {}
        self._outside: set[int] = set()
        """Numbers of the events in code outside the scope: shown only where nothing else tells what happened."""

    # -- what hooks tell ---------------------------------------------------------------------------------------

    @_unhooked
    def read_global(self, site: Site) -> None:
        """A global variable was read."""
        namespace = site.namespace or {}
        self._read(site, (id(namespace), site.name), site.name, namespace.get(site.name, _NOTHING))

    @_unhooked
    def read_cell(self, site: Site, cell: CellType) -> None:
        """A variable of an enclosing function was read."""
        try:
            value = cell.cell_contents
        except ValueError:
            value = _NOTHING
        self._read(site, (id(cell), site.name), site.name, value)

    @_unhooked
    def write_variable(
        self, site: Site, target: int, value: object, part: Hashable = None, also: tuple[Place, ...] = ()
    ) -> None:
        """A variable or an attribute was set."""
        name = site.name if "global" in site.action or "cell" in site.action else attribute_name(site)
        self._add(site, "write", (target, site.name if part is None else part), name, text_of(value), also)

    @_unhooked
    def read_attribute(
        self, site: Site, obj: object, target: int, part: Hashable, also: tuple[Place, ...] = ()
    ) -> None:
        """An attribute was read."""
        self._read(site, (target, part), attribute_name(site), self._peek(obj, site.name), also)

    @_unhooked
    def read_value(self, site: Site, target: int, part: Hashable, value: object, also: tuple[Place, ...]) -> None:
        """The same where it is not to be looked for."""
        self._read(site, (target, part), attribute_name(site), value, also)

    @_unhooked
    def read_key(self, site: Site, container: Any, key: Any, target: int, part: Hashable) -> None:
        """An item was read, or an attribute of a module."""
        value = _NOTHING
        if (type(container) is dict or type(container) is list) and id(type(key)) in SIMPLE:
            try:
                value = container[key]
            except (LookupError, TypeError):
                value = _NOTHING
        name = attribute_name(site) if site.action == "read_attribute" else item_name(site, text_of(key))
        self._read(site, (target, part), name, value)

    @_unhooked
    def read_item(
        self, site: Site, key: object, target: int, part: Hashable, value: object, also: tuple[Place, ...]
    ) -> None:
        """An item was read that is not to be looked for."""
        self._read(site, (target, part), item_name(site, text_of(key)), value, also)

    @_unhooked
    def write_key(
        self, site: Site, key: object, value: object, target: int, part: Hashable, also: tuple[Place, ...] = ()
    ) -> None:
        """An item was set."""
        self._add(site, "write", (target, part), item_name(site, text_of(key)), text_of(value), also)

    @_unhooked
    def container(
        self,
        site: Site,
        kind: Kind,
        obj: object,
        target: int,
        part: Hashable,
        detail: str = "",
        also: tuple[Place, ...] = (),
    ) -> None:
        """A container was read or changed as a whole."""
        value = text_of(obj) if kind == "read" else ""
        name = container_name(site) + (f".{detail}" if detail else "")
        self._add(site, kind, (target, part), name, value, also)

    @_unhooked
    def files(self, site: Site, kind: Kind, target: int, name: str, part: Hashable = WHOLE) -> None:
        """The file system was read or changed by a function, or a part of it."""
        self._add(site, kind, (target, part), name, "")

    @_unhooked
    def step(self, site: Site, kind: Kind, target: int, name: str) -> None:
        """Something was done to what processes share, and is known by its target only."""
        if site.hidden:
            self._add_outside(site, kind, target, name)
        else:
            self._add(site, kind, target, name, "")

    @_unhooked
    def synchronisation(self, site: Site, kind: Kind, obj: object, name: str) -> None:
        """A lock was taken or released, a thread joined."""
        if site.hidden:
            self._add_outside(site, kind, target_of(obj), name)
        else:
            self._add(site, kind, target_of(obj), name, "")

    def note(self, task: Task, operation: Operation, text: str) -> None:
        """See `Recorder`."""
        site = operation.site
        place = STATE.discoverer.user_place(task.ident) if site.hidden or not site.filename else None
        self.append(task, operation.kind, site, "", "", object(), text, place)

    def preempted(self, task: Task) -> None:
        """See `Recorder`."""
        self.note(task, Operation("yield", task.operation.site), PREEMPTED)

    # -- what is asked at the end ------------------------------------------------------------------------------

    def events(self) -> tuple[Event, ...]:
        """See `Recorder`."""
        shown = [event._replace(shared=self._shared(location)) for event, location in self._events]
        if any(event.shared and number not in self._outside for number, event in enumerate(shown)):
            return tuple(event for number, event in enumerate(shown) if number not in self._outside)
        return tuple(shown)

    def initial_values(self) -> tuple[tuple[str, str], ...]:
        """See `Recorder`."""
        return tuple((name, text) for name, text in self._initial.values() if text and not text.startswith("<"))

    # -- inside ------------------------------------------------------------------------------------------------

    def _shared(self, location: object) -> bool:
        if type(location) is tuple:
            return any(map(STATE.sharing.is_shared, location))
        return location in self._tasks and len(self._tasks[location]) > 1

    def _peek(self, obj: Any, name: str) -> object:
        """The value of an attribute, without running any code of the user's."""
        kind = type(obj)
        if issubclass(kind, type):
            owner, value = found_on(obj, name)
            return _NOTHING if owner is None else value
        own = (dict_of(obj) or {}).get(name, _NOTHING)
        owner, value = found_on(kind, name)
        if own is not _NOTHING or owner is None:
            return own
        if id(type(value)) in FIELDS:
            try:
                return value.__get__(obj, kind)
            except AttributeError:
                return _NOTHING
        return value if self._attributes.home(kind, name)[1] is Home.CLASS else _NOTHING

    def _read(self, site: Site, place: Place, name: str, value: object, also: tuple[Place, ...] = ()) -> None:
        text = "" if value is _NOTHING else text_of(value)
        self.begins_with(place, name, text)
        self._add(site, "read", place, name, text, also)

    def _add(
        self, site: Site, kind: Kind, location: object, name: str, value: str, also: tuple[Place, ...] = ()
    ) -> None:
        task = self.controller.running
        if task is None or site.hidden or self.controller.ending:
            return
        self.touched(task, kind, location)
        self.append(task, kind, site, name, value, (location, *also) if type(location) is tuple else location, "")

    def _add_outside(self, site: Site, kind: Kind, location: object, name: str) -> None:
        """What library code does for the user's code stands at the user's line; only taking and waiting is told."""
        task = self.controller.running
        if task is None or self.controller.ending or kind == "release":
            return
        self.touched(task, "read", location)
        place = STATE.discoverer.user_place(task.ident)
        if place is not None:
            self.append(task, kind, site, f"{name} in {site.qualname}", "", location, "", place, outside=True)

    # -- the end of all that; a process that another one explores sends it there instead ---------------------------

    def begins_with(self, place: Place, name: str, text: str) -> None:
        """What a place held before this run has written to it."""
        if place not in self._written:
            self._initial.setdefault(place, (name, text))

    def touched(self, task: Task, kind: Kind, location: object) -> None:
        """A task has touched a location."""
        self._tasks.setdefault(location, set()).add(task.id)
        if kind != "read":
            self._written.add(location)

    def append(
        self,
        task: Task,
        kind: Kind,
        site: Site,
        name: str,
        value: str,
        location: object,
        note: str,
        place: UserPlace | None = None,
        *,
        outside: bool = False,
    ) -> None:
        """Write down an event; ``outside`` says that it is of interest only where nothing else tells what happened."""
        if len(self._events) < MOST_EVENTS:
            if outside:
                self._outside.add(len(self._events))
            filename, line, function = place or (site.filename, site.line, site.qualname)
            times = task.counts[site] if site in task.counts else 0
            event = Event(task.id, kind, filename, line, function, name, value, False, note, site.key, times)
            self._events.append((event, location))


def text_of(value: Any, depth: int = DEPTH) -> str:
    """A short text of a value; only builtin values are spelled out, of others the type is told."""
    if value is DELETED:
        return "<deleted>"
    kind = type(value)
    if id(kind) in SIMPLE:
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"
    if id(kind) in _FLAT and depth:
        ordered = kind is list or kind is tuple
        length = len(value)
        few = value[:WIDTH] if ordered else value if length <= MOST_SORTED else ()
        texts = [text_of(each, depth - 1) for each in few]
        if not ordered:
            texts.sort()  # their own order changes from process to process
        return _brackets(kind, texts[:WIDTH], length)
    if kind is dict and depth:
        pairs = list(islice(value.items(), WIDTH))
        items = [f"{text_of(key, depth - 1)}: {text_of(each, depth - 1)}" for key, each in pairs]
        return _brackets(dict, items, len(value))
    return f"<class {name_of(value)}>" if issubclass(kind, type) else f"<{name_of(kind)}>"


def _brackets(kind: type, items: list[str], length: int) -> str:
    inside = ", ".join(items) + (f", ... ({length} items)" if length > len(items) else "")
    if kind is list:
        return f"[{inside}]"
    if kind is tuple:
        return f"({inside},)" if length == 1 else f"({inside})"
    return f"{{{inside}}}" if length or kind is dict else f"{kind.__name__}()"
