"""The message of a failure tells what lies behind an exception: causes, contexts, members of groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_racecheck.core.failures import failure_of


def raised(function: Callable[[], None]) -> BaseException:
    with pytest.raises(BaseException) as info:  # noqa: PT011  (whatever it raises)
        function()
    return info.value


def message(function: Callable[[], None]) -> str:
    """The message, without the folder of this file."""
    return failure_of(raised(function), None).message.replace(f"{__file__}:", "here:")


def line_of(function: Callable[[], None], offset: int) -> int:
    return function.__code__.co_firstlineno + offset


def looked_up() -> None:
    empty: dict[str, int] = {}
    assert empty["k"]


def from_another() -> None:
    try:
        looked_up()
    except KeyError as error:
        raise ValueError("no such thing") from error


def while_handling() -> None:
    try:
        looked_up()
    except KeyError:
        raise ValueError("no such thing")  # noqa: B904


def from_nothing() -> None:
    try:
        looked_up()
    except KeyError:
        raise ValueError("no such thing") from None


def with_members() -> None:
    errors = []
    for function in (looked_up, from_another):
        try:
            function()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("both", errors)


def with_a_note() -> None:
    error = ValueError("wrong")
    error.add_note("seen in March")
    raise error


def test_a_plain_exception_is_one_line() -> None:
    assert message(looked_up) == "KeyError: 'k'"


def test_a_cause_and_a_context_are_told_with_their_place() -> None:
    where = f"at here:{line_of(looked_up, 2)}"

    assert message(from_another) == f"ValueError: no such thing\n  caused by KeyError: 'k', {where}"
    assert message(while_handling) == f"ValueError: no such thing\n  while handling KeyError: 'k', {where}"


def test_a_context_that_was_put_aside_is_not_told() -> None:
    assert message(from_nothing) == "ValueError: no such thing"


def test_the_members_of_a_group_are_told_with_what_lies_behind_them() -> None:
    place = line_of(looked_up, 2)

    assert message(with_members).splitlines() == [
        "ExceptionGroup: both (2 sub-exceptions)",
        f"  member: KeyError: 'k', at here:{place}",
        f"  member: ValueError: no such thing, at here:{line_of(from_another, 4)}",
        f"    caused by KeyError: 'k', at here:{place}",
    ]


def test_notes_are_told() -> None:
    assert message(with_a_note) == "ValueError: wrong\nseen in March"


def test_a_long_chain_is_cut() -> None:
    def nested(depth: int = 20) -> None:
        if not depth:
            raise KeyError(depth)
        try:
            nested(depth - 1)
        except Exception as error:
            raise ValueError(depth) from error

    assert len(message(nested).splitlines()) == 6


def test_many_members_are_cut() -> None:
    def many() -> None:
        raise ExceptionGroup("many", [ValueError(number) for number in range(50)])

    assert len(message(many).splitlines()) == 9


def test_all_frames_are_told_the_innermost_first() -> None:
    def four_deep() -> None:
        def three() -> None:
            def two() -> None:
                looked_up()

            two()

        three()

    failure = failure_of(raised(four_deep), None)

    lines = [int(location.rpartition(":")[2]) for location in failure.locations]
    assert lines[0] == line_of(looked_up, 2)
    assert lines[1:4] == [line_of(four_deep, 3), line_of(four_deep, 5), line_of(four_deep, 7)]


def test_colours_in_a_message_are_taken_out() -> None:
    def coloured() -> None:
        raise AssertionError("assert \x1b[94m1\x1b[39;49;00m == 2")

    assert message(coloured) == "AssertionError: assert 1 == 2"
