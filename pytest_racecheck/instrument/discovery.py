"""Finds functions before they run, or when they first do, and swaps their code."""

from __future__ import annotations

import gc
import io
import sys
import threading
import weakref
from _thread import get_ident
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.interrupt import ACTING
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument import library, stand_ins, synchronized, unmarked
from pytest_racecheck.instrument.attributes import ATTRIBUTES
from pytest_racecheck.instrument.classify import CACHES, module_of
from pytest_racecheck.instrument.elsewhere import Elsewhere
from pytest_racecheck.instrument.prepared import Entry, Known, Prepared, prepared_for
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
    {"builtins", "datetime", "decimal", "enum", "fractions", "multiprocessing", "pathlib", "re", "types", "typing",
     "uuid"}
)  # fmt: skip
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
        sought = id(kind)
        found = self.known[sought] if sought in self.known else None
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
        self._was_exact = False
        self._has_met = False
        self.harmless = _HarmlessTypes()
        self._foreign: dict[int, tuple[type, bool]] = {}
        self._types: list[dict[Any, Any]] = [*CACHES, self._classes, self._managers, self._foreign, self.harmless.known]
        self._types_to_keep: int | None = None
        self.excepthook = threading.excepthook
        self.elsewhere = Elsewhere(self)
        self._placed: dict[int, property] = {}
        """Properties of the standard library whose functions have stand-ins."""
        self._foreign_modules: dict[str, bool] = {}
        self.on_code: Callable[[CodeType, bool], None] | None = None
        """Hears of code that was not known before, and whether it has run without hooks."""
        self.on_call: Callable[[CodeType, int, Site], None] | None = None
        """Hears of the site of a call of a stand-in that was not known before."""
        self.on_module: Callable[[str], None] | None = None
        """Hears of a module whose types were met for the first time."""

    # -- for the length of an exploration ----------------------------------------------------------------------

    def begin(self) -> None:
        """Swap the code of what must not run without hooks even once, and look out for the rest.

        Most of that is known from the exploration before.
        """
        prepared = self._prepared
        if not prepared.swaps:
            library.place(self)
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
        self._placed = {id(each): each for each in synchronized.properties() if stand_ins.is_handled(each.fget)}
        prepared.keep(self._swapped)
        self._swapped.clear()
        self._known = Known(prepared.known)
        STATE.entries = self._known.entries
        if not prepared.swaps_all or self._known.failed:
            self.look_out()

    def take_stock(self) -> None:
        """Swap the code of functions that have come since the beginning, as far as that can't wait."""
        for function in self._prepared.news(self._scope):
            self.entry(function)

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
        met |= self.elsewhere.take_in()
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
        sought = id(code)
        found = self._known.entries[sought] if sought in self._known.entries else None
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
        sought = id(code), frame.f_lasti
        known = self._calls[sought] if sought in self._calls else None
        if known is None or known[0] is not code:
            return self._site_of_new_call(stand_ins.caller(frame), function.__name__)
        return known[1]

    def _site_of_new_call(self, frame: FrameType, name: str) -> Site:
        code = frame.f_code
        sought = id(code), frame.f_lasti
        known = self._calls[sought] if sought in self._calls else None
        if known is None or known[0] is not code:
            site = stand_ins.site_of(frame, name)
            site.hidden = not self._scope.covers(code, frame.f_globals)
            self.add_site(site)
            known = self._calls[id(code), frame.f_lasti] = (code, site)
            if self.on_call is not None:
                self.on_call(code, frame.f_lasti, site)
        return known[1]

    def add_site(self, site: Site) -> None:
        """Know one more site; it is a choice if another of its key is one."""
        if site.key in self._watched or any(each.shared for each in self._known.sites(site.key)):
            STATE.sharing.share(site)
        self._known.add_site(site)

    def code_at(self, identity: int) -> CodeType | None:
        """Code that is known, by its identity."""
        found = self._known.entries.get(identity) or self._prepared.known.entries.get(identity)
        return None if found is None else found.code

    def keep_call(self, code: CodeType, lasti: int, site: Site) -> None:
        """From this instruction a stand-in is called."""
        self._calls.setdefault((id(code), lasti), (code, site))

    def descriptor(self, owner: type | None, name: str) -> None:
        """An attribute is found in a class and runs code: find that."""
        if owner is None:
            return
        value: Any = ATTRIBUTES.value_on(owner, name)
        if type(value) is property:
            if synchronized.is_wrapper(owner) and id(value) not in self._placed:
                self._placed[id(value)] = value
                self.place(synchronized.handlers_of(value))
            self._take([value.fget, value.fset, value.fdel])
        else:
            self._take([self.implicit(type(value), each)[1] for each in ("__get__", "__set__", "__delete__")])

    def is_foreign(self, kind: type) -> bool:
        """Whether instances of a type may be changed by code that is not explored."""
        sought = id(kind)
        found = self._foreign[sought] if sought in self._foreign else None
        if found is None or found[0] is not kind:
            found = self._foreign[id(kind)] = (kind, self.is_foreign_module(str(module_of(kind))))
        return found[1]

    def is_foreign_module(self, name: str) -> bool:
        """The same for all types of a module."""
        answer = self._foreign_modules[name] if name in self._foreign_modules else None
        if answer is None:
            answer = name.partition(".")[0] not in _VALUES and not self._scope.covers_module(name)
            self._foreign_modules[name] = answer
            if self.on_module is not None:
                self.on_module(name)
        return answer

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
        if id(cls) in self._classes and self._classes[id(cls)] is cls:
            return
        self._classes[id(cls)] = cls
        for name in ("__new__", "__init__"):
            value = self.implicit(cls, name)[1]
            self._take([value.__func__ if type(value) is staticmethod else value])

    def manager_entered(self, cls: type) -> None:
        """A ``with`` block begins with an instance of a class: find what it calls."""
        if id(cls) in self._managers and self._managers[id(cls)] is cls:
            return
        self._managers[id(cls)] = cls
        self._take([self.implicit(cls, name)[1] for name in ("__enter__", "__exit__")])

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
        return self._looks_out and (self._runs < PROFILED_RUNS or not self._runs & (self._runs - 1))

    def _is_exact(self) -> bool:
        """Whether this run is to know of every function that a task enters: it is shown, or switches depend on it."""
        return self._controller.recorder is not None or self._controller.gil

    def _hear_again(self) -> None:
        """Of functions that are entered, those that are known as well."""
        self._listen()
        if self._tool is not None:
            _monitoring.restart_events()

    def hears(self) -> bool:
        """Whether functions that are entered can be heard of at all."""
        return sys.version_info < (3, 12) or self._tool is not None or bool(_free_tools())

    def task_ended(self) -> None:
        """A task ends in this thread."""
        if sys.version_info < (3, 12) and sys.getprofile() == self._profile:
            sys.setprofile(None)

    def covers(self, code: CodeType, namespace: dict[str, Any]) -> bool:
        """Whether code is in scope."""
        return self._scope.covers(code, namespace)

    def user_place(self, ident: int) -> tuple[str, int, str] | None:
        """File, line and function of the innermost code in scope that a thread is in."""
        actor = ACTING.get(ident)
        return self._place_in(sys._current_frames().get(ident)) if actor is None else actor.user_place()

    def user_place_here(self) -> tuple[str, int, str] | None:
        """The same for the calling thread."""
        return self._place_in(sys._getframe(1))

    def _place_in(self, frame: FrameType | None) -> tuple[str, int, str] | None:
        while frame is not None and not self._scope.covers(frame.f_code, frame.f_globals):
            frame = frame.f_back
        return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)

    # -- inside ------------------------------------------------------------------------------------------------

    def _take(self, candidates: list[Any]) -> None:
        for candidate in candidates:
            if type(candidate) is FunctionType:
                self.entry(candidate)

    def place(self, handlers: Iterable[tuple[Any, stand_ins.Handler]]) -> None:
        """Put stand-ins before functions that run with hooks all the same, where there are none yet."""
        for function, handler in handlers:
            if not stand_ins.is_handled(function):
                self.entry(function)
                self.stand_in(function, stand_ins.handled(function, handler))

    def place_made(self, function: Any, key: object, make: stand_ins.Maker) -> None:
        """The same for one function, and what is made from it: see `stand_ins.replaced`."""
        if not stand_ins.is_handled(function):
            self.entry(function)
            self.stand_in(function, stand_ins.replaced(function, key, make, asks=True))

    def stand_in(self, function: FunctionType, code: CodeType) -> None:
        """Put this code in the place of a function's own for the length of the exploration."""
        self._known.entries[id(code)] = Entry(code, None, None)
        self._swap(function, code)

    def _discover(self, code: CodeType, namespace: dict[str, Any]) -> Entry:
        plan = self._prepared.plan(code, namespace, self._scope)
        if self.on_code is not None:
            self.on_code(code, False)
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
        known = _rewritten[key] if key in _rewritten else None
        if known is None or known.old is not code or known.namespace is not namespace:
            way_round = PLAINLY if plan is Plan.SYNC else None
            new = rewrite(
                code, self._hooks[plan], plan, module=module, namespace=namespace, marked=True, way_round=way_round
            )
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
        sought = id(function)
        known = self._swapped[sought] if sought in self._swapped else None
        if known is None or known[0]() is not function:
            # Functions that a run makes must not outlive it: their closures hold what the test has made.
            self._swapped[id(function)] = (weakref.ref(function), function.__code__)
        function.__code__ = code

    def look_out(self) -> None:
        """Hear of all code that begins to run: there may be some that is in scope and was not swapped."""
        self._looks_out = True
        self._listen()

    def _listen(self) -> None:
        free = _free_tools()
        if self._tool is None and free:
            monitoring = _monitoring
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
        is_new = self._known.entry(code) is None
        in_task = get_ident() == self._controller.ident
        if is_ours(code.co_filename):
            return _monitoring.DISABLE
        if is_new and in_task:
            with self._controller.unhooked():
                self._met(code, sys._getframe(1).f_globals)
        if self._is_exact() and not unmarked.is_marked(code):
            if in_task:
                unmarked.entered(sys._getframe(1).f_back)
            return None
        if in_task or not is_new:
            return _monitoring.DISABLE
        # Not in a task. What is never of interest is not asked for again.
        plan = self._prepared.plan(code, sys._getframe(1).f_globals, self._scope)
        return None if plan is not None else _monitoring.DISABLE

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and get_ident() == self._controller.ident:
            code = frame.f_code
            if self._known.entry(code) is None:
                with self._controller.unhooked():
                    self._met(code, frame.f_globals)
            if self._is_exact() and not is_ours(code.co_filename) and not unmarked.is_marked(code):
                unmarked.entered(frame.f_back)

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
                if self.on_code is not None:
                    self.on_code(code, True)
                self.entry(function)
        if self._known.entry(code) is None:
            self._known.entries[id(code)] = Entry(code, None, OPAQUE)


def _give_back(reference: weakref.ref[FunctionType], code: CodeType) -> None:
    function = reference()
    if function is not None:
        function.__code__ = code


def _free_tools() -> list[int]:
    """Numbers by which ``sys.monitoring`` would know us; none where there is no such thing."""
    if _monitoring is None:
        return []
    return [tool for tool in (4, 3, 5, 2, 0) if _monitoring.get_tool(tool) is None]
