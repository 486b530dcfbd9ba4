"""Taking code apart and putting it together: our splicer beside the package ``bytecode``, if that is installed.

    python benchmarks/rewriting.py

Over all functions of some modules of the standard library: milliseconds a code object for the round trip without any
change (median and mean), how many come out the same in every byte that the interpreter reads, and the time of a whole
rewrite with every hook.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType

from pytest_racecheck.instrument.install import HOOKS
from pytest_racecheck.instrument.rewrite import rewrite
from pytest_racecheck.instrument.splice import put_together, take_apart

MODULES = (
    "argparse", "ast", "calendar", "collections", "configparser", "csv", "dataclasses", "datetime", "difflib",
    "doctest",
    "email.message", "enum", "fractions",
    "functools", "heapq", "http.client", "inspect", "ipaddress", "json.decoder",
    "logging", "pathlib", "pdb", "pickle", "random", "shutil", "smtplib", "statistics",
    "string", "subprocess", "tarfile",
    "textwrap", "threading", "tokenize", "traceback", "typing", "unittest.mock", "urllib.parse", "zipfile",
)  # fmt: skip


def functions() -> Iterator[FunctionType]:
    """All functions and methods of the modules."""
    for name in MODULES:
        module = importlib.import_module(name)
        for value in vars(module).values():
            members = vars(value).values() if isinstance(value, type) and value.__module__ == name else (value,)
            yield from (each for each in members if isinstance(each, FunctionType) and each.__module__ == name)


def spliced(code: CodeType) -> CodeType:
    """Take apart and put together, nothing changed."""
    return put_together(code, take_apart(code), code.co_consts, 0)


def by_library(code: CodeType) -> CodeType:
    """The same by the package, the stack size given so that it need not be computed."""
    from bytecode import Bytecode

    return Bytecode.from_code(code).to_code(stacksize=code.co_stacksize, compute_exception_stack_depths=False)


def same(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects are the same to the interpreter: instructions, variables, handlers, positions."""
    names = ("co_code", "co_names", "co_varnames", "co_freevars", "co_exceptiontable", "co_stacksize")
    return all(getattr(one, name) == getattr(other, name) for name in names) and list(one.co_positions()) == list(
        other.co_positions()
    )


def measure(
    what: str, work: Callable[[FunctionType], CodeType], targets: list[FunctionType], *, inserting: bool = False
) -> None:
    """Time one way over all functions, and print."""
    times, equal, failed = [], 0, 0
    for function in targets:
        began = time.perf_counter()
        try:
            result = work(function)
        except Exception:  # counted: the package does not know every code object
            failed += 1
            continue
        times.append((time.perf_counter() - began) * 1000)
        equal += not inserting and same(result, function.__code__)
    fidelity = "" if inserting else f"; {equal} of {len(targets)} the same in every byte, {failed} failed"
    print(f"{what:28} median {statistics.median(times):.3f} ms, mean {statistics.mean(times):.3f} ms{fidelity}")


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    targets = list(functions())
    print(f"Python {sys.version.split()[0]}, {len(targets)} functions")
    measure("round trip, ours", lambda function: spliced(function.__code__), targets)
    if importlib.util.find_spec("bytecode"):
        measure("round trip, bytecode", lambda function: by_library(function.__code__), targets)
    measure(
        "rewritten with every hook",
        lambda f: rewrite(f.__code__, HOOKS, module=f.__module__, namespace=f.__globals__),
        targets,
        inserting=True,
    )


if __name__ == "__main__":
    main()
