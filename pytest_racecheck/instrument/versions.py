"""The one place that knows how CPython versions differ: their instructions as data, and facts on the interpreter."""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import CodeType, MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from pytest_racecheck.core.errors import UnsupportedInterpreterError

Naming = Literal["", "name", "variable", "binary", "compare", "contains"]
"""What the argument of an instruction says: an index into co_names, a variable, an operator."""


class Access(NamedTuple):
    """What an instruction does, for the hook that is told.

    ``operands`` are the depths of the hook's operands on the stack, in the hook's order; 1 is the top.
    """

    hook: str
    operands: tuple[int, ...] = ()
    naming: Naming = ""
    shift: int = 0
    """How many low bits of the argument are flags."""
    cell: bool = False
    """Whether the hook gets the cell of the variable, before the operands."""


BINARY_OPERATORS: Final = (
    "+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^",
    "+=", "&=", "//=", "<<=", "@=", "*=", "%=", "|=", "**=", ">>=", "-=", "/=", "^=", "[]",
)  # fmt: skip
"""By argument of BINARY_OP. The last one is the subscript of 3.14."""
COMPARISONS: Final = ("<", "<=", "==", "!=", ">", ">=")

SURELY_BOOL: Final = frozenset(
    {
        "COMPARE_OP", "IS_OP", "CONTAINS_OP", "UNARY_NOT", "TO_BOOL", "CHECK_EXC_MATCH", "WITH_EXCEPT_START",
        "MATCH_MAPPING", "MATCH_SEQUENCE", "LOAD_CONST", "LOAD_SMALL_INT",
    }
)  # fmt: skip
"""A truth test right after one of these asks nothing of an object that anybody shares."""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What one version's bytecode looks like, as far as rewriting it needs to know."""

    version: tuple[int, int]
    run_here: bool
    """Whether these facts were held against a running interpreter of that version, or only read about."""
    null_first: bool
    """A call of a plain function has NULL below the callable (else above it)."""
    precall: bool
    """CALL is announced by PRECALL."""
    keyword_names: str
    """The instruction that carries the keyword names of a call."""
    cell_load: str
    """The instruction that pushes a cell itself."""
    truth_tests: frozenset[str]
    method_loads: Mapping[str, int]
    """Instructions that push a function and its self, to the bit of the argument that says so (0: always)."""
    accesses: Mapping[str, Access]
    compare_shift: int = 0
    special_methods: tuple[str, ...] = ()
    """By argument of LOAD_SPECIAL, which took the place of BEFORE_WITH in 3.14."""
    exit_depth: int = 4
    """Where WITH_EXCEPT_START finds ``__exit__``."""
    spread_has_flag: bool = True
    """The argument of CALL_FUNCTION_EX says whether there is a mapping; later there always is one, or NULL."""
    iterator_slots: int = 1
    """How many values GET_ITER leaves and FOR_ITER works on."""


_ACCESSES_311: Final[Mapping[str, Access]] = {
    "LOAD_ATTR": Access("read_attribute", (1,), "name"),
    "LOAD_METHOD": Access("read_attribute", (1,), "name"),
    "STORE_ATTR": Access("write_attribute", (1, 2), "name"),
    "DELETE_ATTR": Access("delete_attribute", (1,), "name"),
    "LOAD_GLOBAL": Access("read_global", (), "name", 1),
    "STORE_GLOBAL": Access("write_global", (1,), "name"),
    "DELETE_GLOBAL": Access("delete_global", (), "name"),
    "LOAD_DEREF": Access("read_cell", (), "variable", cell=True),
    "STORE_DEREF": Access("write_cell", (1,), "variable", cell=True),
    "DELETE_DEREF": Access("delete_cell", (), "variable", cell=True),
    "BINARY_SUBSCR": Access("read_item", (2, 1)),
    "STORE_SUBSCR": Access("write_item", (2, 1, 3)),
    "DELETE_SUBSCR": Access("delete_item", (2, 1)),
    "CONTAINS_OP": Access("contains", (2, 1), "contains"),
    "COMPARE_OP": Access("compare", (2, 1), "compare"),
    "BINARY_OP": Access("binary", (2, 1), "binary"),
    "FOR_ITER": Access("advance", (1,)),
    "UNPACK_SEQUENCE": Access("unpack", (1,)),
    "UNPACK_EX": Access("unpack", (1,)),
    "FORMAT_VALUE": Access("read_whole", (1,)),
    "LIST_EXTEND": Access("read_whole", (1,)),
    "SET_UPDATE": Access("read_whole", (1,)),
    "DICT_UPDATE": Access("read_whole", (1,)),
    "DICT_MERGE": Access("read_whole", (1,)),
    "GET_LEN": Access("read_whole", (1,)),
    "MATCH_MAPPING": Access("read_whole", (1,)),
    "MATCH_SEQUENCE": Access("read_whole", (1,)),
    "MATCH_KEYS": Access("read_whole", (2,)),
    "MATCH_CLASS": Access("read_whole", (3,)),
    "BEFORE_WITH": Access("enter", (1,)),
    "BEFORE_ASYNC_WITH": Access("enter", (1,)),
}

_ACCESSES_312: Final[Mapping[str, Access]] = {
    **{name: access for name, access in _ACCESSES_311.items() if name != "LOAD_METHOD"},
    "LOAD_ATTR": Access("read_attribute", (1,), "name", 1),
    "LOAD_FROM_DICT_OR_GLOBALS": Access("read_global", (), "name"),
    "LOAD_FROM_DICT_OR_DEREF": Access("read_cell", (), "variable", cell=True),
    "BINARY_SLICE": Access("read_slice", (3,)),
    "STORE_SLICE": Access("write_slice", (3,)),
}

_ACCESSES_313: Final[Mapping[str, Access]] = {
    **{name: access for name, access in _ACCESSES_312.items() if name != "FORMAT_VALUE"},
    "FORMAT_SIMPLE": Access("read_whole", (1,)),
    "FORMAT_WITH_SPEC": Access("read_whole", (2,)),
    "CONVERT_VALUE": Access("read_whole", (1,)),
}

_ACCESSES_314: Final[Mapping[str, Access]] = {
    name: access
    for name, access in _ACCESSES_313.items()
    if name not in {"BINARY_SUBSCR", "BEFORE_WITH", "BEFORE_ASYNC_WITH"}
}

_311: Final = Dialect(
    version=(3, 11),
    run_here=True,
    null_first=True,
    precall=True,
    keyword_names="KW_NAMES",
    cell_load="LOAD_CLOSURE",
    truth_tests=frozenset(
        {"UNARY_NOT", "JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"}
        | {f"POP_JUMP_{way}_IF_{truth}" for way in ("FORWARD", "BACKWARD") for truth in ("TRUE", "FALSE")}
    ),
    method_loads=MappingProxyType({"LOAD_METHOD": 0}),
    accesses=MappingProxyType(_ACCESSES_311),
)
_312: Final = replace(
    _311,
    version=(3, 12),
    precall=False,
    truth_tests=frozenset({"UNARY_NOT", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE"}),
    method_loads=MappingProxyType({"LOAD_ATTR": 1, "LOAD_SUPER_ATTR": 1}),
    accesses=MappingProxyType(_ACCESSES_312),
    compare_shift=4,
)
_313: Final = replace(
    _312,
    version=(3, 13),
    null_first=False,
    keyword_names="CALL_KW",
    cell_load="LOAD_FAST",
    truth_tests=frozenset({"TO_BOOL"}),
    accesses=MappingProxyType(_ACCESSES_313),
    compare_shift=5,
)
# 3.14: LOAD_SPECIAL in place of BEFORE_WITH, so that __exit__ has a self slot; subscripts are BINARY_OP 26;
# CALL_FUNCTION_EX always has a mapping or NULL. POP_ITER, LOAD_SMALL_INT, LOAD_FAST_BORROW need nothing of us.
_314: Final = replace(
    _313,
    version=(3, 14),
    run_here=False,
    accesses=MappingProxyType(_ACCESSES_314),
    special_methods=("__enter__", "__exit__", "__aenter__", "__aexit__"),
    exit_depth=5,
    spread_has_flag=False,
)
# 3.15: GET_ITER leaves the iterator and an index (or NULL) above it; FOR_ITER works on both.
_315: Final = replace(
    _314,
    version=(3, 15),
    accesses=MappingProxyType({**_ACCESSES_314, "FOR_ITER": Access("advance", (2,))}),
    iterator_slots=2,
)

DIALECTS: Final[Mapping[tuple[int, int], Dialect]] = MappingProxyType(
    {dialect.version: dialect for dialect in (_311, _312, _313, _314, _315)}
)


def dialect(version: tuple[int, int] | None = None, implementation: str | None = None) -> Dialect:
    """What is known on the bytecode of this interpreter, or of the one named.

    Raises:
        UnsupportedInterpreterError: nothing is known on it.
    """
    version = sys.version_info[:2] if version is None else version
    implementation = sys.implementation.name if implementation is None else implementation
    known = DIALECTS.get(version) if implementation == "cpython" else None
    if known is None:
        found = f"{'CPython' if implementation == 'cpython' else implementation} {'.'.join(map(str, version))}"
        first, *_, last = (".".join(map(str, known)) for known in sorted(DIALECTS))
        raise UnsupportedInterpreterError(
            f"racecheck rewrites bytecode and knows CPython {first} to {last}, but this is {found}. "
            "Run the tests with a supported CPython, or see whether a newer pytest-racecheck knows this one."
        )
    return known


@cache
def cache_entries(name: str) -> int:
    """How many code units of inline cache follow the instruction."""
    table: Any = dis._inline_cache_entries  # type: ignore[attr-defined]
    found = table.get(name, 0) if isinstance(table, dict) else table[dis.opmap[name]]
    return int(found)


def variable_name(code: CodeType, argument: int) -> str:
    """The variable that an instruction with this argument loads or stores; cells and locals are numbered as one."""
    name: str = code._varname_from_oparg(argument)  # type: ignore[attr-defined]
    return name


HAS_MONITORING: Final = sys.version_info >= (3, 12)
"""``sys.monitoring`` exists."""
FREE_THREADED_BUILD: Final = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""The interpreter can run without the GIL."""


def gil_enabled() -> bool:
    """Whether the GIL is on now; on a free-threaded build an extension module can switch it on."""
    ask = getattr(sys, "_is_gil_enabled", None)
    return True if ask is None else bool(ask())
