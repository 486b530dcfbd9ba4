"""Where else a preemption may be: what must have happened before it, what only after it, and where it is shown best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from pytest_racecheck.core.one_preemption import OnePreemption
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.shrink import size_of
from pytest_racecheck.core.steps import Step, Steps
from pytest_racecheck.core.values import Schedule, Switch, TaskId, Trace

MOST_MOVES: Final = 12
"""So many places are tried to each side of a preemption."""

MOST_FIRST: Final = 4
"""So many tasks are tried as the first one, where the run begins with several."""

MOST_ORDERS: Final = 8
"""So many runs are made to find one that passes, where one task after another fails."""

_CHANCES: Final = {"yes": 0, "unknown": 1, "no": 2}

Run = Callable[[Strategy], Trace]
IsAlike = Callable[[Trace], bool]


class Difference(NamedTuple):
    """What tells a failing schedule from ones that were run as well, differ from it in one switch, and pass.

    Where the task ``switch.to`` moves before ``after`` or only after ``before``, which are steps of the task that is
    stopped, nothing fails; an end that could not be shown is ``None``. With neither, nothing fails without the switch.
    ``passes``: the other way round, the failing schedule has no switch, and nothing fails with this one.
    """

    switch: Switch
    after: Step | None = None
    before: Step | None = None
    passes: bool = False


class Placed(NamedTuple):
    """A failing run whose preemptions are where they are shown best, and what it depends on."""

    trace: Trace
    differences: tuple[Difference, ...]


def place(trace: Trace, run: Run, is_alike: IsAlike, goes_on: Callable[[], bool]) -> Placed:
    """Move each preemption of a failing run to and fro, as long as it fails alike, and look where that ends.

    The nearest passing schedule tells what the failing one depends on: Choi and Zeller, "Isolating failure-inducing
    thread schedules" (ISSTA 2002). Nothing is claimed that was not run. ``trace`` has its path. Of the places where it
    fails alike that one is taken where the interpreter itself can switch, then where a lock is to be taken, then
    between two source lines, then the last.
    """
    placing = _Placing(trace, run, is_alike, goes_on)
    if trace.preemptions:
        return placing.preemptions()
    return Placed(trace, tuple(placing.order() if trace.schedule else placing.no_switch()))


class _Found(NamedTuple):
    """A place of a preemption at which the run fails alike."""

    trace: Trace
    key: Step
    kind: str
    """What the task is about to do there."""
    new_line: bool
    position: int


class _Placing:
    """The best failing trace so far, and how to run others."""

    def __init__(self, trace: Trace, run: Run, is_alike: IsAlike, goes_on: Callable[[], bool]) -> None:
        self._best = trace
        self._run_strategy = run
        self._is_alike = is_alike
        self._goes_on = goes_on

    # -- with preemptions --------------------------------------------------------------------------------------

    def preemptions(self) -> Placed:
        """Place them all, the last first; what was shown of one is shown again once the others are in place."""
        keys = [_key(switch) for switch in self._best.schedule if switch.preempts]
        differences = []
        for key in reversed(keys):
            switch = _switch_at(self._best.schedule, key)
            if switch is not None:
                differences.append(self._place(switch))
        if len(differences) > 1:
            differences = list(filter(None, map(self._shown_again, differences)))
        return Placed(self._best, tuple(each for each in reversed(differences) if each.after or each.before))

    def _place(self, switch: Switch) -> Difference:
        """Move one preemption; the trace with the best place of it becomes the best."""
        own = _steps_of(self._best, switch.task)
        if _key(switch) not in own:
            return Difference(switch)
        index = own.index(_key(switch))
        found: list[_Found] = []
        after = self._earlier(switch, own, index, found)
        before = self._later(switch, own, index, found)
        if not found:
            return Difference(switch, after, before)
        found.append(_Found(self._best, _key(switch), self._kind_at(switch), _is_new_line(own, index), index))
        chosen = min(found, key=_rank)
        self._best = chosen.trace
        moved = _switch_at(self._best.schedule, chosen.key) or switch
        return Difference(moved, after, before)

    def _earlier(self, switch: Switch, own: list[Step], index: int, found: list[_Found]) -> Step | None:
        """The step of the task that must have been done before: with a switch before it, or earlier, it passes."""
        end = None
        for position in range(index - 1, max(index - 1 - MOST_MOVES, -1), -1):
            outcome = self._with_switch_at(switch, own, position, found, ())
            if outcome is None:
                break
            if outcome == "passes" and end is None:
                end = own[position]
            elif outcome == "fails alike":
                end = None
        return end

    def _later(self, switch: Switch, own: list[Step], index: int, found: list[_Found]) -> Step | None:
        """The step of the task that must not have been done before: with a switch after it, or later, it passes."""
        own = own + self._would_do(switch, own[index:])
        end = None
        for position in range(index + 1, min(index + 1 + MOST_MOVES, len(own)) + 1):
            outcome = self._with_switch_at(switch, own, position, found, own[position - 1 : position])
            if outcome is None:
                break
            if outcome == "passes" and end is None:
                end = own[position - 1]
            elif outcome == "fails alike":
                end = None
        return end

    def _would_do(self, switch: Switch, done: Sequence[Step]) -> list[Step]:
        """What a task would do that the failure has kept from it, where nothing stops it there."""
        replay = self._moved(switch, None)
        trace = self._run(replay) if len(done) == 1 and replay is not None else None
        own = [] if trace is None else _steps_of(trace, switch.task)
        return own[own.index(done[0]) + 1 :] if done[0] in own else []

    def _with_switch_at(
        self, switch: Switch, own: list[Step], position: int, found: list[_Found], instead: Sequence[Step]
    ) -> Literal["passes", "fails alike", "fails otherwise"] | None:
        """What becomes of the run if the switch is at another step of its task; ``None`` if it can't be there.

        Behind the last step there is none. A task that is not stopped may take another way and never come to a later
        step; then it moves on to its end, which is later still: it is enough that it has come to a step of ``instead``.
        """
        step = own[position] if position < len(own) else None
        replay = self._moved(switch, step)
        trace = None if replay is None else self._run(replay)
        if replay is None or trace is None:
            return None
        is_there = step is not None and _switch_at(trace.schedule, step) is not None
        if self._is_alike(trace):
            if step is not None and is_there and size_of(trace)[:3] <= size_of(self._best)[:3]:
                found.append(_Found(trace, step, replay.kind, _is_new_line(own, position), position))
            return "fails alike"
        if trace.failures:
            return "fails otherwise"
        done = _steps_of(trace, switch.task)
        return "passes" if is_there or any(each in done for each in instead) else None

    def _moved(self, switch: Switch, step: Step | None) -> Replay | None:
        """The schedule with the switch at another step of its task, or without it.

        ``None`` if there is another switch already.
        """
        others = _without(self._best.schedule, switch)
        if step is None:
            return Replay(others, traces=True)
        if any(_key(each) == step for each in others):
            return None
        return Replay((*others, Switch(*step, switch.to, preempts=True)), traces=True, looks_at=step)

    def _kind_at(self, switch: Switch) -> str:
        replay = Replay(self._best.schedule, traces=True, looks_at=_key(switch))
        self._run(replay)
        return replay.kind

    def _shown_again(self, difference: Difference) -> Difference | None:
        """A difference, as far as it is one to the run that is going to be shown."""
        switch = _switch_at(self._best.schedule, _key(difference.switch))
        if switch is None:
            return None
        after, before = difference.after, difference.before
        if after is not None and not self._passes(self._moved(switch, after)):
            after = None
        if before is not None and not self._passes(self._behind(switch, before)):
            before = None
        return Difference(switch, after, before)

    def _behind(self, switch: Switch, step: Step) -> Replay | None:
        """The schedule with the switch after a step of its task."""
        own = _steps_of(self._best, switch.task)
        following = own[own.index(step) + 1 :] if step in own else []
        return self._moved(switch, following[0] if following else None)

    def _passes(self, replay: Replay | None) -> bool:
        trace = None if replay is None else self._run(replay)
        return trace is not None and not trace.failures

    # -- without any -------------------------------------------------------------------------------------------

    def order(self) -> Iterator[Difference]:
        """A switch without which nothing fails, the last such one."""
        for switch in reversed(self._best.schedule):
            if self._passes(Replay(_without(self._best.schedule, switch), traces=True)):
                yield Difference(switch)
                return

    def no_switch(self) -> Iterator[Difference]:
        """One task after another fails: another first task, or a single preemption, with which nothing does."""
        for task in self._best.tasks[1 : 1 + MOST_FIRST]:
            switch = Switch("", "start", 1, task, preempts=False)
            trace = self._run(Replay((switch,), traces=True))
            if trace is not None and not trace.failures and trace.schedule == (switch,):
                yield Difference(switch, passes=True)
                return
        strategy = OnePreemption()
        for _ in range(MOST_ORDERS):
            if not self._goes_on() or not strategy.start_run():
                return
            trace = self._run_strategy(strategy)
            if not trace.failures and len(trace.schedule) == 1 and trace.schedule[0].preempts:
                yield from self._latest(trace.schedule[0])
                return

    def _latest(self, switch: Switch) -> Iterator[Difference]:
        """How late the preemption may be for nothing to fail: the step before which it has to be."""
        own = _steps_of(self._best, switch.task)
        if _key(switch) not in own:
            return
        index = own.index(_key(switch))
        for position in range(index + 1, min(index + 1 + MOST_MOVES, len(own))):
            trace = self._run(Replay((Switch(*own[position], switch.to, preempts=True),), traces=True))
            if trace is None or (trace.failures and not self._is_alike(trace)):
                return
            if trace.failures:
                yield Difference(switch, before=own[position - 1], passes=True)
                return
        if index + MOST_MOVES >= len(own) - 1:
            yield Difference(switch, before=own[-1], passes=True)

    def _run(self, replay: Replay) -> Trace | None:
        if not self._goes_on():
            return None
        replay.start_run()
        return self._run_strategy(replay)


def _key(switch: Switch) -> Step:
    return Step(switch.task, switch.place, switch.occurrence)


def _steps_of(trace: Trace, task: TaskId) -> list[Step]:
    """What a task did, and what it had come to when the run failed."""
    done = Steps(trace.path).of(task)
    came_to = [Step(*step) for step in trace.came_to if step[0] == task]
    return done + [step for step in came_to if step not in done]


def _switch_at(schedule: Schedule, step: Step) -> Switch | None:
    return next((switch for switch in schedule if _key(switch) == step and switch.preempts), None)


def _without(schedule: Schedule, switch: Switch) -> Schedule:
    return tuple([each for each in schedule if each != switch])


def _is_new_line(own: list[Step], index: int) -> bool:
    """Whether the step is the first one of its source line: keys of one line differ in their rank only."""
    if index == 0 or index == len(own):
        return False
    return own[index - 1].place.rpartition(".")[0] != own[index].place.rpartition(".")[0]


def _rank(found: _Found) -> tuple[int, bool, bool, int]:
    """The best place is the least."""
    preempting = [_key(switch) for switch in found.trace.schedule if switch.preempts]
    chances = dict(zip(preempting, found.trace.chances, strict=False))
    chance = _CHANCES[chances.get(found.key, "unknown")]
    return (chance, found.kind != "acquire", not found.new_line, -found.position)
