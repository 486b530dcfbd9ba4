"""Where CPython with its GIL looks whether another thread is to run: a table by version, with where it was read.

A thread that holds the GIL gives it away when it waits in C code (a lock that is taken, sleep, input and output), and
where the evaluation loop looks at its "eval breaker". Since 3.10 (bpo-29988) that is not between any two instructions,
but only where a function is entered, where a loop goes back, and after calls that are not calls of Python functions:
those are inlined and begin with a look. `benchmarks/switches.py` lets threads run and sees where they are stopped.

Read in CPython's sources: Python/ceval.c of 3.11.2 (CHECK_EVAL_BREAKER and RESUME), Python/generated_cases.c.h of
3.12.5 and of 3.13.15, Python/bytecodes.c of 3.14 (_CHECK_PERIODIC). No other instruction looks: not BEFORE_WITH, which
calls ``__enter__``, not WITH_EXCEPT_START, not RETURN_VALUE, not SEND, no operator. The specialised forms of CALL for
``len``, ``isinstance``, ``type`` and ``list.append`` don't look either, and those of 3.12 and later for classes with an
``__init__`` of Python only where that is entered. The general form, which runs first, does: so what is said to be
possible may be possible only in the first calls of a function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

Jumps = Literal["always", "true", "false", "none", "not none"]
"""When an instruction that jumps backward does so."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Where one version looks."""

    version: tuple[int, int]
    run_here: bool
    """Whether these facts were held against a running interpreter of that version, or only read."""
    jumps: Mapping[str, Jumps]
    """Instructions that look when they jump."""
    resumes: frozenset[int] = frozenset({0, 1})
    """By the two low bits of the argument of RESUME: at the start and after ``yield``, not after ``yield from`` or
    ``await``."""
    spread_always: bool = False
    """CALL_FUNCTION_EX looks after a Python function too: it does not inline."""
    exit_always: bool = True
    """The call of ``__exit__`` at the end of ``with`` looks after it, also if that is a Python function."""


_312: Final = Looks(version=(3, 12), run_here=True, jumps=MappingProxyType({"JUMP_BACKWARD": "always"}))
_313: Final = replace(_312, version=(3, 13))
_311: Final = replace(
    _312,
    version=(3, 11),
    jumps=MappingProxyType(
        {
            "JUMP_BACKWARD": "always",
            "POP_JUMP_BACKWARD_IF_TRUE": "true",
            "POP_JUMP_BACKWARD_IF_FALSE": "false",
            "POP_JUMP_BACKWARD_IF_NONE": "none",
            "POP_JUMP_BACKWARD_IF_NOT_NONE": "not none",
        }
    ),
    spread_always=True,
)
# LOAD_SPECIAL pushes a function and its self, which are inlined.
_314: Final = replace(_313, version=(3, 14), run_here=False, exit_always=False)
_315: Final = replace(_314, version=(3, 15))

LOOKS: Final[Mapping[tuple[int, int], Looks]] = MappingProxyType(
    {looks.version: looks for looks in (_311, _312, _313, _314, _315)}
)

LOOKING: Final = frozenset({"RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX"})
"""Instructions beside `Looks.jumps` that look; 3.11 and 3.12 have no CALL_KW."""
