"""Watches a run from which something is to be learned: what it leaves behind, and what happens at some of its steps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from types import CellType, FrameType, ModuleType
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.observation import Left, Seen, Spots
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.values import Kind, Side, Site
from pytest_racecheck.instrument.attributes import module_dict
from pytest_racecheck.instrument.canonical import Canonical
from pytest_racecheck.instrument.classify import DELETED, FIELDS, dict_of, found_on, name_of
from pytest_racecheck.instrument.recording import NOTHING, Recording, text_of
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import HOLDERS

MOST_FRAMES: Final = 20


class _Touched(NamedTuple):
    """A location that the run has touched; its owner is kept, or another object would get its identity."""

    what: str
    """``global``, ``cell``, ``attribute`` or ``items``."""
    owner: Any
    part: Any
    name: str
    shown: str


class Observing(Recording):
    """A recorder that also keeps what was touched, to tell at the end what is there."""

    def __init__(self, controller: Controller, attributes: Any, spots: Spots) -> None:
        super().__init__(controller, attributes)
        self.seen: dict[str, Seen] = {}
        self._spots = spots
        self._touched: dict[tuple[object, ...], _Touched] = {}
        self._shared_places: set[tuple[object, ...]] = set()
        """Touched where tasks are known to share what is touched; or variables that somebody has set."""
        self._identities = Canonical()

    def left(self, bodies: Sequence[Callable[[], object]]) -> tuple[Left, ...]:
        """What is there now, when the run is over: what the bodies returned and hold, and what tasks have shared."""
        results = [self.controller.results[task] for task in sorted(self.controller.results)]
        values = [(each, *_value_of(each)) for key, each in self._touched.items() if key in self._shared_places]
        known = [(each, value) for each, value, there in values if there]
        missing = [Left(each.name, "<nothing>", "nothing") for each, _, there in values if not there]
        shared = [Left(each.name, Canonical().text(value), f"{each.shown} = {text_of(value)}") for each, value in known]
        everything = Left("everything", Canonical().text([results, list(bodies)]), "")
        first = (
            [Left("results", Canonical().text(results), f"results {text_of(results)}")]
            if any(map(_is_told, results))
            else []
        )
        return (*first, *sorted([*shared, *missing]), everything)

    # -- inside ------------------------------------------------------------------------------------------------

    def _add(
        self,
        site: Site,
        kind: Kind,
        location: object,
        name: str,
        value: str,
        also: tuple[Place, ...] = (),
        owner: object = None,
        raw: object = None,
    ) -> None:
        super()._add(site, kind, location, name, value, also, owner, raw)
        task = self.controller.running
        if task is None or self.controller.ending or owner is None or type(location) is not tuple:
            return
        touched = _touched(site, owner, location[1], name)
        target = id(touched.owner)
        key = (touched.what, target, touched.part)
        self._touched.setdefault(key, touched)
        if site.shared or (kind != "read" and touched.what in ("global", "cell")):
            self._shared_places.add(key)
        spot = self._spots.get(task.id)
        if spot is not None and spot.place == site.key and spot.label not in self.seen:
            self.seen[spot.label] = Seen(
                self._side(site, kind, name, value),
                touched.shown if touched.what == "items" else touched.name,
                touched.shown,
                Canonical().text(raw) if raw is not NOTHING and raw is not DELETED else value,
                self._identities.text(raw) if raw is not NOTHING and raw is not DELETED else value,
            )

    def _side(self, site: Site, kind: Kind, name: str, value: str) -> Side:
        task = self.controller.running
        if task is None:
            raise RuntimeError("nobody moves")
        held = HOLDERS.held_by(task)
        return Side(
            task=task.id,
            kind=kind,
            filename=site.filename,
            line=site.line,
            function=site.qualname,
            name=name,
            value=value,
            stack=_stack(sys._getframe(1)),
            locks=tuple([holder.name for holder in held]),
            started=task.spawned_at,
        )


def _is_told(result: object) -> bool:
    return result is not None


def _touched(site: Site, owner: Any, part: Any, name: str) -> _Touched:
    """What to call a location, so that it is called the same in every run."""
    kind = type(owner)
    if kind is CellType:
        return _Touched("cell", owner, part, f"{part}", site.name)
    if owner is site.namespace and "global" in site.action:
        return _Touched("global", owner, part, f"{site.module}.{part}", site.name)
    if kind is ModuleType or (kind is dict and "attribute" in site.action):
        namespace = owner if kind is dict else module_dict(owner)
        return _Touched("global", namespace, site.name, f"{namespace.get('__name__')}.{site.name}", name)
    if "attribute" in site.action or ("call" in site.action and site.name and part == site.name):
        cls = owner if issubclass(kind, type) else kind
        return _Touched("attribute", owner, site.name, f"{name_of(cls)}.{site.name}", f"{name_of(cls)}.{site.name}")
    return _Touched("items", owner, None, name_of(kind), _container(name))


def _container(name: str) -> str:
    """``self.items`` of ``self.items[0]`` and ``self.items.append(1)``."""
    return re.sub(r"(\[[^\[\]]*\]|\.\w+\(.*\))$", "", name)


def _value_of(touched: _Touched) -> tuple[Any, bool]:
    """What is at a location now, and whether anything is."""
    owner, part = touched.owner, touched.part
    value: Any = NOTHING
    if touched.what == "items":
        value = owner
    elif touched.what == "global":
        value = owner.get(part, NOTHING)
    elif touched.what == "cell":
        try:
            value = owner.cell_contents
        except ValueError:
            pass
    elif issubclass(type(owner), type):
        value = found_on(owner, part)[1]
    else:
        value = (dict_of(owner) or {}).get(part, NOTHING)
        member = found_on(type(owner), part)[1]
        if value is NOTHING and id(type(member)) in FIELDS:
            try:
                value = member.__get__(owner, type(owner))
            except AttributeError:
                pass
    return value, value is not NOTHING


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    """The code in scope that led here, innermost first."""
    found: list[str] = []
    while frame is not None and len(found) < MOST_FRAMES:
        code = frame.f_code
        if not is_ours(code.co_filename) and STATE.discoverer.covers(code, frame.f_globals):
            found.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}")
        frame = frame.f_back
    return tuple(found)
