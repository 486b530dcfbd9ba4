"""Takes a code object apart so that instructions can be put between its own, and puts it together again.

What stood in it before keeps its number: names, variables, cells and constants are never renumbered, constants only
added. So there is no need to understand an instruction to carry it over, save where it jumps to.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from types import CodeType
from typing import Any, Final, NamedTuple

from pytest_racecheck.instrument.versions import cache_entries

Position = tuple[int | None, int | None, int | None, int | None]
"""Line, end line, column, end column."""
Step = tuple[int, int]
"""Opcode and argument of an instruction that is put in; never a jump."""

_RESUME: Final = dis.opmap["RESUME"]
_LOAD_CONST: Final = dis.opmap["LOAD_CONST"]
_TEST: Final = tuple(
    dis.opmap[name]
    for name in ("LOAD_CONST", "TO_BOOL", "POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_IF_TRUE", "NOT_TAKEN")
    if name in dis.opmap
)
"""Jumps if a constant is true."""
_EXTENDED_ARG: Final = dis.opmap["EXTENDED_ARG"]
_JUMPS: Final = frozenset(dis.hasjrel)
_BACKWARD: Final = frozenset(
    op for op in dis.hasjrel if "BACKWARD" in dis.opname[op] or dis.opname[op] == "END_ASYNC_FOR"
)
_CACHES: Final = {op: cache_entries(name) for name, op in dis.opmap.items() if op < 256}


class Instruction:
    """One instruction of the original, and what is to be put before, after and in its place.

    What is put in gets its source position. A jump to the instruction arrives at ``before``.
    """

    __slots__ = ("after", "argument", "before", "instead", "opcode", "position", "target")

    def __init__(self, opcode: int, argument: int, position: Position) -> None:
        self.opcode = opcode
        self.argument = argument
        self.position = position
        self.target: int | None = None
        """Index of the instruction that this one may jump to."""
        self.before: Sequence[Step] = ()
        self.after: Sequence[Step] = ()
        self.instead: Sequence[Step] | None = None


class Guard(NamedTuple):
    """A line of the exception table, in indices of instructions. ``end`` is exclusive."""

    start: int
    end: int
    handler: int
    depth: int
    push_offset: bool


class Pieces(NamedTuple):
    """A code object, taken apart."""

    instructions: list[Instruction]
    guards: list[Guard]


def take_apart(code: CodeType) -> Pieces:
    """The instructions of the code, with jumps and the exception table told by index."""
    raw = code.co_code
    positions = list(code.co_positions())
    instructions: list[Instruction] = []
    index_at: list[int] = []
    jumps: list[tuple[Instruction, int]] = []
    unit, units, extended = 0, len(raw) // 2, 0
    while unit < units:
        opcode = raw[2 * unit]
        argument = raw[2 * unit + 1] | extended
        index_at.append(len(instructions))
        unit += 1
        if opcode == _EXTENDED_ARG:
            extended = argument << 8
            continue
        extended = 0
        instruction = Instruction(opcode, argument, positions[unit - 1])
        caches = _CACHES[opcode]
        index_at.extend([len(instructions)] * caches)
        unit += caches
        if opcode in _JUMPS:
            jumps.append((instruction, unit - argument if opcode in _BACKWARD else unit + argument))
        instructions.append(instruction)
    index_at.append(len(instructions))
    for instruction, target in jumps:
        instruction.target = index_at[target]
    guards = [
        Guard(index_at[start], index_at[start + length], index_at[handler], depth >> 1, bool(depth & 1))
        for start, length, handler, depth in _read_exception_table(code.co_exceptiontable)
    ]
    return Pieces(instructions, guards)


def with_way_round(pieces: Pieces, plain: Pieces, gate: int) -> Pieces:
    """Both one after the other, behind one beginning: ``plain`` is what runs while the constant ``gate`` is true.

    Both must have been taken from the same code, one that is no generator: there is one RESUME.
    """
    entry = next(index for index, each in enumerate(plain.instructions) if each.opcode == _RESUME) + 1
    position = plain.instructions[entry - 1].position
    test = [Instruction(opcode, gate if opcode == _LOAD_CONST else 0, position) for opcode in _TEST]
    first = len(test)
    second = first + len(pieces.instructions) - entry
    _move_targets(pieces, entry, first)
    _move_targets(plain, entry, second)
    next(each for each in test if each.opcode in _JUMPS).target = entry + second
    return Pieces(
        [*pieces.instructions[:entry], *test, *pieces.instructions[entry:], *plain.instructions[entry:]],
        [*_moved(pieces.guards, first), *_moved(plain.guards, second)],
    )


def _move_targets(pieces: Pieces, entry: int, distance: int) -> None:
    for instruction in pieces.instructions:
        if instruction.target is not None and instruction.target >= entry:
            instruction.target += distance


def _moved(guards: Iterable[Guard], distance: int) -> Iterator[Guard]:
    return (
        each._replace(start=each.start + distance, end=each.end + distance, handler=each.handler + distance)
        for each in guards
    )


def put_together(code: CodeType, pieces: Pieces, constants: Iterable[Any], extra_stack: int) -> CodeType:
    """``code`` with the instructions of ``pieces``, all that was asked to be put in included."""
    flat, firsts = _flatten(pieces.instructions)
    raw, offsets = _assemble(flat, firsts)
    starts = [offsets[first] for first in firsts]
    return code.replace(
        co_code=raw,
        co_consts=tuple(constants),
        co_stacksize=code.co_stacksize + extra_stack,
        co_linetable=_location_table(flat, offsets, code.co_firstlineno),
        co_exceptiontable=_exception_table(pieces.guards, starts),
    )


class _Flat(NamedTuple):
    opcodes: list[int]
    arguments: list[int]
    targets: list[tuple[int, int]]
    """Index of a jump here, and index of its target in the original."""
    positions: list[Position]


def _flatten(instructions: list[Instruction]) -> tuple[_Flat, list[int]]:
    flat = _Flat([], [], [], [])
    opcodes, arguments, targets, positions = flat
    firsts: list[int] = []
    for instruction in instructions:
        first = len(opcodes)
        firsts.append(first)
        for opcode, argument in instruction.before:
            opcodes.append(opcode)
            arguments.append(argument)
        if instruction.instead is not None:
            for opcode, argument in instruction.instead:
                opcodes.append(opcode)
                arguments.append(argument)
        else:
            if instruction.target is not None:
                targets.append((len(opcodes), instruction.target))
            opcodes.append(instruction.opcode)
            arguments.append(instruction.argument)
        for opcode, argument in instruction.after:
            opcodes.append(opcode)
            arguments.append(argument)
        positions.extend([instruction.position] * (len(opcodes) - first))
    firsts.append(len(opcodes))
    return flat, firsts


def _size(opcode: int, argument: int) -> int:
    size = 1 + _CACHES[opcode]
    while argument > 0xFF:
        argument >>= 8
        size += 1
    return size


def _assemble(flat: _Flat, firsts: list[int]) -> tuple[bytes, list[int]]:
    """The code string, and the offset in units of every instruction and of the end."""
    opcodes, arguments, targets, _ = flat
    for index, _ in targets:
        arguments[index] = 0
    sizes = list(map(_size, opcodes, arguments))
    grown = True
    while grown:  # Sizes only grow, so this ends.
        grown = False
        offsets = list(accumulate(sizes, initial=0))
        for index, target in targets:
            distance = abs(offsets[firsts[target]] - offsets[index + 1])
            arguments[index] = distance
            size = _size(opcodes[index], distance)
            if size > sizes[index]:
                sizes[index] = size
                grown = True
    raw = bytearray()
    for opcode, argument, size in zip(opcodes, arguments, sizes, strict=True):
        caches = _CACHES[opcode]
        for shift in range(8 * (size - caches - 1), 0, -8):
            raw += bytes((_EXTENDED_ARG, argument >> shift & 0xFF))
        raw.append(opcode)
        raw.append(argument & 0xFF)
        raw += bytes(2 * caches)
    return bytes(raw), offsets


def _read_exception_table(table: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Start, length, handler, depth * 2 + push offset; see Objects/exception_handling_notes.txt of CPython."""
    entry: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 0x3F
        if not byte & 0x40:
            entry.append(value)
            value = 0
            if len(entry) == 4:
                yield entry[0], entry[1], entry[2], entry[3]
                entry.clear()


def _exception_table(guards: list[Guard], starts: list[int]) -> bytes:
    table = bytearray()
    for guard in guards:
        first = len(table)
        start = starts[guard.start]
        for value in (
            start,
            starts[guard.end] - start,
            starts[guard.handler],
            guard.depth << 1 | guard.push_offset,
        ):
            for shift in (24, 18, 12, 6):
                if value >> shift:
                    table.append(value >> shift & 0x3F | 0x40)
            table.append(value & 0x3F)
        table[first] |= 0x80
    return bytes(table)


def _location_table(flat: _Flat, offsets: list[int], line: int) -> bytes:
    """See Objects/locations.md of CPython; equal neighbours share an entry, as the compiler does it."""
    table = bytearray()
    positions = flat.positions
    last = len(positions) - 1
    start = 0
    for index, position in enumerate(positions):
        if index < last and positions[index + 1] is position:
            continue
        units = offsets[index + 1] - start
        start = offsets[index + 1]
        while units > 0:
            length = min(units, 8)
            line = _add_location(table, position, length, line)
            units -= length
    return bytes(table)


def _add_location(table: bytearray, position: Position, length: int, previous: int) -> int:
    line, end_line, column, end_column = position
    if line is None:
        table.append(0x80 | 15 << 3 | length - 1)
        return previous
    delta = line - previous
    if column is None or end_column is None or end_line is None:
        table.append(0x80 | 13 << 3 | length - 1)
        _add_signed(table, delta)
    elif end_line == line and delta == 0 and column < 80 and 0 <= end_column - column < 16:
        table.append(0x80 | column >> 3 << 3 | length - 1)
        table.append((column & 7) << 4 | end_column - column)
    elif end_line == line and 0 <= delta < 3 and column < 128 and end_column < 128:
        table.append(0x80 | (10 + delta) << 3 | length - 1)
        table.append(column)
        table.append(end_column)
    else:
        table.append(0x80 | 14 << 3 | length - 1)
        _add_signed(table, delta)
        for value in (end_line - line, column + 1, end_column + 1):
            _add_unsigned(table, value)
    return line


def _add_unsigned(table: bytearray, value: int) -> None:
    while value > 0x3F:
        table.append(value & 0x3F | 0x40)
        value >>= 6
    table.append(value)


def _add_signed(table: bytearray, value: int) -> None:
    _add_unsigned(table, -value << 1 | 1 if value < 0 else value << 1)
