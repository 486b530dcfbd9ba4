"""Calls in the standard library's own synchronisation that reach nothing which synchronises, and no code of the user's.

Only names are looked at, in modules that we know: elsewhere a method called ``pop`` may do anything.
"""

from __future__ import annotations

import _thread
import builtins
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

MODULES: Final = frozenset({"threading", "queue", "concurrent.futures._base", "concurrent.futures.thread"})
"""Where the names mean what is said here."""

_OF_C: Final = frozenset(
    {"add", "append", "appendleft", "discard", "items", "keys", "pop", "popleft", "remove", "reverse", "values"}
)
"""Of their own deques, lists, sets and dicts."""
_OF_PYTHON: Final = frozenset(
    {
        # Those have stand-ins, which are asked whoever calls:
        "add_done_callback", "cancel", "cancelled", "done", "exception", "is_set", "notify", "notify_all", "result",
        "running", "set_exception", "set_result", "set_running_or_notify_cancel", "task_done",
        # And those are their own, and always instrumented:
        "_adjust_thread_count", "_delete", "_invoke_callbacks", "_is_owned", "_set_ident", "_set_native_id",
    }
)  # fmt: skip
"""Functions that are swapped before anything runs."""

_FUNCTIONS: Final = frozenset(
    map(id, (_thread.allocate_lock, _thread.get_ident, getattr(_thread, "get_native_id", None)))
)
_TYPES_OF: Final = frozenset({"builtins", "collections", "itertools", "_thread"})
"""Modules whose types may be made by anybody."""


def is_harmless(name: str, namespace: dict[str, Any] | None) -> bool:
    """Whether a call of a method, or of a global if a namespace is given, needs no hook."""
    if namespace is None:
        return name in _OF_C or name in _OF_PYTHON
    value = _global(name, namespace)
    kind: Any = type(value)
    if kind is BuiltinFunctionType:
        return value.__self__ is builtins or id(value) in _FUNCTIONS
    module = getattr(value, "__module__", None)
    return module in MODULES if kind is FunctionType else kind is type and (module in MODULES or module in _TYPES_OF)


def is_looked_after(name: str, namespace: dict[str, Any] | None) -> bool:
    """Whether the interpreter looks for other threads when such a call has returned: not if it was a Python function's.

    See `marking`.
    """
    return name in _OF_C if namespace is None else type(_global(name, namespace)) is not FunctionType


def _global(name: str, namespace: dict[str, Any]) -> Any:
    return namespace.get(name, getattr(builtins, name, None))
