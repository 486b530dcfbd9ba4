"""Where else a preemption may be: what must have happened before it, what only after it, and where it is shown best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pytest_racecheck.core.one_preemption import OnePreemption
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.shrink import size_of
from pytest_racecheck.core.steps import Step, Steps
from pytest_racecheck.core.values import Schedule, Switch, Trace

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
        own = Steps(self._best.path).of(switch.task)
        index = next((number for number, step in enumerate(own) if step == _key(switch)), len(own))
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
        """The step of the task that must have been done before."""
        for position in range(index - 1, max(index - 1 - MOST_MOVES, -1), -1):
            replay = self._moved(switch, own[position])
            trace = None if replay is None else self._run(replay)
            if replay is None or trace is None or _switch_at(trace.schedule, own[position]) is None:
                break
            if not self._fails_as_well(trace):
                return None if trace.failures else own[position]
            found.append(_Found(trace, own[position], replay.kind, _is_new_line(own, position), position))
        return None

    def _later(self, switch: Switch, own: list[Step], index: int, found: list[_Found]) -> Step | None:
        """The step of the task that must not have been done before."""
        if index == len(own):  # it was never done
            trace = self._run(Replay(_without(self._best.schedule, switch), traces=True))
            return _key(switch) if trace is not None and not trace.failures else None
        for position in range(index + 1, min(index + 1 + MOST_MOVES, len(own)) + 1):
            if position == len(own):
                replay: Replay | None = Replay(_without(self._best.schedule, switch), traces=True)
            else:
                replay = self._moved(switch, own[position])
            trace = None if replay is None else self._run(replay)
            if replay is None or trace is None:
                break
            if not self._fails_as_well(trace):
                done = own[position - 1] in Steps(trace.path).of(switch.task)
                return own[position - 1] if done and not trace.failures else None
            if position == len(own) or _switch_at(trace.schedule, own[position]) is None:
                break
            found.append(_Found(trace, own[position], replay.kind, _is_new_line(own, position), position))
        return None

    def _fails_as_well(self, trace: Trace) -> bool:
        return self._is_alike(trace) and size_of(trace)[:3] <= size_of(self._best)[:3]

    def _moved(self, switch: Switch, step: Step) -> Replay | None:
        """The schedule with the switch at another step of its task; ``None`` if there is another switch already."""
        if any(_key(each) == step for each in self._best.schedule):
            return None
        others = _without(self._best.schedule, switch)
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
        own = Steps(self._best.path).of(switch.task)
        following = own[own.index(step) + 1 :] if step in own else []
        if not following:
            return Replay(_without(self._best.schedule, switch), traces=True)
        return self._moved(switch, following[0])

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
        own = Steps(self._best.path).of(switch.task)
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
