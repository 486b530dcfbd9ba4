"""What is told from outside of a thread: whether it sleeps, computes, or only waits for a processor."""

from __future__ import annotations

import pytest

from pytest_racecheck.core import interrupt
from pytest_racecheck.core.interrupt import Stillness


def looked(monkeypatch: pytest.MonkeyPatch, looks: list[tuple[float | None, bool]]) -> Stillness:
    """Look once for each: the processor time that the thread has used by then, and whether it sleeps."""
    stillness = Stillness(1, 1)
    for used, sleeps in looks:
        monkeypatch.setattr(interrupt, "cpu_seconds", lambda *_, used=used: used)
        monkeypatch.setattr(interrupt, "_sleeps", lambda *_, sleeps=sleeps: sleeps)
        stillness.look()
    return stillness


def test_a_thread_that_sleeps_look_after_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, [(1.0, True), (1.0, True), (1.001, True)]).looks == 2
    assert not looked(monkeypatch, [(1.0, True), (1.0, True)]).starved


@pytest.mark.parametrize("last", [(1.5, True), (1.0, False)], ids=["moved", "ready to run"])
def test_one_that_has_moved_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch, last: tuple[float, bool]) -> None:
    assert looked(monkeypatch, [(1.0, True), (1.0, True), last]).looks == 0


def test_one_that_waits_for_a_processor_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, [(1.0, False)]).starved
    assert looked(monkeypatch, [(1.0, False), (1.01, False), (1.02, False)]).starved


def test_one_that_gets_little_of_it_computes_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not looked(monkeypatch, [(1.0, False), (1.02, False), (1.04, False), (1.06, False)]).starved


def test_where_the_platform_does_not_tell_nobody_waits_for_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    stillness = looked(monkeypatch, [(None, True), (None, True)])

    assert not stillness.starved
    assert not stillness.looks
