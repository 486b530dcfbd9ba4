"""Keeps the tokens of failing schedules in pytest's cache, to be tried first next time.

What is stored is data, and checked on reading: nothing there can do more than fail to fit.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any, Final

import pytest

MOST_TOKENS: Final = 5
LONGEST_TOKEN: Final = 100_000


class TokenStore:
    """The stored tokens of one test; empty and deaf when pytest runs without its cache."""

    def __init__(self, config: pytest.Config, nodeid: str) -> None:
        self._cache: Any = getattr(config, "cache", None)
        self._nodeid = nodeid
        # A file for each test: xdist's workers write at the same time.
        self._key = f"racecheck/{hashlib.sha256(nodeid.encode('utf-8', 'backslashreplace')).hexdigest()[:16]}"

    def tokens(self) -> tuple[str, ...]:
        """What is stored, newest first; nothing if it is not what `keep` writes."""
        stored = self._cache.get(self._key, None) if self._cache is not None else None
        if not isinstance(stored, dict) or stored.get("nodeid") != self._nodeid:
            return ()
        tokens = stored.get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(each, str) for each in tokens):
            return ()
        return tuple(each for each in tokens if 0 < len(each) <= LONGEST_TOKEN)[:MOST_TOKENS]

    def keep(self, tokens: tuple[str, ...]) -> None:
        """Put these before what is stored; none at all means that the test has passed and forgets them."""
        before = self.tokens()
        after = tuple(dict.fromkeys((*tokens, *before)))[:MOST_TOKENS] if tokens else ()
        if self._cache is not None and after != before:
            # A cache that can't be written warns; under "-W error" that must not replace the report of a race.
            with contextlib.suppress(Warning):
                self._cache.set(self._key, {"nodeid": self._nodeid, "tokens": list(after)})
