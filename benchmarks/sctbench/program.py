"""What a program of the benchmark is: the state of one run, what its threads do, and what must hold at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Body = Callable[[], object]


class Program:
    """Made anew for every run. Its attributes are what the threads share; each access to one is an event of its own.

    A program's corrected twin is a subclass that differs in the faulty place alone.
    """

    def bodies(self) -> Sequence[Body]:
        """What runs at once, in the order in which the original creates its threads; its main thread where it acts."""
        raise NotImplementedError

    def check(self) -> None:
        """Assert what must hold when all threads have ended; nothing, where the threads themselves assert."""
