"""A lazy singleton: without a lock each of two threads can get an instance of its own."""

import threading

import pytest


class Settings:
    instance = None
    lock = threading.Lock()

    @classmethod
    def get(cls):
        if cls.instance is None:
            cls.instance = cls()
        return cls.instance

    @classmethod
    def get_locked(cls):
        with cls.lock:
            return cls.get()


@pytest.fixture
def no_instance(monkeypatch):
    monkeypatch.setattr(Settings, "instance", None)


@pytest.mark.racecheck
def test_unlocked(no_instance, racecheck):
    first, second = racecheck.run(Settings.get, Settings.get)
    assert first is second


@pytest.mark.racecheck
def test_locked(no_instance, racecheck):
    first, second = racecheck.run(Settings.get_locked, Settings.get_locked)
    assert first is second
