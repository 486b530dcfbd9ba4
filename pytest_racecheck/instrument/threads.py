"""Threads that the code under test starts become tasks: started, run, joined under control."""

from __future__ import annotations

import _thread
import dis
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any, Final, NamedTuple, NoReturn

from pytest_racecheck.core.baton import Baton, make_baton
from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.failures import failure_of
from pytest_racecheck.core.interrupt import calm, settle
from pytest_racecheck.core.task import Task, special_site
from pytest_racecheck.core.values import WHOLE, Failure, Operation, Site
from pytest_racecheck.core.workers import release_end_of
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD

START_NEW: Final = _thread.start_new_thread
_STARTS: Final = getattr(_thread, "start_joinable_thread", START_NEW)
"""By what ``Thread.start`` starts an OS thread."""
_MAKE_HANDLE: Final[Any] = getattr(_thread, "_make_thread_handle", None)

START_SECONDS: Final = 10.0
"""So long may a new OS thread take to come up."""


class Starting:
    """A thread that was started and has not yet come to its own code."""

    def __init__(self, task: Task, thread: Any) -> None:
        self.task = task
        self.thread = thread
        """The ``Thread``, if it is one."""
        self.arrived: Baton
        self.has_arrived = False

    def wait(self) -> bool:
        """Wait until it has come there; tell whether it has."""
        self.has_arrived = self.has_arrived or self.arrived.wait_for(START_SECONDS)
        return self.has_arrived


_RUN_LINE: Final = next(
    instruction.positions.lineno
    for instruction in dis.get_instructions(threading.Thread._bootstrap_inner)  # type: ignore[attr-defined]
    if instruction.argval == "run" and instruction.positions
)
"""Where ``Thread._bootstrap_inner`` calls ``self.run()``."""


class Started(NamedTuple):
    """A thread that was started in this run."""

    thread: Any
    task: Task
    pool: object
    """The queue from which it takes its work, if it belongs to an executor."""


TASKS: Final[dict[int, Started]] = {}
"""For this run: identity of a Thread object -> what is known of it."""


# -- in the thread that starts another -------------------------------------------------------------------------


def start(controller: Controller, site: Site, function: Any, thread: Any, arguments: tuple[Any, ...]) -> Any:
    """``Thread.start``: the real one, but the new thread waits before its own code until it is chosen."""
    if controller.running is None or not thread._initialized or thread.ident is not None:
        return function  # raises: threads must be initialised, and can only be started once
    return partial(_start, controller, site, function, thread)


def _start(controller: Controller, site: Site, function: Callable[[], object], thread: Any) -> None:
    pool = _pool_of(thread)
    where = f"{site.filename}:{site.line}"
    task = controller.new_task(thread.name, daemon=thread.daemon, pooled=pool is not None, spawned_at=where)
    if pool is None:
        controller.hold(thread, thread._target, thread._args, thread._kwargs)
    _bring_up(controller, Starting(task, thread), function)
    TASKS[id(thread)] = Started(thread, task, pool)
    controller.touch("spawn", id(thread))
    if controller.recorder is not None:
        controller.recorder.synchronisation(site, "spawn", thread, f"task {task.id}")  # type: ignore[attr-defined]


def _pool_of(thread: Any) -> object:
    if getattr(getattr(thread, "_target", None), "__module__", "") != "concurrent.futures.thread":
        return None
    return next((each for each in thread._args if hasattr(each, "get_nowait")), None)


def _bring_up(controller: Controller, starting: Starting, start_it: Callable[[], object]) -> None:
    """Start a thread, with no hook in the way, and wait until it stands before its own code."""
    task = starting.task
    controller.starting = _thread.get_ident()
    try:
        if _arrives(controller, starting, start_it):
            controller.admit(task)
        else:
            controller.not_controlled(f"thread {task.name} did not come up within {START_SECONDS:g} s")
    finally:
        controller.starting = 0


def _arrives(controller: Controller, starting: Starting, start_it: Callable[[], object]) -> bool:
    with controller.unhooked():
        STATE.starting = starting
        try:
            start_it()
            return starting.wait()
        finally:
            STATE.starting = None
            if starting.task.worker is None:
                starting.arrived.close()


def _start_os_thread(
    controller: Controller, starting: Starting, function: Any, bootstrap: Any, *arguments: Any, **keywords: Any
) -> Any:
    """What ``Thread.start`` calls to get an OS thread: one that is kept serves as well, if nobody can tell."""
    thread = starting.thread
    worker = None
    # A free-threaded interpreter waits for the threads that it has started when the process ends.
    servable = not FREE_THREADED_BUILD and not threading.stack_size()
    if servable and getattr(bootstrap, "__self__", None) is thread:
        STATE.starting = None  # a kept thread may have to be started, and is not the one that we wait for
        worker = controller.lend_thread(starting.task, partial(_bootstrap_kept, thread, bootstrap))
        STATE.starting = starting
    if worker is None:
        starting.arrived = make_baton()
        return function(bootstrap, *arguments, **keywords)
    if _MAKE_HANDLE is not None:
        thread._handle = _MAKE_HANDLE(worker.ident)
    starting.arrived = worker.arrived
    worker.baton.signal()
    starting.wait()
    return worker.ident


def start_new(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``_thread.start_new_thread``."""
    return partial(_start_new, controller, site, function)


def _start_new(controller: Controller, site: Site, function: Any, target: Any, args: Any, kwargs: Any = None) -> int:
    task = controller.new_task(
        getattr(target, "__name__", "thread"), daemon=True, spawned_at=f"{site.filename}:{site.line}"
    )
    starting: list[int] = []

    def bootstrap() -> None:
        run = _arrive(STATE.starting, partial(target, *args, **(kwargs or {})))
        _to_the_end(controller, task, partial(_run, controller, task, run))

    started = Starting(task, None)
    started.arrived = make_baton()
    _bring_up(controller, started, lambda: starting.append(function(bootstrap, ())))
    return starting[0]


def exit_process(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``os._exit``, which would end the whole test session without a word: it ends the run, as a failure."""
    return partial(_refuse_exit, controller, site)


def _refuse_exit(controller: Controller, site: Site, status: int) -> NoReturn:
    with controller.unhooked():
        failure = Failure(
            kind="exit",
            message=f"os._exit({status!r}) was called\n"
            "  it would have ended the whole session at once, with no report; replace it in the test",
            task=controller.running.id if controller.running else None,
            place=site.key,
            locations=(f"{site.filename}:{site.line}",),
        )
    controller.finish_with(failure)


# -- in the new thread -----------------------------------------------------------------------------------------


def foreign_call(controller: Controller, site: Site, function: Any) -> Any:
    """A call in a thread that does not have the baton: a thread that is just starting comes by here."""
    starting = STATE.starting
    if starting is None:
        return function
    if function is _STARTS and _thread.get_ident() == controller.starting:
        return partial(_start_os_thread, controller, starting, function)
    if site.qualname == "Thread._bootstrap" and starting.task.worker is None:
        return partial(_bootstrap, controller, starting.task, function)
    if site.qualname == "Thread._bootstrap_inner" and site.line == _RUN_LINE:
        return _run_here(controller, starting, function)
    return function


def _bootstrap(controller: Controller, task: Task, function: Callable[[], object]) -> None:
    """Around ``Thread._bootstrap_inner``: when it returns, the thread has left all its traces."""
    task.ident = _thread.get_ident()
    task.native_id = threading.get_native_id()
    _to_the_end(controller, task, partial(_until_released, function))


def _until_released(function: Any) -> None:
    """Up to 3.12 a thread holds a lock until it is gone, some time after its task: who looks must not find it so."""
    try:
        function()
    finally:
        release_end_of(getattr(function, "__self__", None))


def _bootstrap_kept(thread: Any, bootstrap: Callable[[], object]) -> None:
    """The same in a kept thread, which is over for the ``Thread`` when this returns."""
    if sys.gettrace() is not None:
        sys.settrace(None)
    try:
        bootstrap()
    finally:
        if _MAKE_HANDLE is not None:
            thread._handle._set_done()
        release_end_of(thread)


def _to_the_end(controller: Controller, task: Task, function: Callable[[], object]) -> None:
    try:
        function()
    except Unwind:  # pushed once more on its way out
        calm(task.ident)
    finally:
        controller.task_ended(task)


def _run_here(controller: Controller, starting: Starting, function: Any) -> Any:
    """``self.run()`` in ``Thread._bootstrap_inner``: here the new thread waits until it is chosen."""
    if starting.task.ident != _thread.get_ident():
        return function
    underlying = getattr(function, "__func__", function)
    if type(underlying) is FunctionType:
        STATE.discoverer.entry(underlying)
    return partial(_run, controller, starting.task, _arrive(starting, function))


def _run(controller: Controller, task: Task, function: Callable[[], object]) -> None:
    try:
        _run_reporting(controller, task, function)
        settle()
    except Unwind:  # pushed once more on its way out
        calm(task.ident)
    finally:
        task.leaving = True
        controller.on_task_end()
        if controller.touched is not None:
            for identity in [key for key, started in TASKS.items() if started.task is task]:
                controller.touch("end", identity)
        if controller.running is task:
            controller.ident = 0  # what follows is the thread's own tidying up: no choices, nobody else moves


def _run_reporting(controller: Controller, task: Task, function: Callable[[], object]) -> None:
    try:
        function()
    except (Unwind, SystemExit):
        calm(task.ident)
    except BaseException as error:
        if task.lost:
            return
        if not _told_to_user_hook(error):  # who has set a hook of his own wants to hear of it himself
            controller.fail(failure_of(error, task, "thread-exception"))


def _arrive(starting: Starting, function: Callable[[], object]) -> Callable[[], object]:
    """Tell the parent that the thread is there; return what waits for its turn before it calls the function."""
    task = starting.task
    task.ident = _thread.get_ident()
    task.native_id = threading.get_native_id()
    starting.arrived.signal()

    def run_when_chosen() -> object:
        STATE.controller.take_part(task)
        STATE.controller.on_task_start(function)
        return function()

    return run_when_chosen


def _told_to_user_hook(error: BaseException) -> bool:
    """An excepthook that the test itself has set takes the exception; the one from before the run does not."""
    if threading.excepthook is STATE.discoverer.excepthook:
        return False
    thread = threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
    return True


# -- in a thread that waits for another ------------------------------------------------------------------------


def join(controller: Controller, site: Site, function: Any, thread: Any, arguments: tuple[Any, ...]) -> Any:
    """``Thread.join``: waits until the task has ended; then the real one, which takes microseconds."""
    sought = id(thread)
    found = TASKS[sought] if sought in TASKS else None
    if found is None:
        return function
    task = found.task
    if len(arguments) > 1:
        return function  # raises: too many arguments
    timeout = arguments[0] if arguments else None
    if controller.running is task:
        return function  # raises: cannot join current thread
    if not isinstance(timeout, int | float | None):
        return function
    if timeout is not None and timeout <= 0:
        if controller.concurrent:
            controller.reach(Operation("read", site, id(thread)))
        return partial(_unhooked, controller, function) if task.ended else _not_yet
    awaited = _awaited(site, found)
    deadline = None if timeout is None else controller.clock.now + timeout
    others = tuple([(key, WHOLE) for key, each in TASKS.items() if each.task is not task and each.task in awaited])
    ended = controller.reach(
        Operation("join", site, id(thread), also=others),
        lambda: not all(each.ended for each in awaited),
        deadline,
        lambda: f"waits for {_listed(awaited)} to end",
        lambda: awaited,
    )
    if not ended:
        controller.touch("give-up", id(thread))
    if controller.recorder is not None:
        controller.recorder.synchronisation(site, "join", thread, f"task {task.id}")  # type: ignore[attr-defined]
    return partial(_unhooked, controller, function) if ended else _not_yet


def join_all(controller: Controller) -> None:
    """Wait for all threads of this process that its end waits for."""
    left = [each.task for each in TASKS.values() if not each.task.daemon]
    if left:
        operation = Operation("join", special_site("exit"), also=tuple([(key, WHOLE) for key in TASKS]))
        waits = partial(_listed, left)
        controller.reach(
            operation, lambda: not all(each.ended for each in left), None, lambda: f"waits for {waits()}", lambda: left
        )


def _awaited(site: Site, started: Started) -> list[Task]:
    """Whose end a join waits for.

    An executor that shuts down joins its threads in the order of a set, which is another one in each run; as it waits
    for all of them anyway, the first join does.
    """
    if started.pool is None or site.qualname != "ThreadPoolExecutor.shutdown":
        return [started.task]
    return [each.task for each in TASKS.values() if each.pool is started.pool]


def _listed(tasks: list[Task]) -> str:
    left = [task.id for task in tasks if not task.ended]
    return f"task {' and task '.join(left)}"


def is_alive(controller: Controller, site: Site, function: Any, thread: Any, arguments: tuple[Any, ...]) -> Any:
    """``Thread.is_alive``: a task that has ended is not, even if its OS thread takes some microseconds more."""
    sought = id(thread)
    found = TASKS[sought] if sought in TASKS else None
    if controller.concurrent and (found is not None or thread.ident is None):
        controller.reach(Operation("read", site, id(thread), passes="take"))
        sought = id(thread)
        found = TASKS[sought] if sought in TASKS else None
    if found is None:
        return function
    if found.task.ended:
        _unhooked(controller, partial(threading.Thread.join, thread))
    return partial(_unhooked, controller, function)


def _not_yet(*_arguments: object, **_keywords: object) -> None:
    """Stands for a join whose time was over."""


def _unhooked(controller: Controller, function: Callable[..., Any], *_arguments: object, **_keywords: object) -> Any:
    """Call something that is known not to wait for any task."""
    with controller.unhooked():
        return function()


HANDLERS: Final = (
    (threading.Thread.start, start),
    (threading.Thread.join, join),
    (threading.Thread.is_alive, is_alive),
)
"""Functions that have a stand-in, and what it asks."""
