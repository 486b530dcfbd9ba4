"""Check, then act: two threads miss in the cache, and both load."""

import threading

import pytest


class Cache:
    def __init__(self):
        self.entries = {}
        self.loaded = []
        self.lock = threading.Lock()

    def load(self, key):
        self.loaded.append(key)
        return key.upper()

    def get(self, key):
        if key not in self.entries:
            self.entries[key] = self.load(key)
        return self.entries[key]

    def get_locked(self, key):
        with self.lock:
            return self.get(key)


@pytest.fixture
def cache():
    return Cache()


def loaded_once(cache):
    assert cache.loaded == ["a"]


@pytest.mark.racecheck(invariant=loaded_once)
def test_unlocked(cache):
    assert cache.get("a") == "A"


@pytest.mark.racecheck(invariant=loaded_once)
def test_locked(cache):
    assert cache.get_locked("a") == "A"
