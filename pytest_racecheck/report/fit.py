"""Makes any text fit a report: plain ASCII, one line, no wider than there is room; and file names short."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, takewhile
from typing import Final

_INSTALLED: Final = re.compile(r".*/(?:site-packages|dist-packages|lib/python\d[^/]*)/")
_ADDRESS: Final = re.compile(r"(?<= at )0x[0-9a-fA-F]{6,}")
_START: Final = r"(?<![\w./\\-])"
"""A path does not begin inside a word or another path."""


def plain(text: str) -> str:
    r"""Write everything that is not printable ASCII as Python would escape it (``\n``, ``\xe9``, ``\ud800``)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if " " <= character <= "~" else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def cut(text: str, room: int) -> str:
    """`plain`, in at most ``room`` characters; what is too long ends in its length: ``'aaaa...(5000 chars)``."""
    start = plain(text[: room + 1])
    if len(start) <= room:
        return start
    tail = f"...({len(text)} chars)"
    if len(tail) + 4 > room:
        tail = "..."[:room]
    pieces = [plain(character) for character in text[:room]]
    # Cut between characters, never inside an escape.
    kept = sum(1 for _ in takewhile(lambda total: total <= room - len(tail), accumulate(map(len, pieces))))
    return "".join(pieces[:kept]) + tail


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Break one line of plain text between words, and inside a word only where it is wider than a whole line."""
    if len(first) + len(text) <= width:
        return [(first + text).rstrip()]
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def sentence(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """`wrap` for text of any kind; line ends in it are kept as line ends."""
    lines = text.rstrip("\n").split("\n")
    wrapped = wrap(plain(lines[0]), width, first, rest)
    return wrapped + [piece for line in lines[1:] for piece in wrap(plain(line), width, rest, rest)]


def short_path(filename: str, root: str) -> str:
    """Name a file relative to ``root``, an installed one relative to its packages, any other by its last two parts."""
    path = filename.replace("\\", "/")
    base = root.replace("\\", "/").rstrip("/") + "/"
    installed = _INSTALLED.match(path)
    if installed:
        return path[installed.end() :]
    if root and path.startswith(base):
        return path[len(base) :]
    absolute = path.startswith("/") or path[1:2] == ":"
    return "/".join(path.split("/")[-2:]) if absolute else path


def is_own(filename: str, root: str) -> bool:
    """Whether a file lies below ``root``, and is not one that was installed there."""
    path = filename.replace("\\", "/")
    return bool(root) and path.startswith(root.replace("\\", "/").rstrip("/") + "/") and not _INSTALLED.match(path)


def portable(text: str, root: str) -> str:
    """Say the files in a text as `short_path` does, and no addresses: what differs from machine to machine."""
    located, below = _patterns(root)
    text = located.sub(lambda match: short_path(match[0], root), _ADDRESS.sub("0x...", text))
    return below.sub("", text)


@lru_cache(maxsize=8)
def _patterns(root: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is a file with a line behind it, and what is the root in front of a path."""
    bare = root.rstrip("/\\")
    base = re.escape(bare) + r"[/\\]" if bare else "(?!)"
    located = rf"{_START}(?:{base}|[A-Za-z]:[/\\]|/(?!/))[^\s:*?\"'<>|,;()\[\]]*\.pyw?(?=:\d|\"?, line \d)"
    return re.compile(located), re.compile(_START + base)


def cut_path(path: str, room: int) -> str:
    """`plain`, in at most ``room`` characters; what is too long loses its beginning: ``...deep/down/x.py``."""
    pieces = [plain(character) for character in path]
    if sum(map(len, pieces)) <= room:
        return "".join(pieces)
    kept = sum(1 for _ in takewhile(lambda total: total <= room - 3, accumulate(map(len, reversed(pieces)))))
    return "..."[:room] + "".join(pieces[len(pieces) - kept :])


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 run``, ``2 runs``, ``12,345 runs``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def unique(texts: Iterable[str]) -> list[str]:
    """Each text once, in the order of first appearance."""
    return list(dict.fromkeys(texts))
