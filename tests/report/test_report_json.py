"""The JSON report, and that its page in the docs names every field it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from report_traces import LOST_UPDATE, cause_in, exploration, failure, finding, trace

from pytest_racecheck.core.values import Exploration, Figures
from pytest_racecheck.report import json_report

PAGE = Path(__file__).parents[2] / "docs" / "json-report.md"
TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
}


def found() -> Exploration:
    also = failure("KeyError: 'k'", kind="thread-exception", place="m:f+1")
    late = trace(LOST_UPDATE, uncontrolled=("Task 1 blocked in C.",), leaked=("Task 0.1 waits.",), failures=(also,))
    cause = cause_in(late, "counter = 0", "counter = 1")
    return exploration(
        finding(late, failure(locations=("/repo/x.py:3",)), remarks=("Shrunk.",), causes=(cause,), with_gil="no"),
        uncontrolled=("Task 0 blocked in C.", "Task 1 blocked in C."),
        uninstrumented=("fast.inner: compiled.",),
        shared=("m:f+1.0",),
        remarks=("A remark.",),
        unproven=("not all of it is seen",),
        interpreter="CPython 3.13",
        learning=3,
        figures=Figures(5, 0.25, 0.6, 3, 0.125, 4, 90.0),
    )


def fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every field of a value, as the page writes them: path and type."""
    for key, item in value.items():
        kind = TYPES.get(type(item), "")
        if isinstance(item, list):
            kind = f"list of {TYPES[type(item[0])]}s"
        yield path + key, kind
        if isinstance(item, dict):
            yield from fields(item, f"{path}{key}.")
        elif isinstance(item, list) and isinstance(item[0], dict):
            yield from fields(item[0], f"{path}{key}[].")


def test_every_field_is_on_the_page_and_none_besides() -> None:
    entry = json_report.test_entry("a.py::test", found())
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| ([\w ]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    top = [("format", "integer"), ("tests", "list of objects")]

    assert sorted(rows) == sorted([*top, *fields(entry)])


def test_the_page_names_the_format() -> None:
    assert f"the version of this format: {json_report.FORMAT} |" in PAGE.read_text(encoding="utf-8")


def test_an_entry_says_all_there_is() -> None:
    entry = json_report.test_entry("a.py::test", found())
    (told,) = entry.pop("findings")

    assert entry == {
        "nodeid": "a.py::test",
        "outcome": "failed",
        "runs": 7,
        "seconds": 1.42,
        "strategy": "pct",
        "seed": 17,
        "tasks": 2,
        "choices": 4,
        "interleavings": 5,
        "classes": 0,
        "learning": 3,
        "figures": {
            "independent_runs": 5,
            "share_seen": 0.25,
            "failure_probability": 0.6,
            "depth": 3,
            "depth_probability": 0.125,
            "classes_run": 4,
            "classes_estimated": 90.0,
        },
        "unproven": ["not all of it is seen"],
        "stopped_by": "finding",
        "interpreter": "CPython 3.13",
        "gil": True,
        "granularity": "access",
        "error": "",
        "remarks": ["A remark."],
        "controlled": {
            "fully": False,
            "uncontrolled": ["Task 0 blocked in C.", "Task 1 blocked in C."],
            "uninstrumented": ["fast.inner: compiled."],
            "shared_sites": ["m:f+1.0"],
        },
    }
    interleaving = told.pop("interleaving")
    assert told == {
        "kind": "assertion",
        "message": "AssertionError: assert 1 == 2",
        "locations": ["/repo/x.py:3"],
        "token": "r1-abc",
        "run": 7,
        "preemptions": 1,
        "sequential": False,
        "with_gil": "no",
        "cause": "Fails only if task 1 runs between tests/test_counter.py:9 (read counter = 0) and "
        "tests/test_counter.py:9 (write counter = 1) of task 0.",
        "causes": [
            {
                "task": "0",
                "other": "1",
                "after": "/repo/tests/test_counter.py:9",
                "before": "/repo/tests/test_counter.py:9",
                "passes": False,
            }
        ],
        "also_failed": ["KeyError: 'k'"],
        "remarks": ["Shrunk."],
        "leaked": ["Task 0.1 waits."],
    }
    assert [(event["task"], event["kind"]) for event in interleaving] == [
        ("0", "start"),
        ("0", "read"),
        ("1", "start"),
        ("1", "read"),
        ("1", "write"),
        ("1", "end"),
        ("0", "write"),
        ("0", "end"),
    ]


def test_without_limits_a_test_is_fully_controlled() -> None:
    entry = json_report.test_entry("a.py::test", exploration())

    assert entry["controlled"] == {"fully": True, "uncontrolled": [], "uninstrumented": [], "shared_sites": []}


def test_the_document_is_sorted_and_comes_back_from_its_text() -> None:
    entries = [json_report.test_entry(name, exploration(seed=seed)) for name, seed in [("b", 1), ("a", 2), ("b", 0)]]
    text = json_report.dumps(entries)

    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text) == json_report.document(entries)
    assert [(test["nodeid"], test["seed"]) for test in json.loads(text)["tests"]] == [("a", 2), ("b", 1), ("b", 0)]


def test_lone_surrogates_are_escaped() -> None:
    entry = json_report.test_entry("\udc80", exploration(finding(trace(""), failure("caf\xe9 \ud800"))))

    assert entry["nodeid"] == "\\udc80"
    assert entry["findings"][0]["message"] == "caf\xe9 \\ud800"
