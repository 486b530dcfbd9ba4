"""``sqlite3``: a statement is announced, and tried without waiting; who finds the database locked tries again later."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import Operation, Site
from pytest_racecheck.instrument.names import short, source_of
from pytest_racecheck.instrument.stand_ins import Handler

try:
    import sqlite3
except ImportError:
    sqlite3 = None  # type: ignore[assignment]


class _Known(NamedTuple):
    name: tuple[Any, ...]
    """What the database is called in every process."""
    seconds: float
    """So long does a statement wait."""


_patience: dict[int, float] = {}
"""Identity of a connection -> how long it would wait, if it did so itself."""


def _known(connection: Any) -> _Known:
    """Look where a connection leads; from now on it waits for nothing itself.

    It is asked every time: a connection can't be referred to weakly, and that it goes may be what others wait for.
    """
    path = None
    try:
        cursor = connection.cursor()
        rows = cursor.execute("PRAGMA database_list").fetchall()
        path = next((row[2] for row in rows if row[1] == "main"), None)
        milliseconds = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        if milliseconds:
            _patience[id(connection)] = milliseconds / 1000
            cursor.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error:  # it was closed, or is another thread's: what follows raises the same
        pass
    name = ("database", os.path.realpath(path)) if path else ("memory", id(connection))
    return _Known(name, _patience.get(id(connection), 0.0))


def _statement(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """What runs a statement, or ends a transaction."""
    if controller.running is None:
        return function
    return partial(_run, controller, site, owner, function)


def _run(controller: Controller, site: Site, owner: Any, function: Any, *arguments: Any, **keywords: Any) -> Any:
    with controller.unhooked():
        known = _known(getattr(owner, "connection", owner))
    target = controller.shared_things.number(known.name)
    if controller.concurrent:
        controller.reach(Operation("update", site, target))
    recorder: Any = controller.recorder
    if recorder is not None:
        recorder.step(site, "update", target, short(source_of(site)))
    deadline = controller.clock.now + known.seconds
    while True:
        try:
            found = function(*arguments, **keywords)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            operation = Operation("wait", site, target)
            if not controller.reach_change(operation, deadline, lambda: "waits for a database to be unlocked"):
                controller.touch("give-up", target)
                raise
        else:
            controller.changed(target)
            return found


_METHODS: Final = ("execute", "executemany", "executescript", "commit", "rollback", "close", "__exit__", "backup")


def methods() -> dict[type, dict[str, Handler]]:
    """For connections and cursors, what their methods do."""
    if sqlite3 is None:
        return {}
    table: dict[str, Handler] = dict.fromkeys(_METHODS, _statement)
    return {sqlite3.Connection: table, sqlite3.Cursor: {**table, **dict.fromkeys(("fetchone", "fetchall"), _fetch)}}


def _fetch(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """A read goes on as long as rows are fetched."""
    if controller.running is not None:
        controller.changed(controller.shared_things.number(_known(owner.connection).name))
    return function
