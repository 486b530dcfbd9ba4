"""What the running task has passed since its last operation: places where its interpreter looks for other threads."""

from __future__ import annotations

from typing import Any, Final

from pytest_racecheck.core.values import Chance

SURE: Final = 0
"""The item that is true if it has passed such a place."""
OTHERWISE: Final = 1
"""An item that means nothing: where a conditional jump is not taken."""
RETURNS: Final = 2
"""The item that says, between the hook at a call and the call, to whom its return is told; see `Passed`."""
MAYBE: Final = 3
"""The item that is true if it has passed one, or not: code that nobody looks into has acted in between."""


class Passed(list[Any]):
    """One for all tasks, as only one of them moves: rewritten code stores into it, the controller reads and clears it.

    A list, because nothing costs less to store into. Code that calls something keeps item `RETURNS` until the call has
    returned and then sets item `SURE` of what it kept: of this, where the interpreter looks after such a call, of
    `NOWHERE`, where it does not, of an `Unsure`, where that can't be told.
    """

    def __init__(self) -> None:
        super().__init__((False, False, NOWHERE, False))

    def __hash__(self) -> int:  # type: ignore[override]
        """By identity: on a free-threaded build all constants of code are hashed."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """By identity."""
        return self is other

    def clear(self, waited: bool = False) -> None:
        """An operation is carried out now; a task that had to wait for it has let others run after it as well."""
        self[SURE] = waited
        self[MAYBE] = False

    def chance(self) -> Chance:
        """Whether the interpreter, with its GIL, can stop the task between its last operation and here."""
        return "yes" if self[SURE] else "unknown" if self[MAYBE] else "no"


NOWHERE: Final[list[Any]] = [False]
"""Takes what nobody wants to know."""


class Unsure:
    """Is told of the return of code that has carried out an operation somewhere inside: what it passed means little."""

    def __init__(self, passed: Passed) -> None:
        self._passed = passed

    def __setitem__(self, index: int, value: object) -> None:
        """The call has returned."""
        self._passed[SURE] = False
        self._passed[MAYBE] = True
