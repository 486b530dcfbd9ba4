"""What the pages of documentation show is run, and what they quote exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from pytest_racecheck.strategies.conformance import RULES

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "pytest_racecheck"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def blocks(page: str) -> list[str]:
    """The Python code that a page shows."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-Werror", "--racecheck-runs=200", *arguments, timeout=120)


@pytest.mark.usefixtures("_narrow")
def test_the_tutorial(pytester: pytest.Pytester) -> None:
    wrong, marked, right, customers, both = blocks("tutorial.md")

    pytester.makepyfile(test_stock=wrong)
    run(pytester).assert_outcomes(passed=1)

    pytester.makepyfile(test_stock=wrong + marked)
    found = run(pytester)
    found.assert_outcomes(passed=1, failed=1)
    found.stdout.fnmatch_lines(
        ["AssertionError: assert -1 >= 0", "pytest test_stock.py::test_take_at_once --racecheck-replay=rc1-*"]
    )

    (command,) = [line for line in found.outlines if "--racecheck-replay=" in line]
    pytester.makepyfile(test_stock="# a comment\n\n" + wrong + marked)
    replayed = run(pytester, *command.split()[1:])
    replayed.assert_outcomes(failed=1)
    replayed.stdout.fnmatch_lines(["AssertionError: assert -1 >= 0", "*Replayed*"])

    pytester.makepyfile(test_stock=wrong + marked + right + customers + both)
    run(pytester).assert_outcomes(passed=4)

    no_repair = right.replace(
        "self.items -= 1\n                return True\n            return False",
        "pass\n            else:\n                return False\n        with self.lock:\n            self.items -= 1\n"
        "            return True",
    )
    assert no_repair != right
    pytester.makepyfile(test_stock=wrong + marked + no_repair + customers)
    run(pytester).assert_outcomes(passed=1, failed=2)


@pytest.mark.usefixtures("_narrow")
def test_the_strategy_of_ones_own(pytester: pytest.Pytester) -> None:
    _, strategy, hook, *_ = blocks("writing-strategies.md")
    pytester.makeconftest(strategy + hook)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def box():
            return [0]

        def both(box):
            assert box == [2]

        @pytest.mark.racecheck(strategy="before-writes", invariant=both)
        def test_a(box):
            box[0] += 1
        """
    )
    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*strategy before-writes*"])


def test_the_strategy_of_ones_own_keeps_the_rules(pytester: pytest.Pytester) -> None:
    _, strategy, _, rules, simulation = blocks("writing-strategies.md")
    pytester.makepyfile(my_plugin=strategy, test_rules=rules, test_simulation=strategy + simulation)
    result = run(pytester, "-s")

    result.assert_outcomes(passed=len(RULES))
    result.stdout.fnmatch_lines(["*('0', 'acquire')*('1', 'read')*"])


@cache
def spoken() -> str:
    """All text in the package's code, what is put in left out."""
    said = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [each.value if isinstance(each, ast.Constant) else "\0" for each in node.values]
                said.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
    return "\n".join(said)


QUOTED = re.findall(r"^### `(.*)`$", (DOCS / "messages.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_that_is_explained_exists(message: str) -> None:
    text = spoken()

    assert [part for part in re.split(r"\.\.\.|(?<=mark\.)racecheck", message) if part not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
