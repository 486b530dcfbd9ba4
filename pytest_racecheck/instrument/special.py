"""Does what LOAD_SPECIAL does, but always gives a bound method, so that no NULL hides behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def load_special(name: str) -> Callable[[object], Any]:
    """A function that looks ``name`` up as ``with`` does: on the type, and bound to the object."""

    def load(obj: object) -> Any:
        kind = type(obj)
        for base in kind.__mro__:
            if name in base.__dict__:
                found = base.__dict__[name]
                bind = getattr(type(found), "__get__", None)
                return found if bind is None else bind(found, obj, kind)
        protocol = "asynchronous context manager" if name.startswith("__a") else "context manager"
        remark = f" (missed {name} method)" if name.endswith("exit__") else ""
        raise TypeError(f"'{kind.__name__}' object does not support the {protocol} protocol{remark}")

    return load
