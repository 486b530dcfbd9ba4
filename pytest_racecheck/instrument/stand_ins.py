"""Stand-ins for functions of the standard library: the controller hears of every call, of those from C code too."""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from functools import partial
from itertools import islice
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.passed import SURE
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.accesses import admitted
from pytest_racecheck.instrument.marking import PASSED
from pytest_racecheck.instrument.state import PLAINLY, STATE

Handler = Callable[[Controller, Site, Any, Any, tuple[Any, ...]], Any]
"""Called with the site of the call, the function bound to its object, the object, and the other arguments; returns what
is called in place of the bound function, with the same arguments."""

_STAND_IN: Final = 987_654_321
_ORIGINAL: Final = 987_654_322
_PASSES: Final = 987_654_323


def _template(self: Any, /, *arguments: Any, **keywords: Any) -> Any:
    stand_in: Any = 987_654_321  # these constants are replaced
    original: Any = 987_654_322
    passes: Any = 987_654_323
    if passes:
        return original(self, *arguments, **keywords)
    try:
        return stand_in(self, arguments, keywords)
    finally:
        del self  # else an exception that the object keeps would keep the object


def _free_template(*arguments: Any, **keywords: Any) -> Any:
    stand_in: Any = 987_654_321
    return stand_in(None, arguments, keywords)


Call = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""What a call of a function does while an exploration goes on: with the object, and the other arguments."""

Maker = Callable[[FunctionType], Call]
"""Makes it from the function as it was."""


def handled(function: Any, handler: Handler) -> CodeType:
    """Make the code that asks a handler what to do in place of the function."""
    return replaced(function, handler, partial(_asking, handler, free=False), asks=True)


def handled_function(function: Any, handler: Handler) -> CodeType:
    """Make the same for a function that belongs to no object: the handler is given none."""
    return replaced(function, handler, partial(_asking, handler, free=True), asks=True, free=True)


def _asking(handler: Handler, original: FunctionType, *, free: bool) -> Call:
    def call(owner: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        instead: Any = None
        try:
            instead = original if free else partial(original, owner)
            controller = STATE.controller
            if get_ident() == controller.ident or admitted(controller):
                PASSED[SURE] = True  # what stands here is a Python function, which is entered now
                site = STATE.discoverer.site_of_call(sys._getframe(2), original)
                instead = handler(controller, site, instead, owner, (*arguments, *keywords.values()))
            return instead(*arguments, **keywords)
        finally:
            del owner, instead

    return call


def told_after(function: Any, tell: Callable[[Any], None]) -> CodeType:
    """Make the code that calls a function, in whatever thread, and tells somebody what it has returned."""

    def make(original: FunctionType) -> Call:
        def call(_owner: None, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            result = original(*arguments, **keywords)
            tell(result)
            return result

        return call

    return replaced(function, tell, make, free=True)


def told_made(function: Any, tell: Callable[[Any], None]) -> CodeType:
    """Make the code that calls an ``__init__``, in whatever thread, and tells somebody of the object."""

    def make(original: FunctionType) -> Call:
        def call(owner: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            original(owner, *arguments, **keywords)
            tell(owner)

        return call

    return replaced(function, tell, make, always=True)


def told(function: Any, tell: Callable[[Any], None]) -> CodeType:
    """Make the code that tells somebody on which object the function is called, and does what it does."""

    def make(original: FunctionType) -> Call:
        def call(owner: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            tell(owner)
            return original(owner, *arguments, **keywords)

        return call

    return replaced(function, tell, make, always=True)


_ACTIONS: Final = {"__enter__": "enter", "__exit__": "leave"}


def site_of(frame: FrameType, name: str) -> Site:
    """Make the site of a call that a frame is just making."""
    code = frame.f_code
    position = next(islice(code.co_positions(), frame.f_lasti // 2, None), (None, None, None, None))
    line, end_line, column, end_column = position
    line = line or frame.f_lineno or code.co_firstlineno
    one_line = line == end_line
    return Site(
        module=str(frame.f_globals.get("__name__", "")),
        qualname=code.co_qualname,
        filename=code.co_filename,
        first_line=code.co_firstlineno,
        line=line,
        rank=f"{name}-{frame.f_lasti if column is None else column}",  # there may be several on one line
        action=_ACTIONS.get(name, "call"),
        name=name,
        column=column if one_line else None,
        end_column=end_column if one_line else None,
    )


def caller(frame: FrameType) -> FrameType:
    """The frame that called: a stand-in may stand before another one."""
    while is_ours(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _copy(function: Any) -> FunctionType:
    """The function as it is now; its code is going to be swapped."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


_made: Final[dict[tuple[int, object], tuple[CodeType, CodeType]]] = {}
"""For each code that was replaced, and by what: made once, as a free-threaded build never frees a constant."""
_handling: Final[dict[int, CodeType]] = {}
"""Those of what was made, by identity, that ask somebody what to do."""


def is_handled(function: Any) -> bool:
    """Whether there is somebody, now, who is asked what a call of the function does."""
    return _handling.get(id(function.__code__)) is function.__code__


def replaced(
    function: Any, key: object, make: Maker, *, always: bool = False, asks: bool = False, free: bool = False
) -> CodeType:
    """Make the code that calls what is made from the function; once for each key, which stands for that.

    Unless it is to do so ``always``, the function itself is called where nobody need hear of it. ``free``: it belongs
    to no object. ``asks``: what is made says what a call does, see `is_handled`.
    """
    old: CodeType = function.__code__
    sought = id(old), key
    known = _made[sought] if sought in _made else None
    if known is None or known[0] is not old:
        original = _copy(function)
        values = {_STAND_IN: make(original), _ORIGINAL: original, _PASSES: not always and PLAINLY}
        template = (_free_template if free else _template).__code__
        new = template.replace(
            co_consts=tuple([values.get(constant, constant) for constant in template.co_consts]),
            co_name=function.__name__,
            co_qualname=function.__qualname__,
        )
        known = _made[id(old), key] = (old, new)
        if asks:
            _handling[id(new)] = new
    return known[1]
