"""The one table of the kinds of races: their names, what becomes of them, what they mean. Loaded by every session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

LEVELS: Final = ("error", "warn", "info", "ignore")
"""What may become of a race."""


class Kind(NamedTuple):
    """One kind of race."""

    level: str
    """What becomes of it if nobody says anything else."""
    meaning: str


KINDS: Final[Mapping[str, Kind]] = {
    "lost-update": Kind("error", "a task reads, another writes, and the first writes what it made of the old value"),
    "check-then-act": Kind("error", "a task decides by a value that another one changes before it acts"),
    "double-initialisation": Kind("error", "two tasks find nothing there and both put something, and one is lost"),
    "changed-while-iterating": Kind("error", "a task goes over a container while another one changes it"),
    "torn-invariant": Kind("warn", "a task reads two things that another one is just changing together"),
    "lock-order": Kind("info", "tasks take locks in an order that can end in a deadlock, which was not reached"),
    "unordered": Kind("info", "two tasks access a thing, one of them changes it, and nothing says who comes first"),
}  # fmt: skip


def levels(told: Mapping[str, str] | None = None) -> dict[str, str]:
    """What becomes of each kind, where ``told`` says it for some."""
    return {name: (told or {}).get(name, kind.level) for name, kind in KINDS.items()}
