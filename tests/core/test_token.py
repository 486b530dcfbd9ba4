"""A token is a schedule as one word, and nothing but data."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_racecheck.core.errors import TokenError
from pytest_racecheck.core.token import PREFIX, Token, decode, encode
from pytest_racecheck.core.values import Switch

switches = st.builds(
    Switch,
    task=st.from_regex(r"(0|1)(\.[0-9])?", fullmatch=True),
    place=st.text(max_size=20),
    occurrence=st.integers(1, 10_000),
    to=st.from_regex(r"(0|1)(\.[0-9])?", fullmatch=True),
    preempts=st.booleans(),
)
tokens = st.builds(
    Token, st.lists(switches, max_size=8).map(tuple), st.just("3.13t"), st.just("0a1b2c3d"), st.integers(0, 10**9)
)


@given(tokens)
def test_what_is_read_is_what_was_written(token: Token) -> None:
    """Nothing of a schedule is lost, and the word needs no quotes in any shell."""
    text = encode(token)

    assert decode(text) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)


@given(st.text(max_size=80))
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    """Nothing that is pasted brings the plugin down."""
    for candidate in (text, PREFIX + text):
        with pytest.raises(TokenError):
            decode(candidate)


@given(tokens, st.data())
def test_a_token_that_was_cut_is_refused_or_reads_the_same(token: Token, data: st.DataObject) -> None:
    """A token copied in part does not quietly become another schedule."""
    text = encode(token)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]

    try:
        assert decode(cut) == token
    except TokenError:
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "'hello' is not a replay token: it should begin with 'rc1-'"),
        ("rc7-abc", "'rc7-abc' has a format that this version does not read; it reads 'rc1-'"),
        ("rc1-eNo", "the replay token 'rc1-eNo' is broken (copied in part?): its end is missing"),
    ],
)
def test_the_refusal_names_the_token_and_what_is_wrong(text: str, message: str) -> None:
    """The whole text of each refusal."""
    with pytest.raises(TokenError) as refused:
        decode(text)

    assert str(refused.value) == message


@pytest.mark.parametrize("data", [None, 1, [], ["3.13", "", 0, [], [[1, 0, 1, "0", 0]]], ["3.13", "", -1, [], []]])
def test_data_of_another_shape_is_refused(data: object) -> None:
    """What unpacks well but is no schedule is broken too."""
    packed = base64.urlsafe_b64encode(zlib.compress(json.dumps(data).encode())).decode()

    with pytest.raises(TokenError, match="is broken"):
        decode(PREFIX + packed)


def test_a_bomb_is_not_unpacked() -> None:
    """A small text that unpacks to very much is refused before it does."""
    packed = base64.urlsafe_b64encode(zlib.compress(b"[" * 50_000_000)).decode()

    with pytest.raises(TokenError, match="it is too long"):
        decode(PREFIX + packed)
