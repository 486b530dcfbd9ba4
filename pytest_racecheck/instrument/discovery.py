"""Finds functions before they run, or when they first do, and swaps their code."""

from __future__ import annotations

import gc
import importlib
import io
import sys
import threading
import weakref
from _thread import get_ident
from collections.abc import Mapping, Sequence
from functools import partial
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument import futures, stand_ins, threads, unproven
from pytest_racecheck.instrument.attributes import ATTRIBUTES
from pytest_racecheck.instrument.classify import CACHES, module_of
from pytest_racecheck.instrument.prepared import Entry, Known, Prepared, prepared_for
from pytest_racecheck.instrument.primitives import PRIMITIVES
from pytest_racecheck.instrument.rewrite import Hooks, Plan, rewrite
from pytest_racecheck.instrument.scope import SYNCHRONISING_MODULES, Scope
from pytest_racecheck.instrument.state import PLAINLY, STATE

_monitoring: Final[Any] = getattr(sys, "monitoring", None)

PROFILED_RUNS: Final = 6
"""Where there is no sys.monitoring, so many first runs look for code with a profile function."""

MOST_MADE: Final = 100
"""So much may be remembered of functions or types that runs have made before it is forgotten."""

_HARMLESS: Final = frozenset(
    {*SYNCHRONISING_MODULES, "logging", "re", "_pytest", "pytest", "pluggy", "contextlib", "typing", "abc", "enum",
     "datetime", "decimal", "fractions", "uuid", "pathlib", "types", "inspect", "warnings", "builtins", "weakref",
     "pytest_racecheck", "contextvars", "traceback", "_thread", "io", "_io"}
)  # fmt: skip


_STATEFUL: Final = (io.BytesIO, io.StringIO, weakref.WeakValueDictionary, weakref.WeakKeyDictionary, weakref.WeakSet)
"""Types of harmless modules whose objects are data of the user nevertheless."""


_VALUES: Final = frozenset(
    {"builtins", "datetime", "decimal", "enum", "fractions", "pathlib", "re", "types", "typing", "uuid"}
)
"""Modules whose objects don't change, or only where it is seen."""


class Opaque:
    """Stands for code that is not instrumented: it may do anything to what it is given."""


OPAQUE: Final = Opaque()


class _Rewritten:
    """Code that was rewritten once; kept for the whole process, as rewriting is what costs."""

    __slots__ = ("namespace", "new", "old")

    def __init__(self, old: CodeType, new: CodeType, namespace: dict[str, Any]) -> None:
        self.old = old
        self.new = new
        self.namespace = namespace


_rewritten: dict[tuple[int, int, Plan], _Rewritten] = {}


class _HarmlessTypes:
    """Types that code may be handed without any user state being touched."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[type, bool]] = {}

    def __contains__(self, kind: type) -> bool:
        found = self.known.get(id(kind))
        if found is None or found[0] is not kind:
            module = type.__dict__["__module__"].__get__(kind)
            answer = not isinstance(module, str) or module.partition(".")[0] in _HARMLESS
            if module == "builtins":
                answer = kind not in (list, dict, set, bytearray, memoryview)
            elif any(kind is each for each in _STATEFUL):
                answer = False
            found = self.known[id(kind)] = (kind, answer)
        return found[1]


class Discoverer:
    """For one exploration: which functions carry rewritten code, and which sites there are."""

    OPAQUE = OPAQUE

    def __init__(
        self, scope: Scope, hooks: dict[Plan, Hooks], controller: Controller, *, outermost: bool = True
    ) -> None:
        self._scope = scope
        self._hooks = hooks
        self._controller = controller
        self._prepared = prepared_for(scope) if outermost else Prepared()
        self._known = self._prepared.known
        self._swapped: dict[int, tuple[weakref.ref[FunctionType], CodeType]] = {}
        self._swapped_to_keep = 0
        self._classes: dict[int, type] = {}
        self._managers: dict[int, type] = {}
        self._calls: dict[tuple[int, int], tuple[CodeType, Site]] = {}
        self._watched: frozenset[str] = frozenset()
        self._tool: int | None = None
        self._looks_out = False
        self._runs = 0
        self._has_met = False
        self.harmless = _HarmlessTypes()
        self._foreign: dict[int, tuple[type, bool]] = {}
        self._types: list[dict[Any, Any]] = [*CACHES, self._classes, self._managers, self._foreign, self.harmless.known]
        self._types_to_keep: int | None = None
        self.excepthook = threading.excepthook

    # -- for the length of an exploration ----------------------------------------------------------------------

    def begin(self) -> None:
        """Swap the code of what must not run without hooks even once, and look out for the rest.

        Most of that is known from the exploration before.
        """
        prepared = self._prepared
        if not prepared.swaps:
            self._place_stand_ins()
            for function in (threading.Thread._bootstrap, threading.Thread._bootstrap_inner):  # type: ignore[attr-defined]
                self.entry(function)
        for reference, old, new in prepared.swaps:
            function = reference()
            if function is not None:
                if function.__code__ is old:
                    function.__code__ = new
                else:  # somebody else has swapped it, too
                    self.entry(function)
        for function in prepared.news(self._scope):
            self.entry(function)
        prepared.keep(self._swapped)
        self._swapped.clear()
        self._known = Known(prepared.known)
        STATE.entries = self._known.entries
        if not prepared.swaps_all or self._known.failed:
            self.look_out()

    def end(self) -> None:
        """Give every function its own code back."""
        self._stop_looking()
        for reference, code in self._swapped.values():
            _give_back(reference, code)
        self._swapped.clear()
        for swap in self._prepared.swaps:
            _give_back(swap.function, swap.old)

    def next_run(self) -> bool:
        """Another run begins; tell whether the last one has met code that it ran without hooks."""
        self._runs += 1
        met, self._has_met = self._has_met, False
        if self._scope.forget_adopted():
            self._prepared.scope_has_grown()
        if len(self._swapped) > 2 * self._swapped_to_keep + MOST_MADE:
            self._swapped = {key: each for key, each in self._swapped.items() if each[0]() is not None}
            self._swapped_to_keep = len(self._swapped)
        self._forget_types()
        return met

    def _forget_types(self) -> None:
        """Types that runs make must not outlive them, as little as functions."""
        remembered = sum(map(len, self._types))
        if self._types_to_keep is None:
            self._types_to_keep = remembered
        elif remembered > 2 * self._types_to_keep + MOST_MADE:
            for cache in self._types:
                cache.clear()
            self._types_to_keep = None

    def evaluated(self, namespace: Any) -> None:
        """Code in scope runs text in a namespace: what is defined there is in scope as well."""
        self.look_out()
        if type(namespace) is dict:
            self._scope.adopt(namespace)
            self._prepared.scope_has_grown()

    def watch(self, places: frozenset[str]) -> None:
        """Make the sites of these keys choices, those that are still to be found as well."""
        self._watched |= places
        for place in places:
            for site in self._known.sites(place):
                STATE.sharing.share(site)

    # -- what is known -----------------------------------------------------------------------------------------

    def sites(self, key: str) -> Sequence[Site]:
        """The sites of a key that are known."""
        return self._known.sites(key)

    @property
    def full(self) -> int:
        """How much code was rewritten with every hook."""
        return self._known.full

    @property
    def failed(self) -> Mapping[str, None]:
        """Sentences on code that could not be rewritten."""
        return self._known.failed

    # -- what the hooks ask ------------------------------------------------------------------------------------

    def entry(self, function: FunctionType) -> Any:
        """What a call of a function means: ``None`` for nothing special, or `OPAQUE`.

        Its code is swapped if it should be, so that the call that follows runs with hooks.
        """
        code = function.__code__
        found = self._known.entries.get(id(code))
        if found is None or found.code is not code:
            found = self._known.entry(code)
        if found is None:
            with self._controller.unhooked():
                found = self._discover(code, function.__globals__)
        if found.replacement is not None:
            self._swap(function, found.replacement)
        return found.verdict

    def site_of_call(self, frame: FrameType, function: FunctionType) -> Site:
        """The site of a call of a stand-in for a function, which a frame is just making."""
        code = frame.f_code
        known = self._calls.get((id(code), frame.f_lasti))
        if known is None or known[0] is not code:
            return self._site_of_new_call(stand_ins.caller(frame), function.__name__)
        return known[1]

    def _site_of_new_call(self, frame: FrameType, name: str) -> Site:
        code = frame.f_code
        known = self._calls.get((id(code), frame.f_lasti))
        if known is None or known[0] is not code:
            site = stand_ins.site_of(frame, name)
            site.hidden = not self._scope.covers(code, frame.f_globals)
            self._known.add_site(site)
            known = self._calls[id(code), frame.f_lasti] = (code, site)
        return known[1]

    def descriptor(self, owner: type | None, name: str) -> None:
        """An attribute is found in a class and runs code: find that."""
        if owner is None:
            return
        value: Any = ATTRIBUTES.value_on(owner, name)
        if type(value) is property:
            self._take([value.fget, value.fset, value.fdel])
        else:
            self._take([self.implicit(type(value), each)[1] for each in ("__get__", "__set__", "__delete__")])

    def is_foreign(self, kind: type) -> bool:
        """Whether instances of a type may be changed by code that is not explored."""
        found = self._foreign.get(id(kind))
        if found is None or found[0] is not kind:
            module = module_of(kind)
            known = isinstance(module, str) and module.partition(".")[0] in _VALUES
            found = self._foreign[id(kind)] = (kind, not known and not self._scope.covers_module(str(module)))
        return found[1]

    def implicit(self, kind: type, name: str) -> tuple[type | None, Any]:
        """A special method, looked up as the interpreter does: on the type only."""
        for owner in type.__dict__["__mro__"].__get__(kind):
            namespace = type.__dict__["__dict__"].__get__(owner)
            if name in namespace:
                value = namespace[name]
                return (owner, value) if type(value) is FunctionType else (None, value)
        return None, None

    def class_called(self, cls: type) -> None:
        """A class is going to be called: find what makes and initialises its instances."""
        if self._classes.get(id(cls)) is cls:
            return
        self._classes[id(cls)] = cls
        for name in ("__new__", "__init__"):
            value = self.implicit(cls, name)[1]
            self._take([value.__func__ if type(value) is staticmethod else value])

    def manager_entered(self, cls: type) -> None:
        """A ``with`` block begins with an instance of a class: find what it calls."""
        if self._managers.get(id(cls)) is cls:
            return
        self._managers[id(cls)] = cls
        self._take([self.implicit(cls, name)[1] for name in ("__enter__", "__exit__")])

    def task_started(self, body: Any) -> None:
        """A task begins in this thread, with a call of this."""
        while type(body) in (partial, MethodType):
            body = body.func if type(body) is partial else body.__func__
        self._take([body])
        if sys.version_info < (3, 12) and self._is_profiled() and sys.getprofile() is None:
            sys.setprofile(self._profile)

    def _is_profiled(self) -> bool:
        """Looking costs: in the first runs, and in every one whose number is a power of two."""
        return self._looks_out and (self._runs < PROFILED_RUNS or not self._runs & (self._runs - 1))

    def task_ended(self) -> None:
        """A task ends in this thread."""
        if sys.version_info < (3, 12) and sys.getprofile() == self._profile:
            sys.setprofile(None)

    def user_place(self, ident: int) -> tuple[str, int, str] | None:
        """File, line and function of the innermost code in scope that a thread is in."""
        frame = sys._current_frames().get(ident)
        while frame is not None and not self._scope.covers(frame.f_code, frame.f_globals):
            frame = frame.f_back
        return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)

    # -- inside ------------------------------------------------------------------------------------------------

    def _take(self, candidates: list[Any]) -> None:
        for candidate in candidates:
            if type(candidate) is FunctionType:
                self.entry(candidate)

    def _place_stand_ins(self) -> None:
        function: Any
        handler: stand_ins.Handler
        for function, handler in threads.HANDLERS:
            self.entry(function)
            self._stand_in(function, stand_ins.handled(function, handler))
        for primitive in PRIMITIVES:
            self.entry(primitive.function)  # it runs with hooks all the same
            self._stand_in(primitive.function, stand_ins.replaced(primitive.function, primitive, primitive.stand_in))
        for function, handler in futures.HANDLERS:
            self._stand_in(function, stand_ins.handled(function, handler))
        load = importlib._bootstrap._find_and_load  # type: ignore[attr-defined]
        self._stand_in(load, stand_ins.told(load, unproven.imports))

    def _stand_in(self, function: FunctionType, code: CodeType) -> None:
        self._known.entries[id(code)] = Entry(code, None, None)
        self._swap(function, code)

    def _discover(self, code: CodeType, namespace: dict[str, Any]) -> Entry:
        plan = self._prepared.plan(code, namespace, self._scope)
        if plan is None:
            entry = self._known.entries[id(code)] = Entry(code, None, OPAQUE)
            return entry
        module = str(namespace.get("__name__", ""))
        verdict = None if plan is Plan.FULL or module.partition(".")[0] in _HARMLESS else OPAQUE
        try:
            new = self._rewrite(code, plan, module, namespace)
        except RecursionError:
            raise
        except Exception as error:
            self._known.failed[f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno}): {error!r}"] = None
            entry = self._known.entries[id(code)] = Entry(code, None, OPAQUE)
            return entry
        self._known.full += plan is Plan.FULL
        self._register(code, new, verdict, hidden=plan is Plan.SYNC)
        return self._known.entries[id(code)]

    def _rewrite(self, code: CodeType, plan: Plan, module: str, namespace: dict[str, Any]) -> CodeType:
        key = (id(code), id(namespace), plan)
        known = _rewritten.get(key)
        if known is None or known.old is not code or known.namespace is not namespace:
            way_round = PLAINLY if plan is Plan.SYNC else None
            new = rewrite(code, self._hooks[plan], plan, module=module, namespace=namespace, way_round=way_round)
            known = _rewritten[key] = _Rewritten(code, new, namespace)
        return known.new

    def _register(self, old: CodeType, new: CodeType, verdict: Any, *, hidden: bool) -> None:
        """Know a code object, what it became, and all code inside both: functions made in a run carry that."""
        self._known.entries[id(old)] = Entry(old, new, verdict)
        self._known.entries[id(new)] = Entry(new, None, verdict)
        for constant in new.co_consts:
            if type(constant) is Site:
                constant.hidden = hidden
                constant.shared = False
                alike = self._known.add_site(constant)
                if constant.key in self._watched or any(site.shared for site in alike):
                    STATE.sharing.share(constant)
        for inner_old, inner_new in zip(old.co_consts, new.co_consts, strict=False):
            if type(inner_old) is CodeType and inner_old is not inner_new:
                self._register(inner_old, inner_new, verdict, hidden=hidden)

    def _swap(self, function: FunctionType, code: CodeType) -> None:
        known = self._swapped.get(id(function))
        if known is None or known[0]() is not function:
            # Functions that a run makes must not outlive it: their closures hold what the test has made.
            self._swapped[id(function)] = (weakref.ref(function), function.__code__)
        function.__code__ = code

    def look_out(self) -> None:
        """Hear of all code that begins to run: there may be some that is in scope and was not swapped."""
        self._looks_out = True
        if sys.version_info >= (3, 12) and self._tool is None:
            monitoring = _monitoring
            free = [tool for tool in (4, 3, 5, 2, 0) if monitoring.get_tool(tool) is None]
            if not free:
                return
            self._tool = free[0]
            monitoring.use_tool_id(self._tool, "racecheck")
            monitoring.register_callback(self._tool, monitoring.events.PY_START, self._on_start)
            monitoring.set_events(self._tool, monitoring.events.PY_START)

    def _stop_looking(self) -> None:
        if sys.version_info >= (3, 12) and self._tool is not None:
            _monitoring.set_events(self._tool, 0)
            _monitoring.register_callback(self._tool, _monitoring.events.PY_START, None)
            _monitoring.free_tool_id(self._tool)
            self._tool = None

    def _on_start(self, code: CodeType, _offset: int) -> object:
        """Code has begun to run; called once for each code object that is known after that."""
        if self._known.entry(code) is not None:
            return _monitoring.DISABLE
        if get_ident() == self._controller.ident:
            with self._controller.unhooked():
                self._met(code, sys._getframe(1).f_globals)
            return _monitoring.DISABLE
        # Not in a task. What is never of interest is not asked for again: our own code most of all.
        if is_ours(code.co_filename):
            return _monitoring.DISABLE
        plan = self._prepared.plan(code, sys._getframe(1).f_globals, self._scope)
        return None if plan is not None else _monitoring.DISABLE

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            code = frame.f_code
            if self._known.entry(code) is None and get_ident() == self._controller.ident:
                with self._controller.unhooked():
                    self._met(code, frame.f_globals)

    def _met(self, code: CodeType, namespace: dict[str, Any]) -> None:
        """Code that nobody called where we see it: from the next call on it runs with hooks."""
        if self._prepared.plan(code, namespace, self._scope) is None:
            self._known.entries[id(code)] = Entry(code, None, OPAQUE)
            return
        functions = self._prepared.functions_of(code) or [
            function for function in gc.get_referrers(code) if type(function) is FunctionType
        ]
        for function in functions:
            if function.__code__ is code:
                self._has_met = True
                self.entry(function)
        if self._known.entry(code) is None:
            self._known.entries[id(code)] = Entry(code, None, OPAQUE)


def _give_back(reference: weakref.ref[FunctionType], code: CodeType) -> None:
    function = reference()
    if function is not None:
        function.__code__ = code
