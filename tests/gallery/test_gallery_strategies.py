"""Races of several shapes, found by every strategy that searches; each is silent under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from races import SILENT_RUNS, Case, Made, assert_silent, explored

from pytest_racecheck.strategies.table import names


class Account:
    def __init__(self) -> None:
        self.balance = 0
        self.closed = False
        self.lock, self.other = threading.Lock(), threading.Lock()


def lost_update() -> Made:
    account = Account()

    def add() -> None:
        account.balance += 1

    return [add, add, add], lambda: _equal(account.balance, 3)


def check_then_act() -> Made:
    account = Account()

    def take() -> None:
        if account.balance < 1:
            account.balance += 1

    return take, lambda: _equal(account.balance, 1)


def two_stages() -> Made:
    """Each access has its lock, and what belongs together has none."""
    account = Account()

    def move() -> None:
        with account.lock:
            before = account.balance
        with account.lock:
            account.balance = before + 1

    return move, lambda: _equal(account.balance, 2)


def lock_order() -> Made:
    account = Account()

    def one() -> None:
        with account.lock, account.other:
            account.balance += 1

    def other() -> None:
        with account.other, account.lock:
            account.balance += 1

    return [one, other], lambda: None


def one_late_among_many() -> Made:
    """The check must come right between the two writes of the first of ten."""
    account = Account()

    def close() -> None:
        account.closed = True
        account.balance = -1

    def look() -> None:
        if account.closed:
            assert account.balance == -1

    return [*[close] * 10, look], lambda: None


def _equal(found: int, expected: int) -> None:
    assert found == expected


CASES: list[Case] = [lost_update, check_then_act, two_stages, lock_order, one_late_among_many]

THROUGH_ALL = {"preemptions", "delays", "dfs", "dpor"}
"""These go through orders that are alike, one after another; of ten tasks there are too many."""

SEARCHES = [
    pytest.param(strategy, case, id=f"{strategy}-{case.__name__}")
    for strategy in names()
    for case in CASES
    if strategy != "sequential" and not (strategy in THROUGH_ALL and case is one_late_among_many)
]


@pytest.mark.parametrize(("strategy", "case"), SEARCHES)
def test_found(strategy: str, case: Callable[[], Made]) -> None:
    result = explored(case, strategy=strategy)

    assert result.findings, f"not found in {result.runs} runs, {result.interleavings} interleavings"
    assert result.findings[0].token


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_silent_under_one_lock(case: Callable[[], Made]) -> None:
    assert_silent(explored(case, locked=True, runs=SILENT_RUNS, strategy="portfolio"))
