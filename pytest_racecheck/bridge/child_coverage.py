"""Coverage of what processes of a run execute: coverage measures it there, and it is added to what is measured here.

`coverage` offers no way to add to what it is measuring; where it keeps that elsewhere, nothing is added.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pytest_racecheck.core.member import Member
from pytest_racecheck.core.remote import Remote

WHERE: Final = "pytest_racecheck.bridge.child_coverage:start"
"""What is to be called in a process that forks others, see `instrument.warm`."""


def _current() -> Any:
    module = sys.modules.get("coverage")
    return None if module is None else module.Coverage.current()


def _measured() -> dict[str, set[Any]] | None:
    """File -> lines, or arcs, as they are measured just now."""
    data = getattr(getattr(_current(), "_collector", None), "data", None)
    return data if type(data) is dict else None


def prepare(member: Member) -> Callable[[], None] | None:
    """Make, before the fork, what the new process has to do."""
    data = _measured()
    if data is None:
        return None
    before = {name: len(lines) for name, lines in data.items()}
    member.at_leave.append(partial(_tell, member, data, before))
    return None


def _tell(member: Member, data: dict[str, set[Any]], before: dict[str, int]) -> None:
    for name in sorted(data):
        if len(data[name]) != before.get(name):
            member.tell("covered", name, sorted(data[name]))


def _covered(_remote: Remote, name: str, lines: list[Any]) -> None:
    data = _measured()
    if data is not None:
        data.setdefault(name, set()).update(lines)


LISTENERS: Final[dict[str, Callable[..., None]]] = {"covered": _covered}
"""What is to be done for each word of what other processes tell."""


# -- processes that are not forked -------------------------------------------------------------------------------------


def configuration() -> dict[str, Any] | None:
    """What is measured here, and how; ``None`` if nothing is."""
    config = getattr(_current(), "config", None)
    if config is None or _measured() is None:
        return None
    return {
        "branch": bool(config.branch),
        "source": _plain(config.source),
        "source_pkgs": _plain(config.source_pkgs),
        "include": _plain(config.run_include),
        "omit": _plain(config.run_omit),
    }


def _plain(names: Any) -> list[str] | None:
    return None if names is None else [str(name) for name in names] or None


def start(given: dict[str, Any] | None) -> None:
    """Measure in the process that forks others, once; what it forks measures from then on."""
    if given is None or _current() is not None:
        return
    import coverage

    from pytest_racecheck.instrument import birth

    coverage.Coverage(data_file=None, config_file=False, **given).start()
    birth.AT_BIRTH.append(prepare)
