"""Looks at every run with a new interleaving, and has what is suspicious confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.values import Failure, Level, Race, Trace
from pytest_racecheck.detect import kinds
from pytest_racecheck.detect.confirmation import Confirmation, Verdict
from pytest_racecheck.detect.explanation import Explanation
from pytest_racecheck.detect.order import Order
from pytest_racecheck.detect.patterns import Key, Suspect, suspects
from pytest_racecheck.detect.wording import race_of, race_of_failure

MOST_TRIES: Final = 4
"""So many instances of one suspect are tried before it counts as harmless."""


EXPLAINED: Final = frozenset(
    {"assertion", "exception", "invariant", "thread-exception", "executor-exception", "deadlock"}
)
"""Kinds of failures that may come of a race."""


class RaceDetector:
    """A `Detector` that believes nothing but what it has seen happen."""

    def __init__(self, levels: Mapping[str, str] | None = None) -> None:
        self._levels = levels or kinds.levels()
        self._judged: set[int] = set()
        """Fingerprints: an interleaving that comes again tells nothing new."""
        self._tries: Counter[Key] = Counter()
        self._settled: set[Key] = set()
        self._accused: dict[Key, Race] = {}
        self._races: dict[str, Race] = {}

    def examined(self, runner: Runner, trace: Trace) -> Trace:
        """See `Detector`."""
        if trace.failures or trace.uncontrolled or trace.fingerprint in self._judged:
            return trace
        self._judged.add(trace.fingerprint)
        learned = False
        for suspect in self._new(runner.record):
            verdict, has_learned = self._judged_suspect(runner, trace, suspect)
            learned = learned or has_learned
            failures = self._settle(suspect.key, verdict)
            if failures and verdict.racy is not None:
                runner.recognise = lambda: self._recognised(runner)
                return replace(verdict.racy.trace, failures=failures, learned=True)
            if verdict.failing is not None:
                return replace(verdict.failing, learned=True)
        return replace(trace, learned=True) if learned else trace

    def _new(self, record: RunRecord) -> list[Suspect]:
        """What is not known yet to be harmless, and may come in another order."""
        found = [suspect for suspect in suspects(record) if suspect.key not in self._settled]
        if not found:
            return found
        order = Order(record)
        return [each for each in found if not _is_handed_over(order, each)]

    def _judged_suspect(self, runner: Runner, trace: Trace, suspect: Suspect) -> tuple[Verdict, bool]:
        """What becomes of it, and whether the runs that it took have taught anything.

        If they have, there are further steps now, and the orders that were compared were not what they seemed.
        """
        record = runner.record
        learned = False
        while True:
            confirmation = Confirmation(runner, record, suspect)
            verdict = confirmation.judge()
            if not confirmation.learned:
                return verdict, learned
            learned = True
            runner.follow(trace.schedule)
            record = runner.record
            again = next((each for each in suspects(record) if each.key == suspect.key), None)
            if again is None:
                return Verdict("unrepeatable"), learned
            suspect = again

    def named(self, runner: Runner, trace: Trace) -> tuple[Race, ...]:
        """See `Detector`."""
        failure = trace.failures[0]
        known = self._of(failure)
        if known or failure.kind not in EXPLAINED or trace.uncontrolled:
            return tuple(known)
        explained = Explanation(runner, runner.record, failure).find(trace.schedule)
        return () if explained is None else (race_of_failure(explained, failure),)

    def races(self) -> tuple[Race, ...]:
        """See `Detector`."""
        return tuple(self._races.values())

    def _of(self, failure: Failure) -> list[Race]:
        return [race for race in self._accused.values() if (race.kind, race.key) == (failure.kind, failure.place)]

    def _settle(self, key: Key, verdict: Verdict) -> tuple[Failure, ...]:
        """Keep what is known now of a suspect; the failure, if it is one that fails the test."""
        self._tries[key] += 1
        if verdict.result not in ("confirmed", "twice"):
            if self._tries[key] >= MOST_TRIES:
                self._settled.add(key)
            return ()
        self._settled.add(key)
        race = race_of(verdict, " ".join(site.key for site in key))
        level = self._levels[race.kind]
        if level == "error" and not race.confirmed:
            level = "warn"
        race = replace(race, level=cast("Level", level))
        if level == "error":
            self._accused[key] = race
            return (failure_of(race),)
        if level != "ignore":
            self._races.setdefault(race.key, race)
        return ()

    def _recognised(self, runner: Runner) -> tuple[Failure, ...]:
        """The races of the last run that are known to matter."""
        if not self._accused:
            return ()
        record = runner.record
        keys = [suspect.key for suspect in suspects(record)]
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
