"""A wait that gives up, and a caller who does not look: right as long as everybody is quick."""

import threading

import pytest


class Report:
    def __init__(self):
        self.ready = threading.Event()
        self.pages = []

    def write(self):
        self.pages.append("summary")
        self.ready.set()

    def read(self):
        self.ready.wait(timeout=30)
        return self.pages[0]

    def read_carefully(self):
        if not self.ready.wait(timeout=30):
            return "not there yet"
        return self.pages[0]


@pytest.mark.racecheck(timeouts="explore")
def test_unlooked(racecheck):
    report = Report()
    racecheck.run(report.write, report.read)


@pytest.mark.racecheck(timeouts="explore")
def test_looked(racecheck):
    report = Report()
    _, text = racecheck.run(report.write, report.read_carefully)
    assert text in {"summary", "not there yet"}
