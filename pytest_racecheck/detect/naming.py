"""What kind of race three steps are: a task's, another's that comes in between, and what the first does then."""

from __future__ import annotations

from typing import Final, NamedTuple

from pytest_racecheck.core.observation import Seen
from pytest_racecheck.core.values import RaceKind

FIRST, FOREIGN, LAST = "first", "foreign", "last"
"""What the three steps are called where they are pointed out."""


class Steps(NamedTuple):
    """The three steps, as they were seen, and what is known of the places."""

    first: Seen
    foreign: Seen
    last: Seen
    again: Seen | None
    """What the task does in the place of the last step if the other one comes first; ``None`` if it does not do it."""
    fetches: bool
    """Whether the first step fetches an item of what is gone over."""
    same_thing: bool
    """Whether the first and the last step touch the same."""
    same_place: bool
    """Whether the other task's step and the last one are made by the same code."""


def kind_of(steps: Steps) -> RaceKind | None:
    """The kind; ``None`` if the task does the same whether the other one comes in between or not."""
    if steps.fetches:
        return "changed-while-iterating"
    if steps.foreign.side.kind == "read":
        return "torn-invariant"
    if steps.first.side.kind == "write":
        return "lost-update"  # of what the task itself had written
    overwrites = steps.last.side.kind == "write" and steps.same_thing and steps.last.side.value != "<deleted>"
    if steps.again is None:
        twice = overwrites and steps.same_place and _found_nothing(steps.first, steps.last)
        return "double-initialisation" if twice else "check-then-act"
    if steps.again.value == steps.last.value:
        return None
    return "lost-update" if overwrites else "check-then-act"


def _found_nothing(first: Seen, last: Seen) -> bool:
    """Whether there was nothing where something was put: of items only the whole container is known."""
    return last.side.value not in _NOTHING and (first.side.value in _NOTHING or last.side.name.endswith("]"))


_NOTHING: Final = ("", "None", "<deleted>")
