"""Looks at every run with a new interleaving, and has what is suspicious confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.values import Failure, Level, Race, Trace
from pytest_racecheck.detect import deadlocks, kinds, unordered
from pytest_racecheck.detect.confirmation import Confirmation, Verdict
from pytest_racecheck.detect.explanation import Explanation
from pytest_racecheck.detect.lessons import MOST_LESSONS, MOST_PLACES, Lessons
from pytest_racecheck.detect.lock_order import Circle, circles, holds_of, takes_several
from pytest_racecheck.detect.order import Order
from pytest_racecheck.detect.patterns import Key, Suspect, suspects
from pytest_racecheck.detect.steering import Steered, order_of
from pytest_racecheck.detect.suppression import Benign
from pytest_racecheck.detect.torn import torn
from pytest_racecheck.detect.wording import race_of, race_of_failure

MOST_TRIES: Final = 3
"""So many instances of one suspect are tried before it counts as harmless."""


LOOKS: Final = 16
"""So many interleavings are looked at for what may go wrong in others, and one of so many after that."""

PATIENCE: Final = 32
"""After so many looks that have told nothing new there are half as many."""

SELDOM: Final = 16
"""But at least one of so many interleavings is looked at."""

CLOSELY: Final = 100
"""In so many interleavings is looked for everything; after that for torn invariants only now and then."""

FREE: Final = 3000
SHARE: Final = 0.1
"""The runs that judge may have so many steps, and this share of all that are made."""

MOST_TOLD: Final = 20
"""So many races that fail nothing are told of one test."""

EXPLAINED: Final = frozenset(
    {"assertion", "exception", "invariant", "thread-exception", "executor-exception", "deadlock"}
)
"""Kinds of failures that may come of a race."""


class RaceDetector:
    """A `Detector` that believes nothing but what it has seen happen."""

    def __init__(self, levels: Mapping[str, str] | None = None, benign: Sequence[str] = ()) -> None:
        self._levels = levels or kinds.levels()
        self._benign = Benign(benign)
        self._judged: set[int] = set()
        """Fingerprints: an interleaving that comes again tells nothing new."""
        self._tries: Counter[Key] = Counter()
        self._met = self._looked = self._idle = 0
        """How many different interleavings there were, how many were looked at, and how many in a row told nothing."""
        self._circles: set[tuple[str, ...]] = set()
        self._settled: set[Key] = set()
        self._accused: dict[Key, Race] = {}
        self._races: dict[str, Race] = {}

    def examined(self, runner: Runner, trace: Trace) -> Trace:
        """See `Detector`."""
        if trace.failures or trace.uncontrolled or runner.record.processes or not self._is_worth_a_look(runner, trace):
            return trace
        record = runner.record
        foreseen = self._foreseen(record) if self._looked <= LOOKS or self._looked % LOOKS == 0 else []
        learned = False
        found = self._new(record)
        self._idle = 0 if found else self._idle + 1
        for suspect in found if runner.judging_steps <= FREE + runner.all_steps * SHARE else ():
            if runner.seconds > runner.limits.seconds:
                break
            verdict, has_learned = self._judged_suspect(runner, trace, record, suspect)
            learned = learned or has_learned
            failures = self._settle(suspect.key, verdict)
            if failures and verdict.racy is not None:
                runner.recognise = lambda: self._recognised(runner)
                return replace(verdict.racy.trace, failures=failures, learned=True)
            if verdict.failing is not None:
                return replace(verdict.failing, learned=True)
        for circle in foreseen:
            caught = self._steered_into(runner, record, circle)
            if caught.failures:
                return replace(caught, learned=True)
            learned = learned or caught.learned
        return replace(trace, learned=True) if learned else trace

    def _is_worth_a_look(self, runner: Runner, trace: Trace) -> bool:
        """Whether this is an interleaving that may tell something new.

        When many in a row have told nothing it is ever fewer of them; but where each stands for a class, it is all.
        """
        if trace.fingerprint in self._judged:
            return False
        self._judged.add(trace.fingerprint)
        self._met += 1
        every = 1 if runner.is_followed else min(1 << self._idle // PATIENCE, SELDOM)
        if self._met % every:
            return False
        self._looked += 1
        self._benign.meet(dict.fromkeys(site for _, site in runner.record.path))
        return True

    def _foreseen(self, record: RunRecord) -> list[Circle]:
        """Note what nothing orders; return the circles of locks that are new."""
        if self._levels["unordered"] != "ignore":
            for one, other in unordered.unordered(record):
                self._tell(unordered.race_of(record, one, other))
        if self._levels["lock-order"] == "ignore" or not takes_several(record):
            return []
        found = [circle for circle in circles(record) if circle.key not in self._circles]
        self._circles.update(circle.key for circle in found)
        return found

    def _steered_into(self, runner: Runner, record: RunRecord, circle: Circle) -> Trace:
        """Run what leads into a deadlock; if it does not, it stays information."""
        order, holds = order_of(record), holds_of(record, circle)
        trace = runner.run(Steered(order, holds))
        if not trace.failures:
            self._tell(deadlocks.foreseen(record, circle))
        return trace

    def _tell(self, race: Race) -> None:
        """Keep a race that fails nothing; that a kind is an error does not make it one."""
        if self._benign.covers(race):
            return
        level = self._levels[race.kind]
        if level != "error":
            race = replace(race, level=cast("Level", level))
        if race.level != "ignore" and len(self._races) < MOST_TOLD:
            place = race.location if race.kind == "unordered" else race.key
            self._races.setdefault(f"{race.kind} {place}", race)

    def _new(self, record: RunRecord) -> list[Suspect]:
        """What is not known yet to be harmless, and may come in another order."""
        found = [suspect for suspect in self._suspects(record) if suspect.key not in self._settled]
        if not found:
            return found
        order = Order(record)
        handed_over = [each for each in found if _is_handed_over(order, each)]
        for each in handed_over:
            self._try(each.key)
        return [each for each in found if each not in handed_over]

    def _try(self, key: Key) -> None:
        """It was harmless once more; after a few times it is known to be."""
        self._tries[key] += 1
        if self._tries[key] >= MOST_TRIES or len(key) > 3:  # of what may be torn one is enough
            self._settled.add(key)

    def _suspects(self, record: RunRecord) -> list[Suspect]:
        every = self._levels["torn-invariant"] != "ignore" and (self._looked <= CLOSELY or self._looked % SELDOM == 0)
        return [*suspects(record), *(torn(record) if every else ())]

    def _judged_suspect(
        self, runner: Runner, trace: Trace, record: RunRecord, suspect: Suspect
    ) -> tuple[Verdict, bool]:
        """What becomes of it, and whether the runs that it took have taught anything.

        If they have, there are further steps now, and the orders that were compared were not what they seemed.
        """
        for number in range(MOST_LESSONS + MOST_PLACES):
            lessons = Lessons(runner, number)
            verdict = Confirmation(runner, record, suspect, lessons).judge()
            if not lessons.learned:
                return verdict, number > 0
            runner.follow(trace.schedule)
            record = runner.record
            again = next((each for each in self._suspects(record) if each.key == suspect.key), None)
            if again is None:
                break
            suspect = again
        return Verdict("unrepeatable"), True

    def named(self, runner: Runner, trace: Trace) -> tuple[Race, ...]:
        """See `Detector`."""
        failure = trace.failures[0]
        known = self._of(failure)
        if known:
            return (self._as_shown(runner, trace, known[0]),)
        if failure.kind not in EXPLAINED or trace.uncontrolled or runner.record.processes:
            return ()
        if failure.kind == "deadlock":
            stopped = runner.run(Steered(order_of(runner.record)))
            circle = deadlocks.met(runner.record, stopped, failure)
            if circle is not None:
                return (circle,)
            runner.follow(trace.schedule)
        explained = Explanation(runner, runner.record, failure).find(trace.schedule)
        return () if explained is None else (race_of_failure(explained, failure),)

    def _as_shown(self, runner: Runner, trace: Trace, race: Race) -> Race:
        """The race with the tasks and the values of the run that is shown, which is a smaller one."""
        record = runner.record
        suspect = next((each for each in self._suspects(record) if " ".join(each.key) == race.key), None)
        if suspect is None:
            return race
        recognise, runner.recognise = runner.recognise, tuple
        verdict, _ = self._judged_suspect(runner, trace, record, suspect)
        runner.recognise = recognise
        if verdict.result != "confirmed" or verdict.kind != race.kind:
            return race
        return replace(race_of(verdict, race.key), level=race.level)

    def races(self) -> tuple[Race, ...]:
        """See `Detector`."""
        told = {race.location for race in self._races.values() if race.kind != "unordered"}
        return tuple(each for each in self._races.values() if each.kind != "unordered" or each.location not in told)

    def suppressions(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `Detector`."""
        return self._benign.used(), self._benign.idle()

    def _of(self, failure: Failure) -> list[Race]:
        return [race for race in self._accused.values() if (race.kind, race.key) == (failure.kind, failure.place)]

    def _settle(self, key: Key, verdict: Verdict) -> tuple[Failure, ...]:
        """Keep what is known now of a suspect; the failure, if it is one that fails the test."""
        if verdict.result not in ("confirmed", "elsewhere", "twice"):
            self._try(key)
            return ()
        self._settled.add(key)
        race = race_of(verdict, " ".join(key))
        if self._benign.covers(race):
            return ()
        if self._levels[race.kind] == "error" and verdict.result == "confirmed":
            self._accused[key] = race
            return (failure_of(race),)
        self._tell(replace(race, level="warn"))
        return ()

    def _recognised(self, runner: Runner) -> tuple[Failure, ...]:
        """The races of the last run that are known to matter."""
        if not self._accused:
            return ()
        record = runner.record
        keys = [suspect.key for suspect in self._suspects(record)]
        return tuple(failure_of(self._accused[key]) for key in keys if key in self._accused)


def failure_of(race: Race) -> Failure:
    """Make the failure of a run that nothing was wrong with but the race."""
    return Failure(
        kind=race.kind,
        message=race.message,
        task=race.sides[-1].task,
        place=race.key,
        locations=tuple(dict.fromkeys(f"{side.filename}:{side.line}" for side in reversed(race.sides))),
    )


def _is_handed_over(order: Order, suspect: Suspect) -> bool:
    """Whether the other task comes in between in every run, because the first one makes it do so and waits for it."""
    return order.before(suspect.first, suspect.foreign) and order.before(suspect.foreign, suspect.last)
