"""The machine-readable report; docs/json-report.md says what each field means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pytest_racecheck.core.values import Cause, Event, Exploration, Finding
from pytest_racecheck.report.cause import cause_of
from pytest_racecheck.report.fit import unique

FORMAT: Final = 1
"""Raised whenever a field changes its meaning or goes away; added fields do not raise it."""
# 1: the first.


def test_entry(nodeid: str, exploration: Exploration) -> dict[str, Any]:
    """What is reported of one test, made of JSON's types only and of text that any encoding can carry."""
    entry = {
        "nodeid": nodeid,
        "outcome": exploration.outcome,
        "runs": exploration.runs,
        "seconds": exploration.seconds,
        "strategy": exploration.strategy,
        "seed": exploration.seed,
        "findings": [_finding(finding) for finding in exploration.findings],
        "tasks": exploration.tasks,
        "choices": exploration.choices,
        "interleavings": exploration.interleavings,
        "classes": exploration.classes,
        "learning": exploration.learning,
        "figures": exploration.figures._asdict(),
        "unproven": list(exploration.unproven),
        "stopped_by": exploration.stopped_by,
        "interpreter": exploration.interpreter,
        "gil": exploration.gil,
        "granularity": exploration.granularity,
        "error": exploration.error,
        "remarks": list(exploration.remarks),
        "controlled": _controlled(exploration),
    }
    return {key: _encodable(value) for key, value in entry.items()}


def document(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole report: the entries by nodeid, equal ones in the order given."""
    return {"format": FORMAT, "tests": sorted(entries, key=lambda entry: str(entry["nodeid"]))}


def dumps(entries: Iterable[Mapping[str, Any]]) -> str:
    """`document` as text: plain ASCII, indented, ends in a line end."""
    return json.dumps(document(entries), indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "message": finding.message,
        "locations": list(finding.locations),
        "token": finding.token,
        "run": finding.run,
        "preemptions": finding.trace.preemptions,
        "sequential": finding.sequential,
        "with_gil": finding.with_gil or "",
        "cause": cause_of(finding, ""),
        "causes": [_cause(cause) for cause in finding.causes],
        "also_failed": [
            failure.message for failure in finding.trace.failures if failure.signature != finding.failure.signature
        ],
        "interleaving": [event._asdict() for event in finding.trace.events],
        "remarks": list(finding.remarks),
        "leaked": list(finding.trace.leaked),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "task": cause.switch.task,
        "other": cause.switch.to,
        "after": _location(cause.after),
        "before": _location(cause.before),
        "passes": cause.passes,
    }


def _location(event: Event | None) -> str:
    return f"{event.filename}:{event.line}" if event is not None else ""


def _controlled(exploration: Exploration) -> dict[str, Any]:
    of_findings = (text for finding in exploration.findings for text in finding.trace.uncontrolled)
    uncontrolled = unique([*exploration.uncontrolled, *of_findings])
    return {
        "fully": not uncontrolled and not exploration.uninstrumented,
        "uncontrolled": uncontrolled,
        "uninstrumented": unique(exploration.uninstrumented),
        "shared_sites": list(exploration.shared),
    }


def _encodable(value: Any) -> Any:
    """Escape lone surrogates, which neither execnet nor a UTF-8 file takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    return value
