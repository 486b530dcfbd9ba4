"""Sites, exceptions and failures as plain data, to carry them from one process into another, and made of it again."""

from __future__ import annotations

import sys
from typing import Any, Final

from pytest_racecheck.core.task import special_site
from pytest_racecheck.core.values import Failure, Site

Data = tuple[Any, ...]

KNOWN: Final[dict[tuple[str, str], type]] = {}
"""Types by module and name that are not to be found there: pytest says that those of its own are builtin."""


def site_data(site: Site) -> Data:
    """What there is to know of a site in another process."""
    return (
        site.key,
        site.module,
        site.qualname,
        site.filename,
        site.line,
        site.action,
        site.name,
        site.column,
        site.end_column,
        site.keywords,
        site.hidden,
    )


def site_of(data: Data) -> Site:
    """Make the site again."""
    key, module, qualname, filename, line, action, name, column, end_column, keywords, hidden = data
    site = special_site(action)
    site.key = key
    site.module, site.qualname, site.filename, site.line = module, qualname, filename, line
    site.name, site.column, site.end_column, site.keywords, site.hidden = name, column, end_column, keywords, hidden
    return site


def exception_data(error: BaseException) -> Data:
    """The type of an exception by its names, what it says, and its arguments as far as they are plain."""
    kind = type(error)
    arguments = [each if type(each) in (str, int, float, bool, bytes, type(None)) else None for each in error.args]
    plain = len(arguments) == len(error.args) and all(each is not None for each in arguments)
    return (kind.__module__, kind.__qualname__, _text(error), tuple(arguments) if plain else None)


def type_named(module: str, qualname: str) -> type | None:
    """The type of this name, if its module is loaded; nothing is imported."""
    known = KNOWN.get((module, qualname))
    if known is not None:
        return known
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None


def exception_of(data: Data) -> BaseException:
    """An exception of the same type, where this process knows it, that says the same.

    Nothing is imported for that: a type that is not loaded is replaced by one of its name.
    """
    module, qualname, text, arguments = data
    found: Any = type_named(module, qualname)
    if found is None or not issubclass(found, BaseException):
        found = type(qualname.rpartition(".")[2], (Exception,), {"__module__": module})
    for attempt in (arguments, (text,)):
        made = None if attempt is None else _made(found, attempt)
        if made is not None and _text(made) == text:
            return made
    methods = {"__module__": module, "__init__": _keep_nothing, "__str__": lambda _: text}
    nameless: BaseException = type(found.__name__, (found,), methods)()
    return nameless


def _made(kind: Any, arguments: tuple[Any, ...]) -> BaseException | None:
    try:
        made: BaseException = kind(*arguments)
    except Exception:  # it wants other arguments than those that it keeps
        return None
    return made


def _keep_nothing(*_arguments: object) -> None:
    """Stands for an ``__init__`` whose arguments are not known."""


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def failure_data(failure: Failure) -> Data:
    """A failure as data; of its exception the type and what it says."""
    exception = None if failure.exception is None else exception_data(failure.exception)
    return (failure.kind, failure.message, failure.task, failure.place, failure.locations, exception)


def failure_from(data: Data) -> Failure:
    """Make the failure again."""
    kind, message, task, place, locations, exception = data
    error = None if exception is None else exception_of(exception)
    return Failure(kind, message, task, error, place, tuple(locations))
