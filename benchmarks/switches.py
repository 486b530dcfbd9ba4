"""Where threads of this interpreter are really stopped, held against what the plugin's table says.

    python benchmarks/switches.py [--seconds 1] [--times 20000]

First, at which instructions: a thread runs many kinds of code as fast as it can, with a switch interval of a
microsecond, and another one looks, whenever it has got the GIL, at which instruction the first one stands. Each must be
one of which `instrument/switching.py` says that it looks for other threads.

Then, in which of some small functions: each reads a counter and writes it back one higher, with something in between,
in three free threads; ``lost`` is how many updates were lost. Where the table says that no switch can be made in
between, none must be. Where it says that one can, it is luck whether there are any: specialised instructions look in
fewer places.
"""

from __future__ import annotations

import argparse
import contextlib
import dis
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final, NamedTuple

from pytest_racecheck.instrument.marking import looks_of
from pytest_racecheck.instrument.switching import LOOKING
from pytest_racecheck.instrument.versions import gil_enabled

VERSION: Final = sys.version_info[:2]
HALF: Final = 0.5
THIRD: Final = Fraction(1, 3)
"""Its operators are functions of the standard library, which no hook calls."""


class Box:
    """Has a counter."""

    def __init__(self) -> None:
        self.n = 0
        self.lock = threading.Lock()

    @property
    def total(self) -> int:
        """The counter, through Python code."""
        return self.n

    @total.setter
    def total(self, value: int) -> None:
        self.n = value


class Holder:
    """Reads the counter when it is made."""

    def __init__(self, box: Box) -> None:
        self.value = box.n


def same(value: int) -> int:
    return value


def value_of(box: Box) -> int:
    return box.n


def values(box: Box) -> Iterator[int]:
    yield box.n


@contextlib.contextmanager
def nothing() -> Iterator[None]:
    yield


def at_once(box: Box) -> None:
    box.n += 1


def read_then_write(box: Box) -> None:
    value = box.n
    box.n = value + 1


def a_call_between(box: Box) -> None:
    box.n = same(box.n) + 1


def read_in_a_call(box: Box) -> None:
    box.n = value_of(box) + 1


def read_in_a_call_by_name(box: Box) -> None:
    box.n = value_of(box=box) + 1


def read_in_a_spread_call(box: Box) -> None:
    box.n = value_of(*(box,)) + 1


def read_by_c_code(box: Box) -> None:
    (value,) = map(value_of, [box])
    box.n = value + 1


def read_by_c_code_in_a_call(box: Box) -> None:
    box.n = list(map(value_of, [box]))[0] + 1  # noqa: RUF015  (the call is what it is about)


def read_in_a_generator(box: Box) -> None:
    for value in values(box):
        box.n = value + 1
        break


def read_in_a_constructor(box: Box) -> None:
    box.n = Holder(box).value + 1


def c_code_between(box: Box) -> None:
    value = box.n
    abs(1)
    box.n = value + 1


def failing_c_code_between(box: Box) -> None:
    value = box.n
    empty: dict[str, int] = {}
    try:
        empty.pop("no such key")
    except KeyError:
        pass
    box.n = value + 1


def an_operator_of_c_between(box: Box) -> None:
    value = box.n
    HALF + HALF
    box.n = value + 1


def an_operator_of_python_between(box: Box) -> None:
    value = box.n
    THIRD + THIRD
    box.n = value + 1


def a_property(box: Box) -> None:
    box.total += 1


def a_loop_between(box: Box) -> None:
    value = box.n
    for _ in (1,):
        pass
    box.n = value + 1


def a_loop_that_does_not_go_back(box: Box) -> None:
    value = box.n
    number = 0
    while number < 1:
        number += 1
    box.n = value + 1


def a_loop_that_goes_back(box: Box) -> None:
    value = box.n
    number = 0
    while number < 3:
        number += 1
    box.n = value + 1


def a_condition_between(box: Box) -> None:
    value = box.n
    if value >= 0:
        box.n = value + 1


def a_free_lock_between(box: Box) -> None:
    value = box.n
    with box.lock:
        pass
    box.n = value + 1


def a_lock_is_taken_between(box: Box) -> None:
    value = box.n
    with box.lock:
        box.n = value + 1


def a_context_of_python_between(box: Box) -> None:
    value = box.n
    with nothing():
        pass
    box.n = value + 1


class Case(NamedTuple):
    """A function that loses an update if it is stopped at the wrong moment, and whether it can be."""

    function: Callable[[Box], None]
    can: bool


CASES: Final = (
    Case(at_once, can=False),
    Case(read_then_write, can=False),
    Case(a_call_between, can=True),
    Case(read_in_a_call, can=False),
    Case(read_in_a_call_by_name, can=False),
    Case(read_in_a_spread_call, can=VERSION < (3, 12)),  # later the call is inlined
    Case(read_by_c_code, can=False),
    Case(read_by_c_code_in_a_call, can=True),
    Case(read_in_a_generator, can=False),
    Case(read_in_a_constructor, can=True),
    Case(c_code_between, can=True),
    Case(failing_c_code_between, can=VERSION == (3, 12)),  # there the way back from an except block is a jump backward
    Case(an_operator_of_c_between, can=False),
    Case(an_operator_of_python_between, can=True),
    Case(a_property, can=True),
    Case(a_loop_between, can=True),
    Case(a_loop_that_does_not_go_back, can=False),
    Case(a_loop_that_goes_back, can=True),
    Case(a_condition_between, can=False),
    Case(a_free_lock_between, can=True),
    Case(a_lock_is_taken_between, can=False),
    Case(a_context_of_python_between, can=True),
)


def looking() -> frozenset[str]:
    """The instructions that look, by this interpreter's table."""
    return LOOKING | looks_of(VERSION).jumps.keys()


def spin(box: Box, go_on: Callable[[], bool]) -> None:
    """Run all cases again and again."""
    while go_on():
        for case in CASES:
            case.function(box)


def observed(seconds: float) -> Counter[str]:
    """At which instructions of the cases a thread stood when another one had the GIL, and how often."""
    until = time.monotonic() + seconds
    box = Box()
    thread = threading.Thread(target=spin, args=(box, lambda: time.monotonic() < until))
    thread.start()
    seen: Counter[str] = Counter()
    while thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        if frame is not None and frame.f_code.co_filename == __file__ and frame.f_code is not spin.__code__:
            offset = frame.f_lasti
            # This thread may have been stopped itself meanwhile: then it is not known when the other one stood there.
            if sys._current_frames().get(thread.ident or 0) is frame and frame.f_lasti == offset:
                seen[instruction_at(frame.f_code.co_code, offset)] += 1
    return seen


def instruction_at(code: bytes, offset: int) -> str:
    """The instruction that a thread is at, in its general form."""
    name = dis.opname[code[offset]]
    if name == "COMPARE_OP":  # 3.11 makes one of it and the jump that follows
        name = next(dis.opname[code[at]] for at in range(offset + 2, len(code), 2) if code[at])
    return "CALL" if name == "PRECALL" else name  # the first half of a call in 3.11


def lost(case: Case, times: int, threads: int = 3) -> int:
    """How many updates free threads lose."""
    box = Box()

    def repeat() -> None:
        for _ in range(times):
            case.function(box)

    running = [threading.Thread(target=repeat) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return threads * times - box.n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--times", type=int, default=20_000)
    arguments = parser.parse_args()
    if not gil_enabled():
        sys.exit("this interpreter runs without a GIL: it can switch anywhere")
    sys.setswitchinterval(1e-6)
    wrong = 0
    for name, count in sorted(observed(arguments.seconds).items()):
        known = name in looking()
        wrong += not known
        print(f"{name:32} {count:8,}  {'as the table says' if known else 'NOT IN THE TABLE'}")
    print()
    for case in CASES:
        updates = lost(case, arguments.times)
        verdict = "can" if case.can else "can't" if not updates else "WRONG"
        wrong += verdict == "WRONG"
        print(f"{case.function.__name__:32} {updates:8,}  {verdict}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
