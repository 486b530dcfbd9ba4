"""The drawing of an interleaving: columns, places, loops, gaps."""

from __future__ import annotations

from textwrap import dedent

from report_traces import ROOT, Lines, trace

from pytest_racecheck.core.values import Trace
from pytest_racecheck.report.lanes import interleaving

NO_SOURCE = Lines({})


def draw(drawn: Trace, read_line: Lines = NO_SOURCE, width: int = 80) -> str:
    return "\n".join(interleaving(drawn, read_line=read_line, root=ROOT, width=width))


def gold(text: str) -> str:
    """The text between the quotes, its margin kept at two blanks."""
    return "\n".join("  " + line if line else "" for line in dedent(text).strip("\n").split("\n"))


def test_three_tasks_have_lanes_where_there_is_room() -> None:
    three = trace("0 9 read a = 0\n1 9 read a = 0\n2 9 write a = 1")

    assert draw(three, width=120) == gold("""
        task 0                   task 1                   task 2
        -----------------------  -----------------------  -----------------------
        tests/test_counter.py:9
          read  a = 0
                                 tests/test_counter.py:9
                                   read  a = 0
                                                          tests/test_counter.py:9
                                                            write a = 1
    """)


def test_two_tasks_have_one_column_where_there_is_none() -> None:
    two = trace("0 9 read a = 0\n0.1 9 write a = 1\n0 9 read a = 1")

    assert draw(two, Lines({9: "if a:"}), width=60) == gold("""
        task 0   | tests/test_counter.py:9  if a:
                 |   read  a = 0
        task 0.1 | tests/test_counter.py:9  if a:
                 |   write a = 1
        task 0   | tests/test_counter.py:9  if a:
                 |   read  a = 1
    """)


def test_one_task_has_one_lane() -> None:
    assert draw(trace("0 9 acquire l\n0 9 acquire !waits for l, held by itself")) == gold("""
        task 0
        --------------------------------
        tests/test_counter.py:9
          acquire l
          waits for l, held by itself
    """).replace("-" * 32, "-" * 29)


def test_a_task_that_does_nothing_worth_showing_has_no_lane() -> None:
    assert "task 1" not in draw(trace("0 9 read a = 0\n~1 9 end\n2 9 write a = 1"))


def test_nothing_to_show_is_no_line() -> None:
    assert draw(trace("~0 9 start")) == ""


def test_places_are_named_when_they_change() -> None:
    steps = trace("0 9 read a = 0\n0 9 write a = 1\n0 10 read a = 1\n0 9 read a = 1")

    assert draw(steps, Lines({9: "a += 1", 10: "if a:"})) == gold("""
        task 0
        -------------------------------
        tests/test_counter.py:9  a += 1
          read  a = 0
          write a = 1
        tests/test_counter.py:10  if a:
          read  a = 1
        tests/test_counter.py:9  a += 1
          read  a = 1
    """)


def test_files_are_named_from_the_root() -> None:
    one, other = trace("0 9 read a = 0\n1 9 write a = 1").events
    moved = trace("", events=(one, other._replace(filename="/repo/app/test_counter.py")), tasks=("0", "1"))

    assert draw(moved) == gold("""
        task 0                   task 1
        -----------------------  -----------------------
        tests/test_counter.py:9
          read  a = 0
                                 app/test_counter.py:9
                                   write a = 1
    """)


def test_a_path_that_is_too_long_is_cut_and_its_name_kept() -> None:
    (long,) = trace("0 9 read a = 0").events
    moved = trace("", events=(long._replace(filename=f"/repo/{'x' * 100}/queue.py"),), tasks=("0",))

    assert draw(moved, width=50).split("\n")[2] == f"  ...{'x' * 34}/queue.py:9"


def test_loops_are_drawn_once_with_how_often() -> None:
    spinning = trace("0 9 read a = 0\n" * 41 + "1 12 write b = 1\n" + "0 10 read a = 0\n0 10 read b = 1\n" * 7)

    assert draw(spinning, Lines({9: "while not a:", 10: "while not b:", 12: "b = 1"})) == gold("""
        task 0                                  task 1
        --------------------------------------  --------------------------------------
        tests/test_counter.py:9  while not a:
          read  a = 0
          ... 41 times
                                                tests/test_counter.py:12  b = 1
                                                  write b = 1
        tests/test_counter.py:10  while not b:
          read  a = 0
          read  b = 1
          ... these 2 operations 7 times
    """)


def test_a_line_that_is_executed_again_is_named_again() -> None:
    twice = trace("0 9 read a = 0\n0 9 write a = 1\n1 9 write b = 1\n0 9 read a = 1\n0 9 write a = 2")

    assert draw(twice, Lines({9: "a += 1"})) == gold("""
        task 0                           task 1
        -------------------------------  -------------------------------
        tests/test_counter.py:9  a += 1
          read  a = 0
          write a = 1
                                         tests/test_counter.py:9  a += 1
                                           write b = 1
        tests/test_counter.py:9  a += 1
          read  a = 1
          write a = 2
    """)


def test_a_lock_that_is_taken_after_it_was_released_begins_a_line_again() -> None:
    again = trace("0 9 acquire l\n0 10 write a = 1\n0 9 release l\n0 9 acquire l\n0 10 write a = 2\n0 9 release l")

    assert draw(again, Lines({9: "with l:", 10: "a += 1"})) == gold("""
        task 0
        --------------------------------
        tests/test_counter.py:9  with l:
          acquire l
        tests/test_counter.py:10  a += 1
          write   a = 1
        tests/test_counter.py:9  with l:
          release l
        tests/test_counter.py:9  with l:
          acquire l
        tests/test_counter.py:10  a += 1
          write   a = 2
        tests/test_counter.py:9  with l:
          release l
    """)


def test_different_operations_of_one_execution_stand_together() -> None:
    once = trace("0 9 acquire !waits for l\n0 9 acquire l\n0 9 read a = 0\n0 9 write b = 0\n0 9 release l")

    assert draw(once).count("test_counter.py:9") == 1


def test_a_mark_stands_where_the_task_was_preempted() -> None:
    text = "0 9 read a = 0\n~0 9 yield !preempted\n1 9 write a = 1\n0 9 write a = 1\n0 preempted\n1 9 read a = 1"

    assert draw(trace(text), Lines({9: "a += 1"}), width=60) == gold("""
        task 0 | tests/test_counter.py:9  a += 1
               |   read  a = 0
               | - preempted -
        task 1 | tests/test_counter.py:9  a += 1
               |   write a = 1
        task 0 | tests/test_counter.py:9  a += 1
               |   write a = 1
        task 1 | tests/test_counter.py:9  a += 1
               |   read  a = 1
    """)


def test_a_task_that_is_preempted_before_all_else_says_where() -> None:
    assert draw(trace("~0 9 yield !preempted\n1 9 write a = 1"), Lines({9: "a += 1"}), width=60) == gold("""
        task 0 | tests/test_counter.py:9  a += 1
               | - preempted -
        task 1 | tests/test_counter.py:9  a += 1
               |   write a = 1
    """)


def test_an_operation_without_a_file_has_no_place() -> None:
    (waiting,) = trace("0 0 join !waits for task 0.0").events
    nowhere = trace("", events=(waiting._replace(filename="", line=0),), tasks=("0",))

    assert draw(nowhere).split("\n")[2:] == ["    waits for task 0.0"]


def test_a_note_says_the_name_if_it_does_not_have_it() -> None:
    noted = trace("0 9 read !raises KeyError: 'k'\n1 9 acquire !waits for lock").events
    named = tuple(event._replace(name="cache" if event.kind == "read" else "lock") for event in noted)

    assert [line.strip() for line in draw(trace("", events=named, tasks=("0", "1"))).split("\n")[3::2]] == [
        "cache: raises KeyError: 'k'",
        "waits for lock",
    ]


def test_files_in_a_note_are_named_from_the_root() -> None:
    noted = trace("0 9 acquire !waits for l, held by task 1 since /repo/tests/test_counter.py:24")

    assert "held by task 1 since tests/test_counter.py:24" in draw(noted)


def test_what_is_left_out_is_counted_in_its_lane() -> None:
    many = "".join(f"0 9 write a{number} = 0\n~0 9 release l{number}\n" for number in range(1000))
    lines = draw(trace("1 9 read a = 0\n" + many)).split("\n")

    assert len(lines) == 28
    (gap,) = [number for number, line in enumerate(lines) if "more operations" in line]
    assert lines[gap : gap + 3] == [
        "    ... 1,980 more operations, 990 of",
        "        them on shared state",
        "  tests/test_counter.py:9",
    ]


def test_what_is_left_out_of_many_turns_is_counted_at_the_margin() -> None:
    turns = trace("".join(f"{number % 3} 9 write a = {number}\n" for number in range(600)))

    assert "\n         | ... 240 more operations, 240 of them on shared state\n" in draw(turns).replace("|   ", "| ")
    assert "\n    ... 240 more operations, 240 of them\n        on shared state\n" in draw(turns, width=120)


def test_what_a_call_gave_stands_behind_an_arrow() -> None:
    called = trace("0 9 call cache.pop = 5\n1 9 sleep = 0.1\n1 9 call f")

    assert [line.strip() for line in draw(called).split("\n") if "test_counter" not in line][2:] == [
        "call  cache.pop -> 5",
        "sleep 0.1",
        "call  f",
    ]


def test_long_notes_are_wrapped_not_cut() -> None:
    words = " ".join(["word"] * 20)
    noted = draw(trace(f"0 9 acquire !waits for {words}\n1 9 acquire l"))

    assert " ".join(noted.split()).count("word") == 20
