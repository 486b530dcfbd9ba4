"""Puts calls of hooks before the instructions that touch objects, without moving the instructions from their frame."""

from __future__ import annotations

import dis
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from types import CodeType
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument import harmless
from pytest_racecheck.instrument.marking import MOST_EXTRA, Marking
from pytest_racecheck.instrument.slots import Slots, at_calls
from pytest_racecheck.instrument.special import load_special
from pytest_racecheck.instrument.splice import Instruction, Position, Step, put_together, take_apart, with_way_round
from pytest_racecheck.instrument.versions import (
    BINARY_OPERATORS,
    COMPARISONS,
    SURELY_BOOL,
    Access,
    Dialect,
    dialect,
    variable_name,
)

Hook = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is called, always with the `Site` first; a hook that is None is left out of the code.

    All are called before the instruction and with copies of its operands; what they return is dropped, save that of
    ``call`` and ``call_spread``, which takes the place of the callable. An exception goes on from the user's line.
    Each must be hashable: on a free-threaded build all constants are hashed.
    """

    read_attribute: Hook | None = None
    """``(site, obj)``; ``site.name`` is the attribute."""
    write_attribute: Hook | None = None
    """``(site, obj, value)``"""
    delete_attribute: Hook | None = None
    """``(site, obj)``"""
    read_global: Hook | None = None
    """``(site)``; ``site.namespace`` is the dict, which need not have it: then the builtin is read."""
    write_global: Hook | None = None
    """``(site, value)``"""
    delete_global: Hook | None = None
    """``(site)``"""
    read_cell: Hook | None = None
    """``(site, cell)``; ``site.name`` is the variable."""
    write_cell: Hook | None = None
    """``(site, cell, value)``"""
    delete_cell: Hook | None = None
    """``(site, cell)``"""
    read_item: Hook | None = None
    """``(site, container, key)``"""
    write_item: Hook | None = None
    """``(site, container, key, value)``"""
    delete_item: Hook | None = None
    """``(site, container, key)``"""
    read_slice: Hook | None = None
    """``(site, container)``; on 3.11 a slice is read as an item."""
    write_slice: Hook | None = None
    """``(site, container)``; on 3.11 a slice is written as an item."""
    contains: Hook | None = None
    """``(site, item, container)``; ``site.name`` is the operator."""
    compare: Hook | None = None
    """``(site, left, right)``; ``site.name`` is the operator."""
    binary: Hook | None = None
    """``(site, left, right)``; ``site.name`` is the operator, as in ``+=``."""
    truth: Hook | None = None
    """``(site, obj)``: it is asked whether it is true."""
    iterate: Hook | None = None
    """``(site, container)``: an iterator is going to be made."""
    iterating: Hook | None = None
    """``(site, container, iterator)``: it was made."""
    advance: Hook | None = None
    """``(site, iterator)``, also when it is going to end."""
    unpack: Hook | None = None
    """``(site, sequence)``"""
    read_whole: Hook | None = None
    """``(site, obj)``: formatted, matched, measured or poured into another container."""
    call: Hook | None = None
    """``(site, function, *arguments) -> function``; the last ones belong to ``site.keywords``."""
    call_spread: Hook | None = None
    """``(site, function, args, kwargs) -> function``; ``kwargs`` is None if there are none."""
    enter: Hook | None = None
    """``(site, manager)`` before its ``__enter__`` or ``__aenter__``."""
    leave: Hook | None = None
    """``(site, exit)`` with the bound ``__exit__`` or ``__aexit__`` that is going to be called."""


class Plan(Enum):
    """Which of the hooks are put in."""

    FULL = "all"
    SYNC = "only what can synchronise"


SYNCHRONISING: Final = frozenset({"call", "call_spread", "enter", "leave"})
"""The hooks of `Plan.SYNC`."""


class Skipped(NamedTuple):
    """A call that was left alone, because it is not known where its callable lies."""

    qualname: str
    line: int


def rewrite(
    code: CodeType,
    hooks: Hooks,
    plan: Plan = Plan.FULL,
    *,
    module: str,
    namespace: dict[str, Any],
    skipped: list[Skipped] | None = None,
    marked: bool = False,
    way_round: object = None,
) -> CodeType:
    """``code`` and all code inside it, with hooks. Calls that had to be left alone are added to ``skipped``.

    ``marked``: it also marks where the interpreter looks for other threads, see `marking`; then the hooks ``call`` and
    ``call_spread`` must store in `PASSED` to whom the return of the call is told.

    A function that is called while ``way_round`` is true runs as if it had neither hooks nor marks; generators always
    have them.

    Names, variables, flags, lines and columns stay as they are. The rank of a site does not depend on the plan.

    Raises:
        UnsupportedInterpreterError: the bytecode of this interpreter is not known.
    """
    wanted = {
        field.name: hook
        for field in fields(hooks)
        if (hook := getattr(hooks, field.name)) is not None and (plan is Plan.FULL or field.name in SYNCHRONISING)
    }
    left_alone = [] if skipped is None else skipped
    scope = _Scope(_tables(dialect()), wanted, plan, module, namespace, left_alone, marked, way_round)
    return _Rewriting(code, scope, _label(code)).run()


class _Tables(NamedTuple):
    """The dialect by opcode, as this interpreter numbers them."""

    dialect: Dialect
    accesses: dict[int, Access]
    method_loads: dict[int, int]
    truth_tests: frozenset[int]
    surely_bool: frozenset[int]


@cache
def _tables(dialect: Dialect) -> _Tables:
    numbers = dis.opmap
    return _Tables(
        dialect,
        {numbers[name]: access for name, access in dialect.accesses.items()},
        {numbers[name]: bit for name, bit in dialect.method_loads.items()},
        frozenset(numbers[name] for name in dialect.truth_tests),
        frozenset(numbers[name] for name in SURELY_BOOL if name in numbers),
    )


class _Scope(NamedTuple):
    """What is the same for a function and all code inside it."""

    tables: _Tables
    hooks: dict[str, Hook]
    plan: Plan
    module: str
    namespace: dict[str, Any]
    skipped: list[Skipped]
    marked: bool
    way_round: object


def _number(name: str) -> int:
    return dis.opmap.get(name, -1)


_CALL: Final = _number("CALL")
_CALL_KW: Final = _number("CALL_KW")
_CALL_SPREAD: Final = _number("CALL_FUNCTION_EX")
_PRECALL: Final = _number("PRECALL")
_KW_NAMES: Final = _number("KW_NAMES")
_LOAD_CONST: Final = _number("LOAD_CONST")
_LOAD_ATTR: Final = _number("LOAD_ATTR")
_LOAD_GLOBAL: Final = _number("LOAD_GLOBAL")
_LOAD_METHOD: Final = _number("LOAD_METHOD")
_LOAD_SPECIAL: Final = _number("LOAD_SPECIAL")
_COPY: Final = _number("COPY")
_SWAP: Final = _number("SWAP")
_POP_TOP: Final = _number("POP_TOP")
_PUSH_NULL: Final = _number("PUSH_NULL")
_GET_ITER: Final = _number("GET_ITER")
_BINARY_OP: Final = _number("BINARY_OP")
_FORMAT_VALUE: Final = _number("FORMAT_VALUE")
_FORMAT_SIMPLE: Final = _number("FORMAT_SIMPLE")
_CONVERT_VALUE: Final = _number("CONVERT_VALUE")
_LIST_EXTEND: Final = _number("LIST_EXTEND")
_WITH_EXCEPT_START: Final = _number("WITH_EXCEPT_START")

_SUBSCRIPT: Final = Access("read_item", (2, 1))
_FORMAT_WITH_SPEC: Final = Access("read_whole", (2,))
_HAS_SPEC: Final = 4
"""The bit of FORMAT_VALUE that says that a format specification lies above the value."""
_GLOBAL: Final = frozenset({"read_global", "write_global", "delete_global"})
_COMPILERS_CELLS: Final = frozenset({"__class__", "__classdict__"})
_CALL_PREFIXES: Final = frozenset({_PRECALL, _KW_NAMES})
"""Nothing may come between these and their CALL."""
_RESUMABLE: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_NEW_VALUES: Final = frozenset({_LOAD_CONST, _CONVERT_VALUE})
"""What these push is nobody else's."""


def _label(code: CodeType) -> str:
    """What the keys of a function's sites call it: a property's getter and setter have the same qualified name."""
    count = code.co_argcount + code.co_kwonlyargcount
    return f"{code.co_qualname}/{count}" if count > 1 else code.co_qualname


class _Rewriting:
    """The rewriting of one code object."""

    def __init__(self, code: CodeType, scope: _Scope, label: str) -> None:
        self.code = code
        self.scope = scope
        self.label = label
        self.dialect = scope.tables.dialect
        self.pieces = take_apart(code)
        self.instructions = self.pieces.instructions
        self.targets = {instruction.target for instruction in self.instructions}
        self.constants: list[Any] = list(code.co_consts)
        self.hook_constants: dict[str, int] = {}
        self.sites_on_line: dict[int, int] = {}
        self.line = code.co_firstlineno
        self.extra_stack = 0
        self.calls = at_calls(self.pieces, self.dialect)
        self.marking = Marking(self.constant) if scope.marked else None

    def run(self) -> CodeType:
        inner: Counter[str] = Counter()
        for index, constant in enumerate(self.code.co_consts):
            if isinstance(constant, CodeType):
                name = constant.co_qualname
                inner[name] += 1
                label = name if inner[name] == 1 else f"{name}#{inner[name]}"
                self.constants[index] = _Rewriting(constant, self.scope, label).run()
        handlers = _handlers(self.dialect)
        for index, instruction in enumerate(self.instructions):
            handler = handlers.get(instruction.opcode)
            if handler is not None:
                handler(self, index, instruction)
        if self.marking is not None:
            self.marking.mark(self.instructions, self.targets, self.is_bool)
            self.extra_stack = max(self.extra_stack, MOST_EXTRA)
        pieces = self.pieces
        if self.scope.way_round is not None and not self.code.co_flags & _RESUMABLE:
            pieces = with_way_round(pieces, take_apart(self.code), self.constant(self.scope.way_round))
        return put_together(self.code, pieces, self.constants, self.extra_stack)

    # Building blocks

    def constant(self, value: Any) -> int:
        self.constants.append(value)
        return len(self.constants) - 1

    def site(
        self, position: Position, action: str, name: str = "", keywords: tuple[str, ...] = (), globals_: bool = False
    ) -> Site | None:
        """A site for the hook, or None if the hook is not wanted. It has a rank all the same."""
        line, _, column, end_column = position
        if line is not None:
            self.line = line
        else:
            line = self.line
        rank = self.sites_on_line.get(line, 0)
        self.sites_on_line[line] = rank + 1
        if action not in self.scope.hooks:
            return None
        return Site(
            module=self.scope.module,
            qualname=self.code.co_qualname,
            label=self.label,
            filename=self.code.co_filename,
            first_line=self.code.co_firstlineno,
            line=line,
            rank=rank,
            action=action,
            name=name,
            column=column,
            end_column=end_column,
            keywords=keywords,
            namespace=self.scope.namespace if globals_ else None,
        )

    def prologue(self, site: Site) -> list[Step]:
        """The hook lies where a method would and the site where its self would, so there is no NULL."""
        action = site.action
        hook = self.hook_constants.get(action)
        if hook is None:
            hook = self.hook_constants[action] = self.constant(self.scope.hooks[action])
        return [(_LOAD_CONST, hook), (_LOAD_CONST, self.constant(site))]

    def invoke(self, steps: list[Step], arguments: int) -> list[Step]:
        self.extra_stack = max(self.extra_stack, len(steps))
        if self.dialect.precall:
            steps.append((_PRECALL, arguments))
        steps.append((_CALL, arguments))
        return steps

    def tell(self, site: Site, operands: Sequence[int], cell: int | None = None) -> list[Step]:
        """Calls the hook with copies of the operands and drops what it returns."""
        steps = self.prologue(site)
        if cell is not None:
            steps.append((_number(self.dialect.cell_load), cell))
        for depth in operands:
            steps.append((_COPY, depth + len(steps)))
        self.invoke(steps, len(steps) - 2)
        steps.append((_POP_TOP, 0))
        return steps

    def before(self, index: int, skipping: int) -> int:
        """The opcode that surely ran just before, not counting those skipped; -1 if it is not known."""
        while index > 0 and index not in self.targets:
            index -= 1
            instruction = self.instructions[index]
            if instruction.opcode != skipping or instruction.argument != 1:
                return instruction.opcode
        return -1

    def is_bool(self, index: int) -> bool:
        """Whether what is tested there is surely ``True`` or ``False``."""
        return self.before(index, skipping=_COPY) in self.scope.tables.surely_bool

    # One method for each kind of instruction

    def access(self, index: int, instruction: Instruction) -> None:
        access = self.scope.tables.accesses[instruction.opcode]
        name, opcode, argument = "", instruction.opcode, instruction.argument
        if opcode == _BINARY_OP and argument == len(BINARY_OPERATORS) - 1:
            access = _SUBSCRIPT
        elif opcode == _FORMAT_VALUE and argument & _HAS_SPEC:
            access = _FORMAT_WITH_SPEC
        hook, operands, naming, shift, cell = access
        if naming == "name":
            name = self.code.co_names[argument >> shift]
        elif naming == "variable":
            name = variable_name(self.code, argument)
            if name in _COMPILERS_CELLS or name[0] == ".":
                return
        elif naming == "binary":
            name = BINARY_OPERATORS[argument]
        elif naming == "compare":
            name = COMPARISONS[argument >> self.dialect.compare_shift]
        elif naming == "contains":
            name = "not in" if argument else "in"
        site = self.site(instruction.position, hook, name, globals_=hook in _GLOBAL)
        if site is not None:
            instruction.before = self.tell(site, operands, argument if cell else None)

    def method_load(self, index: int, instruction: Instruction) -> None:
        """Pushes the bound method and NULL in place of function and self: a hook can then replace it."""
        opcode, argument = instruction.opcode, instruction.argument
        if opcode in self.scope.tables.accesses:
            self.access(index, instruction)
        bit = self.scope.tables.method_loads[opcode]
        if argument & bit == bit:
            plain = _LOAD_ATTR if opcode == _LOAD_METHOD else opcode
            steps = [(plain, argument & ~bit), (_PUSH_NULL, 0)]
            instruction.instead = [*steps, (_SWAP, 2)] if self.dialect.null_first else steps
            self.extra_stack = max(self.extra_stack, 1)

    def special_load(self, index: int, instruction: Instruction) -> None:
        name = self.dialect.special_methods[instruction.argument]
        if name in {"__enter__", "__aenter__"}:
            site = self.site(instruction.position, "enter")
            if site is not None:
                instruction.before = self.tell(site, (1,))
        load = self.constant(load_special(name))
        instruction.instead = [(_LOAD_CONST, load), (_SWAP, 2), (_CALL, 0), (_PUSH_NULL, 0)]
        self.extra_stack = max(self.extra_stack, 2)

    def truth_test(self, index: int, instruction: Instruction) -> None:
        if not self.is_bool(index):
            site = self.site(instruction.position, "truth")
            if site is not None:
                instruction.before = self.tell(site, (1,))

    def get_iter(self, index: int, instruction: Instruction) -> None:
        iterate = self.site(instruction.position, "iterate")
        iterating = self.site(instruction.position, "iterating")
        before = [] if iterate is None else self.tell(iterate, (1,))
        if iterating is not None:
            slots = self.dialect.iterator_slots
            before.append((_COPY, 1))
            drop = [(_SWAP, 2), (_POP_TOP, 0)] if slots == 1 else [(_SWAP, 3), (_POP_TOP, 0), (_SWAP, 2)]
            instruction.after = self.tell(iterating, (slots + 1, slots)) + drop
            self.extra_stack = max(self.extra_stack, 4 + slots)
        instruction.before = before

    def whole(self, index: int, instruction: Instruction) -> None:
        """Reads a whole object, unless that one was made by the instruction before."""
        if self.before(index, skipping=-1) not in _NEW_VALUES:
            self.access(index, instruction)

    def except_start(self, index: int, instruction: Instruction) -> None:
        site = self.site(instruction.position, "leave")
        if site is not None:
            instruction.before = self.tell(site, (self.dialect.exit_depth,))

    def call(self, index: int, instruction: Instruction) -> None:
        known = self.calls.get(index)
        above = 1 if instruction.opcode == _CALL_KW else 0
        found = None if known is None else self.callable_at(known.slots, instruction.argument, above)
        if known is None or found is None:
            self.skip(instruction)
            return
        slots = known.slots
        depth, count = found
        start = index
        while self.instructions[start - 1].opcode in _CALL_PREFIXES:
            start -= 1
        if slots.is_exit(depth):
            site = self.site(instruction.position, "leave")
            if site is not None:
                self.instructions[start].before = self.tell(site, (depth,))
            if self.marking is not None and self.marking.looks.exit_always:
                instruction.after = self.marking.passed()
            return
        called = self.harmless_call(known.loader)
        site = self.site(instruction.position, "" if called else "call", "", self.keywords(index, start))
        if called and self.marking is not None and harmless.is_looked_after(*called):
            instruction.after = self.marking.passed()
        if site is None:
            return
        # The compiler spreads more than about thirty arguments, so this stays short.
        steps = [*self.prologue(site), (_COPY, depth + 2), *[(_COPY, count + above + 3)] * count]
        before = self.replace_callable(steps, depth)
        if self.marking is not None:
            before += self.marking.keep(instruction.argument + above + 2)
            instruction.after = self.marking.returned()
        self.instructions[start].before = before

    def call_spread(self, index: int, instruction: Instruction) -> None:
        known = self.calls.get(index)
        if known is None:
            self.skip(instruction)
            return
        slots = known.slots
        mapping = bool(instruction.argument & 1) if self.dialect.spread_has_flag else not slots.is_null(1)
        above = int(mapping or not self.dialect.spread_has_flag)
        found = self.callable_at(slots, 0, above + 1)
        if found is None or found[1]:
            self.skip(instruction)
            return
        depth = found[0]
        site = self.site(instruction.position, "call_spread")
        if site is None:
            return
        steps = [*self.prologue(site), (_COPY, depth + 2), (_COPY, above + 1 + 3)]
        steps.append((_COPY, 1 + 4) if mapping else (_LOAD_CONST, self.constant(None)))
        before = self.replace_callable(steps, depth)
        if self.marking is not None and self.marking.looks.spread_always:
            instruction.after = self.marking.passed()
        elif self.marking is not None:
            before += self.marking.keep(above + 3)
            instruction.after = self.marking.returned()
        instruction.before = before

    def replace_callable(self, steps: list[Step], depth: int) -> list[Step]:
        self.invoke(steps, len(steps) - 2)
        steps += [(_SWAP, depth + 1), (_POP_TOP, 0)]
        return steps

    def callable_at(self, slots: Slots, count: int, above: int) -> tuple[int, int] | None:
        """Depth of the callable and number of arguments, or None if the two slots are not what they should be."""
        upper = count + above + 1
        lower = upper + 1
        if not slots.is_null(upper) and not slots.is_null(lower):
            return lower, count + 1
        callable_, null = (upper, lower) if self.dialect.null_first else (lower, upper)
        return (callable_, count) if slots.is_null(null) and not slots.is_null(callable_) else None

    def harmless_call(self, loader: Instruction | None) -> tuple[str, dict[str, Any] | None] | None:
        """What is called, see `harmless`, if it is known of what was loaded like that: calling it concerns nobody."""
        if self.scope.plan is Plan.FULL or self.scope.module not in harmless.MODULES or loader is None:
            return None
        names = self.code.co_names
        called: tuple[str, dict[str, Any] | None]
        if loader.opcode == _LOAD_GLOBAL:
            called = (names[loader.argument >> 1], self.scope.namespace)
        else:
            access = self.scope.tables.accesses.get(loader.opcode)
            if access is None:
                return None
            called = (names[loader.argument >> access.shift], None)
        return called if harmless.is_harmless(*called) else None

    def keywords(self, index: int, start: int) -> tuple[str, ...]:
        carrier = self.instructions[start]
        if self.instructions[index].opcode == _CALL_KW:
            carrier = self.instructions[index - 1]
            if carrier.opcode != _LOAD_CONST:
                return ()
        elif carrier.opcode != _KW_NAMES:
            return ()
        names: tuple[str, ...] = self.code.co_consts[carrier.argument]
        return names

    def skip(self, instruction: Instruction) -> None:
        line = instruction.position[0]
        self.scope.skipped.append(Skipped(self.code.co_qualname, self.line if line is None else line))


_Handler = Callable[[_Rewriting, int, Instruction], None]


@cache
def _handlers(dialect: Dialect) -> dict[int, _Handler]:
    tables = _tables(dialect)
    handlers: dict[int, _Handler] = dict.fromkeys(tables.accesses, _Rewriting.access)
    handlers.update(dict.fromkeys(tables.method_loads, _Rewriting.method_load))
    handlers.update(dict.fromkeys(tables.truth_tests, _Rewriting.truth_test))
    handlers.update(
        {
            _GET_ITER: _Rewriting.get_iter,
            _LIST_EXTEND: _Rewriting.whole,
            _FORMAT_SIMPLE: _Rewriting.whole,
            _WITH_EXCEPT_START: _Rewriting.except_start,
            _CALL: _Rewriting.call,
            _CALL_KW: _Rewriting.call,
            _CALL_SPREAD: _Rewriting.call_spread,
            _LOAD_SPECIAL: _Rewriting.special_load,
        }
    )
    handlers.pop(-1, None)
    return handlers
