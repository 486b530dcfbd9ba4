"""What is done to files: one thing that all tasks share, and all processes; open files are parts of it."""

from __future__ import annotations

import io
import os
import os.path
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Hashable
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import Kind, Site
from pytest_racecheck.instrument import unproven
from pytest_racecheck.instrument.accesses import access
from pytest_racecheck.instrument.names import container_name, short, source_of
from pytest_racecheck.instrument.recording import text_of
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.synchronisation import argument_of

_READING: Final = {
    os: ("stat", "lstat", "listdir", "scandir", "getcwd", "getcwdb", "access", "readlink", "walk"),
    os.path: (
        "exists", "lexists", "isfile", "isdir", "islink", "getsize", "getmtime", "getatime", "getctime", "samefile",
        "realpath", "abspath",
    ),
    pathlib.Path: (
        "exists", "is_file", "is_dir", "is_symlink", "stat", "lstat", "iterdir", "glob", "rglob", "read_text",
        "read_bytes", "readlink", "resolve", "cwd", "samefile",
    ),
}  # fmt: skip
_CHANGING: Final = {
    os: (
        "mkdir", "makedirs", "remove", "unlink", "rename", "renames", "replace", "rmdir", "removedirs", "chdir",
        "symlink", "link", "truncate", "utime", "chmod", "open",
    ),
    pathlib.Path: (
        "mkdir", "unlink", "rename", "replace", "rmdir", "touch", "write_text", "write_bytes", "symlink_to",
        "hardlink_to", "chmod",
    ),
    shutil: ("rmtree", "copy", "copyfile", "copy2", "copytree", "move"),
    tempfile: ("mkstemp", "mkdtemp"),
}  # fmt: skip


def _functions(table: dict[Any, tuple[str, ...]], kind: Kind) -> dict[Any, Kind]:
    found = (getattr(owner, name, None) for owner, names in table.items() for name in names)
    return {getattr(each, "__func__", each): kind for each in found if each is not None}


EFFECTS: Final[dict[Any, Kind]] = {**_functions(_READING, "read"), **_functions(_CHANGING, "update")}
"""Functions, those of classes unbound -> whether they read or change the file system."""


# -- contents --------------------------------------------------------------------------------------------------------


def target_of_files(controller: Controller) -> int:
    """The target of everything that is done to files."""
    return controller.shared_things.number(("files",))


def part_of_descriptor(descriptor: int) -> Hashable | None:
    """What a file is called among the parts of the file system; ``None`` if it is none."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return ("inode", status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def touch(controller: Controller, site: Site, kind: Kind, part: Hashable, name: str, also: Hashable = None) -> None:
    """A file is going to be read or changed."""
    if not controller.concurrent or site.hidden:
        return
    target = target_of_files(controller)
    others = () if also is None else ((target, also),)
    access(controller, kind, site, target, part, others)
    recorder: Any = controller.recorder
    if recorder is not None:
        recorder.files(site, kind, target, name, part)


def used(controller: Controller, site: Site, stream: Any) -> None:
    """Code that can't be seen into is handed an open file."""
    part = _part_of_stream(stream)
    if part is not None:
        touch(controller, site, "update", part, short(source_of(site)))


def read_on(controller: Controller, site: Site, stream: Any) -> None:
    """The next line of an open file is going to be read."""
    part = _part_of_stream(stream)
    if part is not None:
        touch(controller, site, "read", part, container_name(site))


def _part_of_stream(stream: Any) -> Hashable | None:
    try:
        return part_of_descriptor(stream.fileno())
    except (OSError, ValueError):  # closed, or none of the system's
        return None


def opened(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``open``: it may make the file, or empty it."""
    path = argument_of(site, arguments, 0, "file", None)
    mode = argument_of(site, arguments, 1, "mode", "r")
    if isinstance(path, str | bytes | os.PathLike) and type(mode) is str:
        with controller.unhooked():
            real = os.path.realpath(path)
            part = _part_of_path(real)
        kind: Kind = "read" if "r" in mode and "+" not in mode else "update"
        touch(controller, site, kind, ("path", str(real)), f"open({text_of(str(path))}, {mode!r})", part)
    if not site.hidden:
        unproven.writes_out(controller, site, "open")
    return function


def _part_of_path(path: Any) -> Hashable | None:
    try:
        status = os.stat(path)  # noqa: PTH116  (bytes are right as well)
    except OSError:
        return None
    return ("inode", status.st_dev, status.st_ino)


def _of_stream(kind: Kind, name: str) -> Handler:
    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        part = _part_of_stream(owner)
        if part is not None:
            if name in _ENDS:
                controller.changed(target_of_files(controller))
            touch(controller, site, kind, part, f"{container_name(site)}.{name.replace('__exit__', 'close')}()")
        return function

    return handler


def _of_descriptor(kind: Kind) -> Handler:
    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        part = part_of_descriptor(arguments[0]) if arguments and type(arguments[0]) is int else None
        if part is not None:
            touch(controller, site, kind, part, f"os.{function.__name__}()")
        return function

    return handler


_ENDS: Final = ("close", "__exit__")
"""With these a lock of the file ends, too."""
_STREAM_READS: Final = (
    "read", "read1", "readinto", "readinto1", "readline", "readlines", "readall", "peek", "__next__",
)  # fmt: skip
_STREAM_CHANGES: Final = ("write", "writelines", "flush", "close", "truncate", "__exit__")
_STREAMS: Final = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)
STREAM_TYPES: Final = frozenset(map(id, _STREAMS))
"""Identities of the types of open files."""


def methods() -> dict[type, dict[str, Handler]]:
    """For each type of open files, what its methods do."""
    table = {name: _of_stream("read", name) for name in _STREAM_READS}
    table |= {name: _of_stream("update", name) for name in _STREAM_CHANGES}
    return dict.fromkeys(_STREAMS, table)


def functions() -> dict[Any, Handler]:
    """For each function that works on open files, what a call of it does."""
    found: dict[Any, Handler] = {open: opened}
    for kind, names in (("read", ("read", "pread", "readv")), ("update", ("write", "pwrite", "writev", "ftruncate"))):
        for name in names:
            if hasattr(os, name):
                found[getattr(os, name)] = _of_descriptor(kind)  # type: ignore[arg-type]
    return found
