"""Writes docs/options.md: ``python -m pytest_racecheck.bridge.options_page > docs/options.md``."""

from __future__ import annotations

import sys

from pytest_racecheck.bridge.options import MARKER, OPTIONS, PROFILES, Option
from pytest_racecheck.strategies.table import STRATEGIES, Parameter

_OPENING = f"""\
# Options

This page is made from the table that the plugin itself reads (`python -m pytest_racecheck.bridge.options_page`).

Each value is looked up once a test: the marker's keyword comes before the command line, the command line before the
ini file, the ini file before the default. Several `{MARKER}` markers on one test (function, class, module) are read
keyword by keyword, the closest first. A profile counts where it was chosen: `--racecheck-profile=ci` comes before
`racecheck_runs` in the ini file, and after `--racecheck-runs`.
"""


def page() -> str:
    """The whole page."""
    parts = [_OPENING, _profiles(), *map(_section, OPTIONS)]
    return "\n".join(parts)


def _profiles() -> str:
    rows = [f"| `{name}` | {values['runs']:,} | {values['time']:g} |" for name, values in PROFILES.items()]
    return "\n".join(["| profile | runs | seconds |", "|---|---|---|", *rows, ""])


def _section(option: Option) -> str:
    ways = [
        *([f"`@pytest.mark.{MARKER}({option.name}=...)`"] if option.marker else []),
        *([f"`{option.flag_name}={option.metavar}`"] if option.flag else []),
        *([f"`{option.ini_name}`"] if option.ini else []),
    ]
    default = option.default_text or f"`{option.default!r}`"
    lines = [
        f"## {option.name}",
        "",
        f"{option.help}.",
        "",
        f"* Set by: {', '.join(ways)}",
        f"* Right: {option.kind.right}",
        f"* Default: {default}",
        "",
    ]
    if option.name == "strategy":
        lines += [_strategies()]
    return "\n".join(lines)


def _strategies() -> str:
    rows = [
        f"| `{name}` | {entry.help} | {'; '.join(map(_parameter, entry.parameters))} |"
        for name, entry in STRATEGIES.items()
    ]
    opening = "[Strategies](strategies.md) says more of each."
    return "\n".join([opening, "", "| strategy | | parameters |", "|---|---|---|", *rows, ""])


def _parameter(parameter: Parameter) -> str:
    default = "none" if parameter.default is None else parameter.default
    return f"`{parameter.name}`: {parameter.help}; {parameter.right}, default {default}"


if __name__ == "__main__":
    sys.stdout.write(page())
