"""Targets of things that processes share: named by what they are, as an address means something in one process only."""

from __future__ import annotations

from typing import Any

Key = tuple[Any, ...]
"""What a thing is called in every process: builtin values, as it is sent from one to another."""


class SharedThings:
    """Numbers below 0, which no object has as its identity; they mean something within one run and one process."""

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}
        self._keys: list[Key] = []

    def number(self, key: Key) -> int:
        """The target that stands for a thing."""
        number = self._numbers[key] if key in self._numbers else None
        if number is None:
            self._keys.append(key)
            number = self._numbers[key] = -len(self._keys)
        return number

    def key(self, number: int) -> Key:
        """What it stands for."""
        return self._keys[-number - 1]

    def forget(self) -> bool:
        """A new run begins; tell whether there were any in the last one."""
        were_any = bool(self._keys)
        self._numbers.clear()
        self._keys.clear()
        return were_any
