"""The command line: which programs and strategies, how much of each, and the tables that come of it."""

from __future__ import annotations

import argparse
import json
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_racecheck.strategies.table import names
from sctbench.measuring import ENDLESS, Search, Silence, search, silence
from sctbench.table import PROGRAMS, Entry

HEAD = ("program", "strategy", "found", "mean runs", "runs/s", "preemptions", "least", "random walk", "best published")
TWINS = ("twin of", "strategy", "outcome", "runs", "interleavings")


@dataclass(frozen=True, slots=True)
class Row:
    """One program under one strategy; ``twin`` only if twins were asked for."""

    program: str
    strategy: str
    search: Search
    twin: Silence | None


def main(description: str) -> None:
    """Measure what is asked for; print the tables and write the document."""
    options = _parser(description).parse_args()
    options.programs = options.programs or list(PROGRAMS)
    options.strategies = options.strategies.split(",")
    _refuse_unknown("program", options.programs, tuple(PROGRAMS))
    _refuse_unknown("strategy", options.strategies, names())
    build = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    print(f"Python {sys.version.split()[0]}{build}; {options.seeds} seeds, at most {options.cap:,} runs each\n")
    print(_head(HEAD))
    rows = []
    for row in _measured(options):
        print(_line(row, PROGRAMS[row.program]), flush=True)
        rows.append(row)
    if options.twins:
        print(f"\n{_head(TWINS)}")
        for row in rows:
            print(_twin_line(row))
    if options.json:
        options.json.write_text(json.dumps([_document(row) for row in rows], indent=2) + "\n", encoding="utf-8")


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sctbench", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"all, or some of: {', '.join(PROGRAMS)}")
    parser.add_argument("--strategies", default="random", help=f"with commas between them: {','.join(names())}")
    parser.add_argument("--seeds", type=int, default=20, help="how many explorations of each")
    parser.add_argument("--cap", type=int, default=10_000, help="how many runs an exploration may take")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to measure the runs per second")
    parser.add_argument(
        "--budget", type=float, default=ENDLESS, help="begin no further seed of a row after so many seconds"
    )
    parser.add_argument(
        "--twins", type=int, nargs="?", const=1000, default=0, metavar="RUNS", help="explore the corrected twins, too"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures to this file")
    return parser


def _measured(options: argparse.Namespace) -> Iterator[Row]:
    for program in options.programs:
        entry = PROGRAMS[program]
        for strategy in options.strategies:
            found = search(
                entry.make,
                strategy,
                seeds=options.seeds,
                cap=options.cap,
                seconds=options.seconds,
                budget=options.budget,
            )
            yield Row(program, strategy, found, silence(entry.twin, strategy, options.twins) if options.twins else None)


def _refuse_unknown(what: str, given: list[str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            sys.exit(f"there is no {what} {name!r}; there are: {', '.join(known)}")


def _head(columns: tuple[str, ...]) -> str:
    return f"{_cells(*columns)}\n{'|---' * len(columns)}|"


def _line(row: Row, entry: Entry) -> str:
    found = row.search
    left = sorted(found.preemptions)
    return _cells(
        row.program,
        row.strategy,
        f"{len(found.first)}/{found.seeds}",
        f"{found.mean:,.1f}" if found.mean else "",
        f"{found.runs_per_second:,.0f}",
        " to ".join(dict.fromkeys((str(left[0]), str(left[-1])))) if left else "",
        "" if entry.preemptions is None else str(entry.preemptions),
        f"{entry.random:,}" if entry.random else "never" if entry.best else "",
        f"{entry.best:,} ({entry.by})" if entry.best else "",
    )


def _twin_line(row: Row) -> str:
    twin = row.twin
    assert twin is not None
    outcome = f"{twin.outcome}: {twin.said.splitlines()[0]}" if twin.said else twin.outcome
    return _cells(row.program, row.strategy, outcome, f"{twin.runs:,}", f"{twin.interleavings:,}")


def _cells(*texts: str) -> str:
    return f"| {' | '.join(texts)} |"


def _document(row: Row) -> dict[str, object]:
    entry = PROGRAMS[row.program]
    published = {"best": entry.best, "by": entry.by, "random": entry.random, "preemptions": entry.preemptions}
    return {**asdict(row), "mean": row.search.mean, "published": published}
