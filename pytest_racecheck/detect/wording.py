"""Says what is wrong: makes a `Race` of a suspect that was confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pytest_racecheck.core.observation import Observation, Seen
from pytest_racecheck.core.values import Failure, Race, RaceKind
from pytest_racecheck.detect.confirmation import Order, Verdict
from pytest_racecheck.detect.explanation import Explained
from pytest_racecheck.detect.naming import FIRST, FOREIGN, LAST

MOST_DIFFERENCES: Final = 4
"""So many of the things in which outcomes differ are told."""

LONGEST_OUTCOME: Final = 120
"""So much is told of a thing that is written out in full."""

LONGEST: Final = 40
"""So long may a value in a sentence be."""


def race_of(verdict: Verdict, key: str) -> Race:
    """Make the race of a verdict that accuses."""
    racy = verdict.racy
    if racy is None:
        raise ValueError("nothing was confirmed")
    first, foreign, last = racy.seen[FIRST], racy.seen[FOREIGN], racy.seen[LAST]
    return Race(
        kind=verdict.kind,
        message=_equal(foreign, last)
        if verdict.result == "elsewhere"
        else _SENTENCES[verdict.kind](first, foreign, last),
        location=_location(first, foreign, last),
        sides=(first.side, foreign.side, last.side),
        outcomes=_outcomes(racy, verdict.others),
        hint=verdict.hint,
        confirmed=verdict.result != "twice",
        key=key,
    )


def race_of_failure(explained: Explained, failure: Failure) -> Race:
    """Make the race that a failing run comes from."""
    kind, first, foreign, last, passing, _ = explained
    in_order = (first, foreign, last) if first is not None else (last, foreign)
    known = [each for each in in_order if each is not None]
    return Race(
        kind=kind,
        message=_sentence(kind, first, foreign, last),
        location=_location(*known),
        sides=tuple([each.side for each in known]),
        hint=explained.hint,
        outcomes=(
            ("so", failure.message.partition("\n")[0]),
            *[(f"task {task} first", "no failure") for task in passing],
        ),
    )


def _sentence(kind: RaceKind, first: Seen | None, foreign: Seen, last: Seen | None) -> str:
    if first is not None and last is not None:
        return _SENTENCES[kind](first, foreign, last)
    if last is not None:
        return _too_early(foreign, last)
    return _too_late(first, foreign) if first is not None else f"unordered accesses to {foreign.shown}"


def _location(*seen: Seen) -> str:
    """What to call the thing: a name that stands in the code rather than the name of a type."""
    return seen[0].location


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."


def _lost_update(first: Seen, foreign: Seen, last: Seen) -> str:
    one, other = last.side.task, foreign.side.task
    mine, theirs, then = (f" {_short(each.side.value)}" if each.side.value else "" for each in (first, foreign, last))
    if first.side.kind == "write":
        return (
            f"lost update of {first.shown}: task {one} wrote{mine}, task {other} wrote{theirs} over it, "
            f"and task {one} went on as if nothing had happened"
        )
    return (
        f"lost update of {first.shown}: task {one} read{mine}, task {other} wrote{theirs}, "
        f"and task {one} wrote{then} over it"
    )


def _check_then_act(first: Seen, foreign: Seen, last: Seen) -> str:
    one, other = last.side.task, foreign.side.task
    return (
        f"check-then-act on {first.shown}: task {one} looked, task {other} changed it, "
        f"and task {one} acted on what it had seen before"
    )


def _double_initialisation(_first: Seen, foreign: Seen, last: Seen) -> str:
    one, other = last.side.task, foreign.side.task
    return (
        f"double initialisation of {last.shown}: task {one} and task {other} both found nothing there, "
        f"and what task {other} had put there is lost"
    )


def _equal(foreign: Seen, last: Seen) -> str:
    return (
        f"double initialisation of {last.shown}: task {last.side.task} and task {foreign.side.task} both found nothing "
        "there, and both have put the same there"
    )


def _iterating(_first: Seen, foreign: Seen, last: Seen) -> str:
    one, other = last.side.task, foreign.side.task
    return f"changed while iterating: task {other} changed {last.shown} while task {one} went over it"


def _torn(first: Seen, foreign: Seen, last: Seen) -> str:
    one, other = first.side.task, foreign.side.task
    both = first.shown if first.shown == last.shown else f"{first.shown} and {last.shown}"
    if foreign.side.kind == "read":
        return f"torn invariant: task {other} looked at {both} while task {one} was between its two writes"
    return f"torn invariant: task {one} looked at {both}, and in between task {other} wrote both"


def _too_early(foreign: Seen, last: Seen) -> str:
    one, other = last.side.task, foreign.side.task
    verb = "reads" if last.side.kind == "read" else "changes"
    return f"unordered: task {one} {verb} {last.shown} before task {other} has changed it, and nothing makes it wait"


def _too_late(first: Seen, foreign: Seen) -> str:
    if first.side.kind == "read":
        return _too_early(foreign, first)
    one, other = first.side.task, foreign.side.task
    verb = "reads" if foreign.side.kind == "read" else "changes"
    return f"unordered: task {other} {verb} {foreign.shown} after task {one} has changed it, and nothing says so"


_SENTENCES: Final = {
    "torn-invariant": _torn,
    "lost-update": _lost_update,
    "check-then-act": _check_then_act,
    "double-initialisation": _double_initialisation,
    "changed-while-iterating": _iterating,
}


def _outcomes(racy: Observation, others: tuple[Order, ...]) -> tuple[tuple[str, str], ...]:
    """What came of each order: only that in which the racy one differs from another."""
    differing = dict.fromkeys(name for other in others for name in racy.differences(other.observation))
    names = [name for name in differing if name != "everything"]
    orders = [("so", racy), *[(other.name, other.observation) for other in others]]
    for told in (_short_texts, _full_texts):
        texts = [(order, told(observation)) for order, observation in orders]
        shown = [name for name in names if len({each.get(name) for _, each in texts}) > 1][:MOST_DIFFERENCES]
        if shown:
            return tuple(dict.fromkeys((order, _told(each, shown)) for order, each in texts))
    return ()


def _told(texts: dict[str, str], names: list[str]) -> str:
    return ", ".join(dict.fromkeys([texts[name] for name in names if texts.get(name)]))


def _short_texts(observation: Observation) -> dict[str, str]:
    """What is left, by name; several of one name are told together."""
    return _by_name((each.name, each.text) for each in observation.left)


def _full_texts(observation: Observation) -> dict[str, str]:
    """The same where the short texts don't show what differs: which objects they are, and what is in them."""
    return _by_name((each.name, f"{each.name} = {_cut(each.canonical)}") for each in observation.left)


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        found.setdefault(name, []).append(text)
    return {name: ", ".join(texts) for name, texts in found.items()}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_OUTCOME else f"{text[: LONGEST_OUTCOME - 3]}..."
