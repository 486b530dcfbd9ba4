"""Tells a race: who did what where, what came of it, and which lock is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_racecheck.core.values import Race, Side
from pytest_racecheck.report.fit import cut, cut_path, plain, portable, sentence, short_path

_VERBS: Final = {"read": "reads", "write": "writes", "update": "changes", "acquire": "takes"}


def side_lines(race: Race, *, root: str, width: int) -> list[str]:
    """The steps of a race in their order, one a line where it fits; no line is wider than asked."""
    return [line for side in race.sides for line in _side(side, root, width)]


def outcome_lines(race: Race, *, root: str, width: int, orders: bool = True) -> list[str]:
    """What came of each order, if that is asked for, and which lock is missing."""
    told = [portable(outcomes(race), root)] if orders else []
    told.append(portable(race.hint, root))
    return [line for text in told if text for line in sentence(text, width, "", "  ")]


def race_text(race: Race, *, root: str, width: int) -> str:
    """All of a race that does not fail the test."""
    first = sentence(f"{race.message}{'' if race.confirmed else ' (nothing came of it in this test)'}", width, "", "  ")
    steps = side_lines(race, root=root, width=width)
    return "\n".join([*first, *steps, *outcome_lines(race, root=root, width=width)])


def outcomes(race: Race) -> str:
    """``So: n = 1. With task 0 first: n = 2.``; orders that led to the same are told together."""
    by_outcome: dict[str, list[str]] = {}
    for order, outcome in race.outcomes:
        by_outcome.setdefault(outcome, []).append(order)
    if len(by_outcome) < 2:
        return ""
    return " ".join(f"{_orders(orders)}: {outcome or 'nothing'}." for outcome, orders in by_outcome.items())


def _orders(orders: Sequence[str]) -> str:
    return "So" if orders == ["so"] else f"With {' or '.join(orders)}"


def _side(side: Side, root: str, width: int) -> list[str]:
    what = f"  task {side.task} {_VERBS.get(side.kind, side.kind)} {side.name}"
    if side.value:
        what += f" = {side.value}"
    if side.locks:
        what += f", holding {' and '.join(side.locks)}"
    number = f":{side.line}"
    where = cut_path(short_path(side.filename, root), max(width - len(number) - 4, 8)) + number
    told = plain(what)
    if len(told) + 2 + len(where) <= width:
        return [f"{told}  {where}"]
    return [cut(told, width), f"    {where}"]
