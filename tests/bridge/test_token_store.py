"""What is kept of failing schedules, and that nothing which is read back is trusted."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_racecheck.bridge.store import LONGEST_TOKEN, MOST_TOKENS, TokenStore

NODEID = "test_a.py::test"


class FakeCache:
    """pytest's cache, as far as it is used."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.writes = 0

    def get(self, key: str, default: object) -> object:
        return self.stored.get(key, default)

    def set(self, key: str, value: object) -> None:
        self.writes += 1
        self.stored[key] = value


class FakeConfig:
    """A config with a cache."""

    def __init__(self, cache: object) -> None:
        self.cache = cache


def store_in(cache: object, nodeid: str = NODEID) -> TokenStore:
    return TokenStore(FakeConfig(cache), nodeid)  # type: ignore[arg-type]


def test_tokens_come_back_newest_first_each_once() -> None:
    store = store_in(FakeCache())
    store.keep(("a",))
    store.keep(("b",))
    store.keep(("a",))

    assert store.tokens() == ("a", "b")


def test_a_passing_test_forgets() -> None:
    store = store_in(FakeCache())
    store.keep(("a",))
    store.keep(())

    assert store.tokens() == ()


def test_nothing_is_written_for_a_test_that_always_passes() -> None:
    cache = FakeCache()
    store_in(cache).keep(())

    assert cache.writes == 0


def test_tests_do_not_mix() -> None:
    cache = FakeCache()
    store_in(cache).keep(("a",))

    assert store_in(cache, "test_a.py::other").tokens() == ()


def test_only_so_many_are_kept() -> None:
    store = store_in(FakeCache())
    store.keep(tuple("abcdefgh"))

    assert store.tokens() == tuple("abcdefgh")[:MOST_TOKENS]


@pytest.mark.parametrize(
    "stored",
    [
        None,
        3,
        [],
        {},
        {"nodeid": NODEID},
        {"nodeid": NODEID, "tokens": "abc"},
        {"nodeid": NODEID, "tokens": [1]},
        {"nodeid": "other", "tokens": ["a"]},
        {"nodeid": NODEID, "tokens": ["", "x" * (LONGEST_TOKEN + 1)]},
    ],
)
def test_what_we_have_not_written_is_passed_over(stored: object) -> None:
    cache = FakeCache()
    store = store_in(cache)
    store.keep(("a",))
    (key,) = cache.stored
    cache.stored[key] = stored

    assert store.tokens() == ()


def test_without_a_cache_nothing_is_kept() -> None:
    store = store_in(None)
    store.keep(("a",))

    assert store.tokens() == ()


def test_a_cache_that_cannot_be_written_does_not_replace_the_report() -> None:
    class Broken(FakeCache):
        def set(self, key: str, value: object) -> None:
            raise pytest.PytestCacheWarning

    store_in(Broken()).keep(("a",))
