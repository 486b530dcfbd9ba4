"""The hooks at variables: globals and closures."""

from __future__ import annotations

from _thread import get_ident
from typing import Any

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.accesses import access, admitted
from pytest_racecheck.instrument.classify import (
    DELETED,
)
from pytest_racecheck.instrument.state import STATE


def read_global(site: Site) -> None:
    """A global variable is going to be read."""
    controller = STATE.controller
    if (get_ident() == controller.ident or admitted(controller)) and controller.concurrent:
        access(controller, "read", site, id(site.namespace), site.name)
        if controller.recorder is not None:
            controller.recorder.read_global(site)  # type: ignore[attr-defined]


def write_global(site: Site, value: object) -> None:
    """A global variable is going to be bound."""
    controller = STATE.controller
    if (get_ident() == controller.ident or admitted(controller)) and controller.concurrent:
        access(controller, "write", site, id(site.namespace), site.name)
        if controller.recorder is not None:
            controller.recorder.write_variable(site, site.namespace, id(site.namespace), value)  # type: ignore[attr-defined]


def delete_global(site: Site) -> None:
    """A global variable is going to be unbound."""
    write_global(site, DELETED)


def read_cell(site: Site, cell: Any) -> None:
    """A variable of an enclosing function is going to be read."""
    controller = STATE.controller
    if (get_ident() == controller.ident or admitted(controller)) and controller.concurrent:
        access(controller, "read", site, id(cell), site.name)
        if controller.recorder is not None:
            controller.recorder.read_cell(site, cell)  # type: ignore[attr-defined]


def write_cell(site: Site, cell: object, value: object) -> None:
    """A variable of an enclosing function is going to be bound."""
    controller = STATE.controller
    if (get_ident() == controller.ident or admitted(controller)) and controller.concurrent:
        access(controller, "write", site, id(cell), site.name)
        if controller.recorder is not None:
            controller.recorder.write_variable(site, cell, id(cell), value)  # type: ignore[attr-defined]


def delete_cell(site: Site, cell: object) -> None:
    """A variable of an enclosing function is going to be unbound."""
    write_cell(site, cell, DELETED)
