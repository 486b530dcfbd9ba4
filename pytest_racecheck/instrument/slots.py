"""Which stack slots hold NULL and which hold an ``__exit__`` where a call is made: found by following the stack.

A NULL must not be copied, and where it stands tells which of the two slots below the arguments holds the callable.
Both are kept as bit masks; bit 0 is the top of the stack.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

from pytest_racecheck.instrument.splice import Instruction, Pieces
from pytest_racecheck.instrument.versions import Dialect


class Slots(NamedTuple):
    """The stack before an instruction."""

    depth: int
    nulls: int
    exits: int

    def below_null(self) -> int:
        """How many values lie below the topmost NULL; -1 if there is none."""
        return self.depth - (self.nulls & -self.nulls).bit_length() if self.nulls else -1

    def is_null(self, depth: int) -> bool:
        """Whether the value that deep (1 is the top) is NULL."""
        return bool(self.nulls >> depth - 1 & 1)

    def is_exit(self, depth: int) -> bool:
        """Whether the value that deep is what ``with`` will call at its end."""
        return bool(self.exits >> depth - 1 & 1)


class AtCall(NamedTuple):
    """What is known where a call is made."""

    slots: Slots
    loader: Instruction | None
    """What pushed the topmost NULL: that comes along with the callable, if the call has one."""


_Move = Callable[[Slots, int], Slots]

_FINAL: Final = frozenset(
    dis.opmap.get(name, -1)
    for name in (
        "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD",
        "JUMP_BACKWARD_NO_INTERRUPT", "INTERPRETER_EXIT",
    )
)  # fmt: skip
"""Nothing falls through these."""
_LOADERS: Final = frozenset(
    dis.opmap.get(name, -1) for name in ("PUSH_NULL", "LOAD_GLOBAL", "LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
)
"""What pushes a NULL, if its argument says so."""
_CALLS: Final = frozenset(dis.opmap.get(name, -1) for name in ("CALL", "CALL_KW", "CALL_FUNCTION_EX"))
_END_ASYNC_FOR: Final = dis.opmap.get("END_ASYNC_FOR", -1)
_takes_argument: Final = frozenset(getattr(dis, "hasarg", range(dis.HAVE_ARGUMENT, 256)))


def at_calls(pieces: Pieces, dialect: Dialect) -> dict[int, AtCall]:
    """The stack before every call, by index; a call that no known way leads to is left out.

    One pass in the order of the code suffices: the compiler puts nothing before all of what jumps to it.
    """
    found: dict[int, AtCall] = {}
    loaders: dict[int, Instruction] = {}
    known: dict[int, Slots] = {}
    moves = _moves(dialect)
    guards: dict[int, list[int]] = {}
    for number, guard in enumerate(pieces.guards):
        guards.setdefault(guard.start, []).append(number)
    slots: Slots | None = Slots(0, 0, 0)
    for index, instruction in enumerate(pieces.instructions):
        if slots is None:
            slots = known.get(index)
            if slots is None:
                continue
        opcode = instruction.opcode
        for number in guards.get(index, ()):
            _, _, handler, depth, push_offset = pieces.guards[number]
            known.setdefault(handler, _moved(slots, slots.depth - depth, 1 + push_offset))
        if opcode in _CALLS:
            found[index] = AtCall(slots, loaders.get(slots.below_null()))
        move = moves.get(opcode)
        if move is not None:
            nulls = slots.nulls.bit_count()
            slots = move(slots, instruction.argument)
            if opcode in _LOADERS and slots.nulls.bit_count() > nulls:
                loaders[slots.below_null()] = instruction
        else:
            if instruction.target is not None and opcode != _END_ASYNC_FOR:
                known.setdefault(instruction.target, _shifted(slots, _effect(opcode, instruction.argument, True)))
            slots = None if opcode in _FINAL else _shifted(slots, _effect(opcode, instruction.argument, False))
    return found


@cache
def _effect(opcode: int, argument: int, jump: bool) -> int:
    return dis.stack_effect(opcode, argument if opcode in _takes_argument else None, jump=jump)


def _shifted(slots: Slots, effect: int) -> Slots:
    if effect > 0:
        return Slots(slots.depth + effect, slots.nulls << effect, slots.exits << effect)
    return Slots(slots.depth + effect, slots.nulls >> -effect, slots.exits >> -effect) if effect else slots


def _moved(slots: Slots, pops: int, pushes: int, nulls: int = 0, exits: int = 0) -> Slots:
    return Slots(
        slots.depth - pops + pushes, slots.nulls >> pops << pushes | nulls, slots.exits >> pops << pushes | exits
    )


@cache
def _moves(dialect: Dialect) -> Mapping[int, _Move]:
    """What the instructions do to the stack that move a NULL or an ``__exit__``."""
    pair = 0b10 if dialect.null_first else 0b01
    moves: dict[str, _Move] = {
        "PUSH_NULL": lambda slots, _: _moved(slots, 0, 1, nulls=1),
        "SWAP": _swap,
        "COPY": lambda slots, depth: _moved(slots, 0, 1, slots.nulls >> depth - 1 & 1, slots.exits >> depth - 1 & 1),
        "PRECALL": lambda slots, _: slots,
        "CALL": lambda slots, count: _moved(slots, count + 2, 1),
        "CALL_KW": lambda slots, count: _moved(slots, count + 3, 1),
        "CALL_FUNCTION_EX": lambda slots, flag: _moved(slots, 3 + (flag & 1 if dialect.spread_has_flag else 1), 1),
        "LOAD_GLOBAL": lambda slots, flag: _moved(slots, 0, 2, pair) if flag & 1 else _moved(slots, 0, 1),
        "BEFORE_WITH": lambda slots, _: _moved(slots, 1, 2, exits=0b10),
        "BEFORE_ASYNC_WITH": lambda slots, _: _moved(slots, 1, 2, exits=0b10),
        "LOAD_SPECIAL": lambda slots, which: _moved(slots, 1, 2, 0b01, 0b10 if which & 1 else 0),
        "RETURN_GENERATOR": lambda slots, _: _moved(slots, 0, 1),
    }
    for name, bit in dialect.method_loads.items():
        moves[name] = _method_load(3 if name == "LOAD_SUPER_ATTR" else 1, bit, pair)
    return {dis.opmap[name]: move for name, move in moves.items() if name in dis.opmap}


def _method_load(pops: int, bit: int, pair: int) -> _Move:
    return lambda slots, flag: _moved(slots, pops, 2, pair) if flag & bit == bit else _moved(slots, pops, 1)


def _swap(slots: Slots, depth: int) -> Slots:
    return Slots(slots.depth, _swap_bits(slots.nulls, depth - 1), _swap_bits(slots.exits, depth - 1))


def _swap_bits(mask: int, bit: int) -> int:
    differ = (mask ^ mask >> bit) & 1
    return mask ^ (differ | differ << bit)
