"""What is said of runs that were not made: each figure by hand, and that it is said only of runs drawn at random."""

from __future__ import annotations

import pytest

from pytest_racecheck.core.figures import Drawn
from pytest_racecheck.core.values import Choice, Figures, TaskId, Trace


class Drawing:
    """A strategy that says whether its runs are drawn at random."""

    name = "drawing"

    def __init__(self, *, independent: bool = True) -> None:
        self.independent = independent

    def start_run(self) -> bool:
        return True

    def choose(self, choice: Choice) -> TaskId:
        return choice.default

    def end_run(self, trace: Trace) -> None: ...


class Covering(Drawing):
    """One that runs classes."""

    def __init__(self, classes: int, estimate: float, *, complete: bool = False) -> None:
        super().__init__(independent=False)
        self.classes, self.complete = classes, complete
        self._estimate = estimate

    def estimate(self) -> float:
        return self._estimate


def trace(fingerprint: int, *, learned: bool = False) -> Trace:
    return Trace((), (), steps=1, choices=1, tasks=("0", "1"), fingerprint=fingerprint, learned=learned)


def drawn(*fingerprints: int) -> Drawn:
    runs = Drawn()
    for each in fingerprints:
        runs.add(trace(each), Drawing())
    return runs


@pytest.mark.parametrize(
    ("fingerprints", "share"),
    [((), 0.0), ((1,), 0.0), ((1, 1), 1.0), ((1, 2), 0.0), ((1, 1, 2, 3), 0.5), ((1, 1, 1, 2), 0.75)],
)
def test_the_share_seen_is_that_of_runs_which_are_not_alone(fingerprints: tuple[int, ...], share: float) -> None:
    assert drawn(*fingerprints).share_seen() == share


@pytest.mark.parametrize(("runs", "bound"), [(0, 1.0), (2, 1.0), (3, 0.99858), (100, 0.029957), (1000, 0.0029957)])
def test_the_rule_of_three(runs: int, bound: float) -> None:
    assert drawn(*range(runs)).most_failing() == pytest.approx(bound, rel=1e-4)


def test_runs_that_are_not_drawn_at_random_say_nothing() -> None:
    runs = drawn(1, 1)
    runs.add(trace(2), Drawing(independent=False))

    figures = runs.figures(Drawing())

    assert (figures.independent_runs, figures.share_seen) == (2, 1.0)


def test_what_was_drawn_before_all_that_is_shared_was_known_is_forgotten() -> None:
    runs = drawn(1, 1, 1)
    runs.add(trace(1, learned=True), Drawing())

    assert runs.figures(Drawing()) == Figures()


@pytest.mark.parametrize(
    ("strategy", "run", "estimated"),
    [
        (Covering(20, 300.0), 20, 300.0),
        (Covering(20, 300.0, complete=True), 20, 20.0),
        (Covering(1, float("inf")), 1, 0.0),
        (Covering(0, 0.0), 0, 0.0),
    ],
)
def test_classes_and_how_many_there_may_be(strategy: Covering, run: int, estimated: float) -> None:
    figures = Drawn().figures(strategy)

    assert (figures.classes_run, figures.classes_estimated) == (run, estimated)
