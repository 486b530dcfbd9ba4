"""Imports go one way: plugin -> bridge -> strategies, instrument, detect, report -> core -> standard library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PACKAGE = "pytest_racecheck"
ROOT = Path(__file__).parent.parent / PACKAGE

MIDDLE = {"strategies", "instrument", "detect", "report"}
FRAMEWORK = {"pytest", "_pytest", "pluggy"}

# What each part may import of our own, beside itself...
OURS = {
    "core": set[str](),
    **{part: {"core"} for part in MIDDLE},
    "bridge": {*MIDDLE, "core", "hookspecs"},
    "hookspecs": {"core"},
    "plugin": {*MIDDLE, "core", "hookspecs", "bridge"},
    "__init__": {*MIDDLE, "core", "hookspecs", "bridge"},
}
# ...and beside the standard library.
THEIRS = {
    **dict.fromkeys(("hookspecs", "plugin", "__init__"), FRAMEWORK),
    "bridge": {*FRAMEWORK, "coverage"},  # coverage is imported only where the session has it at work
}
# Those that every session loads, also where no test is marked: they import the rest inside functions.
LOADED_ALWAYS = {"plugin", "__init__"}
CHEAP = {"hookspecs"}

MODULES = sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    """The name that the tables above know a module by: its folder's, or its own at the top."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported(nodes: Iterable[ast.AST], path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, ``from a import b`` as ``a.b``, relative imports resolved."""
    package = [PACKAGE, *path.relative_to(ROOT).parent.parts]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What importing a module runs: all but the bodies of functions and what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from run_at_import(child)


def violations(path: Path, source: str) -> list[str]:
    """One sentence for each import that the layers do not allow."""
    part = part_of(path)
    where = f"{PACKAGE}/{path.relative_to(ROOT).as_posix()}"
    if part not in OURS:
        return [f"{where}: no layer is called {part!r}: add it to OURS in {Path(__file__).name}, or move the module"]

    found = []
    for line, name in imported(ast.walk(ast.parse(source)), path):
        top, _, rest = name.partition(".")
        ours = rest.partition(".")[0]
        if top == PACKAGE:
            refused = ours in OURS and ours not in {part, *OURS[part]}
        else:
            refused = top not in sys.stdlib_module_names and top not in THEIRS.get(part, set())
        if refused:
            found.append(f"{where}:{line}: {part} must not import {name}")
    return found


def loaded_at_start(path: Path, source: str) -> list[str]:
    """One sentence for each import of ours that a session without a marked test would pay for."""
    return [
        f"{PACKAGE}/{path.name}:{line}: {name} is imported at every start; do it where it is needed"
        for line, name in imported(run_at_import(ast.parse(source)), path)
        if name.startswith(f"{PACKAGE}.") and name.split(".")[1] not in CHEAP
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    assert violations(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(LOADED_ALWAYS))
def test_a_session_without_marked_tests_loads_no_engine(name: str) -> None:
    path = ROOT / f"{name}.py"

    assert loaded_at_start(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("core/values.py", "import pytest", "core must not import pytest"),
        ("core/values.py", "def f():\n    import numpy", "core must not import numpy"),
        (
            "core/values.py",
            "from pytest_racecheck.report import text",
            "core must not import pytest_racecheck.report.text",
        ),
        ("core/values.py", "from ..report import text", "core must not import pytest_racecheck.report.text"),
        ("core/values.py", "from pytest_racecheck import report", "core must not import pytest_racecheck.report"),
        ("strategies/walk.py", "import pluggy", "strategies must not import pluggy"),
        (
            "strategies/walk.py",
            "import pytest_racecheck.detect.locks",
            "strategies must not import pytest_racecheck.detect.locks",
        ),
        ("report/text.py", "import pytest", "report must not import pytest"),
        ("instrument/rewrite.py", "import numpy", "instrument must not import numpy"),
        ("bridge/store.py", "import numpy", "bridge must not import numpy"),
        (
            "bridge/store.py",
            "from pytest_racecheck import plugin",
            "bridge must not import pytest_racecheck.plugin",
        ),
    ],
)
def test_a_wrong_import_is_named_with_its_file(module: str, source: str, expected: str) -> None:
    (message,) = violations(ROOT / module, source)

    assert message.startswith(f"pytest_racecheck/{module}:")
    assert message.endswith(expected)


def test_a_module_of_no_layer_is_named() -> None:
    (message,) = violations(ROOT / "misc.py", "")

    assert message.startswith("pytest_racecheck/misc.py: no layer is called 'misc'")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core/values.py", "from dataclasses import dataclass\nfrom .protocols import Strategy"),
        ("instrument/rewrite.py", "import dis\nfrom pytest_racecheck.core.values import Event"),
        ("bridge/store.py", "import pytest\nfrom pytest_racecheck import detect, report"),
        ("plugin.py", "from pytest_racecheck import hookspecs\nfrom pytest_racecheck.bridge import options"),
        ("core/values.py", "from pytest_racecheck import __version__"),
    ],
)
def test_a_right_import_is_not(module: str, source: str) -> None:
    assert violations(ROOT / module, source) == []


def test_an_early_import_is_named_and_a_late_one_is_not() -> None:
    early = "import pytest\nfrom pytest_racecheck.bridge import options"
    late = "class Plugin:\n    def pytest_configure(self):\n        from pytest_racecheck.bridge import options"

    (message,) = loaded_at_start(ROOT / "plugin.py", early)

    assert message.startswith(
        "pytest_racecheck/plugin.py:2: pytest_racecheck.bridge.options is imported at every start"
    )
    assert loaded_at_start(ROOT / "plugin.py", late) == []
