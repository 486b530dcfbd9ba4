"""What of a trace is shown, what is joined, what is counted, and where a task was preempted."""

from __future__ import annotations

from report_traces import LOST_UPDATE, trace

from pytest_racecheck.report.interleaving import Entry, Gap, Moment, entries, preempted_after, turns


def short(shown: list[Entry]) -> list[str]:
    """Each entry in one word or two: names, how often, or what was left out."""
    return [
        f"{entry.operations} hidden, {entry.shared} shared"
        if isinstance(entry, Gap)
        else ("+".join(event.name or event.note for event in entry.events) or "preempted")
        + (f" x{entry.times}" if entry.times > 1 else "")
        for entry in shown
    ]


def test_operations_that_no_other_task_can_see_are_kept_out() -> None:
    shown = entries(
        trace("""
        ~0 1 start
        ~0 2 write own = 1
        ~0 3 acquire lock
        0 4 read seen = 1
        ~0 5 sleep !raises ValueError
        ~0 6 release lock
        ~0 7 end
        """)
    )

    assert short(shown) == ["lock", "seen", "raises ValueError", "lock"]


def test_a_loop_is_told_once() -> None:
    spinning = "\n".join(["0 3 read a = 0", "0 3 read b = 0"] * 41)

    assert short(entries(trace(f"0 2 write c = 1\n{spinning}\n1 9 write a = 1"))) == ["c", "a+b x41", "a"]


def test_one_operation_repeated_is_joined_from_the_third_on() -> None:
    twice, thrice = "0 3 write a = 0\n" * 2, "0 3 write a = 0\n" * 3

    assert short(entries(trace(twice + "1 4 write a = 1"))) == ["a", "a", "a"]
    assert short(entries(trace(thrice + "1 4 write a = 1"))) == ["a x3", "a"]


def test_a_preemption_is_never_inside_a_loop() -> None:
    shown = entries(trace("0 3 write a = 0\n" * 3 + "0 preempted\n1 4 read a = 0\n" + "0 3 write a = 0\n" * 3))

    assert short(shown) == ["a x3", "preempted", "a", "a x3"]


def test_two_tasks_in_turn_are_no_loop() -> None:
    assert len(entries(trace("0 3 read a = 0\n1 4 read a = 0\n" * 5))) == 10


def test_a_long_turn_keeps_its_ends_and_its_notes() -> None:
    lines = [f"0 3 write a = {number}" for number in range(50)]
    lines[20] = "0 4 read !raises KeyError"
    lines[40:] = [f"~0 3 acquire l{number}" for number in range(10)]
    shown = short(entries(trace("\n".join([*lines, "1 4 read a = 0"]))))

    assert shown[8:11] == ["12 hidden, 12 shared", "raises KeyError", "17 hidden, 17 shared"]
    assert shown[11:] == ["a"] * 2 + [f"l{number}" for number in range(10)] + ["a"]


def test_a_gap_counts_every_round_of_the_loops_in_it() -> None:
    before = "".join(f"0 3 write a = {number}\n" for number in range(8))
    after = before + "".join(f"0 3 write b = {number}\n" for number in range(4))
    shown = short(entries(trace(before + "0 4 read a = 0\n~0 4 release l\n" * 5 + "0 9 read c = 1\n" + after)))

    assert shown[8:10] == ["11 hidden, 6 shared", "a"]


def test_a_single_operation_is_not_worth_a_gap() -> None:
    shown = entries(trace("".join(f"0 3 write a{number} = {number}\n" for number in range(21))))

    assert short(shown) == [f"a{number}" for number in range(21)]


def test_many_switches_are_cut_in_the_middle() -> None:
    shown = short(entries(trace("".join(f"{number % 2} 3 write a = {number}\n" for number in range(1000)))))

    assert len(shown) == 120 + 1 + 240
    assert shown[120] == "640 hidden, 640 shared"


def test_what_was_left_out_before_is_counted_again() -> None:
    shown = short(entries(trace("".join(f"{number // 30 % 2} 3 write a = {number}\n" for number in range(1200)))))

    assert len(shown) == 120 + 1 + 240
    hidden = [int(entry.split()[0]) for entry in shown if "hidden" in entry]
    assert sum(hidden) + shown.count("a") == 1200
    assert max(hidden) > 10


def test_preemptions_are_found_by_the_path() -> None:
    assert preempted_after(trace(LOST_UPDATE)) == {1}
    assert preempted_after(trace("0 1 read a\n0 preempted\n1 2 read a")) == {0}
    assert preempted_after(trace("0 1 read a\n1 2 read a")) == set()


def test_who_had_to_wait_was_not_preempted() -> None:
    waiting = trace("""
        0 1 acquire l
        0 preempted
        1 2 acquire !waits for l, held by task 0
        0 3 write a = 1
        0 3 release l
        0 preempted
        1 4 read a = 1
    """)

    assert preempted_after(waiting) == {0, 3}


def test_preemptions_are_guessed_where_the_path_does_not_fit() -> None:
    text = """
        0 1 wait !waits for l
        1 2 release l
        0 3 write a = 0
        0 preempted
        1 4 read a = 0
        ~1 4 end
        0 5 write a = 1
    """

    assert preempted_after(trace(text, path=())) == {2}
    assert preempted_after(trace(text, path=(("1", "start"),))) == {2}


def test_waiting_that_is_told_at_the_end_does_not_hide_preemptions() -> None:
    stuck = trace("""
        0 1 acquire a
        0 preempted
        1 2 acquire b
        0 1 acquire !waits for b
        1 2 acquire !waits for a
        0 1 acquire c
    """)

    assert preempted_after(trace("", schedule=stuck.schedule, events=stuck.events, path=stuck.path[:2])) == {0}


def test_the_same_step_reached_again_is_another_occurrence() -> None:
    again = trace("""
        0 1 read a = 0
        1 2 read a = 0
        0 1 read a = 0
        0 preempted
        1 2 read a = 0
        0 1 read a = 0
        1 2 read a = 0
    """)

    assert again.schedule[0].occurrence == 3
    assert preempted_after(again) == {2}


def test_a_switch_before_the_first_step_stops_nothing_that_is_shown() -> None:
    first = trace("0 preempted\n1 2 read a = 0\n0 1 read a = 0")

    assert preempted_after(first) == set()


def test_marks_say_where_a_task_was_preempted_and_nothing_is_derived() -> None:
    text = """
        0 9 read a = 0
        ~0 9 yield !preempted
        1 9 write a = 1
        0 9 write a = 1
        0 preempted
        1 9 read a = 1
    """

    shown = entries(trace(text))

    assert short(shown) == ["a", "preempted", "a", "a", "a"]
    assert [entry.about for entry in shown if isinstance(entry, Moment) and entry.about] == [trace(text).events[1]]


def test_equal_reads_of_one_line_are_shown_once() -> None:
    asserted = trace("""
        0 9 read a.x = 1
        0 9 read b = 2
        0 9 read a.x = 1
        ~0 9 update own.append
        0 9 call
        0 9 read b = 2
        0 9 read a.x = 1
    """)

    assert short(entries(asserted)) == ["a.x", "b"]


def test_reads_that_differ_in_anything_are_all_shown() -> None:
    for text in (
        "0 9 read a = 1\n0 9 read a = 2",
        "0 9 read a = 1\n0 10 read a = 1",
        "0 9 read a = 1\n1 9 read a = 1",
        "0 9 read a = 1\n~0 10 read own = 1\n0 9 read a = 1",
        "0 9 read a = 1\n~1 10 end\n0 9 read a = 1",
        "0 9 read a = 1\n~0 9 yield !preempted\n0 9 read a = 1",
    ):
        assert short(entries(trace(text))).count("a") == 2
    assert short(entries(trace("0 9 read a = 1\n0 9 write a = 1\n0 9 read a = 1"))) == ["a", "a", "a"]
    assert short(entries(trace("0 9 read a = 1\n0 9 release l\n0 9 read a = 1"))) == ["a", "l", "a"]


def test_a_loop_of_one_read_is_still_counted() -> None:
    assert short(entries(trace("0 9 read a = 1\n" * 6))) == ["a"]
    assert short(entries(trace("0 9 read a = 1\n" * 7))) == ["a x7"]


def test_an_access_without_name_and_value_tells_nothing() -> None:
    assert short(entries(trace("0 9 call\n0 9 call f\n0 9 read\n0 9 call !raises E"))) == ["f", "raises E"]


def test_turns_name_a_task_each_time_it_moves_on() -> None:
    assert turns("00110") == ["0", "1", "0"]
