"""Two locks, taken in opposite order by two threads: each can wait for the other for ever."""

import threading

import pytest


class Account:
    def __init__(self, number, balance):
        self.number = number
        self.balance = balance
        self.lock = threading.Lock()


def move(amount, source, target):
    source.balance -= amount
    target.balance += amount


def transfer(amount, source, target):
    with source.lock:
        with target.lock:
            move(amount, source, target)


def transfer_in_order(amount, source, target):
    first, second = sorted([source, target], key=lambda account: account.number)
    with first.lock:
        with second.lock:
            move(amount, source, target)


@pytest.fixture
def accounts():
    return Account(1, 100), Account(2, 100)


@pytest.mark.racecheck
def test_opposite_order(accounts, racecheck):
    one, two = accounts
    racecheck.run(lambda: transfer(10, one, two), lambda: transfer(20, two, one))
    assert (one.balance, two.balance) == (110, 90)


@pytest.mark.racecheck
def test_same_order(accounts, racecheck):
    one, two = accounts
    racecheck.run(lambda: transfer_in_order(10, one, two), lambda: transfer_in_order(20, two, one))
    assert (one.balance, two.balance) == (110, 90)
