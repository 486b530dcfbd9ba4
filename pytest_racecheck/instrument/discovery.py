"""Finds functions before they run, or when they first do, and swaps their code."""

from __future__ import annotations

import gc
import importlib
import io
import sys
import threading
import weakref
from _thread import get_ident
from functools import partial
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument import futures, stand_ins, threads, unmarked, unproven
from pytest_racecheck.instrument.attributes import ATTRIBUTES
from pytest_racecheck.instrument.classify import CACHES, module_of
from pytest_racecheck.instrument.primitives import PRIMITIVES
from pytest_racecheck.instrument.rewrite import Hooks, Plan, rewrite
from pytest_racecheck.instrument.scope import SYNCHRONISING_MODULES, Scope
from pytest_racecheck.instrument.stock import stock_of

_monitoring: Final[Any] = getattr(sys, "monitoring", None)

PROFILED_RUNS: Final = 6
"""Where there is no sys.monitoring, so many first runs look for code with a profile function."""

MOST_MADE: Final = 100
"""So much may be remembered of functions or types that runs have made before it is forgotten."""

SAME_PLACE: Final = 16
"""So many sites are remembered of one place: code that each run makes anew (exec, import) has new ones each time."""

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


class Entry:
    """What is known of one code object: by what it is replaced, and what a call of it means."""

    __slots__ = ("code", "replacement", "verdict")

    def __init__(self, code: CodeType, replacement: CodeType | None, verdict: Any) -> None:
        self.code = code
        self.replacement = replacement
        self.verdict = verdict


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

    def __init__(self, scope: Scope, hooks: dict[Plan, Hooks], controller: Controller) -> None:
        self._scope = scope
        self._hooks = hooks
        self._controller = controller
        self._stock = stock_of(scope)
        self._entries: dict[int, Entry] = {}
        self._swapped: dict[int, tuple[weakref.ref[FunctionType], CodeType]] = {}
        self._swapped_to_keep = 0
        self._classes: dict[int, type] = {}
        self._calls: dict[tuple[int, int], tuple[CodeType, Site]] = {}
        self._watched: frozenset[str] = frozenset()
        self._tool: int | None = None
        self._runs = 0
        self._was_exact = False
        self._has_met = False
        self.sites: dict[str, list[Site]] = {}
        self.full = 0
        self.failed: dict[str, None] = {}
        self.harmless = _HarmlessTypes()
        self._foreign: dict[int, tuple[type, bool]] = {}
        self._types: list[dict[Any, Any]] = [*CACHES, self._classes, self._foreign, self.harmless.known]
        self._types_to_keep: int | None = None
        self.excepthook = threading.excepthook

    # -- for the length of an exploration ----------------------------------------------------------------------

    def begin(self) -> None:
        """Swap the code of what must not run without hooks even once, and look out for the rest."""
        self._stock.refresh(self._scope)
        self._entries = dict(self._stock.entries)
        self.failed = dict(self._stock.failed)
        for function in (
            threading.Thread._bootstrap,  # type: ignore[attr-defined]
            threading.Thread._bootstrap_inner,  # type: ignore[attr-defined]
            *self._stock.outside(),
        ):
            self.entry(function)
        self._stock.entries = dict(self._entries)
        self._stock.failed = dict(self.failed)
        self._place_stand_ins()
        for function in list(self._stock.of_file(self._scope.test_file)):
            self.entry(function)
        self._look_out()

    def end(self) -> None:
        """Give every function its own code back."""
        self._stop_looking()
        for reference, code in self._swapped.values():
            function = reference()
            if function is not None:
                function.__code__ = code
        self._swapped.clear()
        for place in self._watched:
            for site in self._stock.sites.get(place, ()):
                site.shared = False
        self._stock.close()

    def next_run(self) -> bool:
        """Another run begins; tell whether the last one has met code that it ran without hooks."""
        self._runs += 1
        met, self._has_met = self._has_met, False
        self._scope.forget_adopted()
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
        if type(namespace) is dict:
            self._scope.adopt(namespace)

    def watch(self, places: frozenset[str]) -> None:
        """Make the sites of these keys choices, those that are still to be found as well."""
        self._watched |= places
        for place in places:
            for site in self.sites_at(place):
                site.shared = True

    def sites_at(self, place: str) -> list[Site]:
        """The sites of a key."""
        return [*self.sites.get(place, ()), *self._stock.sites.get(place, ())]

    # -- what the hooks ask ------------------------------------------------------------------------------------

    def entry(self, function: FunctionType) -> Any:
        """What a call of a function means: ``None`` for nothing special, or `OPAQUE`.

        Its code is swapped if it should be, so that the call that follows runs with hooks.
        """
        code = function.__code__
        found = self._entries.get(id(code))
        if found is None or found.code is not code:
            with self._controller.unhooked():
                found = self._discover(code, function.__globals__)
        if found.replacement is not None:
            self._swap(function, found.replacement)
        return found.verdict

    def site_of_call(self, frame: FrameType, name: str) -> Site:
        """The site of a call of a stand-in, which a frame is just making."""
        code = frame.f_code
        known = self._calls.get((id(code), frame.f_lasti))
        if known is None or known[0] is not code:
            site = stand_ins.site_of(frame, name)
            site.hidden = not self._scope.covers(code, frame.f_globals)
            sites = self.sites.setdefault(site.key, [])
            sites.append(site)
            del sites[:-SAME_PLACE]
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

    def task_started(self, body: Any) -> None:
        """A task begins in this thread, with a call of this."""
        while type(body) in (partial, MethodType):
            body = body.func if type(body) is partial else body.__func__
        self._take([body])
        exact, self._was_exact = self._was_exact, self._is_exact()
        if self._was_exact and not exact:
            self._hear_again()
        if sys.version_info < (3, 12) and (self._is_profiled() or self._is_exact()) and sys.getprofile() is None:
            sys.setprofile(self._profile)

    def _is_profiled(self) -> bool:
        """Looking costs: in the first runs, and in every one whose number is a power of two."""
        return self._runs < PROFILED_RUNS or not self._runs & (self._runs - 1)

    def _is_exact(self) -> bool:
        """Whether this run is to know of every function that a task enters: it is shown, or switches depend on it."""
        return self._controller.recorder is not None or self._controller.gil

    def _hear_again(self) -> None:
        """Of functions that are entered and were known."""
        if sys.version_info >= (3, 12) and self._tool is not None:
            _monitoring.restart_events()

    def hears(self) -> bool:
        """Whether functions that are entered can be heard of at all."""
        return sys.version_info < (3, 12) or self._tool is not None

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
            self._stand_in(primitive.function, stand_ins.handled(primitive.function, primitive.announce))
        for function, handler in futures.HANDLERS:
            self._stand_in(function, stand_ins.handled(function, handler))
        for function in futures.LOOKS:
            self._stand_in(function, stand_ins.told(function, futures.UNSEEN.look))
        load = importlib._bootstrap._find_and_load  # type: ignore[attr-defined]
        self._stand_in(load, stand_ins.told(load, unproven.imports))

    def _stand_in(self, function: FunctionType, code: CodeType) -> None:
        self._entries[id(code)] = Entry(code, None, None)
        self._swap(function, code)

    def _discover(self, code: CodeType, namespace: dict[str, Any]) -> Entry:
        plan = self._scope.plan(code, namespace)
        if plan is None:
            entry = self._entries[id(code)] = Entry(code, None, OPAQUE)
            return entry
        module = str(namespace.get("__name__", ""))
        verdict = None if plan is Plan.FULL or module.partition(".")[0] in _HARMLESS else OPAQUE
        try:
            new = self._rewrite(code, plan, module, namespace)
        except RecursionError:
            raise
        except Exception as error:
            self.failed[f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno}): {error!r}"] = None
            entry = self._entries[id(code)] = Entry(code, None, OPAQUE)
            return entry
        self.full += plan is Plan.FULL
        self._register(code, new, verdict, hidden=plan is Plan.SYNC)
        return self._entries[id(code)]

    def _rewrite(self, code: CodeType, plan: Plan, module: str, namespace: dict[str, Any]) -> CodeType:
        key = (id(code), id(namespace), plan)
        known = _rewritten.get(key)
        if known is None or known.old is not code or known.namespace is not namespace:
            new = rewrite(code, self._hooks[plan], plan, module=module, namespace=namespace, marked=True)
            known = _rewritten[key] = _Rewritten(code, new, namespace)
        return known.new

    def _register(self, old: CodeType, new: CodeType, verdict: Any, *, hidden: bool) -> None:
        """Know a code object, what it became, and all code inside both: functions made in a run carry that."""
        self._entries[id(old)] = Entry(old, new, verdict)
        self._entries[id(new)] = Entry(new, None, verdict)
        for constant in new.co_consts:
            if type(constant) is Site:
                constant.hidden = hidden
                known = (self._stock if hidden else self).sites.setdefault(constant.key, [])
                constant.shared = constant.key in self._watched or any(site.shared for site in known)
                known.append(constant)
                del known[:-SAME_PLACE]
        for inner_old, inner_new in zip(old.co_consts, new.co_consts, strict=False):
            if type(inner_old) is CodeType and inner_old is not inner_new:
                self._register(inner_old, inner_new, verdict, hidden=hidden)

    def _swap(self, function: FunctionType, code: CodeType) -> None:
        known = self._swapped.get(id(function))
        if known is None or known[0]() is not function:
            # Functions that a run makes must not outlive it: their closures hold what the test has made.
            self._swapped[id(function)] = (weakref.ref(function), function.__code__)
        function.__code__ = code

    def _look_out(self) -> None:
        if sys.version_info >= (3, 12):
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
        known = self._entries.get(id(code))
        is_new = known is None or known.code is not code
        if is_new and get_ident() != self._controller.ident:
            return None
        if is_new:
            with self._controller.unhooked():
                self._met(code, sys._getframe(1).f_globals)
        if not self._is_exact() or is_ours(code.co_filename) or unmarked.is_marked(code):
            return _monitoring.DISABLE
        if get_ident() == self._controller.ident:
            unmarked.entered(sys._getframe(1).f_back)
        return None

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and get_ident() == self._controller.ident:
            code = frame.f_code
            known = self._entries.get(id(code))
            if known is None or known.code is not code:
                with self._controller.unhooked():
                    self._met(code, frame.f_globals)
            if self._is_exact() and not is_ours(code.co_filename) and not unmarked.is_marked(code):
                unmarked.entered(frame.f_back)

    def _met(self, code: CodeType, namespace: dict[str, Any]) -> None:
        """Code that nobody called where we see it: from the next call on it runs with hooks."""
        if self._scope.plan(code, namespace) is None:
            self._entries[id(code)] = Entry(code, None, OPAQUE)
            return
        functions = self._stock.covered(code) or [
            function for function in gc.get_referrers(code) if type(function) is FunctionType
        ]
        for function in functions:
            if function.__code__ is code:
                self._has_met = True
                self.entry(function)
        self._entries.setdefault(id(code), Entry(code, None, OPAQUE))
