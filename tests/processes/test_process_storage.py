"""What processes share beside values and queues: segments, mappings, managers, files, databases."""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import pytest
from shared import FORK, Body, Cased, Made, Main, assert_found, assert_silent, explored

Add = Callable[[Any], None]


def no_lock() -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext()


class Adding(Cased):
    """Two processes that add 1 to a number that is kept somewhere, which is made anew for every run."""

    def __init__(
        self,
        make: Callable[[], contextlib.AbstractContextManager[Any]],
        add: Add,
        read: Callable[[Any], object],
        lock: Callable[[], Any] = no_lock,
    ) -> None:
        self._stack = contextlib.ExitStack()

        def case() -> Made:
            store = self._stack.enter_context(make())
            guard = lock()

            def body() -> None:
                with guard:
                    add(store)

            def check() -> None:
                assert read(store) == 2

            return body, check

        super().__init__(case)

    def tear_down(self) -> None:
        self._stack.close()


# -- memory --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def segment() -> Iterator[shared_memory.SharedMemory]:
    memory = shared_memory.SharedMemory(create=True, size=16)
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()


def add_byte(memory: Any) -> None:
    memory.buf[3] += 1


def add_packed(memory: Any) -> None:
    (number,) = struct.unpack_from("i", memory.buf, 4)
    struct.pack_into("i", memory.buf, 4, number + 1)


def add_attached(memory: Any) -> None:
    other: Any = shared_memory.SharedMemory(memory.name)
    other.buf[3] += 1
    other.close()


def add_cast(memory: Any) -> None:
    numbers = memory.buf.cast("i")
    numbers[1] += 1
    numbers.release()


@contextlib.contextmanager
def shareable() -> Iterator[Any]:
    items: Any = shared_memory.ShareableList([0, 1.5, "abc"])
    try:
        yield items
    finally:
        items.shm.close()
        items.shm.unlink()


def add_item(items: Any) -> None:
    items[0] += 1


@contextlib.contextmanager
def anonymous() -> Iterator[mmap.mmap]:
    with mmap.mmap(-1, 16) as mapping:
        yield mapping


def add_mapped(mapping: Any) -> None:
    mapping[3] = mapping[3] + 1


MEMORY: list[tuple[Any, Add, Callable[[Any], object]]] = [
    (segment, add_byte, lambda memory: memory.buf[3]),
    (segment, add_packed, lambda memory: memory.buf[4]),
    (segment, add_attached, lambda memory: memory.buf[3]),
    (segment, add_cast, lambda memory: memory.buf[4]),
    (shareable, add_item, lambda items: items[0]),
    (anonymous, add_mapped, lambda mapping: mapping[3]),
]


@pytest.mark.parametrize(("make", "add", "read"), MEMORY)
def test_memory(make: Any, add: Add, read: Callable[[Any], object]) -> None:
    assert_found(explored(Adding(make, add, read)))
    assert_silent(explored(Adding(make, add, read, FORK.Lock)))


def test_different_bytes_are_not_in_each_others_way() -> None:
    def case() -> Made:
        memory: Any = shared_memory.SharedMemory(create=True, size=16)

        def body(index: int) -> Body:
            def add() -> None:
                memory.buf[index] += 1

            return add

        def check() -> None:
            found = bytes(memory.buf[:2])
            memory.close()
            memory.unlink()
            assert found == b"\1\1"

        return [body(0), body(1)], check

    result = explored(Cased(case))

    assert_silent(result)
    assert result.classes == 1


# -- managers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manager() -> Iterator[Any]:
    with FORK.Manager() as manager:
        yield manager


def managed(make: Callable[[], Any]) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    return lambda: contextlib.nullcontext(make())


def add_key(items: Any) -> None:
    items["n"] += 1


def add_value(value: Any) -> None:
    value.value += 1


def test_objects_of_a_manager(manager: Any) -> None:
    def read(items: Any) -> object:
        return items["n"]

    make = managed(lambda: manager.dict(n=0))

    assert_found(explored(Adding(make, add_key, read)))
    assert_silent(explored(Adding(make, add_key, read, manager.Lock)))
    assert_found(explored(Adding(managed(lambda: manager.Value("i", 0)), add_value, lambda value: value.value)))


def test_waiting_for_objects_of_a_manager(manager: Any) -> None:
    def bodies(sets_first: bool) -> Callable[[], Made]:
        def case() -> Made:
            event, queue = manager.Event(), manager.Queue()

            def sets() -> None:
                if sets_first:
                    event.set()
                queue.put(1)
                event.set()

            def waits() -> None:
                event.wait()
                assert not queue.empty()
                assert queue.get() == 1

            return [sets, waits], bool

        return case

    assert_silent(explored(Cased(bodies(sets_first=False))))
    assert explored(Cased(bodies(sets_first=True))).findings[0].kind == "assertion"


def test_a_deadlock_at_a_manager(manager: Any) -> None:
    def case() -> Made:
        return [manager.Queue().get, manager.Queue().get], bool

    message = explored(Cased(case)).findings[0].message

    assert "task 0 waits for an item in a Queue of a manager" in message


def test_a_manager_that_the_test_starts() -> None:
    def body() -> None:
        with FORK.Manager() as manager:
            items = manager.dict(n=0)
            process = FORK.Process(target=add_key, args=(items,))
            process.start()
            add_key(items)
            process.join()
            assert items["n"] == 2

    result = explored(Main(body))

    assert result.findings[0].message.startswith("AssertionError: assert 1 == 2")


# -- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def number(tmp_path: Path) -> Callable[[], contextlib.AbstractContextManager[Path]]:
    """A file with a number in it."""

    @contextlib.contextmanager
    def make() -> Iterator[Path]:
        path = tmp_path / "number"
        path.write_text("0")
        yield path

    return make


def add_in_file(path: Path) -> None:
    with open(path) as stream:  # noqa: PTH123
        found = int(stream.read())
    with open(path, "w") as stream:  # noqa: PTH123
        stream.write(str(found + 1))


def add_by_path(path: Path) -> None:
    path.write_text(str(int(path.read_text()) + 1))


def add_as_json(path: Path) -> None:
    with path.open() as stream:
        found = json.load(stream)
    with path.open("w") as stream:
        json.dump(found + 1, stream)


def add_by_descriptor(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    found = int(os.read(descriptor, 10))
    os.pwrite(descriptor, str(found + 1).encode(), 0)
    os.close(descriptor)


def read_number(path: Path) -> int:
    return int(path.read_text())


@pytest.mark.parametrize("add", [add_in_file, add_by_path, add_as_json, add_by_descriptor])
def test_files(number: Any, add: Add) -> None:
    assert explored(Adding(number, add, read_number)).findings
    assert not explored(Adding(number, add, read_number, FORK.Lock)).findings


@pytest.mark.parametrize("lock", [fcntl.flock, fcntl.lockf])
def test_a_lock_of_a_file(number: Any, lock: Callable[[Any, int], object]) -> None:
    def add(path: Path, command: int) -> None:
        with path.with_suffix(".lock").open("w") as stream:
            lock(stream, command)
            add_in_file(path)

    exclusive = explored(Adding(number, lambda path: add(path, fcntl.LOCK_EX), read_number))

    assert not exclusive.findings
    assert not exclusive.uncontrolled
    if lock is fcntl.flock:
        assert explored(Adding(number, lambda path: add(path, fcntl.LOCK_SH), read_number)).findings


def test_two_files_locked_in_opposite_order(tmp_path: Path) -> None:
    def case() -> Made:
        def body(first: str, second: str) -> Body:
            def lock() -> None:
                with (tmp_path / first).open("w") as one, (tmp_path / second).open("w") as other:
                    fcntl.flock(one, fcntl.LOCK_EX)
                    fcntl.flock(other, fcntl.LOCK_EX)

            return lock

        return [body("a", "b"), body("b", "a")], bool

    message = explored(Cased(case)).findings[0].message

    assert f"task 0 waits for the lock of {tmp_path / 'b'}" in message
    assert f"task 1 waits for the lock of {tmp_path / 'a'}" in message


def entering(tmp_path: Path, enter: Callable[[Path], bool]) -> Cased:
    """Only one of two processes may say that it has come in."""

    def case() -> Made:
        path = tmp_path / "there"
        path.unlink(missing_ok=True)
        entered = FORK.Value("i", 0)

        def body() -> None:
            if enter(path):
                with entered.get_lock():
                    entered.value += 1

        def check() -> None:
            assert entered.value == 1

        return body, check

    return Cased(case)


def exclusively(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def after_a_look(path: Path) -> bool:
    if path.exists():
        return False
    path.touch()
    return True


def by_mkdir(path: Path) -> bool:
    try:
        path.with_suffix(f".{os.getpid()}").touch()
        os.link(path.with_suffix(f".{os.getpid()}"), path)
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize(("enter", "right"), [(exclusively, True), (by_mkdir, True), (after_a_look, False)])
def test_a_file_as_a_lock(tmp_path: Path, enter: Callable[[Path], bool], right: bool) -> None:
    assert bool(explored(entering(tmp_path, enter)).findings) is not right


def test_a_file_that_is_moved_away(tmp_path: Path) -> None:
    def case(asks: bool) -> Callable[[], Made]:
        def made() -> Made:
            path = tmp_path / "there"
            path.touch()

            def body() -> None:
                if asks:
                    if path.exists():
                        path.rename(tmp_path / "gone")
                else:
                    with contextlib.suppress(FileNotFoundError):
                        path.rename(tmp_path / "gone")

            return body, bool

        return made

    assert explored(Cased(case(asks=True))).findings[0].message.startswith("FileNotFoundError")
    assert_silent(explored(Cased(case(asks=False))))


# -- databases -----------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Callable[[], contextlib.AbstractContextManager[Path]]:
    """A table with a number in it."""

    @contextlib.contextmanager
    def make() -> Iterator[Path]:
        path = tmp_path / "database"
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path)
        connection.executescript("create table numbers (n); insert into numbers values (0)")
        connection.close()
        yield path

    return make


def read_row(path: Path) -> object:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("select n from numbers").fetchone()
    connection.close()
    return found


def by_statements(*statements: str) -> Add:
    def add(path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        found = 0
        for statement in statements:
            row = connection.execute(statement, (found + 1,) if "?" in statement else ()).fetchone()
            found = found if row is None else row[0]
        connection.close()

    return add


TWO = ("select n from numbers", "update numbers set n = ?")


@pytest.mark.parametrize(
    ("statements", "right"),
    [(("update numbers set n = n + 1",), True), (TWO, False), (("begin immediate", *TWO, "commit"), True)],
)
def test_a_database(database: Any, statements: Sequence[str], right: bool) -> None:
    result = explored(Adding(database, by_statements(*statements), read_row), runs=60)

    assert bool(result.findings) is not right, result.findings
    assert not result.uncontrolled
