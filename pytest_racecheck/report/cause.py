"""Says what a failure depends on, and which interpreter can do what the shown run does."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.values import Cause, Event, Exploration, Finding
from pytest_racecheck.report.fit import cut, plain, portable, short_path

_LONGEST: Final = 50
"""Characters of what was done at a place."""


def cause_of(finding: Finding, root: str) -> str:
    """What a failure depends on, as a sentence; "" where that was not shown."""
    causes = finding.causes
    if not causes:
        return ""
    depends = ", and ".join(_part(cause, root) for cause in causes)
    return f"Passes if {depends}." if causes[0].passes else f"Fails only if {depends}."


def _part(cause: Cause, root: str) -> str:
    task, _, _, to, _ = cause.switch
    after, before = _step(cause.after, root), _step(cause.before, root)
    if after and before:
        return f"task {to} runs between {after} and {before} of task {task}"
    if after or before:
        return f"task {to} runs {f'after {after}' if after else f'before {before}'} of task {task}"
    if not task:
        return f"task {to} moves first"
    if cause.switch.place == "end":
        return f"task {to} moves next when task {task} has ended"
    where = f" at {_place(cause.at, root)}" if cause.at else ""
    if task == to:
        return f"the wait of task {task}{where} ends before what it waits for"
    return f"task {to} moves next when task {task} has to wait{where}"


def _step(event: Event | None, root: str) -> str:
    """A place, and what a task does there: ``test_cache.py:41 (read self.n = 0)``."""
    if event is None:
        return ""
    done = _done(event)
    return f"{_place(event, root)} ({done})" if done else _place(event, root)


def _place(event: Event, root: str) -> str:
    return plain(f"{short_path(event.filename, root)}:{event.line}")


def _done(event: Event) -> str:
    if event.kind == "yield" or (event.name and event.name == event.value):  # a literal
        return ""
    if event.note:
        return cut(portable(event.note.partition(",")[0], ""), _LONGEST)
    sign = " -> " if event.kind == "call" else " = "
    what = sign.join(filter(None, (event.name, event.value)))
    return cut(f"{event.kind} {what}", _LONGEST) if what else ""


def interpreter_of(finding: Finding, exploration: Exploration) -> str:
    """Who can make the preemptions of the shown run, as a sentence; "" if it has none, or that is not known."""
    name = exploration.interpreter
    if not name or finding.with_gil is None:
        return ""
    steps_are_named = len(finding.causes) == finding.trace.preemptions == 1
    where = "between these two steps" if steps_are_named and all(finding.causes[0][1:3]) else "there"
    if not exploration.gil:
        also = {"yes": ", and with a GIL it could too", "no": "; with a GIL it could not", "unknown": ""}
        return f"This free-threaded {name} can switch {where}{also[finding.with_gil]}."
    if finding.with_gil == "yes":
        return f"{name} with its GIL can switch {where}."
    if finding.with_gil == "no":
        needs = "Needs a free-threaded build (or CPython before 3.10)"  # since then it looks in few places only
        return f"{needs}: with its GIL, {name} does not switch {where}."
    return f"Whether {name} with its GIL can switch {where} can't be told: code out of scope runs in between."


def same_switches(one: Finding, other: Finding) -> bool:
    """Whether all that one finding needs to be preempted is preempted in the run of the other as well."""
    needed = {switch[:4] for switch in one.trace.schedule if switch.preempts}
    return bool(needed) and needed <= {switch[:4] for switch in other.trace.schedule if switch.preempts}
