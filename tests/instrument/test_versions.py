"""What is known on interpreters is data; an unknown one is refused in a sentence that helps."""

from __future__ import annotations

import dis
import sys

import pytest

from pytest_racecheck.core.errors import UnsupportedInterpreterError
from pytest_racecheck.instrument import versions
from pytest_racecheck.instrument.versions import DIALECTS, cache_entries, dialect


def test_this_interpreter_is_known() -> None:
    """Without arguments the dialect is that of the running interpreter, and it was run."""
    assert sys.version_info[:2] == dialect().version
    assert dialect().run_here


@pytest.mark.parametrize(
    ("version", "implementation", "found"),
    [
        ((3, 10), "cpython", "this is CPython 3.10."),
        ((3, 99), "cpython", "this is CPython 3.99."),
        ((3, 11), "pypy", "this is pypy 3.11."),
        ((3, 13), "graalpy", "this is graalpy 3.13."),
    ],
)
def test_unknown_interpreters_are_refused(version: tuple[int, int], implementation: str, found: str) -> None:
    """The message names what was found, what is supported and what to do."""
    with pytest.raises(UnsupportedInterpreterError) as caught:
        dialect(version, implementation)

    message = str(caught.value)
    assert found in message
    assert "knows CPython 3.11 to 3.15" in message
    assert "Run the tests with a supported CPython" in message


@pytest.mark.parametrize("version", sorted(DIALECTS))
def test_every_dialect_says_whether_it_was_run(version: tuple[int, int]) -> None:
    """3.11 to 3.13 were run, later ones are only written from the documentation."""
    assert (version <= (3, 13)) == dialect(version, "cpython").run_here


def test_the_instructions_named_exist() -> None:
    """Every instruction that the running interpreter's dialect names is one it has."""
    known = dialect()
    named = {*known.accesses, *known.method_loads, *known.truth_tests, known.keyword_names, known.cell_load}

    assert set() == named - set(dis.opmap)


def test_every_instruction_with_operands_is_accounted_for() -> None:
    """An instruction that is not hooked is on this list; a new one of a new CPython shows up here."""
    known = dialect()
    handled = {*known.accesses, *known.method_loads, *known.truth_tests, "CALL", "CALL_KW", "CALL_FUNCTION_EX"}
    touching = {
        name
        for name, number in dis.opmap.items()
        if number < 256 and not name.startswith("INSTRUMENTED") and name not in dis.__dict__.get("_specializations", ())
        if any(word in name for word in ("ATTR", "SUBSCR", "GLOBAL", "DEREF", "SLICE", "WITH", "ITER", "UNPACK"))
    }

    assert touching - handled <= {
        "BUILD_SLICE", "DICT_UPDATE", "GET_ITER", "GET_AITER", "GET_YIELD_FROM_ITER", "GET_ANEXT",
        "LOAD_CLASSDEREF", "LOAD_SUPER_ATTR", "WITH_EXCEPT_START", "LOAD_LOCALS", "SET_FUNCTION_ATTRIBUTE",
    }  # fmt: skip


def test_facts_agree_with_the_interpreter() -> None:
    """The other facts are what the interpreter says itself."""
    assert hasattr(sys, "monitoring") == versions.HAS_MONITORING
    assert ("free-threading" in sys.version) == versions.FREE_THREADED_BUILD
    assert versions.gil_enabled() or versions.FREE_THREADED_BUILD
    assert cache_entries("CALL") > 0
    assert cache_entries("POP_TOP") == 0
