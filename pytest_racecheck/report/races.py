"""Tells a race: who did what where, what came of it, and which lock is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_racecheck.core.values import Race, Side
from pytest_racecheck.report.fit import cut, cut_path, plain, portable, sentence, short_path

_VERBS: Final = {"read": "reads", "write": "writes", "update": "changes", "acquire": "takes"}


def race_lines(race: Race, *, root: str, width: int, orders: bool = True) -> list[str]:
    """The steps of a race in their order, then what came of each order, then the hint; no line is wider than asked."""
    lines = [line for side in race.sides for line in _side(side, root, width)]
    told = portable(outcomes(race), root) if orders else ""
    lines += sentence(told, width, "  ", "    ") if told else []
    return lines + (sentence(portable(race.hint, root), width, "  ", "    ") if race.hint else [])


def race_text(race: Race, *, root: str, width: int) -> str:
    """A race that does not fail the test: its sentence, then the same lines."""
    first = sentence(f"{race.message}{'' if race.confirmed else ' (nothing came of it in this test)'}", width, "", "  ")
    return "\n".join([*first, *race_lines(race, root=root, width=width)])


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
