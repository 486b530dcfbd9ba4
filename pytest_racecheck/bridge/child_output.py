"""What processes of a run print, log and warn of, where this process keeps it in its memory: it is told and kept here.

What goes to a descriptor arrives by itself. A process that is not forked has streams, loggers and filters of its own.
"""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

from pytest_racecheck.core.carried import type_named
from pytest_racecheck.core.member import Member
from pytest_racecheck.core.remote import Remote

_FIELDS: Final = (
    "name", "levelno", "levelname", "pathname", "filename", "module", "lineno", "funcName", "created", "msecs",
    "relativeCreated", "thread", "threadName", "process", "processName", "exc_text", "stack_info",
)  # fmt: skip


def prepare(member: Member) -> Callable[[], None]:
    """Make, before the fork, what the new process has to do."""
    streams = [(name, _Stream(member, name)) for name in ("stdout", "stderr") if not _has_descriptor(name)]
    handlers = [
        (handler, _Emit(member, place)) for place, handler in enumerate(logging.root.handlers) if _keeps(handler)
    ]
    keeper = _Keeper(member)

    def begin() -> None:
        for name, stream in streams:
            setattr(sys, name, stream)
        for handler, emit in handlers:
            handler.emit = emit  # type: ignore[method-assign]
        module: Any = warnings
        if _kept_in_memory():
            module._showwarnmsg_impl = keeper

    return begin


def _has_descriptor(name: str) -> bool:
    try:
        getattr(sys, name).fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _keeps(handler: logging.Handler) -> bool:
    """Whether a handler is one of pytest's, that keep what they are given."""
    return type(handler).__module__ == "_pytest.logging" and hasattr(handler, "records")


def _kept_in_memory() -> bool:
    module: Any = warnings
    return module._showwarnmsg_impl is not module.__dict__.get("_formatwarnmsg_impl") and hasattr(
        module._showwarnmsg_impl, "__self__"
    )


class _Stream(io.TextIOBase):
    """Stands for a stream that the other process keeps in its memory."""

    encoding = "utf-8"

    def __init__(self, member: Member, name: str) -> None:
        self._member = member
        self._name = name

    def write(self, text: str) -> int:
        """Tell of it."""
        self._member.tell("printed", self._name, text)
        return len(text)

    def writable(self) -> bool:
        """See `io.TextIOBase`."""
        return True


class _Emit:
    """Stands for the ``emit`` of a handler."""

    def __init__(self, member: Member, place: int) -> None:
        self._member = member
        self._place = place

    def __call__(self, record: logging.LogRecord) -> None:
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        fields = {name: getattr(record, name, None) for name in _FIELDS}
        self._member.tell("logged", self._place, fields, record.getMessage())


class _Keeper:
    """Stands for what keeps warnings."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def __call__(self, message: Any) -> None:
        kind = message.category
        text = str(message.message)
        self._member.tell("warned", kind.__module__, kind.__qualname__, text, message.filename, message.lineno)


# -- in the process that keeps it --------------------------------------------------------------------------------------


def _printed(_remote: Remote, name: str, text: str) -> None:
    getattr(sys, name).write(text)


def _logged(_remote: Remote, place: int, fields: dict[str, Any], text: str) -> None:
    record = logging.makeLogRecord({**fields, "msg": text, "args": None})
    if place < len(logging.root.handlers):
        logging.root.handlers[place].emit(record)


def _warned(_remote: Remote, module: str, qualname: str, text: str, filename: str, line: int) -> None:
    found = type_named(module, qualname)
    category = found if found is not None and issubclass(found, Warning) else UserWarning
    shower: Any = warnings
    shower._showwarnmsg(warnings.WarningMessage(category(text), category, filename, line))


LISTENERS: Final[dict[str, Callable[..., None]]] = {"printed": _printed, "logged": _logged, "warned": _warned}
"""What is to be done for each word of what other processes tell."""
