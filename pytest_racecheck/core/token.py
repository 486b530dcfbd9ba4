"""A schedule as one word to paste. A token is data: nothing that is read back is executed."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from typing import Any, Final

from pytest_racecheck.core.errors import TokenError
from pytest_racecheck.core.values import Schedule, Switch

PREFIX: Final = "rc1-"
# rc1: JSON list [python, fingerprint, seed, places, switches], deflated, URL-safe base64 without padding.

LONGEST: Final = 1_000_000
"""So many bytes may a token unpack to."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says."""

    schedule: Schedule
    python: str
    """Version of the interpreter that found it, such as ``3.13t``."""
    code: str
    """Fingerprint of the code at the places of the schedule."""
    seed: int = 0
    """What the global random numbers of the run were seeded with."""


def encode(token: Token) -> str:
    """Write a token: letters, digits, ``-`` and ``_`` only."""
    places = sorted({switch.place for switch in token.schedule})
    switches = [[s.task, places.index(s.place), s.occurrence, s.to, int(s.preempts)] for s in token.schedule]
    text = json.dumps([token.python, token.code, token.seed, places, switches], separators=(",", ":"))
    packed = zlib.compress(text.encode(), 9)
    return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(text: str) -> Token:
    """Read a token.

    Raises: TokenError, with a sentence on what is wrong with it.
    """
    if not text.startswith("rc"):
        raise TokenError(f"{_short(text)} is not a replay token: it should begin with {PREFIX!r}")
    if not text.startswith(PREFIX):
        raise TokenError(f"{_short(text)} has a format that this version does not read; it reads {PREFIX!r}")
    try:
        return _read(json.loads(_unpack(text.removeprefix(PREFIX))))
    except (ValueError, TypeError, IndexError, KeyError, zlib.error, binascii.Error, RecursionError) as error:
        raise TokenError(f"the replay token {_short(text)} is broken (copied in part?): {error}") from error


def _unpack(text: str) -> str:
    packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(packed, LONGEST)
    if unpacker.unconsumed_tail:
        raise ValueError("it is too long")
    if not unpacker.eof:
        raise ValueError("its end is missing")
    return plain.decode()


def _read(data: Any) -> Token:
    python, code, seed, places, switches = data
    schedule = [
        Switch(_text(task), _text(places[_number(place)]), _number(occurrence), _text(to), bool(preempts))
        for task, place, occurrence, to, preempts in switches
    ]
    return Token(tuple(schedule), _text(python), _text(code), _number(seed))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} stands where a text should")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} stands where a number should")
    return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
