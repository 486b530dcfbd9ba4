"""Text made to fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_racecheck.report.fit import counted, cut, cut_path, plain, portable, sentence, short_path, wrap

ANY_TEXT = st.text(st.characters(), max_size=60)
derandomized = settings(deadline=None, derandomize=True, max_examples=40)


@pytest.mark.parametrize(
    ("text", "room", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcdef", 5, "ab..."),
        ("a" * 100, 20, "aaaaaa...(100 chars)"),
        ("a" * 100, 2, ".."),
        ("\u4e2d" * 100, 22, "\\u4e2d...(100 chars)"),
        ("\n\t\x00\xe9\ud800\U0001f600", 80, r"\n\t\x00\xe9\ud800\U0001f600"),
    ],
)
def test_cut_ends_in_the_length(text: str, room: int, expected: str) -> None:
    assert cut(text, room) == expected


@derandomized
@given(ANY_TEXT, st.integers(0, 40))
def test_cut_text_fits_and_is_ascii(text: str, room: int) -> None:
    short = cut(text, room)

    assert len(short) <= room
    assert short.isascii()
    assert short.isprintable()


@derandomized
@given(ANY_TEXT, st.integers(0, 40))
def test_only_what_does_not_fit_is_cut(text: str, room: int) -> None:
    assert (cut(text, room) == plain(text)) == (len(plain(text)) <= room)


@derandomized
@given(ANY_TEXT, st.integers(20, 60))
def test_sentences_keep_their_words(text: str, width: int) -> None:
    lines = sentence(text, width, "  - ", "    ")

    assert all(len(line) <= width for line in lines)
    letters = "".join("".join(map(plain, text.rstrip("\n").split("\n"))).split())
    assert "".join("".join(lines).removeprefix("  -").split()) == letters


def test_wrapped_lines_break_between_words() -> None:
    assert wrap("one two-three four", 12, "- ", "  ") == ["- one", "  two-three", "  four"]
    assert wrap("", 12, "  ") == [""]


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("/repo/tests/test_x.py", "tests/test_x.py"),
        ("/repo/.venv/lib/python3.12/site-packages/zict/lru.py", "zict/lru.py"),
        ("/usr/lib/python3/dist-packages/zict/lru.py", "zict/lru.py"),
        ("/usr/lib/python3.12/concurrent/futures/thread.py", "concurrent/futures/thread.py"),
        ("C:\\work\\app\\queue.py", "app/queue.py"),
        ("/elsewhere/deep/down/x.py", "down/x.py"),
        ("tests/test_x.py", "tests/test_x.py"),
        ("<string>", "<string>"),
        ("", ""),
    ],
)
def test_files_are_named_shortly(filename: str, expected: str) -> None:
    assert short_path(filename, "/repo/") == expected


def test_windows_paths_are_relative_to_a_windows_root() -> None:
    assert short_path("C:\\repo\\tests\\x.py", "C:\\repo") == "tests/x.py"
    assert portable("at C:\\repo\\tests\\x.py:3", "C:\\repo") == "at tests/x.py:3"


def test_without_a_root_nothing_is_taken_away() -> None:
    assert short_path("/repo/x.py", "") == "repo/x.py"
    assert portable("at /repo/x.py", "") == "at /repo/x.py"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("held by task 1 since /repo/tests/test_x.py:24", "held by task 1 since tests/test_x.py:24"),
        ("(/repo/a.py:3, /repo/b.py:4 in f)", "(a.py:3, b.py:4 in f)"),
        ("at /repo/.venv/lib/python3.12/site-packages/zict/lru.py:30 in get", "at zict/lru.py:30 in get"),
        ("at /usr/lib/python3.12/queue.py:180", "at queue.py:180"),
        ("at /elsewhere/deep/down/x.py:3", "at down/x.py:3"),
        ('  File "/repo/tests/test_x.py", line 24, in f', '  File "tests/test_x.py", line 24, in f'),
        ('  File "/usr/lib/python3.12/queue.py", line 3', '  File "queue.py", line 3'),
        ("cannot open '/repo/data/x.csv'", "cannot open 'data/x.csv'"),
        # What only looks like it is left alone.
        ("cannot open '/etc/x.py'", "cannot open '/etc/x.py'"),
        ("see http://host/repo/x.py:80", "see http://host/repo/x.py:80"),
        ("/my/repo/x", "/my/repo/x"),
        ("/repository/x", "/repository/x"),
    ],
)
def test_files_in_a_text_are_named_shortly(text: str, expected: str) -> None:
    assert portable(text, "/repo/") == expected


def test_a_root_with_odd_characters_is_taken_away() -> None:
    assert portable("at /my (old) repo+/x.py:3", "/my (old) repo+") == "at x.py:3"
    assert portable("1/2 at /x.py:3", "/") == "1/2 at x.py:3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("assert <A object at 0x7f12ab34cd56> is None", "assert <A object at 0x...> is None"),
        ("<function f at 0x00007F12AB34>", "<function f at 0x...>"),
        ("assert 0xdeadbeef == 3", "assert 0xdeadbeef == 3"),
        ("reading at 0x10 failed", "reading at 0x10 failed"),
    ],
)
def test_addresses_are_left_out(text: str, expected: str) -> None:
    assert portable(text, "/repo") == expected


@pytest.mark.parametrize(
    ("path", "room", "expected"),
    [
        ("tests/x.py", 10, "tests/x.py"),
        ("tests/deep/down/x.py", 12, "...down/x.py"),
        ("x" * 10 + ".py", 8, "...xx.py"),
        ("tests/\xe9.py", 9, "....py"),
        ("tests/x.py", 2, ".."),
    ],
)
def test_a_path_that_is_too_long_loses_its_beginning(path: str, room: int, expected: str) -> None:
    assert cut_path(path, room) == expected


def test_numbers_go_with_their_nouns() -> None:
    assert [counted(1, "run"), counted(0, "run"), counted(12345, "run")] == ["1 run", "0 runs", "12,345 runs"]
