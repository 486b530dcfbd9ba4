"""One line for a checked test, one for all of them; made of the entries of json_report, so that xdist can send them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pytest_racecheck.report.fit import counted, plain, portable

STRESS: Final = "stress"
"""The strategy of tests whose threads ran freely: nothing about them was controlled, or was meant to be."""

ENOUGH: Final = 30
"""Of fewer runs no figures are shown: they would say next to nothing."""

WORTH_SAYING: Final = 0.01
"""A smaller probability to have found a bug is none to speak of."""

_OUTCOMES: Final = ("failed", "error", "passed", "verified")
_LIMITS: Final = {"uncontrolled": "not controlled", "uninstrumented": "not instrumented"}


def summary_line(entry: Mapping[str, Any], root: str = "") -> str:
    """Say what became of one test: ``nodeid: outcome, what that rests on; what it does not cover``."""
    say = {"failed": _failed, "error": _error, "verified": _verified}.get(entry["outcome"], _passed)
    entry = _portable(entry, root)
    parts = [say(entry), *([] if _is_stress(entry) else _limits(entry["controlled"]))]
    if entry["outcome"] == "passed" and entry["unproven"]:
        parts.append(f"can't be verified: {_first_of(entry['unproven'])}")
    return plain(f"{entry['nodeid']}: {entry['outcome']}, {'; '.join(parts)}")


def totals_line(entries: Iterable[Mapping[str, Any]]) -> str:
    """Say what became of all tests: how many of each outcome, how many runs, how many not fully controlled.

    Tests in stress mode are told apart.
    """
    tests = list(entries)
    if not tests:
        return "racecheck: no test was checked"
    numbers = {outcome: sum(entry["outcome"] == outcome for entry in tests) for outcome in _OUTCOMES}
    outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in numbers.items() if number)
    runs = counted(sum(entry["runs"] for entry in tests), "run")
    parts = [f"{counted(len(tests), 'test')}: {outcomes}", f"{runs} in {_duration(sum(e['seconds'] for e in tests))}"]
    uncontrolled = sum(not entry["controlled"]["fully"] and not _is_stress(entry) for entry in tests)
    if uncontrolled:
        parts.append(f"{uncontrolled:,} not fully controlled")
    if stress := sum(map(_is_stress, tests)):
        parts.append(f"{stress:,} stress")
    return "racecheck: " + "; ".join(parts)


def replay_line(entry: Mapping[str, Any]) -> str:
    """What a replay in which nothing failed has to say, "" if the test was none."""
    if entry["stopped_by"] != "replay" or entry["outcome"] != "passed" or not entry["remarks"]:
        return ""
    return plain(f"{entry['nodeid']}: {entry['remarks'][-1]}")


def _portable(entry: Mapping[str, Any], root: str) -> dict[str, Any]:
    """The entry with its sentences as they are shown."""
    findings = [{**each, "message": portable(each["message"], root)} for each in entry["findings"]]
    limits = {key: [portable(text, root) for text in entry["controlled"][key]] for key in _LIMITS}
    unproven = [portable(text, root) for text in entry["unproven"]]
    error = portable(entry["error"], root)
    return {**entry, "error": error, "findings": findings, "controlled": limits, "unproven": unproven}


def _is_stress(entry: Mapping[str, Any]) -> bool:
    return bool(entry["strategy"] == STRESS)


def _passed(entry: Mapping[str, Any]) -> str:
    if _is_stress(entry):
        effort = f"{counted(entry['runs'], 'run')} in {_duration(entry['seconds'])}"
        return f"no failure in {effort}, {_free_threads(entry)}{_stopped_by(entry)}"
    if entry["stopped_by"] == "replay":
        return f"replayed without a failure, {counted(entry['runs'], 'run')} in {_duration(entry['seconds'])}"
    seen = counted(entry["interleavings"], "interleaving")
    effort = f"{counted(entry['runs'], 'run')} in {_duration(entry['seconds'])}"
    known = f"{_by_gil(entry)}{_figures(entry['figures'])}{_stopped_by(entry)}"
    return f"no failure in {effort}, {seen}, {_size(entry)}{known}"


def _figures(figures: Mapping[str, Any]) -> str:
    """What is known of the runs that were not made."""
    parts = []
    if figures["independent_runs"] >= ENOUGH:
        new, failing = _percent(1 - figures["share_seen"]), _percent(figures["failure_probability"], math.ceil)
        parts.append(f"one more random run shows a new one with a probability of about {new}")
        parts.append(f"and fails with one of {failing} at most (95 % confidence)")
    if figures["depth"] and figures["depth_probability"] >= WORTH_SAYING:
        found = _percent(figures["depth_probability"], math.floor)
        parts.append(f"a bug of depth {figures['depth']} would have been found with one of {found} at least")
    text = "".join(f"{', ' if part.startswith('and') else '; '}{part}" for part in parts)
    if figures["classes_run"] and figures["classes_estimated"] > figures["classes_run"]:
        text += f"; {how_many_classes(figures['classes_run'], figures['classes_estimated'])}"
    return text


def how_many_classes(run: int, estimated: float) -> str:
    """Say how far it is to the last class; an estimate has but two digits that count."""
    digits = max(0, len(f"{estimated:.0f}") - 2)
    about = f"{round(estimated, -digits):,.0f}" if digits < 10 else f"10^{digits + 1}"
    return f"{run:,} of about {about} classes of interleavings were run"


def _percent(share: float, rounded: Callable[[float], int] = round) -> str:
    """A share with about two digits that count."""
    percent = 100 * share
    if not percent:
        return "0 %"
    digits = 0 if percent >= 10 else 1 if percent >= 1 else 2
    whole = rounded(round(percent * 10**digits, 6))
    return f"{whole / 10**digits:.{digits}f} %" if whole else f"less than {10**-digits:.{digits}f} %"


def _verified(entry: Mapping[str, Any]) -> str:
    which = f"all {entry['classes']:,} classes of interleavings"
    if entry["classes"] == 1:
        which = "the only class of interleavings"
    if entry["granularity"] == "gil":
        which = (
            f"any of {counted(entry['classes'], 'interleaving')}" if entry["classes"] > 1 else "the only interleaving"
        )
    effort = f"{counted(entry['runs'], 'run')} in {_duration(entry['seconds'])}"
    learning = f" ({entry['learning']:,} to learn what is shared)" if entry["learning"] else ""
    return f"no failure in {which}, {effort}{learning}, {_size(entry)}{_by_gil(entry)}"


def _by_gil(entry: Mapping[str, Any]) -> str:
    """That tasks were stopped only where the interpreter itself can stop them."""
    return f", stopped only where {entry['interpreter']} with its GIL can" if entry["granularity"] == "gil" else ""


def _failed(entry: Mapping[str, Any]) -> str:
    findings: Sequence[Mapping[str, Any]] = entry["findings"]
    if not findings:
        return f"{counted(entry['runs'], 'run')} in {_duration(entry['seconds'])}"
    first = findings[0]
    more = f"; {len(findings) - 1:,} more" if len(findings) > 1 else ""
    return f"{first['kind']}, {_how(first, entry)}: {_first_line(first['message'])}{more}"


def _how(finding: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """How many preemptions it took, and in which run it was found."""
    run = f"in run {finding['run']:,}"
    if _is_stress(entry):
        return f"{run}, {_free_threads(entry)}"
    preemptions = counted(finding["preemptions"], "preemption")
    how = f"with {preemptions}" if finding["preemptions"] else "without any preemption"
    if entry["stopped_by"] == "replay":
        return f"{how}, replayed"
    if entry["runs"] > finding["run"]:
        run += f" ({entry['runs']:,} with confirming and shrinking)" if finding["token"] else f" of {entry['runs']:,}"
    return f"{how}, {run}"


def _free_threads(entry: Mapping[str, Any]) -> str:
    return f"with {counted(entry['tasks'], 'free thread')} (stress)"


def _error(entry: Mapping[str, Any]) -> str:
    return f"not checked: {_first_line(entry['error'])}"


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 120 else f"{line[:100]}...({len(line)} chars)"


def _size(entry: Mapping[str, Any]) -> str:
    return f"up to {counted(entry['choices'], 'choice')} among {counted(entry['tasks'], 'task')}"


def _stopped_by(entry: Mapping[str, Any]) -> str:
    return f"; stopped by: {entry['stopped_by']}" if entry["stopped_by"] else ""


def _limits(controlled: Mapping[str, Any]) -> list[str]:
    return [f"{title}: {_first_of(controlled[key])}" for key, title in _LIMITS.items() if controlled[key]]


def _first_of(sentences: Sequence[str]) -> str:
    more = f" (and {len(sentences) - 1:,} more)" if len(sentences) > 1 else ""
    return _first_line(sentences[0]).rstrip(".") + more


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 0.1 else f"{seconds:,.1f} s" if seconds < 100 else f"{seconds:,.0f} s"
