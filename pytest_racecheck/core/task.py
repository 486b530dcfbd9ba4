"""A controlled thread, as the controller sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytest_racecheck.core.baton import Baton
from pytest_racecheck.core.values import Operation, Site, TaskId
from pytest_racecheck.core.workers import Worker


def special_site(place: str) -> Site:
    """A site that stands for no place in the code: where a task starts or ends."""
    site = Site(module="", qualname="", filename="", first_line=0, line=0, rank=0, action=place)
    site.key = place
    return site


START = special_site("start")
END = special_site("end")
LAPSE = special_site("lapse")
"""Where a task is that did very much without a single choice."""


class Task:
    """One controlled thread of one run; every field belongs to the controller.

    ``blocked`` tells whether the announced operation cannot go through now, ``None`` if it always can; ``deadline`` is
    the virtual time at which a timed wait gives up.
    """

    __slots__ = (
        "baton", "blocked", "children", "counts", "daemon", "deadline", "ended", "explain", "id", "ident",
        "index", "leaving", "lost", "name", "native_id", "occurrence", "operation", "pooled", "remote", "spawned_at",
        "timed_out", "unwinding", "wakes", "whom", "within", "worker",
    )  # fmt: skip

    def __init__(self, task_id: TaskId, index: int, baton: Baton, ident: int = 0) -> None:
        self.id = task_id
        self.index = index
        self.baton = baton
        self.ident = ident
        self.operation = Operation("start", START)
        self.occurrence = 1
        self.counts: dict[Site, int] = {}
        self.blocked: Callable[[], bool] | None = None
        self.deadline: float | None = None
        self.timed_out = False
        self.explain: Callable[[], str] | None = None
        self.whom: Callable[[], Sequence[Task]] | None = None
        """Whom it waits for, where that is known."""
        self.wakes = False
        """Whether what it waits for is a notification, which a thread must not rely on when it wakes up."""
        self.children = 0
        self.ended = False
        self.unwinding = False
        self.leaving = False
        """Its own code has ended; what goes on is ours, and the interpreter's."""
        self.lost = False
        """It could not be ended with its run; whatever it still does concerns nobody."""
        self.daemon = False
        self.pooled = False
        self.name = ""
        self.native_id = 0
        self.spawned_at = ""
        self.worker: Worker | None = None
        self.remote: Any = None
        """For a task of another process, who acts for it here; in that process, how it speaks with the explorer."""
        self.within: Any = None
        """What an instrument notes here while the task is in the middle of an operation made of smaller ones."""

    def new_child_id(self) -> TaskId:
        """The name of the next task that this one starts."""
        child = f"{self.id}.{self.children}"
        self.children += 1
        return child
