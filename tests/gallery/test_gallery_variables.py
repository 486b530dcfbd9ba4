"""Races on variables: globals of this and another module, closures, and code in every form that Python has for it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import shelf
from races import Made, race

count = 0
late: object
doomed: int
table: dict[str, int] = {}


def counted() -> None:
    assert count == 2


def reset() -> None:
    global count
    count = 0
    table.clear()


@race
def test_global() -> Made:
    reset()

    def body() -> None:
        global count
        count += 1  # race

    return body, counted


@race
def test_global_that_does_not_exist_at_first() -> Made:
    globals().pop("late", None)
    made: list[object] = []

    def body() -> None:
        global late
        try:
            made.append(late)  # race
        except NameError:
            late = object()  # race
            made.append(late)

    def check() -> None:
        assert made[0] is made[1]

    return body, check


@race
def test_global_deleted_twice() -> Made:
    global doomed
    doomed = 1

    def body() -> None:
        global doomed
        if "doomed" in globals():  # race
            del doomed

    return body, bool


@race
def test_global_through_the_dict_of_the_module() -> Made:
    reset()

    def body() -> None:
        globals()["count"] = count + 1  # race

    return body, counted


@race
def test_global_of_another_module_through_its_dict() -> Made:
    shelf.count = 0

    def body() -> None:
        vars(shelf)["count"] = shelf.count + 1  # race

    def check() -> None:
        assert shelf.count == 2

    return body, check


@race
def test_global_in_a_function_of_another_module() -> Made:
    shelf.count = 0

    def check() -> None:
        assert shelf.count == 2

    def body() -> None:
        if shelf.count < shelf.limit:  # race
            shelf.count = shelf.count + 1

    return body, check


@race
def test_closure() -> Made:
    n = 0

    def body() -> None:
        nonlocal n
        n += 1  # race

    def check() -> None:
        assert n == 2

    return body, check


@race
def test_closure_of_two_functions() -> Made:
    ready = False
    value: Any = None

    def writer() -> None:
        nonlocal ready, value
        ready = True  # race
        value = 1

    def reader() -> None:
        if ready:  # race
            assert value == 1

    return (writer, reader), bool


@race
def test_closure_deleted() -> Made:
    value: Any = 1

    def body() -> None:
        nonlocal value
        try:
            seen = value  # race
        except NameError:
            return
        assert seen == value
        del value

    return body, bool


@race
def test_exec() -> Made:
    space: dict[str, Any] = {"n": 0, "__name__": __name__, "__file__": __file__}

    def body() -> None:
        before = space["n"]  # race
        exec("n = n + 1", space)  # race
        assert space["n"] == before + 1

    return body, bool


@race
def test_function_made_by_exec() -> Made:
    space: dict[str, Any] = {"box": [0], "__name__": __name__, "__file__": __file__}
    exec("def add():\n    box[0] += 1\n", space)
    add = space["add"]

    def check() -> None:
        assert space["box"] == [2]

    def body() -> None:
        before = space["box"][0]  # race
        add()
        assert space["box"][0] == before + 1  # race

    return body, check


@race
def test_eval() -> Made:
    reset()

    def body() -> None:
        global count
        count = eval("count + 1")  # race

    return body, counted


@race
def test_lambda() -> Made:
    box = [0]
    add = lambda: box.__setitem__(0, box[0] + 1)  # noqa: E731  # race

    def check() -> None:
        assert box == [2]

    return add, check


@race
def test_comprehension() -> Made:
    reset()

    def add() -> int:
        global count
        count += 1  # race
        return count

    return lambda: [add() for _ in range(1)], counted


@race
def test_comprehension_that_reads_what_changes() -> Made:
    box = {"limit": 1}

    def reader() -> None:
        got = [box["limit"] for _ in range(2)]  # race
        assert got[0] == got[1]

    def writer() -> None:
        box["limit"] = 2  # race

    return (reader, writer), bool


@race
def test_generator_expression() -> Made:
    box = {"limit": 1}

    def reader() -> None:
        assert len(set(box["limit"] for _ in range(2))) == 1  # race

    def writer() -> None:
        box["limit"] = 2  # race

    return (reader, writer), bool


@race
def test_generator() -> Made:
    box = [0]

    def numbers() -> Iterator[int]:
        before = box[0]  # race
        yield before
        box[0] = before + 1  # race

    def body() -> None:
        for _ in numbers():
            pass

    def check() -> None:
        assert box == [2]

    return body, check


@race
def test_decorated() -> Made:
    reset()

    def retried(function: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(function)
        def wrapper() -> None:
            function()

        return wrapper

    @retried
    def body() -> None:
        global count
        count += 1  # race

    return body, counted


@race
def test_decorator_that_counts() -> Made:
    calls = 0

    def counting(function: Callable[[], None]) -> Callable[[], None]:
        def wrapper() -> None:
            nonlocal calls
            calls = calls + 1  # race
            function()

        return wrapper

    @counting
    def body() -> None:
        """Does nothing."""

    def check() -> None:
        assert calls == 2

    return body, check


@race
def test_walrus() -> Made:
    reset()

    def body() -> None:
        if (seen := table.get("n")) is None:  # race
            table["n"] = 1  # race
            table["made"] = table.get("made", 0) + 1
        assert seen in (None, 1)

    def check() -> None:
        assert table["made"] == 1

    return body, check


@race
def test_match_statement() -> Made:
    message: dict[str, Any] = {"kind": "open", "door": 1}

    def body() -> None:
        match message:
            case {"kind": "open"}:  # race
                del message["door"]  # race
                message["kind"] = "shut"
            case {"kind": "shut"}:
                pass

    return body, bool


@race
def test_match_class_pattern() -> Made:
    class Door:
        __match_args__ = ("state",)

        def __init__(self) -> None:
            self.state = "shut"
            self.opened = 0

    door = Door()

    def body() -> None:
        match door:
            case Door("shut"):  # race
                door.state = "open"  # race
                door.opened += 1

    def check() -> None:
        assert door.opened == 1

    return body, check


@race
def test_match_sequence() -> Made:
    jobs = [1]

    def body() -> None:
        match jobs:
            case [_, *_]:  # race
                jobs.pop()  # race

    return body, bool


@race
def test_chained_comparison() -> Made:
    box = [1]

    def reader() -> None:
        assert not 1 < box[0] == 1  # race
        assert not box[0] < box[0]  # race

    def writer() -> None:
        box[0] = 0

    def check() -> None:
        assert box[0] == 0

    def swing() -> None:
        box[0] = 2  # race
        writer()

    return (reader, swing), check


@race
def test_augmented_item() -> Made:
    box = [0]

    def body() -> None:
        box[0] += 1  # race

    def check() -> None:
        assert box == [2]

    return body, check


@race
def test_augmented_slice() -> Made:
    box = [0, 0]

    def body() -> None:
        box[2:] += [1]  # race

    def check() -> None:
        assert box == [0, 0, 1, 1]

    return body, check


@race
def test_try_except_key_error() -> Made:
    cache: dict[str, object] = {}
    got: list[object] = []

    def body() -> None:
        try:
            got.append(cache["x"])  # race
        except KeyError:
            cache["x"] = object()  # race
            got.append(cache["x"])

    def check() -> None:
        assert got[0] is got[1]

    return body, check


class Entered:
    """Counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0

    def __enter__(self) -> Entered:
        self.inside += 1
        return self

    def __exit__(self, *reason: object) -> None:
        self.inside -= 1


@race
def test_context_manager_of_a_class() -> Made:
    place = Entered()

    def body() -> None:
        with place:
            assert place.inside == 1  # race

    return body, bool


@race
def test_context_manager_of_a_generator() -> Made:
    state = {"n": 0}

    @contextlib.contextmanager
    def changing() -> Iterator[None]:
        before = state["n"]  # race
        yield
        state["n"] = before + 1  # race

    def body() -> None:
        with changing():
            pass

    def check() -> None:
        assert state["n"] == 2

    return body, check


@race
def test_default_argument_that_is_shared() -> Made:
    def body(seen: dict[str, int] = {}) -> None:
        seen["n"] = seen.get("n", 0) + 1  # race

    body.__defaults__[0].clear()  # type: ignore[index]

    def check() -> None:
        assert body.__defaults__[0]["n"] == 2  # type: ignore[index]

    return body, check


@race
def test_import_in_a_function() -> Made:
    shelf.count = 0

    def body() -> None:
        from shelf import count as before

        shelf.count = before + 1  # race

    def check() -> None:
        assert shelf.count == 2

    return body, check


@race
def test_starred_and_double_starred_arguments() -> Made:
    options = {"a": 1, "b": 1}

    def reader() -> None:
        first = dict(**options)  # race
        second = {**options}  # race
        assert first == second

    def writer() -> None:
        options["a"] = 2  # race

    return (reader, writer), bool


@race
def test_formatted_string() -> Made:
    items = [1]

    def reader() -> None:
        assert f"{items}" == f"{items!r}"  # race

    def writer() -> None:
        items.append(2)  # race

    return (reader, writer), bool
