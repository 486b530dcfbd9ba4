"""Draws an interleaving: one column a task where there is room, else one column with the task in front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Final, Literal, NamedTuple

from pytest_racecheck.core.values import Event, TaskId, Trace
from pytest_racecheck.report.fit import counted, cut, cut_path, plain, portable, short_path, unique, wrap
from pytest_racecheck.report.interleaving import Entry, Gap, Moment, entries

ReadLine = Callable[[str, int], str]
"""Gives the source of a line, "" where there is none."""

Style = Literal["", "wrong", "heading", "place", "preempted", "note", "faint"]

_CODES: Final[dict[Style, str]] = {
    "wrong": "1;31", "heading": "1", "place": "36", "preempted": "1;33", "note": "31", "faint": "2",
}  # fmt: skip
_NARROWEST: Final = 34
"""A column narrower than this is hard to read."""
_NOT_AFTER: Final = {
    "read": ("read", "write", "update"),
    "acquire": ("acquire", "try-acquire", "release"),
    "try-acquire": ("acquire", "try-acquire", "release"),
}
"""What, done to the same name at the same line, shows that the line is executed again; the same kind always does."""


class Row(NamedTuple):
    """One line of one task, already cut to its column; ``task`` is "" where it belongs to several."""

    task: TaskId
    text: str
    style: Style = ""


def paint(text: str, style: Style, color: bool) -> str:
    """Wrap text in the codes of its style; never changes how wide it looks."""
    code = _CODES.get(style, "")
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


def interleaving(trace: Trace, *, read_line: ReadLine, root: str, width: int = 80, color: bool = False) -> list[str]:
    """Draw what of a trace matters; empty if nothing does. No line is wider than ``width``, which is at least 40."""
    shown = entries(trace)
    tasks = [task for task in unique(chain(trace.tasks, (entry.task for entry in shown))) if _moves(task, shown)]
    if not tasks:
        return []
    source = _Source(read_line, root)
    column = (width - 2 * len(tasks)) // len(tasks)
    if column >= _NARROWEST or len(tasks) == 1:
        return _in_lanes(_rows(shown, source, column, folded=True), tasks, column, color)
    labels = {task: cut(f"task {task}", width // 3) for task in tasks}
    room = width - 2 - max(map(len, labels.values())) - 3
    return _in_one_column(_rows(shown, source, room, folded=False), labels, color)


def _moves(task: TaskId, shown: Iterable[Entry]) -> bool:
    return task != "" and any(entry.task == task for entry in shown)


def _events(shown: Iterable[Entry]) -> Iterable[Event]:
    return (event for entry in shown if isinstance(entry, Moment) for event in entry.events)


class _Source(NamedTuple):
    read_line: ReadLine
    root: str

    def rows(self, event: Event, room: int) -> list[str]:
        """``file:line  source`` of an operation, on two lines if it does not fit on one; none if there is no file."""
        if not event.filename:
            return []
        number = f":{event.line}"
        place = cut_path(short_path(event.filename, self.root), max(room - len(number), 4)) + number
        text = " ".join(self.read_line(event.filename, event.line).split())
        if not text:
            return [place]
        if len(place) + 2 + len(plain(text)) <= room:
            return [f"{place}  {plain(text)}"]
        return [place, "  > " + cut(text, room - 4)]


class _Execution:
    """One execution of a line by a task, as far as it was told."""

    def __init__(self, event: Event) -> None:
        self._place = (event.filename, event.line)
        self._done: set[tuple[str, str]] = set()

    def goes_on(self, event: Event) -> bool:
        """Whether the operation can belong to it, or the line, or another one, has begun."""
        if (event.filename, event.line) != self._place:
            return False
        if not event.note:
            if any((kind, event.name) in self._done for kind in _NOT_AFTER.get(event.kind, (event.kind,))):
                return False
            self._done.add((event.kind, event.name))
        return True


def _rows(shown: Sequence[Entry], source: _Source, room: int, *, folded: bool) -> list[Row]:
    """Turn entries into lines. ``folded``: a place is not named again after other tasks moved in between."""
    verb_width = max((len(event.kind) for event in _events(shown) if not event.note), default=0)
    executions: dict[TaskId, _Execution] = {}
    rows: list[Row] = []

    def name_place(event: Event) -> None:
        executions[event.task] = execution = _Execution(event)
        execution.goes_on(event)
        rows.extend(Row(event.task, text, "place") for text in source.rows(event, room))

    for before, entry in zip([None, *shown[:-1]], shown, strict=True):
        if isinstance(entry, Gap):
            executions.clear()
            rows.extend(_gap_rows(entry, room))
            continue
        if not folded and before and before.task != entry.task:
            executions.clear()
        if entry.about and not any(row.task == entry.task for row in rows):
            name_place(entry.about)
        for event in entry.events:
            execution = executions.get(entry.task)
            if execution is None or not execution.goes_on(event):
                name_place(event)
            rows.extend(_operation(event, source.root, verb_width, room))
        rows.extend(_mark(entry, room))
    return rows


def _operation(event: Event, root: str, verb_width: int, room: int) -> list[Row]:
    if event.note:
        named = f"{event.name}: " if event.name and event.name not in event.note else ""
        note = cut(portable(named + event.note, root), 4 * room)
        return [Row(event.task, text, "note") for text in wrap(note, room, "  ", "    ")]
    action = f"  {event.kind:<{verb_width}} "
    sign = "->" if event.kind == "call" else "="
    text = action + f" {sign} ".join(filter(None, (plain(event.name), plain(event.value))))
    if len(text) <= room:
        return [Row(event.task, text.rstrip())]
    lines = [action + cut(event.name or event.value, room - len(action))]
    if event.name and event.value:
        lines.append(f"    {sign} " + cut(event.value, room - 5 - len(sign)))
    return [Row(event.task, line) for line in lines]


def _mark(moment: Moment, room: int) -> list[Row]:
    if not moment.events:
        return [Row(moment.task, "- preempted -", "preempted")]
    if moment.times == 1:
        return []
    those = f"these {len(moment.events)} operations " if len(moment.events) > 1 else ""
    lines = wrap(f"{those}{moment.times} times", room, "  ... ", "      ")
    return [Row(moment.task, line, "faint") for line in lines]


def _gap_rows(gap: Gap, room: int) -> list[Row]:
    text = f"{counted(gap.operations, 'more operation')}, {gap.shared:,} of them on shared state"
    return [Row(gap.task, line, "faint") for line in wrap(text, room, "  ... ", "      ")]


def _in_lanes(rows: Sequence[Row], tasks: Sequence[TaskId], column: int, color: bool) -> list[str]:
    headers = [cut(f"task {task}", column) for task in tasks]
    column = max(len(text) for text in chain(headers, (row.text for row in rows)))
    lines = [_beside(headers, column, color), _beside(["-" * column for _ in tasks], column, False)]
    for row in rows:
        indent = (tasks.index(row.task) if row.task else 0) * (column + 2) + 2
        lines.append((" " * indent + paint(row.text, row.style, color)).rstrip())
    return lines


def _beside(cells: Sequence[str], column: int, color: bool) -> str:
    gaps = [" " * (column + 2 - len(cell)) for cell in cells[:-1]] + [""]
    return "  " + "".join(paint(cell, "heading", color) + gap for cell, gap in zip(cells, gaps, strict=True))


def _in_one_column(rows: Sequence[Row], labels: dict[TaskId, str], color: bool) -> list[str]:
    wide = max(map(len, labels.values()))
    lines = []
    for before, row in zip([None, *rows[:-1]], rows, strict=True):
        label = "" if before and before.task == row.task else labels.get(row.task, "")
        gap = " " * (wide - len(label))
        lines.append(f"  {paint(label, 'heading', color)}{gap} | {paint(row.text, row.style, color)}".rstrip())
    return lines
