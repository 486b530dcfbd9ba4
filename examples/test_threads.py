"""Tests that start threads themselves: with threads=1 their body runs once a run, and what it starts is explored."""

import threading
import time

import pytest


class Account:
    def __init__(self):
        self.balance = 0
        self.lock = threading.Lock()

    def deposit(self, amount):
        self.balance += amount

    def deposit_locked(self, amount):
        with self.lock:
            self.balance += amount


def run_in_threads(target, arguments):
    threads = [threading.Thread(target=target, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.racecheck(threads=1)
def test_unlocked():
    account = Account()
    run_in_threads(account.deposit, [10, 20])
    assert account.balance == 30


@pytest.mark.racecheck(threads=1)
def test_locked():
    account = Account()
    run_in_threads(account.deposit_locked, [10, 20])
    assert account.balance == 30


@pytest.mark.racecheck(threads=1)
def test_without_a_join():
    done = []
    threading.Thread(target=done.append, args=("thread",)).start()
    assert done == ["thread"]


@pytest.mark.racecheck(threads=1)
def test_all_sleep_at_once():
    began = time.monotonic()
    run_in_threads(time.sleep, [1, 2, 2, 1])
    assert round(time.monotonic() - began, 6) == 2
