"""What is one indivisible step in the originals: atomic numbers, and a vector's resize.

This module stands outside the scope that is explored. A call of a function out of scope is one step on the objects that
it is handed, so the three methods below are what a compare-and-swap is to C: nobody comes between their read and their
write. An atomic load or store is a plain read or write of ``value``.
"""

from __future__ import annotations


class Atomic:
    """A number with the operations of C11's ``atomic_int`` that the programs use."""

    def __init__(self, value: int) -> None:
        self.value = value

    def add(self, amount: int) -> int:
        """Add, and return the new value."""
        self.value += amount
        return self.value

    def exchange(self, value: int) -> int:
        """Store a value, and return the one that was there."""
        found, self.value = self.value, value
        return found

    def compare_exchange(self, expected: int, value: int) -> int:
        """Store a value if the expected one is there; return the one that was there."""
        found = self.value
        if found == expected:
            self.value = value
        return found


def resize(vector: list[list[int]], size: int) -> None:
    """Cut a list of lists off at a size, or fill it up with empty ones."""
    del vector[size:]
    vector.extend([] for _ in range(size - len(vector)))
