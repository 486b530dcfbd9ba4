"""Hooks never run the user's code: what is called during a run is what is called without the plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from races import Made, explored

heard: list[str] = []

SPECIAL = (
    "__eq__", "__ne__", "__lt__", "__hash__", "__bool__", "__len__", "__repr__", "__str__", "__format__", "__iter__",
    "__next__", "__contains__", "__getitem__", "__setitem__", "__delitem__", "__add__", "__iadd__", "__index__",
    "__call__", "__enter__", "__exit__", "__instancecheck__", "__subclasscheck__", "__length_hint__", "__missing__",
    "__reduce__", "__sizeof__", "__dir__",
)  # fmt: skip
ANSWERS: dict[str, Callable[..., Any]] = {
    "__eq__": lambda self, other: self is other,
    "__ne__": lambda self, other: self is not other,
    "__lt__": lambda self, other: True,
    "__hash__": lambda self: 1,
    "__bool__": lambda self: True,
    "__len__": lambda self: 1,
    "__repr__": lambda self: "nosy",
    "__str__": lambda self: "nosy",
    "__format__": lambda self, spec: "nosy",
    "__iter__": lambda self: iter(()),
    "__contains__": lambda self, item: True,
    "__getitem__": lambda self, key: 1,
    "__add__": lambda self, other: self,
    "__iadd__": lambda self, other: self,
    "__index__": lambda self: 0,
    "__enter__": lambda self: self,
    "__call__": lambda self, *args: None,
}


def _telling(name: str) -> Callable[..., Any]:
    def method(*args: Any) -> Any:
        heard.append(name)
        return ANSWERS.get(name, lambda *args: None)(*args)  # type: ignore[no-untyped-call]

    return method


class Meta(type):
    """Tells what is asked of the class."""

    def __getattribute__(cls, name: str) -> Any:
        heard.append(f"Meta.{name}")
        return type.__getattribute__(cls, name)

    def __hash__(cls) -> int:
        heard.append("Meta.__hash__")
        return 1

    def __eq__(cls, other: object) -> bool:
        heard.append("Meta.__eq__")
        return cls is other

    def __instancecheck__(cls, instance: object) -> bool:
        heard.append("Meta.__instancecheck__")
        return True

    def __subclasscheck__(cls, subclass: type) -> bool:
        heard.append("Meta.__subclasscheck__")
        return True


def _getattr(self: Any, name: str) -> Any:
    heard.append(f"getattr {name}")
    raise AttributeError(name)


def _getattribute(self: Any, name: str) -> Any:
    heard.append(f"getattribute {name}")
    return object.__getattribute__(self, name)


def _setattr(self: Any, name: str, value: object) -> None:
    heard.append(f"setattr {name}")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    heard.append(f"delattr {name}")
    object.__delattr__(self, name)


def _heard(what: str, answer: Any) -> Any:
    heard.append(what)
    return answer


def _class(self: Any) -> type:
    heard.append("class")
    return dict


METHODS: dict[str, Any] = {
    **{name: _telling(name) for name in SPECIAL},
    "__getattr__": _getattr,
    "__getattribute__": _getattribute,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__class__": property(_class),
    "__dict__": property(lambda self: _heard("dict", {})),
}
Nosy: Any = type("Nosy", (), dict(METHODS))
Bare: Any = Meta("Bare", (), {})
NosyDict: Any = type(
    "NosyDict",
    (dict,),
    {name: _telling(name) for name in ("__contains__", "__len__", "__eq__", "__iter__", "__repr__")},
)
NosyList: Any = type(
    "NosyList", (list,), {name: _telling(name) for name in ("__len__", "__bool__", "__eq__", "__repr__")}
)


def _everything(thing: Any) -> None:
    """Every kind of access, of which some fail."""
    for step in STEPS:
        try:
            step(thing)
        except Exception as error:
            heard.append(type(error).__name__)


class Holder:
    """Has a place for anything."""

    held: Any = None


def _delete(thing: Any) -> None:
    del thing.n


def _delete_item(thing: Any) -> None:
    del thing[0]


def _grow(thing: Any) -> None:
    thing += [1]


def _match(thing: Any) -> None:
    match thing:
        case {"a": 1}:
            pass
        case [_, _, _, _]:
            pass
        case Holder():
            pass


def _with(thing: Any) -> None:
    with thing:
        pass


def _spread(thing: Any) -> None:
    max(*thing)


def _hold(thing: Any) -> None:
    Holder.held = thing
    Holder.held = None


def _unpack(thing: Any) -> None:
    first, second = thing


STEPS: tuple[Callable[[Any], Any], ...] = (
    lambda thing: thing.n,
    lambda thing: setattr(thing, "n", 1),
    lambda thing: thing.n,
    lambda thing: getattr(thing, "missing", None),
    lambda thing: hasattr(thing, "missing"),
    lambda thing: vars(thing),
    lambda thing: thing.__dict__,
    lambda thing: object.__setattr__(thing, "m", 2),
    _delete,
    lambda thing: thing[0],
    lambda thing: thing.__setitem__(0, 1),
    _delete_item,
    lambda thing: thing[0:1],
    lambda thing: 1 in thing,
    lambda thing: thing in [1],
    lambda thing: {thing: 1}[thing],
    lambda thing: {thing}.add(thing),
    lambda thing: {}.get(thing),
    lambda thing: [thing].index(thing),
    lambda thing: [].append(thing),
    lambda thing: thing == 1,
    lambda thing: 1 == thing,
    lambda thing: thing < 1,
    lambda thing: thing + 1,
    _grow,
    lambda thing: not thing,
    lambda thing: bool(thing),
    lambda thing: len(thing),
    lambda thing: list(thing),
    lambda thing: [each for each in thing],
    lambda thing: next(thing),
    lambda thing: f"{thing}",
    lambda thing: f"{thing!r:>10}",
    lambda thing: f"{[thing]}",
    lambda thing: isinstance(thing, dict),
    lambda thing: isinstance(thing, type),
    lambda thing: type(thing),
    lambda thing: sorted([thing]),
    lambda thing: max([thing], default=0),
    lambda thing: [1, 2][thing],
    lambda thing: "".join([str(thing)]),
    lambda thing: thing(1),
    lambda thing: id(thing),
    lambda thing: dict.fromkeys([thing]),
    lambda thing: tuple.__contains__((1,), thing),
    _match,
    _with,
    _spread,
    _hold,
    _unpack,
)

THINGS: dict[str, Callable[[], Any]] = {
    "an object": lambda: Nosy(),
    "a class": lambda: Bare,
    "an object of a class that tells": lambda: type.__call__(Bare),
    "a dict": lambda: NosyDict(a=1),
    "a list": lambda: NosyList([1]),
}


@pytest.mark.parametrize("make", THINGS.values(), ids=THINGS)
def test_a_run_calls_what_is_called_without_hooks(make: Callable[[], Any]) -> None:
    thing = make()
    heard.clear()
    _everything(thing)
    _everything(thing)
    expected = list(heard)
    told: list[list[str]] = []

    def case() -> Made:
        shared = make()
        heard.clear()

        def body() -> None:
            _everything(shared)

        return body, lambda: told.append(list(heard))

    explored(case, locked=True, runs=20)
    assert len(told) >= 5
    for each in told:
        assert each == expected
