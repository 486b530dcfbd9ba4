"""What the functions of ``os``, ``pathlib`` and ``shutil`` do to the file system: one thing that all tasks share."""

from __future__ import annotations

import os
import os.path
import pathlib
import shutil
import tempfile
from typing import Any, Final

from pytest_racecheck.core.values import Kind

FILES: Final = object()
"""Stands for the file system and the working directory."""

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
