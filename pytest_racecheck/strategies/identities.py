"""Names for objects that are the same in every run that begins alike, where what they are called at first is not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, TypeGuard

from pytest_racecheck.core.values import Operation, Touch

BY_IDENTITY: Final = "is"
"""What a part begins with that holds the identity of a key."""


class Identities:
    """Gives every object that is touched a number, and remembers which numbers each step of the run has met.

    Where the next run makes the same steps, the objects that they meet get the numbers that they had.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        """In the run that goes on."""
        self._steps: list[list[int]] = []
        self._current: list[int] = []
        self._place = 0
        self._at = 0
        self._count = 0

    def cut(self, length: int) -> None:
        """Another run begins; it makes as many steps as before."""
        del self._steps[length:]
        self._numbers.clear()
        self._at = 0

    def begin_step(self) -> None:
        """What is met from now on belongs to the next step."""
        if self._at == len(self._steps):
            self._steps.append([])
        self._current = self._steps[self._at]
        self._place = 0
        self._at += 1

    def meet(self, touches: Iterable[Touch]) -> tuple[Touch, ...]:
        """What a new step touches, with numbers."""
        named = self.named(touches)
        for target, part in [touch[1:3] for touch in named]:
            self._current.append(target)
            if _is_identity(part):
                self._current.append(part[1])
        return named

    def meet_again(self, touches: Iterable[Touch]) -> None:
        """Something that a step touches which the last run has made as well."""
        for _, target, part, _ in touches:
            self._known(target)
            if _is_identity(part):
                self._known(part[1])

    def meet_operation_again(self, operation: Operation, touches: Iterable[Touch]) -> None:
        """The same, given the operation as well: mostly there is but one object."""
        if operation.also or type(operation.part) is tuple:
            self.meet_again(touches)
        elif self._current:
            self._known(operation.target)

    def _known(self, identity: int) -> None:
        if self._place < len(self._current):
            self._numbers[identity] = self._current[self._place]
        self._place += 1

    def named(self, touches: Iterable[Touch]) -> tuple[Touch, ...]:
        """The same touches, with numbers; nothing is remembered of the step."""
        return tuple(
            [
                Touch(kind, self._number(target), self._part(part) if type(part) is tuple else part, inner)
                for kind, target, part, inner in touches
            ]
        )

    def _part(self, part: Hashable) -> Hashable:
        return (BY_IDENTITY, self._number(part[1])) if _is_identity(part) else part

    def _number(self, identity: int) -> int:
        number = self._numbers.get(identity)
        if number is None:
            self._count += 1
            number = self._numbers[identity] = self._count
        return number


def _is_identity(part: Hashable) -> TypeGuard[tuple[str, int]]:
    return type(part) is tuple and len(part) == 2 and part[0] == BY_IDENTITY and type(part[1]) is int
