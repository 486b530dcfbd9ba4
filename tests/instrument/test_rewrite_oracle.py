"""An independent reader of bytecode, the package ``bytecode``, agrees with what the rewriter puts together."""

from __future__ import annotations

import importlib
from types import CodeType, FunctionType

import pytest
from bytecode import Bytecode, ConcreteBytecode

from pytest_racecheck.instrument.install import HOOKS
from pytest_racecheck.instrument.rewrite import rewrite

MODULES = ("argparse", "ast", "contextlib", "functools", "inspect", "json.decoder", "logging", "threading", "zipfile")
IGNORED = {"EXTENDED_ARG", "CACHE"}


def functions(name: str) -> list[FunctionType]:
    """The functions and methods of a module."""
    module = importlib.import_module(name)
    found = [each for each in vars(module).values() if isinstance(each, FunctionType) and each.__module__ == name]
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == name:
            found += [each for each in vars(value).values() if isinstance(each, FunctionType)]
    return found


def rewritten(function: FunctionType) -> CodeType:
    """A function's code with every hook."""
    return rewrite(function.__code__, HOOKS, module=function.__module__, namespace=function.__globals__)


@pytest.mark.parametrize("name", MODULES)
def test_the_stack_is_large_enough(name: str) -> None:
    """The hooks need stack that the original did not; too little of it would be memory corruption.

    The package overestimates some code; where it does so for the original, it may do so for the rewritten by as much.
    """
    for function in functions(name):
        code = rewritten(function)
        excess = max(0, Bytecode.from_code(function.__code__).compute_stacksize() - function.__code__.co_stacksize)

        assert Bytecode.from_code(code).compute_stacksize() - excess <= code.co_stacksize, function.__qualname__


@pytest.mark.parametrize("name", MODULES)
def test_the_instructions_of_the_original_are_all_there_in_order(name: str) -> None:
    """Leaving the inserted ones out gives the original's instructions: nothing is lost, nothing moved."""
    for function in functions(name):
        before = [each.name for each in ConcreteBytecode.from_code(function.__code__) if each.name not in IGNORED]
        after = iter([each.name for each in ConcreteBytecode.from_code(rewritten(function))])
        normalised = {"LOAD_METHOD": "LOAD_ATTR"}

        assert all(
            any(normalised.get(name, name) == normalised.get(each, each) for each in after) for name in before
        ), function.__qualname__
