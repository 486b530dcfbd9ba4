"""What is in force for one test: its marker before what the session says, resolved once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pytest_racecheck.bridge.defaults import DEFAULT, Defaults, Sourced
from pytest_racecheck.bridge.options import OPTIONS


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force for one test."""

    threads: int
    processes: int
    start_method: str | None
    """``None`` for that of ``multiprocessing``; see `method_of`."""
    invariant: tuple[Callable[..., object], ...]
    source: tuple[str, ...]
    strategy: str
    seed: int
    runs: int
    time: float
    steps: int
    stuck: float
    mode: Literal["explore", "stress"]
    races: str
    granularity: str
    clock: str
    timeouts: str
    wakeups: int
    origins: tuple[tuple[str, str], ...]
    """Of every field: ``default``, ``profile ci``, the name of the flag, the ini entry and its file, or the marker."""

    def origin(self, name: str) -> str:
        """Where the field ``name`` came from."""
        return dict(self.origins)[name]


def method_of(settings: Settings) -> str:
    """How processes are started; to ask ``multiprocessing`` in the usual way would fix that for good."""
    import multiprocessing

    current: str | None = multiprocessing.get_start_method(allow_none=True)
    return settings.start_method or current or multiprocessing.get_all_start_methods()[0]


def resolve(defaults: Defaults, marker: Defaults, *, threads: int) -> Settings:
    """Put together what marker and session say; ``threads`` is for a marker that names no threads or processes."""
    sourced = {option.name: marker.get(option.name, defaults[option.name]) for option in OPTIONS if option.marker}
    if sourced["threads"].value is None:
        sourced["threads"] = Sourced(0 if sourced["processes"].value else threads, DEFAULT)
    values = {name: each.value for name, each in sourced.items()}
    return Settings(**values, origins=tuple((name, each.origin) for name, each in sourced.items()))
