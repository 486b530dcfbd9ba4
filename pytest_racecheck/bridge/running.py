"""Runs a marked test in pytest's stead and turns the exploration's outcome into the test's."""

from __future__ import annotations

import linecache
import shutil
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import pytest

from pytest_racecheck.bridge.check import CHECK, Check, prepare
from pytest_racecheck.bridge.defaults import DEFAULTS
from pytest_racecheck.bridge.free_threads import EndlessError
from pytest_racecheck.bridge.options import MARKER
from pytest_racecheck.bridge.program import ItemProgram
from pytest_racecheck.bridge.progress import Progress
from pytest_racecheck.bridge.reporting import has_colour, remember, remember_coloured
from pytest_racecheck.bridge.store import TokenStore
from pytest_racecheck.bridge.stress import STRATEGY as STRESS
from pytest_racecheck.bridge.stress import render_stress_failure, stress
from pytest_racecheck.bridge.warning import RacecheckWarning
from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.core.values import Exploration


def run_checked(item: pytest.Function) -> None:
    """Explore the test; return if it passed, raise what pytest is to report if not."""
    __tracebackhide__ = _is_not_a_verdict
    # A marker that a fixture has put on the test is met here first.
    check = item.stash.get(CHECK, None) or prepare(item)
    check.output.setup_is_done()
    exploration = _explored(item, check)
    item.ihook.pytest_racecheck_explored(item=item, exploration=exploration)
    remember(item, exploration)
    _conclude(item, exploration)


def _is_not_a_verdict(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Leave one frame of a verdict: pytest adds a remark to a report that shows none."""
    return not isinstance(excinfo.value, pytest.fail.Exception)


def _explored(item: pytest.Function, check: Check) -> Exploration:
    __tracebackhide__ = True
    program = _program(item, check)
    progress = Progress(item)
    try:
        return _search(item, check, program, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"racecheck: interrupted in run {program.runs:,} of {item.nodeid} (seed {check.settings.seed})"
        ) from None
    except RacecheckError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    finally:
        progress.end()
        check.output.end()


def _program(item: pytest.Function, check: Check) -> ItemProgram:
    __tracebackhide__ = True
    try:
        return ItemProgram(item, check.settings, check.output)
    except ValueError as error:
        raise pytest.fail.Exception(f"@pytest.mark.{MARKER} of {item.nodeid}: {error}", pytrace=False) from None


def _search(item: pytest.Function, check: Check, program: ItemProgram, progress: Progress) -> Exploration:
    """Replay, stress or explore, as the settings want it."""
    __tracebackhide__ = True
    settings = check.settings
    token = item.config.stash[DEFAULTS]["replay"].value
    if settings.mode == "stress":
        if token is not None:
            raise RacecheckError(f"{item.nodeid} is a stress test (mode='stress'): there is nothing to replay.")
        return stress(
            program,
            runs=settings.runs,
            seconds=settings.time,
            stuck=settings.stuck,
            control=_control(),
            progress=progress,
        )
    if token is not None:
        return _replay(item, check, program, token)
    return _explore(item, check, program, progress)


def _explore(item: pytest.Function, check: Check, program: ItemProgram, progress: Progress) -> Exploration:
    from pytest_racecheck.bridge.strategy import make_strategy
    from pytest_racecheck.core.explore import explore

    __tracebackhide__ = True
    settings = check.settings
    store = TokenStore(item.config, item.nodeid)
    exploration = explore(
        program,
        strategy=make_strategy(item.config, settings.strategy, settings.seed, gil=_by_gil(check)),
        instrument=_instrument(item, check),
        limits=_limits(check),
        seed=settings.seed,
        first=store.tokens(),
        control=_control(),
        progress=progress,
    )
    if exploration.outcome != "error" and exploration.stopped_by != "interrupted":
        store.keep(tuple(finding.token for finding in exploration.findings if finding.token))
    return exploration


def _replay(item: pytest.Function, check: Check, program: ItemProgram, token: str) -> Exploration:
    from pytest_racecheck.core.explore import replay

    __tracebackhide__ = True
    return replay(
        program,
        token=token,
        instrument=_instrument(item, check),
        limits=_limits(check),
        control=_control(),
    )


def _instrument(item: pytest.Function, check: Check) -> Any:
    from pytest_racecheck.bridge import asserts, child_coverage, child_output
    from pytest_racecheck.instrument import birth, hearing, warm
    from pytest_racecheck.instrument.install import Rewriting
    from pytest_racecheck.instrument.scope import Scope

    warm.AT_BEGIN[asserts.WHERE] = asserts.rewritten_files
    warm.AT_BEGIN[child_coverage.WHERE] = child_coverage.configuration
    birth.AT_BIRTH[:] = [child_output.prepare, child_coverage.prepare]
    hearing.MORE.update(child_output.LISTENERS | child_coverage.LISTENERS)
    return Rewriting(Scope(root=item.config.rootpath, sources=check.settings.source, test_file=item.path))


def _limits(check: Check) -> Any:
    from pytest_racecheck.core.explore import Limits

    settings = check.settings
    return Limits(
        runs=settings.runs,
        seconds=settings.time,
        steps=settings.steps,
        stuck=settings.stuck,
        early_timeouts=settings.timeouts == "explore",
        wakeups=settings.wakeups,
        real_clock=settings.clock == "real",
        gil=_by_gil(check),
    )


def _by_gil(check: Check) -> bool:
    """Whether the GIL says where tasks can be stopped; an interpreter that runs without one can stop them anywhere."""
    from pytest_racecheck.core.confirm import has_gil

    return check.settings.granularity == "gil" and has_gil()


def _control() -> tuple[type[BaseException], ...]:
    """What a test raises to say something to pytest, not to fail."""
    import unittest

    return (pytest.skip.Exception, pytest.exit.Exception, pytest.xfail.Exception, unittest.SkipTest)


def _conclude(item: pytest.Function, exploration: Exploration) -> None:
    """Raise, or warn, or say nothing."""
    __tracebackhide__ = True
    if exploration.stopped_by == "interrupted":
        raise KeyboardInterrupt(
            f"racecheck: interrupted after {exploration.runs:,} runs of {item.nodeid} (seed {exploration.seed})"
        )
    if exploration.outcome == "failed":
        if has_colour(item.config):
            remember_coloured(item, _failure_text(item, exploration, color=True))
        _fail(_failure_text(item, exploration), exploration.findings[0].failure.exception)
    if exploration.outcome == "error":
        from pytest_racecheck.report.text import render_error

        pytest.fail(render_error(exploration, root=str(item.config.rootpath), width=_width()), pytrace=False)
    errors = [error for sentence in _worth_a_warning(exploration) if (error := _warn(item, sentence)) is not None]
    if errors:
        _fail("\n".join(_told(errors)), errors[0])


def _worth_a_warning(exploration: Exploration) -> list[str]:
    """What is to be known of a test that passed.

    That nothing was under control is no news for a stress test, and that the bug is gone none for a replay, whose
    summary says it.
    """
    if exploration.strategy == STRESS:
        return [*exploration.remarks, *exploration.uninstrumented]
    from pytest_racecheck.core.explore import GONE

    sentences = (*exploration.remarks, *exploration.uninstrumented, *exploration.uncontrolled)
    return [sentence for sentence in sentences if sentence != GONE]


def _warn(item: pytest.Function, sentence: str) -> RacecheckWarning | None:
    """Warn; give back the warning if the filters make an error of it."""
    from pytest_racecheck.report.fit import portable

    path, line, _ = item.reportinfo()
    text = f"{item.nodeid}: {portable(sentence, str(item.config.rootpath))}"
    try:
        warnings.warn_explicit(text, RacecheckWarning, str(path), (line or 0) + 1)
    except RacecheckWarning as error:
        return error
    return None


def _told(errors: Iterable[RacecheckWarning]) -> Iterator[str]:
    from pytest_racecheck.report.fit import sentence

    for error in errors:
        yield from sentence(f"{type(error).__name__}: {error}", _width(), "", "  ")


def _failure_text(item: pytest.Function, exploration: Exploration, *, color: bool = False) -> str:
    root = str(item.config.rootpath)
    if exploration.strategy == STRESS:
        return render_stress_failure(exploration, root=root, width=_width())
    from pytest_racecheck.report.text import render_failure

    return render_failure(
        exploration,
        nodeid=item.nodeid,
        read_line=linecache.getline,
        root=root,
        width=_width(),
        color=color,
    )


def _width() -> int:
    return shutil.get_terminal_size().columns


def _fail(text: str, cause: BaseException | None) -> NoReturn:
    """Fail with the text alone; also an instance of what the test raised, for ``xfail(raises=...)``."""
    __tracebackhide__ = True
    raise _failure_type(cause)(text, pytrace=False) from None


def _failure_type(cause: BaseException | None) -> Any:
    if cause is None or isinstance(cause, pytest.fail.Exception | EndlessError | SystemExit):
        return pytest.fail.Exception
    try:
        both = type("Failed", (pytest.fail.Exception, type(cause)), {"__module__": "builtins"})
        both("", pytrace=False)
    except Exception:  # a type that can't be inherited from, or made without its own arguments
        return pytest.fail.Exception
    return both
