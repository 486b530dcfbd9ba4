"""Names for objects that are the same in every run that begins alike, where what they are called at first is not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, TypeGuard

from pytest_racecheck.core.values import Operation, Touch
from pytest_racecheck.strategies.happens_before import touches_of

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

    def meet(self, touches: Sequence[Touch]) -> tuple[Touch, ...]:
        """What a new step touches, with numbers."""
        named = self.named(touches)
        for _, target, part, _ in named:
            self._current.append(target)
            if type(part) is tuple and _is_identity(part):
                self._current.append(part[1])
        return named

    def meet_again(self, touches: Sequence[Touch]) -> None:
        """Something that a step touches which the last run has made as well."""
        for _, target, part, _ in touches:
            self._known(target)
            if _is_identity(part):
                self._known(part[1])

    def begin_step_again(self, operation: Operation) -> None:
        """The next step is one that the last run has made as well."""
        current = self._current = self._steps[self._at]
        self._at += 1
        self._place = 0
        if operation.also or type(operation.part) is tuple:
            self.meet_again(touches_of(operation))
        elif current:  # but one object, as nearly always
            self._numbers[operation.target] = current[0]
            self._place = 1

    def _known(self, identity: int) -> None:
        if self._place < len(self._current):
            self._numbers[identity] = self._current[self._place]
        self._place += 1

    def named(self, touches: Sequence[Touch]) -> tuple[Touch, ...]:
        """The same touches, with numbers; nothing is remembered of the step."""
        if len(touches) == 1:  # as nearly always
            return (self._named(touches[0]),)
        return tuple([self._named(touch) for touch in touches])

    def _named(self, touch: Touch) -> Touch:
        kind, target, part, inner = touch
        numbers = self._numbers
        number = numbers[target] if target in numbers else self._number(target)
        return Touch(kind, number, self._part(part) if type(part) is tuple else part, inner)

    def _part(self, part: Hashable) -> Hashable:
        return (BY_IDENTITY, self._number(part[1])) if _is_identity(part) else part

    def _number(self, identity: int) -> int:
        number = self._numbers[identity] if identity in self._numbers else None
        if number is None:
            self._count += 1
            number = self._numbers[identity] = self._count
        return number


def _is_identity(part: Hashable) -> TypeGuard[tuple[str, int]]:
    return type(part) is tuple and len(part) == 2 and part[0] == BY_IDENTITY and type(part[1]) is int
