"""Programs whose bodies announce their operations themselves: exploring without any instrumentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.observation import Left, Seen, Spots
from pytest_racecheck.core.values import Event, Exploration, Failure, Kind, Operation, Site, TaskId

Body = Callable[[], object]


class Announcing:
    """An `Instrument` that instruments nothing: bodies call `step`."""

    def __init__(self) -> None:
        self.controller: Controller | None = None
        self.sites: dict[str, Site] = {}
        self.watched: set[str] = set()
        self.broken: tuple[str, ...] = ()
        self.rewritten = 1

    def step(self, name: str, kind: Kind = "write", blocked: Callable[[], bool] | None = None) -> None:
        """Announce an operation at a place of this name; return when the task may go on."""
        assert self.controller is not None
        site = self.sites.get(name)
        if site is None:
            rank = len(self.sites)
            site = Site(module="m", qualname="f", filename="f.py", first_line=1, line=1, rank=rank, action="step")
            site.key = name
            self.sites[name] = site
        self.controller.reach(Operation(kind, site), blocked)

    @contextmanager
    def installed(self, controller: Controller) -> Iterator[None]:
        """See `Instrument`."""
        self.controller = controller
        try:
            yield
        finally:
            self.controller = None

    def between_runs(self) -> bool:
        """See `Instrument`."""
        return False

    def watch(self, places: AbstractSet[str]) -> None:
        """See `Instrument`."""
        self.watched |= places

    def watch_all(self) -> None:
        """See `Instrument`."""

    def recorder(self) -> Silence:
        """See `Instrument`."""
        return Silence()

    def observer(self, spots: Spots) -> Blindness:
        """See `Instrument`."""
        return Blindness()

    def fingerprint(self, places: AbstractSet[str]) -> str:
        """See `Instrument`."""
        return "-".join(sorted(places & self.sites.keys()))

    def instrumented(self) -> int:
        """See `Instrument`."""
        return self.rewritten

    def unseen(self) -> tuple[Failure, ...]:
        """See `Instrument`."""
        return ()

    def uninstrumented(self) -> tuple[str, ...]:
        """See `Instrument`."""
        return self.broken

    def shared_sites(self) -> tuple[str, ...]:
        """See `Instrument`."""
        return tuple(sorted(self.sites))


class Silence:
    """A `Recorder` that writes nothing down."""

    def events(self) -> tuple[Event, ...]:
        """See `Recorder`."""
        return ()

    def initial_values(self) -> tuple[tuple[str, str], ...]:
        """See `Recorder`."""
        return ()

    def note(self, task: Any, operation: Operation, text: str) -> None:
        """See `Recorder`."""

    def preempted(self, task: Any) -> None:
        """See `Recorder`."""


class Blindness(Silence):
    """An `Observer` that sees nothing."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def left(self, bodies: Sequence[Body]) -> tuple[Left, ...]:
        """See `Observer`."""
        return ()


class Bodies:
    """A `Program` of bodies over a state that every run makes anew."""

    def __init__(
        self, make: Callable[[], Sequence[Body]], check: Body = lambda: None, tear_down: Body = lambda: None
    ) -> None:
        self.set_up = make
        self._check = check
        self._tear_down = tear_down

    def check(self) -> None:
        """See `Program`."""
        self._check()

    def tear_down(self) -> None:
        """See `Program`."""
        self._tear_down()


class Counter:
    """The notebook's counter: each task reads it, then writes it back one higher, announcing both."""

    def __init__(self, tasks: int = 2) -> None:
        self.instrument = Announcing()
        self.tasks = tasks
        self.n = 0
        self.program = Bodies(self._make, self._check)

    def _make(self) -> list[Body]:
        self.n = 0
        return [self._increment] * self.tasks

    def _increment(self) -> None:
        self.instrument.step("read", "read")
        seen = self.n
        self.instrument.step("write", "write")
        self.n = seen + 1

    def _check(self) -> None:
        assert self.n == self.tasks


def order(exploration: Exploration) -> list[TaskId]:
    """Who did the steps of the run that is shown."""
    return [task for task, _ in exploration.findings[0].trace.path]
