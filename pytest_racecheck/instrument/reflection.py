"""Functions that stand for syntax: ``getattr(obj, name)``, ``len(items)``, ``operator.setitem(...)``, ``exec``."""

from __future__ import annotations

import operator
import sys
from typing import Any, Final

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument import attributes, containers, unproven
from pytest_racecheck.instrument.containers import touch
from pytest_racecheck.instrument.sharing import STRUCTURE
from pytest_racecheck.instrument.state import STATE


def as_site(site: Site, name: str) -> Site:
    """The attribute that is named by an argument, at the place of the call."""
    if site.name != name:
        site.name = name
    return site


def get(site: Site, arguments: tuple[Any, ...]) -> None:
    """``getattr(obj, name)``, ``hasattr(obj, name)``."""
    if len(arguments) >= 2 and type(arguments[1]) is str:
        attributes.read_attribute(as_site(site, arguments[1]), arguments[0])


def set_(site: Site, arguments: tuple[Any, ...]) -> None:
    """``setattr(obj, name, value)``."""
    if len(arguments) == 3 and type(arguments[1]) is str:
        attributes.write_attribute(as_site(site, arguments[1]), arguments[0], arguments[2])


def delete(site: Site, arguments: tuple[Any, ...]) -> None:
    """``delattr(obj, name)``."""
    if len(arguments) == 2 and type(arguments[1]) is str:
        attributes.delete_attribute(as_site(site, arguments[1]), arguments[0])


def _vars(site: Site, arguments: tuple[Any, ...]) -> None:
    if arguments:
        attributes.read_attribute(as_site(site, "__dict__"), arguments[0])


def _len(site: Site, arguments: tuple[Any, ...]) -> None:
    for argument in arguments:
        touch(site, argument, "read", STRUCTURE, "__len__")


def _iter(site: Site, arguments: tuple[Any, ...]) -> None:
    if arguments:
        containers.iterate(site, arguments[0])


def _next(site: Site, arguments: tuple[Any, ...]) -> None:
    if arguments:
        STATE.sharing.travelling.add(id(arguments[0]))
        containers.advance(site, arguments[0])


def _evaluate(site: Site, arguments: tuple[Any, ...]) -> None:
    """``exec`` and ``eval``: text runs without hooks, and may do anything to the variables that it is given."""
    controller = STATE.controller
    unproven.runs_text(controller, site)
    namespaces = arguments[1:] or (getattr(sys.modules.get(site.module), "__dict__", None),)
    for namespace in namespaces:
        STATE.discoverer.evaluated(namespace)
        attributes.opaque(controller, site, namespace)


def _item(hook: Any, count: int) -> Any:
    def handler(site: Site, arguments: tuple[Any, ...]) -> None:
        if len(arguments) == count:
            hook(site, *arguments)

    return handler


def _contains(site: Site, arguments: tuple[Any, ...]) -> None:
    if len(arguments) == 2:
        containers.contains(site, arguments[1], arguments[0])


def _truth(site: Site, arguments: tuple[Any, ...]) -> None:
    for argument in arguments:
        containers.truth(site, argument)


FUNCTIONS: Final = {
    getattr: get,
    hasattr: get,
    setattr: set_,
    delattr: delete,
    vars: _vars,
    len: _len,
    iter: _iter,
    next: _next,
    exec: _evaluate,
    eval: _evaluate,
    operator.getitem: _item(containers.read_item, 2),
    operator.setitem: _item(containers.write_item, 3),
    operator.delitem: _item(containers.delete_item, 2),
    operator.contains: _contains,
    operator.not_: _truth,
    operator.truth: _truth,
}
METHODS: Final = {"__setattr__": set_, "__getattribute__": get, "__delattr__": delete}
"""``object.__setattr__(obj, "n", 1)`` and its like."""
