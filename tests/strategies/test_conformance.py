"""Every strategy of the table keeps every rule; and each rule finds the strategy that does not."""

from __future__ import annotations

import random
from functools import partial

import pytest
from written import orders, same

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import Choice, TaskId, Trace
from pytest_racecheck.strategies.conformance import RULES
from pytest_racecheck.strategies.single_preemptions import SinglePreemptions
from pytest_racecheck.strategies.table import make, names


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", names())
def test_every_strategy_keeps_every_rule(name: str, rule: str) -> None:
    RULES[rule](partial(make, name))


@pytest.mark.parametrize("rule", RULES)
def test_a_part_of_the_portfolio_keeps_them_too(rule: str) -> None:
    RULES[rule](lambda seed: SinglePreemptions())


@pytest.mark.parametrize("name", [name for name in names() if name != "dpor"])
def test_a_strategy_begins_with_the_runs_that_need_no_preemption(name: str) -> None:
    """What fails without any preemption is found before anything else is tried."""
    assert orders(make(name, 1), same(3, "write n", "write n"), 2) == ["001122", "221100"]


class Default:
    """A strategy that keeps all rules."""

    name = "default"

    def __init__(self, seed: int) -> None:
        self.runs = 0

    def start_run(self) -> bool:
        self.runs += 1
        return True

    def choose(self, choice: Choice) -> TaskId:
        return choice.default

    def end_run(self, trace: Trace) -> None:
        pass


class Nameless(Default):
    name = ""


class ChoosesTheFirst(Default):
    def choose(self, choice: Choice) -> TaskId:
        return "0"


class DrawsFromTheGlobalGenerator(Default):
    def choose(self, choice: Choice) -> TaskId:
        return random.choice(choice.enabled)


class GoesByTargets(Default):
    def choose(self, choice: Choice) -> TaskId:
        return choice.enabled[choice.operations[0].target // 3 % len(choice.enabled)]


class GoesOn(Default):
    def start_run(self) -> bool:
        self.runs += 1
        return self.runs != 3


class EndsByOthersRuns(Default):
    def start_run(self) -> bool:
        return self.runs == 0

    def end_run(self, trace: Trace) -> None:
        self.runs += 1


@pytest.mark.parametrize("rule", RULES)
def test_a_strategy_that_keeps_the_rules_is_let_through(rule: str) -> None:
    RULES[rule](Default)


@pytest.mark.parametrize(
    ("rule", "strategy", "sentence"),
    [
        ("has_a_name", Nameless, "the name of a strategy is a word, not ''"),
        ("chooses_enabled_tasks", ChoosesTheFirst, "default chose '0' out of ('1', '2')"),
        (
            "repeats_with_the_same_seed",
            GoesByTargets,
            "two counters: two strategies of one seed make different runs",
        ),
        (
            "leaves_the_global_generator_alone",
            DrawsFromTheGlobalGenerator,
            "the strategy drew from the global generator",
        ),
        ("stays_ended", GoesOn, "two counters: the strategy went on after it had ended"),
        (
            "learns_from_the_runs_of_others",
            EndsByOthersRuns,
            "the strategy ended by what it was told of another's run",
        ),
    ],
)
def test_a_strategy_that_breaks_a_rule_is_told_so(rule: str, strategy: type[Strategy], sentence: str) -> None:
    with pytest.raises(AssertionError) as refused:
        RULES[rule](strategy)

    assert str(refused.value) == sentence
