"""What the session says: command line before ini file before default. Loaded by every session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import pytest

from pytest_racecheck.bridge.options import BY_NAME, OPTIONS, PROFILES, Option, from_text


class Sourced(NamedTuple):
    """A value and where it came from."""

    value: Any
    origin: str


Defaults = Mapping[str, Sourced]
"""What the session says, by name of the option."""

DEFAULTS: Final = pytest.StashKey[Defaults]()

DEFAULT: Final = "default"
"""The origin of what nobody set."""

MARKED: Final = "marker"
"""The origin of what stands in a marker."""


def add_options(parser: pytest.Parser) -> None:
    """Declare flags and ini entries. Values stay text here: our own conversion has the better messages."""
    group = parser.getgroup("racecheck", "finding race conditions")
    for option in OPTIONS:
        if option.flag:
            group.addoption(
                option.flag_name,
                dest=option.ini_name,
                action="append" if option.several else "store",
                metavar=option.metavar,
                default=None,
                help=f"{option.help} (default: {option.shown_default})".replace("%", "%%"),
            )
        if option.ini:
            kind: Literal["linelist", "string"] = "linelist" if option.several else "string"
            parser.addini(option.ini_name, f"Default of {option.flag_name}", type=kind)


def read_defaults(config: pytest.Config) -> Defaults:
    """Read what command line and ini file say.

    Raises:
        pytest.UsageError: for a value that is not right.
    """
    try:
        profile = _explicit(config, BY_NAME["profile"]) or Sourced("dev", DEFAULT)
        return {option.name: _session_value(config, option, profile) for option in OPTIONS}
    except (ValueError, TypeError) as error:
        raise pytest.UsageError(str(error)) from None


def in_force(defaults: Defaults) -> str:
    """One line for pytest's header: the budget, and everything else that somebody set."""
    parts = [f"{defaults['runs'].value:,} runs or {defaults['time'].value:g} s a test"]
    origins = {each.origin for each in (defaults["runs"], defaults["time"])} - {DEFAULT}
    if origins:
        parts[0] += f" ({', '.join(sorted(origins))})"
    for name in ("strategy", "seed", "steps", "stuck", "mode", "source"):
        value, origin = defaults[name]
        if origin != DEFAULT:
            parts.append(f"{name} {', '.join(value) if isinstance(value, tuple) else value} ({origin})")
    return "racecheck: " + ", ".join(parts)


def is_default(defaults: Defaults) -> bool:
    """Whether nobody has set anything."""
    return all(each.origin == DEFAULT for each in defaults.values())


def _session_value(config: pytest.Config, option: Option, profile: Sourced) -> Sourced:
    """Climb the ladder; a profile stands right below the explicit values of the place where it was chosen."""
    flag = _from_flag(config, option)
    if flag is not None:
        return flag
    chosen = PROFILES[profile.value].get(option.name)
    if chosen is not None and profile.origin.startswith("--"):
        return Sourced(chosen, f"profile {profile.value}")
    ini = _from_ini(config, option)
    if ini is not None:
        return ini
    if chosen is not None and profile.origin != DEFAULT:
        return Sourced(chosen, f"profile {profile.value}")
    return Sourced(option.default, DEFAULT)


def _explicit(config: pytest.Config, option: Option) -> Sourced | None:
    return _from_flag(config, option) or _from_ini(config, option)


def _from_flag(config: pytest.Config, option: Option) -> Sourced | None:
    given = config.getoption(option.ini_name, None) if option.flag else None
    if given is None:
        return None
    text = given if isinstance(given, str) else "\n".join(given)
    return Sourced(from_text(option, text, name=option.flag_name, where="command line"), option.flag_name)


def _from_ini(config: pytest.Config, option: Option) -> Sourced | None:
    given = config.getini(option.ini_name) if option.ini else None
    if not given:
        return None
    text = given if isinstance(given, str) else "\n".join(given)
    file = config.inipath.name if config.inipath else "-o"
    return Sourced(from_text(option, text, name=option.ini_name, where=file), f"{option.ini_name} in {file}")
