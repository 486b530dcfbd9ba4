"""Garbage of runs is collected between them, and at the end of an exploration."""

from __future__ import annotations

import gc
import weakref

from pytest_racecheck.core.garbage import YOUNG_OBJECTS, collected_between_runs


class Circle:
    """Only the collector can end it."""

    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_collected_in_a_run_and_everything_at_the_end() -> None:
    with collected_between_runs():
        kept = weakref.ref(Circle())
        many = [[each] for each in range(3 * YOUNG_OBJECTS)]
        assert kept() is not None
        del many

    assert kept() is None
    assert gc.isenabled()


def test_many_objects_are_collected_after_the_run_that_made_them() -> None:
    with collected_between_runs() as after_run:
        kept = weakref.ref(Circle())
        many = [[each] for each in range(3 * YOUNG_OBJECTS)]
        after_run()

        assert kept() is None
        assert len(many) == 3 * YOUNG_OBJECTS
