"""What holds for the project as a whole: names, first lines, versions, and the two commands that a stranger types."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

import pytest_racecheck

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "pytest_racecheck").rglob("*.py"))
SOURCES = sorted(path for folder in ("tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

FIRST_WORDS = "python3 -m venv"
"""With these both of README's commands begin: they need nothing but Python and pip."""

NOT_A_NOUN = {"base", "common", "helper", "helpers", "misc", "shared", "stuff", "tools", "util", "utils"}
OF_ONE_MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users)/\w|(?<![\w.])[A-Z]:\\Users\b")
LEFT_OVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(text: str) -> list[str]:
    """The lines of a page or script that are one of the commands for a stranger."""
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [line for line in lines if line.startswith(FIRST_WORDS)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_begins_with_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring, f"{name_of(path)}: its first line is no docstring"
    assert path.read_text(encoding="utf-8").startswith('"""'), f"{name_of(path)}: something stands before the docstring"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_named_for_a_noun(path: Path) -> None:
    assert not NOT_A_NOUN & set(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", [*MODULES, *SOURCES, *PAGES], ids=name_of)
def test_no_file_speaks_of_one_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert OF_ONE_MACHINE.findall(text) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_left_to_do_in_a_comment(path: Path) -> None:
    assert LEFT_OVER.findall(path.read_text(encoding="utf-8")) == []


def test_one_version_is_installed_and_told() -> None:
    version = pytest_racecheck.__version__
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert importlib.metadata.version("pytest-racecheck") == version
    assert released[:1] in ([], [version])


def test_we_are_typed_for_those_who_use_us() -> None:
    assert (ROOT / "pytest_racecheck" / "py.typed").exists()


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] == "Unreleased"


def test_the_lowest_versions_are_those_that_are_tested() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    tested = dict(line.split("==") for line in tox["testenv:lowest"]["deps"].split())

    promised: dict[str, str] = {}
    for requirement in SETTINGS["project"]["dependencies"]:
        name, lowest = requirement.partition(";")[0].strip().split(">=")
        promised.setdefault(name, lowest)

    assert tested == promised


def test_every_python_we_name_has_its_environment() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(SETTINGS["project"]["classifiers"]))
    (environments,) = re.findall(r"py\{([\w,]+)\}", tox["tox"]["env_list"])

    assert [version.replace(".", "") for version in named] == sorted(environments.split(","))


def test_every_ignored_rule_has_its_reason() -> None:
    section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.ruff.lint]")[2]
    ignored = re.findall(r'^    "[A-Z]+\d*",(.*)$', section, re.MULTILINE)

    assert ignored
    assert [rest for rest in ignored if not re.fullmatch(r" +# \S.*", rest)] == []


def test_ci_runs_the_command_that_a_contributor_is_told() -> None:
    ci = commands((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    contributing = commands((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))

    assert len(ci) == 1
    assert contributing == ci


def test_readme_has_two_commands_and_ci_runs_the_second() -> None:
    readme = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    ci = commands((ROOT / ".ci" / "run").read_text(encoding="utf-8"))

    assert len(readme) == 2, readme
    assert readme[0].endswith(".venv/bin/tox run -e examples")
    assert readme[1:] == ci


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_no_page_has_a_third_command(path: Path) -> None:
    readme = commands((ROOT / "README.md").read_text(encoding="utf-8"))

    assert set(commands(path.read_text(encoding="utf-8"))) <= set(readme)
