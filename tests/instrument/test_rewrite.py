"""Hooks are told what the code is about to do, and the code does it as before."""

from __future__ import annotations

import asyncio
import dis
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import fields
from types import CodeType, FunctionType
from typing import Any

import pytest

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.rewrite import SYNCHRONISING, Hooks, Plan, Skipped, rewrite
from pytest_racecheck.instrument.special import load_special

Heard = list[tuple[Any, ...]]
HOOKS = tuple(field.name for field in fields(Hooks))
counter = 0


class Thing:
    """Has an attribute."""

    def __init__(self, n: int = 0) -> None:
        self.n = n

    def add(self, by: int, *, times: int = 1) -> int:
        """Adds and says what it is then."""
        self.n += by * times
        return self.n


class Manager:
    """Notes how it was left."""

    def __init__(self, swallow: bool = False) -> None:
        self.swallow = swallow
        self.left: list[object] = []

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> bool:
        self.left.append(kind)
        return self.swallow

    async def __aenter__(self) -> Manager:
        return self

    async def __aexit__(self, kind: object, value: object, trace: object) -> bool:
        self.left.append(kind)
        return self.swallow


def listen(heard: list[tuple[str, Site, tuple[Any, ...]]]) -> Hooks:
    """Hooks that note everything."""

    def listener(name: str) -> Callable[..., Any]:
        def hook(site: Site, *operands: Any) -> Any:
            heard.append((name, site, operands))
            return operands[0] if name in {"call", "call_spread"} else None

        return hook

    return Hooks(**{name: listener(name) for name in HOOKS})


def rewritten(function: Any, hooks: Hooks, plan: Plan = Plan.FULL) -> Any:
    """A copy of the function with hooks."""
    skipped: list[Skipped] = []
    code = rewrite(function.__code__, hooks, plan, module=__name__, namespace=function.__globals__, skipped=skipped)
    assert skipped == []
    copy = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def hear(function: Callable[..., Any], *arguments: Any, only: str = "", plan: Plan = Plan.FULL) -> Heard:
    """What the hooks whose name begins with ``only`` are told when the function runs."""
    heard: list[tuple[str, Site, tuple[Any, ...]]] = []
    rewritten(function, listen(heard), plan)(*arguments)
    return [(name, site.name, *operands) for name, site, operands in heard if name.startswith(only)]


def test_attributes() -> None:
    """Reads, writes and deletions of attributes are told with the object, and with the value that is written."""

    def touch(thing: Any) -> None:
        thing.n += 1
        del thing.n

    thing = Thing(4)

    assert [
        ("read_attribute", "n", thing),
        ("binary", "+=", 4, 1),
        ("write_attribute", "n", thing, 5),
        ("delete_attribute", "n", thing),
    ] == hear(touch, thing)
    assert not hasattr(thing, "n")


def test_methods_are_read_like_attributes() -> None:
    """A method call reads the method first."""

    def touch(thing: Any) -> Any:
        return thing.add(2)

    thing = Thing()

    assert [("read_attribute", "add", thing), ("call", "", thing.add, 2)] == hear(touch, thing)


def test_globals() -> None:
    """Reads, writes and deletions of globals are told with the name; the site has the namespace."""

    def touch() -> None:
        global counter
        counter += 1
        del counter

    heard: list[tuple[str, Site, tuple[Any, ...]]] = []
    globals()["counter"] = 0
    rewritten(touch, listen(heard))()

    assert [(name, site.name, *operands) for name, site, operands in heard] == [
        ("read_global", "counter"),
        ("binary", "+=", 0, 1),
        ("write_global", "counter", 1),
        ("delete_global", "counter"),
    ]
    assert all((site.namespace is globals()) == name.endswith("_global") for name, site, _ in heard)
    assert "counter" not in globals()


def test_the_namespace_is_no_constant() -> None:
    """A dict among the constants would be hashed on a free-threaded build, and could not be."""
    code = rewritten(listen, listen([])).__code__

    assert not [constant for constant in code.co_consts if isinstance(constant, dict)]


def test_cells() -> None:
    """Closure variables are told with their cell, on both sides."""

    def touch(outside: int) -> None:
        shared = outside

        def inner() -> None:
            nonlocal shared
            shared += 1
            del shared

        inner()

    heard = hear(touch, 3)
    cells = {id(event[2]) for event in heard if event[0].endswith("_cell")}

    assert [
        (*event[:2], *event[3:]) if event[0].endswith("_cell") or event[0] == "call" else event for event in heard
    ] == [
        ("write_cell", "shared", 3),
        ("call", ""),
        ("read_cell", "shared"),
        ("binary", "+=", 3, 1),
        ("write_cell", "shared", 4),
        ("delete_cell", "shared"),
    ]
    assert len(cells) == 1


def test_arguments_that_are_cells() -> None:
    """An argument that a closure uses is a cell from the start."""

    def touch(shared: int) -> Callable[[], int]:
        return lambda: shared

    assert rewritten(touch, listen([]))(5)() == 5
    assert [event[0] for event in hear(touch(6))] == ["read_cell"]


def test_the_cell_of_the_class_is_left_alone() -> None:
    """``super()`` needs no hook for ``__class__``."""

    class Sub(Thing):
        def add(self, by: int, *, times: int = 1) -> int:
            return super().add(by, times=times) + (__class__ is Sub)  # type: ignore[name-defined]

    thing = Sub(1)
    heard = hear(Sub.add, thing, 2)

    assert thing.n == 3
    assert [event[1] for event in heard if event[0] == "read_cell"] == ["Sub"]


def test_items() -> None:
    """Reads, writes and deletions of items are told with container, key and value."""

    def touch(box: dict[str, int]) -> None:
        box["a"] += 1
        del box["b"]

    box = {"a": 1, "b": 2}

    assert [
        ("read_item", "", box, "a"),
        ("binary", "+=", 1, 1),
        ("write_item", "", box, "a", 2),
        ("delete_item", "", box, "b"),
    ] == hear(touch, box)
    assert box == {"a": 2}


def test_slices() -> None:
    """Slices have hooks of their own where they are instructions of their own."""

    def touch(row: list[int]) -> None:
        row[1:2] = row[:1]

    row = [1, 2, 3]
    heard = hear(touch, row)

    if sys.version_info >= (3, 12):
        assert [("read_slice", "", row), ("write_slice", "", row)] == heard
    else:
        assert [
            ("read_item", "", row, slice(None, 1)),
            ("write_item", "", row, slice(1, 2), [1]),
        ] == heard
    assert row == [1, 1, 3]


def test_operators() -> None:
    """Comparison, containment and arithmetic are told with both operands and the operator; identity is not told."""

    def sets(a: Any, b: Any) -> Any:
        return a < b, a >= b, a == b, a != b, a in b, a not in b, a is b, a | b, a - b

    def whole(a: Any, b: Any) -> Any:
        a <<= b
        return a <= b, a > b, a @ b, a // b, a**b

    class Everything:
        __le__ = __gt__ = __matmul__ = __floordiv__ = __pow__ = lambda self, other: True

        def __ilshift__(self, other: object) -> Everything:
            return self

    a, b, thing = {1}, {frozenset({1}), 2}, Everything()

    assert [event[1] for event in hear(whole, thing, thing)] == ["<<=", "<=", ">", "@", "//", "**"]

    assert [
        ("compare", "<", a, b),
        ("compare", ">=", a, b),
        ("compare", "==", a, b),
        ("compare", "!=", a, b),
        ("contains", "in", a, b),
        ("contains", "not in", a, b),
        ("binary", "|", a, b),
        ("binary", "-", a, b),
    ] == hear(sets, a, b)


def _if(x: Any) -> Any:
    if x:
        return 1
    return 2


def _if_not(x: Any) -> Any:
    if not x:
        return 1
    return 2


def _while(x: Any) -> Any:
    while x:
        x = None
    return x


def _and(x: Any) -> Any:
    return x and 1


def _or(x: Any) -> Any:
    return x or 1


def _not(x: Any) -> Any:
    return not x


def _choice(x: Any) -> Any:
    return 1 if x else 2


def _assert(x: Any) -> Any:
    assert x, "it is empty"


def _filter(x: Any) -> Any:
    return [i for i in (1,) if x]


@pytest.mark.parametrize("function", [_if, _if_not, _and, _or, _not, _choice, _assert, _filter])
def test_truth_is_told_once(function: Callable[..., Any]) -> None:
    """Every way to ask an object whether it is true is told, and told once."""
    box = [0]

    assert [("truth", "", box)] == hear(function, box, only="truth")


def test_truth_in_a_loop_is_told_every_time() -> None:
    """The test of a loop is told as often as it is made."""
    box = [0]

    assert [("truth", "", box), ("truth", "", None)] == hear(_while, box, only="truth")


def test_truth_of_what_is_a_bool_anyway_is_not_told() -> None:
    """After a comparison there is nothing to ask of an object."""

    def touch(x: Any) -> Any:
        if x == 1 or x is None or x in (3, 4) or x is not True:
            return 1 < x < 3
        return None

    assert hear(touch, 1, only="truth") == []


def test_iteration() -> None:
    """A loop tells the container before and after the iterator is made, then every step, the last one too."""

    def touch(row: Any) -> None:
        for _ in row:
            pass

    row = [1, 2]
    heard = hear(touch, row)
    iterator = heard[1][-1]

    assert [
        ("iterate", "", row),
        ("iterating", "", row, iterator),
        ("advance", "", iterator),
        ("advance", "", iterator),
        ("advance", "", iterator),
    ] == heard
    assert iterator is not row


@pytest.mark.parametrize(
    "function",
    [
        lambda row: [i + 1 for i in row],
        lambda row: {i + 1 for i in row},
        lambda row: {i: i + 1 for i in row},
        lambda row: sum(i + 1 for i in row),
    ],
)
def test_iteration_of_comprehensions(function: Callable[..., Any]) -> None:
    """Comprehensions tell the same, inlined or not; a generator may make its own iterator once more."""
    row = [1, 2]
    heard = [event for event in hear(function, row) if event[0] in {"iterate", "iterating", "advance"}]

    assert ("iterate", "", row) == heard[0]
    assert heard[1][0] == "iterating"
    assert heard[1][2] is row
    assert sum(event[0] == "advance" for event in heard) == 3


def test_unpacking() -> None:
    """Unpacking tells the sequence."""

    def touch(row: Any) -> Any:
        a, b = row
        c, *d = row
        return a, b, c, d

    row = [1, 2]

    assert [("unpack", "", row)] * 2 == hear(touch, row)


def test_reading_whole() -> None:
    """What reads a whole container or formats it tells it."""

    def touch(row: Any, box: Any) -> Any:
        return f"{row}", f"{row!r}", f"{box!s:>5}", f"{box:}", [0, *row], {0, *row}, {"k": 0, **box}

    row, box = [1], {"a": 1}

    assert [("read_whole", "", row)] * 2 + [("read_whole", "", box)] * 2 + [("read_whole", "", row)] * 2 + [
        ("read_whole", "", box)
    ] == [event for event in hear(touch, row, box) if event[2] in (row, box)]


def test_constants_are_not_read() -> None:
    """A list display of constants reads nothing that anybody could change."""

    def touch() -> Any:
        return [1, 2, 3, 4]

    assert hear(touch) == []


def test_formatting_with_a_specification() -> None:
    """With a format specification, the value is told and not the specification."""

    def touch(value: Any, width: Any) -> Any:
        return f"{value:{width}}"

    assert hear(touch, 1, 5)[-1] == ("read_whole", "", 1)


def test_matching() -> None:
    """Patterns tell their subject."""

    def touch(subject: Any) -> Any:
        match subject:
            case {"a": [x, _]}:
                return x
            case Thing(n=n):
                return n
        return None

    inner = [1, 2]
    subject, thing = {"a": inner}, Thing(3)

    assert subject in [event[2] for event in hear(touch, subject, only="read_whole")]
    assert inner in [event[2] for event in hear(touch, subject, only="read_whole")]
    assert thing in [event[2] for event in hear(touch, thing, only="read_whole")]


def test_calls() -> None:
    """A call tells the callable and all arguments in order; the site knows the names of the keyword arguments."""

    def touch(function: Any, thing: Thing) -> Any:
        return function(1, 2, end=3), thing.add(4, times=5), function()

    def function(*arguments: int, end: int = 0) -> int:
        return len(arguments) + end

    heard: list[tuple[str, Site, tuple[Any, ...]]] = []
    thing = Thing()
    result = rewritten(touch, listen(heard))(function, thing)

    assert result == (5, 20, 0)
    assert [
        (("end",), (function, 1, 2, 3)),
        (("times",), (thing.add, 4, 5)),
        ((), (function,)),
    ] == [(site.keywords, operands) for name, site, operands in heard if name == "call"]


def test_the_result_of_the_call_hook_is_called() -> None:
    """What the hook returns takes the place of the callable: of functions, methods and with spread arguments."""

    def touch(function: Any, thing: Any, row: Any, box: Any) -> Any:
        return function(1), thing.add(2), thing.add(3, times=2), function(*row), thing.add(*row, **box)

    def other(*arguments: Any, **keywords: Any) -> Any:
        return arguments, keywords

    thing = Thing()
    hooks = Hooks(call=lambda site, function, *arguments: other, call_spread=lambda site, *arguments: other)

    assert rewritten(touch, hooks)(None, thing, (4,), {"times": 5}) == (
        ((1,), {}),
        ((2,), {}),
        ((3,), {"times": 2}),
        ((4,), {}),
        ((4,), {"times": 5}),
    )
    assert thing.n == 0


def test_spread_calls() -> None:
    """A call with spread arguments tells them as they are; without keywords there is None."""

    def touch(function: Any, row: Any, box: Any) -> Any:
        return function(*row), function(*row, **box)

    def function(*arguments: Any, **keywords: Any) -> Any:
        return arguments, keywords

    row, box = (1, 2), {"a": 3}

    assert [("call_spread", "", function, row, None), ("call_spread", "", function, row, box)] == hear(
        touch, function, row, box, only="call_spread"
    )


def test_decorators_and_classes() -> None:
    """The calls that decorators, class statements and assertions make are told and work."""

    def touch(decorate: Any, base: Any) -> Any:
        @decorate  # type: ignore[untyped-decorator]
        def function() -> int:
            return 1

        @decorate
        class Sub(base, flag=True):  # type: ignore[misc, call-arg]
            x = 1

            @decorate  # type: ignore[untyped-decorator]
            def method(self) -> int:
                return super().method() + self.x  # type: ignore[no-any-return]

        try:
            assert base is None, "message"
        except AssertionError as error:
            return function(), Sub().method(), str(error).partition("\n")[0]

    class Base:
        def __init_subclass__(cls, flag: bool) -> None:
            cls.flag = flag  # type: ignore[attr-defined]

        def method(self) -> int:
            return 10

    def decorate(found: Any) -> Any:
        return found

    calls = [event[2] for event in hear(touch, decorate, Base, only="call")]

    assert rewritten(touch, listen([]))(decorate, Base) == (1, 11, "message")
    assert calls.count(decorate) == 3
    assert sum(call is __build_class__ for call in calls) == 1


def test_calls_with_very_many_arguments() -> None:
    """The compiler spreads them, so that no hook gets more than about thirty."""
    namespace: dict[str, Any] = {}
    exec(f"def touch(f, x): return f({'x,' * 250})", namespace)

    assert [("call_spread", "", max, [1] * 250, None)] == [
        (*event[:3], list(event[3]), event[4]) for event in hear(namespace["touch"], max, 1)
    ]


def test_with() -> None:
    """``with`` tells the manager before it is entered and the bound exit before it is left."""

    def touch(manager: Any) -> str:
        with manager as entered:
            return "returned" if entered is manager else ""

    manager = Manager()

    assert [("enter", "", manager), ("leave", "", manager.__exit__)] == hear(touch, manager)
    assert manager.left == [None]


def test_with_and_an_exception() -> None:
    """Leaving by an exception is told too, and the exception is swallowed or not as before."""

    def touch(outer: Any, inner: Any) -> None:
        with outer, inner:
            raise KeyError("k")

    outer, inner = Manager(swallow=True), Manager()

    assert [
        ("enter", "", outer),
        ("enter", "", inner),
        ("leave", "", inner.__exit__),
        ("leave", "", outer.__exit__),
    ] == [event for event in hear(touch, outer, inner) if event[0] in {"enter", "leave"}]
    assert inner.left == outer.left == [KeyError]
    with pytest.raises(KeyError):
        rewritten(touch, listen([]))(Manager(), Manager())


def test_async_with() -> None:
    """``async with`` tells the same."""

    async def touch(manager: Any) -> str:
        async with manager:
            return "returned"

    manager = Manager()
    heard: list[tuple[str, Site, tuple[Any, ...]]] = []

    assert asyncio.run(rewritten(touch, listen(heard))(manager)) == "returned"
    assert [("enter", (manager,)), ("leave", (manager.__aexit__,))] == [(name, operands) for name, _, operands in heard]


def test_an_ordinary_call_with_three_nones_is_a_call() -> None:
    """It looks like the end of a ``with`` block and is none."""

    def touch(function: Any) -> Any:
        return function(None, None, None), function(None, None)

    assert [event[0] for event in hear(touch, lambda *arguments: arguments)] == ["call", "call"]


def test_special_methods_are_loaded_bound() -> None:
    """What stands in for LOAD_SPECIAL of 3.14 looks on the type, binds, and fails with the interpreter's words."""
    manager = Manager()
    manager.__dict__["__enter__"] = None

    assert load_special("__enter__")(manager)() is manager
    with pytest.raises(
        TypeError, match=r"'Thing' object does not support the context manager protocol .missed __exit__"
    ):
        load_special("__exit__")(Thing())


def test_plan_sync_hooks_only_what_synchronises() -> None:
    """Code outside the scope has hooks only at calls and ``with``."""

    def touch(thing: Any, row: Any, manager: Any) -> None:
        with manager:
            thing.n += thing.add(*row)
            max(row)

    heard = hear(touch, Thing(), [1], Manager(), plan=Plan.SYNC)

    assert [event[0] for event in heard] == ["enter", "call_spread", "call", "leave"]
    assert {"enter", "call_spread", "call", "leave"} == SYNCHRONISING


def test_hooks_that_are_missing_are_left_out() -> None:
    """No hook, no constant and no instruction; methods alone are still loaded bound."""

    def touch(thing: Any) -> Any:
        thing.n += 1
        return [i for i in (thing.n,) if i]

    code = rewritten(touch, Hooks()).__code__

    assert touch.__code__.co_code == code.co_code
    assert len(touch.__code__.co_consts) == len(code.co_consts)


def test_sites() -> None:
    """A site tells where it stands, by line and column and by its rank on the line, whatever the plan."""

    def touch(thing: Any) -> Any:
        thing.n = thing.add(1)
        return thing.n

    first = touch.__code__.co_firstlineno
    heard: list[tuple[str, Site, tuple[Any, ...]]] = []
    rewritten(touch, listen(heard))(Thing())
    sites = [site for _, site, _ in heard]
    name = f"{__name__}:test_sites.<locals>.touch"

    assert [f"{name}+1.0", f"{name}+1.1", f"{name}+1.2", f"{name}+2.0"] == [site.key for site in sites]
    assert [first + 1] * 3 + [first + 2] == [site.line for site in sites]
    assert [site.column for site in sites] == [18, 18, 8, 15]
    assert [site.end_column for site in sites] == [27, 30, 15, 22] or sys.version_info < (3, 12)
    assert {__file__} == {site.filename for site in sites}
    sync: list[tuple[str, Site, tuple[Any, ...]]] = []
    rewritten(touch, listen(sync), Plan.SYNC)(Thing())
    assert [f"{name}+1.1"] == [site.key for _, site, _ in sync]


def test_nested_code_has_its_own_sites() -> None:
    """Functions inside functions are rewritten too, and their sites bear their own names."""

    def touch(thing: Any) -> Any:
        class Inner:
            def method(self) -> Any:
                return (lambda: [thing.n for _ in (1,)])()

        return Inner().method()

    heard: list[tuple[str, Site, tuple[Any, ...]]] = []
    rewritten(touch, listen(heard))(Thing())
    where = {site.qualname.rpartition("touch")[2] for name, site, _ in heard if name == "read_attribute"}

    assert {"", ".<locals>.Inner.method.<locals>.<lambda>"} == {
        name.removesuffix(".<locals>.<listcomp>") for name in where
    }


def test_what_a_hook_raises_comes_from_the_users_line() -> None:
    """The traceback has the user's function, at the line of the access, and then the hook."""

    class Stop(BaseException):
        pass

    def hook(site: Site, *operands: Any) -> None:
        raise Stop

    def touch(thing: Any) -> Any:
        try:
            return thing.n
        except Exception:
            return "swallowed"

    with pytest.raises(Stop) as caught:
        rewritten(touch, Hooks(read_attribute=hook))(Thing())

    *_, user, last = traceback.extract_tb(caught.tb)
    assert ("touch", touch.__code__.co_firstlineno + 2) == (user.name, user.lineno)
    assert last.name == "hook"


def test_hooks_run_inside_the_users_try() -> None:
    """A handler around the instruction is a handler around its hook."""

    def hook(site: Site, *operands: Any) -> None:
        raise KeyError

    def touch(thing: Any) -> Any:
        try:
            return thing.n
        except KeyError:
            return "handled"

    assert rewritten(touch, Hooks(read_attribute=hook))(Thing()) == "handled"


def generators(n: int) -> Any:
    """Sends, closes and throws."""

    def inner(k: int) -> Any:
        try:
            got = yield k
            while got:
                got = yield got * k
        except ValueError as error:
            yield str(error)
        finally:
            log.append("finally")

    def outer() -> Any:
        return (yield from inner(n))

    log: list[Any] = []
    it = outer()
    log += [next(it), it.send(2), it.throw(ValueError("v")), list(it)]
    closed = inner(1)
    log.append(next(closed))
    closed.close()
    return log, sum(x * y for x in range(n) for y in range(x) if x != y)


def coroutines(n: int) -> Any:
    """Async for, async with, await, async comprehensions."""

    async def ticks(k: int) -> Any:
        for i in range(k):
            await asyncio.sleep(0)
            yield i

    async def main() -> Any:
        manager = Manager()
        total = 0
        async with manager as entered, Manager(swallow=True):
            async for i in ticks(n):
                total += i
            pairs = [(i, j) async for i in ticks(2) for j in (await asyncio.gather(one(i), one(2)))]
            raise KeyError(total)
        return entered is manager, manager.left, total, pairs

    async def one(i: int) -> int:
        return i + 1

    return asyncio.run(main())


def exceptions(n: int) -> Any:
    """Nested handlers, groups, finally with return, re-raising."""
    log: list[Any] = []

    def final() -> Any:
        for i in range(n):
            try:
                if i == 1:
                    continue
                if i == 2:
                    break
                log.append(i)
            finally:
                log.append("f")
        try:
            try:
                raise KeyError("a")
            except KeyError as error:
                raise ValueError("b") from error
            finally:
                log.append("inner")
        except (TypeError, ValueError) as error:
            return type(error.__cause__)

    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2), TypeError(3)])
    except* ValueError as group:
        log.append([str(error) for error in group.exceptions])
    except* (KeyError, TypeError) as group:
        log.append(len(group.exceptions))
    return final(), log


def patterns(n: int) -> Any:
    """Match statements of every kind."""

    def kind(x: Any) -> Any:
        match x:
            case 0 | None:
                return "zero"
            case [a, *rest] if rest:
                return a, rest
            case {"k": k, **others}:
                return k, others
            case Thing(n=m):
                return m
            case str() as s:
                return s
            case _:
                return "other"

    return [kind(x) for x in (n, 0, None, [1, 2, 3], [1], {"k": 1, "l": 2}, Thing(4), "s", object)]


def scopes(n: int) -> Any:
    """Class bodies, closures, walrus, lambda defaults, star targets, comprehensions that shadow."""
    x = "outer"

    class Body:
        x = "class"
        y = tuple([x for _ in range(2)])
        z = n

        class Nested:
            w = n

        def method(self, k: int = n) -> Any:
            return k, __class__.__name__, self.z  # type: ignore[name-defined]

    row = [x * 2 for x in range(n)]
    nested = [[(x, y) for y in range(x)] for x in range(n)]
    fs = [lambda i=i: i for i in range(n)] + [lambda: x]
    if (m := len(row)) > 1:
        first, *middle, last = row
    del n
    try:
        str(n)  # type: ignore[misc] # noqa: F821
    except UnboundLocalError:
        gone = True
    return x, Body.y, Body.Nested.w, Body().method(), row, nested, [f() for f in fs], m, first, middle, last, gone


def introspection(n: int) -> Any:
    """Frames, locals and line numbers look as they did."""
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno
    names = sorted(locals())
    return frame.f_code.co_name, line, names, list(frame.f_code.co_varnames), sys._getframe(0).f_code.co_qualname


PROGRAMS = [generators, coroutines, exceptions, patterns, scopes, introspection]


@pytest.mark.parametrize("plan", list(Plan))
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_do_what_they_did(program: Callable[[int], Any], plan: Plan) -> None:
    """Rewritten programs return what they returned, with hooks being called."""
    heard: list[tuple[str, Site, tuple[Any, ...]]] = []

    assert program(4) == rewritten(program, listen(heard), plan)(4)
    assert heard


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with 3.12")
def test_type_parameters() -> None:
    """Generic functions, classes and type aliases are made as before."""
    namespace: dict[str, Any] = {}
    source = """
def touch():
    def f[T](x: T = 1, *, k: T = 2): return x, k, f.__type_params__[0].__name__
    class A[T](list[T]):
        def m(self, x: T): return x
    type L[T] = list[T]
    return f(), f(3, k=4), A.__type_params__[0].__name__, A().m(5), str(L.__value__)
"""
    exec(source, namespace)

    assert namespace["touch"]() == rewritten(namespace["touch"], listen([]))()


def test_long_functions() -> None:
    """Jumps and constants that need more than a byte still arrive."""
    body = "\n".join(f"        if thing.n == {i}: total += box[{i}]" for i in range(400))
    source = f"""
def touch(thing, box):
    total = 0
    for thing.n in range(3):
{body}
        try: box['no']
        except KeyError: total += 1000
    return total
"""
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    box = dict.fromkeys(range(400), 7)

    assert 3021 == namespace["touch"](Thing(), box) == rewritten(namespace["touch"], listen([]))(Thing(), box)


def every_code(code: CodeType) -> list[CodeType]:
    """The code object and all inside it."""
    inside = [inner for constant in code.co_consts if isinstance(constant, CodeType) for inner in every_code(constant)]
    return [code, *inside]


@pytest.mark.parametrize("function", [*PROGRAMS, hear, listen, test_sites])
def test_code_keeps_its_properties(function: Any) -> None:
    """Names, flags, lines, variables and the docstring are those of the original, in nested code too."""
    old = every_code(function.__code__)
    new = every_code(rewritten(function, listen([])).__code__)

    def kept(code: CodeType) -> tuple[Any, ...]:
        return (
            code.co_name, code.co_qualname, code.co_filename, code.co_firstlineno, code.co_flags, code.co_argcount,
            code.co_posonlyargcount, code.co_kwonlyargcount, code.co_varnames, code.co_cellvars, code.co_freevars,
            code.co_names, FunctionType(code, {}, closure=tuple(map(_cell, code.co_freevars)) or None).__doc__,
            {line for *_, line in code.co_lines()},
        )  # fmt: skip

    assert [kept(code) for code in old] == [kept(code) for code in new]


def _cell(_: str) -> Any:
    return (lambda x: lambda: x)(0).__closure__[0]  # type: ignore[index]


@pytest.mark.parametrize("function", [*PROGRAMS, hear, test_sites])
def test_instructions_keep_their_positions(function: Any) -> None:
    """The instructions of the original stand in the rewritten code in the same order with the same positions."""

    def stays(code: CodeType) -> list[tuple[str, Any]]:
        moved = {"LOAD_CONST", "COPY", "SWAP", "POP_TOP", "CALL", "PRECALL", "PUSH_NULL", "LOAD_METHOD", "LOAD_ATTR"}
        cells = {"LOAD_CLOSURE", "LOAD_FAST"}
        return [
            (instruction.opname, instruction.positions)
            for instruction in dis.get_instructions(code)
            if instruction.opname not in moved | cells | {"EXTENDED_ARG"}
        ]

    assert stays(function.__code__) == stays(rewritten(function, listen([])).__code__)


def line_events(function: Any) -> list[tuple[str, str, int]]:
    """What a tracer sees of the function and the functions of this file that it calls."""
    events: list[tuple[str, str, int]] = []

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != __file__ or frame.f_code.co_name == "hook":
            return None
        events.append((event, frame.f_code.co_name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(4)
    finally:
        sys.settrace(before)
    return events


@pytest.mark.parametrize("program", PROGRAMS)
def test_tracers_see_the_same(program: Any) -> None:
    """Calls, lines, returns and exceptions come in the same order at the same lines."""
    assert line_events(program) == line_events(rewritten(program, listen([])))
