"""The plugin that pytest loads: hooks that ask "is this test ours?" and delegate.

Every session pays for this module, most of them without having a marked test: what they don't need is imported late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_racecheck import hookspecs

if TYPE_CHECKING:
    from pytest_racecheck.bridge.defaults import Defaults


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our own hooks."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare flags and ini entries."""
    from pytest_racecheck.bridge.defaults import add_options

    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the session's settings, so that a wrong one ends it at once."""
    from pytest_racecheck.bridge import fixtures
    from pytest_racecheck.bridge.defaults import DEFAULTS, read_defaults
    from pytest_racecheck.bridge.options import marker_line

    config.addinivalue_line("markers", marker_line())
    defaults = config.stash[DEFAULTS] = read_defaults(config)
    config.pluginmanager.register(fixtures, "racecheck-fixtures")
    _prepare(config, defaults)


def _prepare(config: pytest.Config, defaults: Defaults) -> None:
    """Load what only some sessions need."""
    if defaults["strategy"].origin != "default":
        from pytest_racecheck.bridge.strategy import check_session

        check_session(config, defaults["strategy"])
    if defaults["replay"].value is not None:
        from pytest_racecheck.bridge.replaying import ReplayGuard

        config.pluginmanager.register(ReplayGuard(), "racecheck-replay")
    if defaults["json"].value is not None and not hasattr(config, "workerinput"):
        from pytest_racecheck.bridge.reporting import make_json_writer

        config.pluginmanager.register(make_json_writer(config, defaults["json"].value), "racecheck-json")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is in force, if anybody has set anything."""
    from pytest_racecheck.bridge.defaults import DEFAULTS, in_force, is_default

    defaults = config.stash[DEFAULTS]
    return None if is_default(defaults) and config.get_verbosity() <= 0 else in_force(defaults)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look at the marker before anything is set up; tests with a wrong one fail, the others run."""
    for mark in item.iter_markers():
        if mark.name == "racecheck":
            from pytest_racecheck.bridge.check import prepare

            prepare(item)
            return
        if mark.name not in _OTHERS:
            _look_at(mark.name, item)


_OTHERS: set[str] = {"filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail"}
"""Names of markers that are nothing like ours; grows, so that each name is compared once."""


def _look_at(name: str, item: pytest.Item) -> None:
    from pytest_racecheck.bridge.marker import looks_like_ours, misspelling

    if not looks_like_ours(name):
        _OTHERS.add(name)
        return
    sentence = misspelling(name, item.config)
    if sentence:
        pytest.fail(f"@pytest.mark.{name} of {item.nodeid}: {sentence}", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a marked test in place of calling it."""
    __tracebackhide__ = True
    if pyfuncitem.get_closest_marker("racecheck") is None:
        return None
    from pytest_racecheck.bridge.running import run_checked

    run_checked(pyfuncitem)
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what became of the checked tests."""
    if any(hasattr(report, "racecheck") for reports in terminalreporter.stats.values() for report in reports):
        from pytest_racecheck.bridge.reporting import write_summary

        write_summary(terminalreporter)
