"""Different callables at once, with racecheck.run: one fills a box while the other empties it."""

import threading

import pytest


class Box:
    def __init__(self):
        self.items = []
        self.lock = threading.Lock()

    def put(self, item):
        self.items.append(item)

    def take_all(self):
        taken = list(self.items)
        self.items.clear()
        return taken

    def put_locked(self, item):
        with self.lock:
            self.put(item)

    def take_all_locked(self):
        with self.lock:
            return self.take_all()


@pytest.mark.racecheck
def test_unlocked(racecheck):
    box = Box()
    _, taken = racecheck.run(lambda: box.put("letter"), box.take_all)
    assert taken + box.items == ["letter"]


@pytest.mark.racecheck
def test_locked(racecheck):
    box = Box()
    _, taken = racecheck.run(lambda: box.put_locked("letter"), box.take_all_locked)
    assert taken + box.items == ["letter"]
