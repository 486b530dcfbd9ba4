"""The one table of programs: how to make each and its corrected twin, and what others have published on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sctbench.program import Program
from sctbench.programs import buffers, deadlocks, orders, safestack, sorting, stealing, turns, windows

Make = Callable[[], Program]


@dataclass(frozen=True, slots=True)
class Entry:
    """A program, its twin, and published figures: mean schedules to the first failure within 10,000, 20 trials.

    ``best`` is the lowest of the columns RW, PCT-3, PCT-10, POS, SURW, URW of "Selectively uniform concurrency testing"
    (ASPLOS 2025) and of those of "Greybox fuzzing for concurrency testing" (RFF, ASPLOS 2024), and ``by`` whose it is;
    ``random`` is the column RW, ``None`` if it never found the bug. ``preemptions`` is the least number that shows the
    bug: worked out on a model of the program, or by searching all schedules of the port with fewer. A main thread that
    starts the others and acts itself needs one more than a port whose threads all begin at once; the port's is given.
    """

    make: Make
    twin: Make
    best: float | None = None
    by: str = ""
    random: float | None = None
    preemptions: int | None = None


def _reorder(setters: int, checkers: int = 1) -> tuple[Make, Make]:
    return partial(windows.Reorder, setters, checkers), partial(windows.ReorderRight, setters, checkers)


def _two_stage(writers: int) -> tuple[Make, Make]:
    return partial(windows.TwoStage, writers), partial(windows.TwoStageRight, writers)


def _wrong_lock(others: int) -> tuple[Make, Make]:
    return partial(windows.WrongLock, others), partial(windows.WrongLockRight, others)


PROGRAMS: Final = {
    "account": Entry(orders.Account, orders.AccountRight, 1, "POS, RFF", 18, 0),
    "bluetooth_driver": Entry(windows.BluetoothDriver, windows.BluetoothDriverRight, 9, "PERIOD", 215, 1),
    "carter01": Entry(deadlocks.Carter01, deadlocks.Carter01Right, 1, "RW", 1, 1),
    "circular_buffer": Entry(turns.CircularBuffer, turns.CircularBufferRight, 2, "POS, RFF", 4, 1),
    "deadlock01": Entry(deadlocks.Deadlock01, deadlocks.Deadlock01Right, 1, "Q-learning", 3, 1),
    "lazy01": Entry(orders.Lazy01, orders.Lazy01Right, 2, "SURW", 21, 0),
    "queue": Entry(turns.Queue, turns.QueueRight, 1, "RW, POS, RFF", 1, 1),
    "reorder_3": Entry(*_reorder(2), 6, "PERIOD", None, 1),
    "reorder_4": Entry(*_reorder(3), 6, "RFF", None, 1),
    "reorder_5": Entry(*_reorder(4), 6, "RFF", None, 1),
    "reorder_10": Entry(*_reorder(9), 6, "RFF", None, 1),
    "reorder_20": Entry(*_reorder(10, 10), 6, "SURW, RFF", None, 1),
    "reorder_20_1": Entry(*_reorder(19), preemptions=1),
    "reorder_50": Entry(*_reorder(49), 6, "RFF", None, 1),
    "reorder_100": Entry(*_reorder(99), 6, "RFF", None, 1),
    "stack": Entry(turns.Stack, turns.StackRight, 1, "Q-learning", 176, 1),
    "token_ring": Entry(orders.TokenRing, orders.TokenRingRight, 2, "PERIOD", 13, 0),
    "twostage": Entry(*_two_stage(1), 4, "PERIOD", 464, 1),
    "twostage_20": Entry(*_two_stage(19), 6, "SURW", None, 1),
    "twostage_50": Entry(*_two_stage(49), 20, "SURW", None, 1),
    "twostage_100": Entry(*_two_stage(99), 56, "RFF", None, 1),
    "wronglock": Entry(*_wrong_lock(7), 1, "POS, RFF", 36, 1),
    "wronglock_3": Entry(*_wrong_lock(3), 1, "POS, RFF", 36, 1),
    "stringbuffer": Entry(buffers.StringBuffer, buffers.StringBufferRight, 8, "SURW", 2243, 2),
    "WorkStealQueue": Entry(stealing.WorkStealing, stealing.WorkStealingRight, 6, "SURW", None, 1),
    "WorkStealQueue_1": Entry(partial(stealing.WorkStealing, 1), partial(stealing.WorkStealingRight, 1), preemptions=1),
    "InterlockedWorkStealQueue": Entry(
        stealing.InterlockedWorkStealing, stealing.InterlockedWorkStealingRight, 1, "POS, RFF", None, 1
    ),
    "InterlockedWorkStealQueue_1": Entry(
        partial(stealing.InterlockedWorkStealing, 1),
        partial(stealing.InterlockedWorkStealingRight, 1),
        preemptions=1,
    ),
    "WithState": Entry(stealing.ActivationRecords, stealing.ActivationRecordsRight, 5, "POS", 26, 2),
    "boundedBuffer": Entry(buffers.BoundedBuffer, buffers.BoundedBufferRight, 5, "POS", 7, 1),
    "qsort_mt": Entry(sorting.QuickSort, sorting.QuickSortRight, 27, "PERIOD", 3442, 1),
    "bug6": Entry(deadlocks.RecursiveReader, deadlocks.RecursiveReaderRight, 4, "SURW", 48, 1),
    "safestack": Entry(safestack.SafeStack, safestack.SafeStackRight, 368_921, "SURW", None, 8),
}
