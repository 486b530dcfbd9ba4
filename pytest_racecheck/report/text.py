"""The report of a failed test: what is wrong, the interleaving in lanes, how it was found, the command to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from pytest_racecheck.core.values import Exploration, Failure, Finding, TaskId, Trace
from pytest_racecheck.report.cause import cause_of, interpreter_of, same_switches
from pytest_racecheck.report.fit import counted, cut, is_own, plain, portable, sentence, short_path, unique, wrap
from pytest_racecheck.report.interleaving import turns
from pytest_racecheck.report.lanes import ReadLine, interleaving, paint

_NARROWEST: Final = 40
_LONGEST_LINE: Final = 2000
"""Characters of one line of a message."""
_MOST_LINES: Final = 60
"""Lines of a message."""
_MOST_VALUES: Final = 6
"""Values told from the start of a run."""
_MOST_TURNS: Final = 12
"""Turns told of a run without preemptions."""
_MOST_PLACES: Final = 4
"""Places told on the way to an exception."""
_FOLDED: Final = "..."
_WHOSE: Final = {
    "thread-exception": " (a thread)",
    "executor-exception": " (in an executor, and nobody looked at its future)",
}


def render_failure(
    exploration: Exploration,
    *,
    nodeid: str,
    read_line: ReadLine,
    root: str,
    width: int = 80,
    color: bool = False,
    replay_option: str = "--racecheck-replay",
) -> str:
    """Write the report of a test that failed; ``exploration`` has at least one finding.

    Plain ASCII, and no line is wider than ``width`` (40 if less is asked for), except those that would be of no use
    when broken: the last line, which is the command that replays the first finding, the ones that name the tokens of
    further findings, and a ``file:line`` that is wider by itself. Colour never changes the layout.
    """
    width = max(width, _NARROWEST)
    finding, *others = exploration.findings
    lanes = interleaving(finding.trace, read_line=read_line, root=root, width=width, color=color)
    sections = [
        _headline(finding, root, width, color),
        [*_circumstances(finding, exploration, width, bool(lanes)), *_initial_values(finding.trace, width)],
        lanes,
        _paragraphs([*finding.remarks, *finding.trace.leaked, *exploration.remarks], root, width),
        _limits(exploration, root, width),
        _in_the_same_run(finding, root, width),
        *(_further(other, finding, root, width, replay_option) for other in others),
        _replay(finding, nodeid, width, replay_option),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def render_error(exploration: Exploration, *, root: str = "", width: int = 80) -> str:
    """Write why a test could not be checked and what to do about it."""
    width = max(width, _NARROWEST)
    sections = [
        sentence(portable(exploration.error, root) or "The test could not be checked.", width),
        _paragraphs(exploration.remarks, root, width),
        _limits(exploration, root, width),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _headline(finding: Finding, root: str, width: int, color: bool) -> list[str]:
    """What is wrong, who did it, where, what it depends on; then the rest of the message."""
    first, *rest = _message(finding, root)
    told = [paint(line, "wrong", color) for line in wrap(first, width, "", "  ")]
    depends = cause_of(finding, root)
    cause = [paint(line, "heading", color) for line in (wrap(depends, width, "", "  ") if depends else ())]
    more = [piece for line in rest for piece in wrap(line, width, "  " if not line.startswith(" ") else "", "    ")]
    return told + _who_and_where(finding, root, width) + cause + more


def _message(finding: Finding, root: str) -> list[str]:
    lines = portable(finding.message.strip("\n") or finding.kind, root).split("\n")
    shown = [cut(line.rstrip().expandtabs(4), _LONGEST_LINE) for line in lines[:_MOST_LINES]]
    left_out = len(lines) - len(shown)
    return [*shown, f"... {counted(left_out, 'more line')} ..."] if left_out else shown


def _who_and_where(finding: Finding, root: str, width: int) -> list[str]:
    failure = finding.failure
    name = failure.place.partition(":")[2].rpartition("+")[0]
    who = []
    if failure.kind == "invariant" and name:
        who = [cut(f"invariant {name}", width - 3)]
    elif failure.task is not None:
        who = [cut(f"task {failure.task}{_WHOSE.get(failure.kind, '')}", width - 3)]
    located = [location for location in finding.locations if location.rpartition(":")[0]]
    if failure.exception is not None:
        return _listed(who + _on_the_way(located, root), width)
    return _listed(who + unique(_place(location, root) for location in located), width)


def _on_the_way(locations: Sequence[str], root: str) -> list[str]:
    """The innermost place and the own code that led there; what libraries did in between is folded."""
    shown: list[str] = []
    for number, location in enumerate(locations):
        if number == 0 or is_own(location.rpartition(":")[0], root):
            shown.append(_place(location, root))
        elif shown[-1] != _FOLDED:
            shown.append(_FOLDED)
    shown = unique(shown) if _FOLDED not in shown else shown
    while shown and shown[-1] == _FOLDED:
        shown.pop()
    return shown[:_MOST_PLACES]


def _place(location: str, root: str) -> str:
    filename, colon, line = location.rpartition(":")
    return plain(short_path(filename, root) + colon + line if line.isdecimal() else short_path(location, root))


def _listed(items: Sequence[str], width: int) -> list[str]:
    """Join by commas; break the line only between items."""
    lines: list[str] = []
    for index, item in enumerate(items):
        text = item + ("," if index < len(items) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += " " + text
        else:
            lines.append("  " + text)
    return lines


def _circumstances(finding: Finding, exploration: Exploration, width: int, lanes: bool) -> list[str]:
    """How many preemptions it takes, how it was found, and why nothing is drawn if nothing is."""
    can_switch = interpreter_of(finding, exploration)
    told = [_effort(finding), *([can_switch] if can_switch else []), *_found(finding, exploration, width)]
    if not lanes:
        told.append("No operation on shared state was recorded in this run." + _why_nothing(finding))
    return [line for text in told for line in wrap(plain(text), width)]


def _found(finding: Finding, exploration: Exploration, width: int) -> list[str]:
    """In which run, on two lines if it does not fit on one."""
    if exploration.stopped_by == "replay":
        return [f"Replayed (seed {exploration.seed})."]
    found = f"Found in run {finding.run:,}"
    if exploration.runs > finding.run:
        runs = counted(exploration.runs, "run")
        found += f"; {runs} with confirming and shrinking" if finding.token else f"; {runs} in all"
    where = ", granularity gil" if exploration.granularity == "gil" else ""
    how = f"(strategy {exploration.strategy}, seed {exploration.seed}{where})."
    return [f"{found} {how}"] if len(found) + 1 + len(plain(how)) <= width else [found, how]


def _why_nothing(finding: Finding) -> str:
    """Where the tasks had to be stopped for it, it does depend on something that they share."""
    if finding.sequential:
        return ""
    return " What happened lies in code outside the scope: name its package in racecheck_source to see it."


def _effort(finding: Finding) -> str:
    """How many preemptions it takes."""
    if finding.sequential:
        moved = _order(finding.trace)
        if len(moved) == 1:
            return f"Fails without any preemption: only task {moved[0]} ran."
        return f"Fails without any preemption: the tasks ran one after another{_in_brackets(moved)}."
    if finding.trace.preemptions:
        return f"Fails with {counted(finding.trace.preemptions, 'preemption')}."
    if finding.trace.forced:
        return "Fails without a preemption: it is enough to stop a task that goes on and on."
    return "Fails without a preemption."


def _order(trace: Trace) -> list[TaskId]:
    """The tasks in the order in which they moved."""
    return turns(task for task, _ in trace.path) or turns(event.task for event in trace.events) or list(trace.tasks)


def _in_brackets(moved: Sequence[TaskId]) -> str:
    named = [f"task {task}" for task in moved[:_MOST_TURNS]] + ["..."] * (len(moved) > _MOST_TURNS)
    return f" ({', '.join(named)})" if named else ""


def _initial_values(trace: Trace, width: int) -> list[str]:
    told_of = [(name, value) for name, value in trace.initial_values if name and value]
    values = unique(f"{cut(name, width // 2)} = {cut(value, width // 2)}" for name, value in told_of)
    more = [f"{len(values) - _MOST_VALUES} more"] if len(values) > _MOST_VALUES else []
    told = ", ".join(values[:_MOST_VALUES] + more)
    return wrap(f"At the start {told}.", width) if values else []


def _paragraphs(sentences: Iterable[str], root: str, width: int) -> list[str]:
    return [line for text in unique(sentences) for line in sentence(portable(text, root), width)]


def _limits(exploration: Exploration, root: str, width: int) -> list[str]:
    """What was not under control and what was not watched."""
    of_findings = (text for finding in exploration.findings for text in finding.trace.uncontrolled)
    uncontrolled = unique([*exploration.uncontrolled, *of_findings])
    lines = []
    for title, texts in (("Not controlled:", uncontrolled), ("Not instrumented:", unique(exploration.uninstrumented))):
        if texts:
            lines.append(title)
            lines += [line for text in texts for line in sentence(portable(text, root), width, "  - ", "    ")]
    return lines


def _in_the_same_run(finding: Finding, root: str, width: int) -> list[str]:
    """What else went wrong in the run that is shown."""
    others = [failure for failure in finding.trace.failures if failure.signature != finding.failure.signature]
    lines = ["In the same run:"] if others else []
    for failure in others:
        also = replace(
            finding, kind=failure.kind, message=failure.message, locations=failure.locations, failure=failure
        )
        for line in _message(also, root):
            lines += wrap(line, width, "  ", "    ")
        lines += ["  " + line for line in _who_and_where(also, root, width - 2)]
    return lines


def _further(finding: Finding, first: Finding, root: str, width: int, replay_option: str) -> list[str]:
    """Another finding, without its interleaving, which its token shows."""
    lines = [_kinship(first, finding)]
    for line in _message(finding, root):
        lines += wrap(line, width, "  ", "    ")
    lines += ["  " + line for line in _who_and_where(finding, root, width - 2)]
    lines += wrap(plain(f"{_effort(finding)} Found in run {finding.run:,}."), width, "    ", "    ")
    for text in unique([*finding.remarks, *finding.trace.leaked]):
        lines += sentence(portable(text, root), width, "    ", "    ")
    return lines + ([f"    {replay_option}={shell_word(finding.token)}"] if finding.token else [])


def _kinship(first: Finding, other: Finding) -> str:
    """What another finding has to do with the first one."""
    if same_switches(first, other):
        return "The same preemption, another end:"
    if first.failure.place and _kind_of(first.failure) == _kind_of(other.failure):
        return "The same failure, at another line:"
    return "Also found:"


def _kind_of(failure: Failure) -> tuple[str, str, str]:
    kind, exception, place = failure.signature
    return (kind, exception, place.rpartition("+")[0])


def _replay(finding: Finding, nodeid: str, width: int, replay_option: str) -> list[str]:
    if finding.token:
        return [f"pytest {shell_word(nodeid)} {replay_option}={shell_word(finding.token)}"]
    return wrap("The failing run did not repeat when its schedule was run again, so there is nothing to replay.", width)


def shell_word(text: str) -> str:
    r"""Quote for a shell in plain ASCII: ``'a b'``, or ``$'caf\u00e9'``, which bash, zsh and ksh read."""
    if text.isascii() and text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_shell_character, text)) + "'"


def _shell_character(character: str) -> str:
    code = ord(character)
    if character in "\\'":
        return "\\" + character
    if " " <= character <= "~":
        return character
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:
        # A lone surrogate of this range is a byte that is no UTF-8, see PEP 383.
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
