"""Which operations conflict: with each that does there is one that is nearly the same and does not."""

from __future__ import annotations

import pytest
from written import operation

from pytest_racecheck.core.values import WHOLE, Operation
from pytest_racecheck.strategies.happens_before import collide, dependent, touches_of


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (operation("write"), operation("write"), True),
        (operation("write"), operation("read"), True),
        (operation("read"), operation("read"), False),
        (operation("update"), operation("read"), True),
        (operation("call"), operation("read"), True),
        (operation("write"), operation("write", part="y"), False),
        (operation("write"), operation("write", target=2), False),
        (operation("write", part=WHOLE), operation("read", part="y"), True),
        (operation("read", part=WHOLE), operation("read", part="y"), False),
        (operation("write", part=WHOLE), operation("read", target=2), False),
        (operation("acquire", part=WHOLE), operation("release", part=WHOLE), True),
        (operation("acquire", part=WHOLE), operation("acquire", part=WHOLE), True),
        (operation("acquire", part=WHOLE), operation("try-acquire", part=WHOLE, target=2), False),
        (operation("write", also=((2, "y"),)), operation("read", target=2, part="y"), True),
        (operation("write", also=((2, "y"),)), operation("read", target=2, part="z"), False),
        (operation("write", also=((2, "y"),)), operation("read", target=3, also=((2, WHOLE),)), True),
        (operation("start"), operation("write"), False),
        (operation("join"), operation("read"), False),
        (operation("try-acquire", part=WHOLE), operation("try-acquire", part=WHOLE), False),
        (operation("wait", looks=True), operation("read"), False),
        (operation("wait", looks=True), operation("update"), True),
    ],
)
def test_conflicts(one: Operation, other: Operation, expected: bool) -> None:
    assert collide(one, other) is collide(other, one) is expected
    assert dependent(touches_of(one), touches_of(other)) is expected
