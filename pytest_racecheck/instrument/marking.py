"""Instructions that mark where the interpreter looks whether another thread is to run: after, and before, its own.

They store into the `Passed` of `PASSED`, a constant of the code, and call nothing: that costs some nanoseconds, so they
are in all rewritten code.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from pytest_racecheck.core.passed import RETURNS, SURE, Passed
from pytest_racecheck.instrument.splice import Instruction, Step
from pytest_racecheck.instrument.switching import LOOKS, Jumps, Looks

PASSED: Final = Passed()
"""One for the process, as it is a constant of rewritten code."""

MOST_EXTRA: Final = 4
"""So much stack the marks need beyond what the code did."""


def _number(name: str) -> int:
    return dis.opmap.get(name, -1)


_LOAD_CONST: Final = _number("LOAD_CONST")
_STORE_SUBSCR: Final = _number("STORE_SUBSCR")
_BINARY_SUBSCR: Final = _number("BINARY_SUBSCR")
_BINARY_OP: Final = _number("BINARY_OP")
_SUBSCRIPT_OPERATOR: Final = 26
"""The argument of BINARY_OP that took the place of BINARY_SUBSCR in 3.14."""
_SWAP: Final = _number("SWAP")
_COPY: Final = _number("COPY")
_UNARY_NOT: Final = _number("UNARY_NOT")
_IS_OP: Final = _number("IS_OP")
_RESUME: Final = _number("RESUME")


def looks_of(version: tuple[int, int]) -> Looks:
    """Where the interpreter of a version looks; of a version that is too new, where the newest known one does."""
    return LOOKS.get(version) or LOOKS[max(LOOKS)]


class Marking:
    """Makes the marks for one code object; ``constant`` gives the index of a constant in it."""

    def __init__(self, constant: Callable[[Any], int]) -> None:
        self.looks = looks_of(sys.version_info[:2])
        self._constant = constant
        self._indices: dict[int, int] = {}

    def _load(self, value: Any) -> Step:
        index = self._indices.get(id(value))
        if index is None:
            index = self._indices[id(value)] = self._constant(value)
        return (_LOAD_CONST, index)

    def passed(self) -> list[Step]:
        """Here it has looked."""
        return [self._load(True), self._load(PASSED), self._load(SURE), (_STORE_SUBSCR, 0)]

    def keep(self, slots: int) -> list[Step]:
        """Before a call whose hook has just run: put what it said of the return below the ``slots`` of the call."""
        subscript = (_BINARY_SUBSCR, 0) if _BINARY_SUBSCR >= 0 else (_BINARY_OP, _SUBSCRIPT_OPERATOR)
        sinking = [(_SWAP, depth) for depth in range(slots + 1, 1, -1)]
        return [self._load(PASSED), self._load(RETURNS), subscript, *sinking]

    def returned(self) -> list[Step]:
        """After that call: tell it to whom it was said, which lies below the result."""
        return [(_SWAP, 2), self._load(True), (_SWAP, 2), self._load(SURE), (_STORE_SUBSCR, 0)]

    def mark(
        self, instructions: Sequence[Instruction], targets: AbstractSet[int | None], surely_bool: Callable[[int], bool]
    ) -> None:
        """Mark entries and jumps, once all else was put in; calls mark themselves.

        ``targets`` are the indices of instructions that are jumped to; ``surely_bool`` tells of an index whether the
        value that is tested there is one.
        """
        jumps = {_number(name): when for name, when in self.looks.jumps.items()}
        for index, instruction in enumerate(instructions):
            when = jumps.get(instruction.opcode)
            if when is not None:
                instruction.before = [*instruction.before, *self._jump(when, surely_bool(index))]
            elif instruction.opcode == _RESUME and instruction.argument & 3 in self.looks.resumes:
                self._entry(instructions, index, targets)

    def _entry(self, instructions: Sequence[Instruction], index: int, targets: AbstractSet[int | None]) -> None:
        """Where it can be done, with the line of what follows: nobody is to see the line of ``def`` a second time."""
        if index + 1 < len(instructions) and index + 1 not in targets:
            following = instructions[index + 1]
            following.before = [*self.passed(), *following.before]
        else:
            instructions[index].after = self.passed()

    def _jump(self, when: Jumps, is_bool: bool) -> list[Step]:
        """Before a jump; one with a condition stores at the index that the condition is: `SURE`, or `OTHERWISE`."""
        if when == "always":
            return self.passed()
        if when in ("true", "false"):
            steps = [] if is_bool else [(_UNARY_NOT, 0), (_UNARY_NOT, 0)]
            steps.append((_COPY, 1))
            if when == "true":
                steps.append((_UNARY_NOT, 0))
        else:
            steps = [(_COPY, 1), self._load(None), (_IS_OP, int(when == "none"))]
        return [*steps, self._load(True), (_SWAP, 2), self._load(PASSED), (_SWAP, 2), (_STORE_SUBSCR, 0)]
