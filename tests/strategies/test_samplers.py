"""The laws of the strategies that draw their runs."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest
from written import operation, orders, position, preemptions, same, traces

from pytest_racecheck.core.values import Choice, TaskId
from pytest_racecheck.strategies.chain import Chain
from pytest_racecheck.strategies.pct import Pct
from pytest_racecheck.strategies.pos import Pos
from pytest_racecheck.strategies.random_walk import SWITCHING, RandomWalk
from pytest_racecheck.strategies.reads_from import ReadsFrom, reads_from
from pytest_racecheck.strategies.simulation import script
from pytest_racecheck.strategies.starvation import Starvation
from pytest_racecheck.strategies.surw import Surw
from pytest_racecheck.strategies.table import make
from pytest_racecheck.strategies.urw import Urw

LENGTH = 12
THREE = same(3, *["write n"] * LENGTH)


def uneven(counts: Counter[str]) -> float:
    """Pearson's chi-squared of counts that should be equal."""
    expected = counts.total() / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts.values())


def test_the_random_walk_preempts_more_or_less_often_by_turns() -> None:
    """Bugs that need many preemptions and bugs that need one long uninterrupted stretch are both met."""
    runs = [preemptions(order) for order in orders(RandomWalk(2), THREE, 100 * len(SWITCHING))]
    means = [mean(runs[turn :: len(SWITCHING)]) for turn in range(len(SWITCHING))]

    assert means == sorted(means, reverse=True)
    assert means[0] > 8
    assert means[-1] < 2


@pytest.mark.parametrize("strategy", [RandomWalk, Pct, Pos, Urw, Surw, ReadsFrom, Starvation])
def test_another_seed_gives_other_runs(strategy: type[RandomWalk]) -> None:
    """A seed that changes nothing would be none."""
    assert orders(strategy(1), THREE, 5) != orders(strategy(2), THREE, 5)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_pct_changes_its_mind_once_less_than_its_depth_says(depth: int) -> None:
    """A task is stopped only at a change point, of which there are ``depth - 1``."""
    counts = [preemptions(order) for order in orders(Pct(1, depth), THREE, 300)]

    assert max(counts) == depth - 1


def test_pct_keeps_its_promise() -> None:
    """One preemption at one place is a bug of depth 2: it is hit as often as the paper says, give or take chance."""
    written = script(_0="write a, write n, write a", _1="write n, write b, write b")
    runs = list(traces(Pct(3, 2), written, 4000))
    found = [trace for trace in runs if _between(trace)]
    choices = max(trace.choices for trace in runs)

    assert len(found) / len(runs) >= 0.9 / (2 * choices)


def _between(trace: object) -> bool:
    return position(trace, "0", 1) < position(trace, "1", 0) < position(trace, "0", 2)  # type: ignore[arg-type]


def test_pct_says_how_probable_it_was_to_hit_a_bug() -> None:
    """By the runs that were drawn for as many choices as there are: the first was drawn for none."""
    strategy = Pct(1, 3)
    runs = list(traces(strategy, same(3, "write n", "write n"), 101))
    longest = max(trace.choices for trace in runs)
    latest = next(number for number, trace in enumerate(runs, 1) if trace.choices == longest)
    missed = (1 - 1 / (3 * longest**2)) ** (101 - latest)

    depth, probability = strategy.guarantee
    assert depth == 3
    assert probability == pytest.approx(1 - missed)


def test_pct_is_fair_when_a_run_is_longer_than_all_before() -> None:
    """A task that spins, with the highest priority, does not keep the others from moving."""
    strategy = Pct(1, 1)
    orders(strategy, same(2, "write n"), 1)
    strategy.start_run()
    spinning = Choice("0", ("0", "1"), (operation("read"), operation("write")), 0, "", 1, "0")
    chosen = [strategy.choose(spinning) for _ in range(100)]

    assert set(chosen) == {"0", "1"}


@pytest.mark.parametrize("strategy", [Surw, ReadsFrom])
def test_nobody_is_held_for_ever_while_another_one_spins(strategy: type[Surw]) -> None:
    """What is waited for may never come, because it waits itself for one that is held."""
    sampler = strategy(1)
    written = script(_0="read n, read m, write n", _1="write n, read m, write m")
    (trace,) = traces(sampler, written, 1)
    mine = {step.operation.site.line: step.operation for step in trace.operations if step.task == "0"}
    other = next(step.operation for step in trace.operations if step.task == "1")
    for _ in range(50):
        sampler.start_run()
        spinning = [sampler.choose(Choice("0", ("0", "1"), (mine[1], other), 0, "", 1, "0")) for _ in range(400)]

        assert "1" in spinning


def test_pos_decides_each_race_by_a_coin() -> None:
    """One read against six writes: wherever it ends up, it got there by a coin for each write that was before it.

    With priorities that are not drawn anew, it would be second in a sixth of the runs, and not in a quarter.
    """
    written = script(_0="read n", _1="write n, write n, write n, write n, write n, write n")
    places = Counter(position(trace, "0", 0) for trace in traces(Pos(5), written, 4000))
    shares = [places[place] / 4000 for place in range(5)]

    assert shares == pytest.approx([2 ** -(place + 1) for place in range(5)], abs=0.03)


def test_pos_spends_nothing_on_what_does_not_conflict() -> None:
    """A write that must wait for four operations of another task is last in a fifth of the runs. A coin at each
    choice would make that a sixteenth.
    """
    written = script(_0="write a, write a, write a, write n", _1="write n")
    last = mean(position(trace, "1", 0) == 4 for trace in traces(Pos(4), written, 2000))

    assert last == pytest.approx(1 / 5, abs=0.03)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (same(2, "write n", "write n", "write n"), 20),
        (script(_0="write n, write n", _1="write n", _2="write n"), 12),
        (script(_0="write n", _1="write n, write n, write n, write n"), 5),
        (script(_0="spawn 0.0, write n, write n", _0_0="write n, write n"), 6),
    ],
)
def test_urw_is_uniform(written: dict[TaskId, list[object]], number: int) -> None:
    """All interleavings of a program that never waits are as probable."""
    strategy = Urw(1)
    orders(strategy, written, 1)  # type: ignore[arg-type]  # shows how much there is to do
    counts = Counter(orders(strategy, written, 100 * number))  # type: ignore[arg-type]

    assert len(counts) == number
    assert uneven(counts) < number + 4 * (2 * number) ** 0.5


def test_a_coin_at_every_choice_is_not_uniform() -> None:
    """The bound above does refuse something."""
    written = same(2, "write n", "write n", "write n")
    counts = Counter(orders(RandomWalk(1), written, 2000))

    assert uneven(counts) > 20 + 4 * 40**0.5


def test_surw_is_uniform_where_it_is_interested() -> None:
    """However much else the tasks do, and one of them much more than the other."""
    padded = script(
        _0="write a, write a, write a, write a, write n, write a, write a, write n, write n",
        _1="write n, write b, write n, write n",
    )
    strategy = Surw(1)
    orders(strategy, padded, 1)
    counts = Counter(
        "".join(step.task for step in trace.operations if step.operation.site.line in _lines(step.task))
        for trace in traces(strategy, padded, 2000)
    )

    assert len(counts) == 20
    assert uneven(counts) < 20 + 4 * 40**0.5


def _lines(task: TaskId) -> tuple[int, ...]:
    return (4, 7, 8) if task == "0" else (0, 2, 3)


def test_surw_draws_other_locations_for_other_runs() -> None:
    """Locks among them; what one task alone touches, or what is only read, never."""
    written = script(
        _0="acquire m, write a, release m, write own, read c",
        _1="acquire m, write a, release m, write b, read c",
        _2="write b",
    )
    strategy = Surw(3)
    orders(strategy, written, 1)
    drawn = set()
    for _ in range(50):
        strategy.start_run()
        drawn.add(tuple(sorted(site.key for site in strategy._interesting)))

    lock, a, b = (
        ("script:0+0.0", "script:0+2.0", "script:1+0.0", "script:1+2.0"),
        ("script:0+1.0", "script:1+1.0"),
        ("script:1+3.0", "script:2+0.0"),
    )
    assert {lock, a, b} < drawn
    assert {key for keys in drawn for key in keys} == {*lock, *a, *b}


def test_a_read_sees_the_last_write_before_it() -> None:
    written = script(_0="write n, read n, read m")
    (trace,) = traces(Urw(0), written, 1)
    write, read, other = (step.operation.site for step in trace.operations)

    assert list(reads_from(trace.operations)) == [(write, read), (None, other)]


def test_reads_from_finds_the_one_write_among_many() -> None:
    """A hundred setters, and one check that must see the first write of any and the second of none."""
    written = {**same(100, "write a", "write b"), **script(_100="read a, read b")}
    found = 0
    for trace in traces(ReadsFrom(1), written, 50):
        before = [step.operation.site.line for step in trace.operations[: position(trace, "100", 0)]]
        until = [
            step.operation.site.line for step in trace.operations[: position(trace, "100", 1)] if step.task != "100"
        ]
        found += 0 in before and 1 not in until

    assert found > 2


def test_starvation_keeps_one_task_waiting_for_long() -> None:
    """Some runs hold a task until all others have ended, some stop it in the middle."""
    runs = orders(Starvation(1), THREE, 200)
    ends = {order for order in runs if order.rstrip(order[-1]).count(order[-1]) == 0}
    stopped = {order for order in runs if any(order.index(task) + LENGTH < order.rindex(task) for task in "012")}

    assert ends
    assert stopped


def test_starvation_mostly_goes_on() -> None:
    """Few preemptions beside those of the victim."""
    assert mean(preemptions(order) for order in orders(Starvation(2), THREE, 300)) < 6


def test_switches_of_neighbours_are_counted_right() -> None:
    assert [preemptions("".join(pair)) for pair in pairwise(["001", "010", "011"])] == [3, 2]


@pytest.mark.parametrize(
    ("name", "independent"), [("random", True), ("surw", True), ("reads-from", False), ("portfolio", False)]
)
def test_runs_are_independent_draws_once_the_sequential_orders_are_over(name: str, independent: bool) -> None:
    strategy = make(name, 1)
    orders(strategy, THREE, 1)
    sequential = getattr(strategy, "independent", None)
    orders(strategy, THREE, 5)

    assert (sequential, getattr(strategy, "independent", None)) == (False, independent)


def test_the_depth_of_pct_can_be_asked_for() -> None:
    strategy = make("pct:depth=4", 1)
    orders(strategy, THREE, 6)

    assert isinstance(strategy, Chain)
    assert isinstance(strategy.current, Pct)
    assert strategy.current.depth == 4
