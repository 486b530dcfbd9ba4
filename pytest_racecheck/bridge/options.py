"""The one table of options: flags, ini entries, the marker's keywords and their documentation are made from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

MARKER: Final = "racecheck"
PREFIX: Final = "racecheck_"


class NotYetError(ValueError):
    """The value is right, but its function comes with a later release."""


class Kind(Protocol):
    """What values an option takes. Both methods raise `ValueError` or `TypeError` for any other."""

    @property
    def right(self) -> str:
        """What would be right, to be read after "is not"."""

    def from_text(self, text: str) -> object:
        """Convert from the command line or an ini file."""

    def from_value(self, value: object) -> object:
        """Check what stands in the marker."""


class WholeNumber:
    """An ``int`` from ``least``."""

    def __init__(self, least: int) -> None:
        self._least = least
        self.right = f"a whole number from {least}"

    def from_text(self, text: str) -> object:
        """Convert from text."""
        return self.from_value(int(text))

    def from_value(self, value: object) -> object:
        """Refuse what is no whole number or too small."""
        if not isinstance(value, int) or isinstance(value, bool) or value < self._least:
            raise ValueError
        return value


class Seconds:
    """A positive, finite number of seconds."""

    right = "a number of seconds above 0"

    def from_text(self, text: str) -> object:
        """Convert from text."""
        return self.from_value(float(text))

    def from_value(self, value: object) -> object:
        """Refuse what is no positive number."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise ValueError
        return float(value)


class Name:
    """Text that is not empty; whether the name exists is found out where it is used."""

    def __init__(self, right: str = "a name") -> None:
        self.right = right

    def from_text(self, text: str) -> object:
        """Refuse empty text."""
        return self.from_value(text)

    def from_value(self, value: object) -> object:
        """Refuse what is no text or empty."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        return value.strip()


class OneOf:
    """One of some words; ``later`` are words whose function comes with a later release."""

    def __init__(self, words: tuple[str, ...], *, later: tuple[str, ...] = (), now: str = "") -> None:
        self._words = words
        self._later = later
        self._now = now
        self.right = " or ".join(map(repr, words))

    def from_text(self, text: str) -> object:
        """Refuse other words."""
        return self.from_value(text)

    def from_value(self, value: object) -> object:
        """Refuse other words."""
        if isinstance(value, str) and value in self._later:
            raise NotYetError(self._now)
        if not isinstance(value, str) or value not in self._words:
            raise ValueError
        return value


class Patterns:
    """Names of modules, as glob patterns; one or several."""

    right = "the name of a module or a package, a glob pattern of such names, or a sequence of them"

    def from_text(self, text: str) -> object:
        """One a line, or separated by commas."""
        return tuple(filter(None, (part.strip() for part in text.replace(",", "\n").splitlines())))

    def from_value(self, value: object) -> object:
        """Take one name or several."""
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, Iterable):
            raise TypeError
        return tuple(Name().from_value(name) for name in names)


class Callables:
    """Functions without parameters other than fixtures; one or several."""

    right = "a function or a sequence of functions"

    def from_text(self, text: str) -> object:
        """Functions have no text."""
        raise ValueError

    def from_value(self, value: object) -> object:
        """Take one function or several."""
        functions = (value,) if callable(value) else value
        if not isinstance(functions, Iterable):
            raise TypeError
        functions = tuple(functions)
        if not all(map(callable, functions)):
            raise ValueError
        return functions


class FilePath:
    """The path of a file."""

    right = "the path of a file that can be written"

    def from_text(self, text: str) -> object:
        """Refuse nothing and folders."""
        if not text or Path(text).is_dir():
            raise ValueError
        return text

    def from_value(self, value: object) -> object:
        """Stands in no marker."""
        raise ValueError


class Option(NamedTuple):
    """One setting: where it can be set, to what, and what it means."""

    name: str
    kind: Kind
    default: object
    help: str
    flag: bool = True
    ini: bool = True
    marker: bool = True
    metavar: str = "N"
    default_text: str = ""

    @property
    def flag_name(self) -> str:
        """As it is typed."""
        return f"--racecheck-{self.name}"

    @property
    def ini_name(self) -> str:
        """As it stands in an ini file; also the attribute of pytest's parsed options."""
        return PREFIX + self.name

    @property
    def several(self) -> bool:
        """Whether it can be given more than once."""
        return isinstance(self.kind, Patterns)

    @property
    def shown_default(self) -> str:
        """The default as the documentation says it."""
        return self.default_text or repr(self.default)


PROFILES: Final[Mapping[str, Mapping[str, object]]] = {
    "dev": {"runs": 1000, "time": 10.0},
    "ci": {"runs": 5000, "time": 60.0},
    "nightly": {"runs": 100_000, "time": 600.0},
}
"""Budgets by name."""

OPTIONS: Final = (
    Option(
        "threads",
        WholeNumber(1),
        None,
        "How many threads run the body at once; with 1 the body runs once a run and what it starts is explored",
        flag=False,
        ini=False,
        default_text="2, or 1 if the test uses the fixture racecheck, or 0 if it has processes",
    ),
    Option(
        "processes",
        WholeNumber(0),
        0,
        "How many processes run the body at once, beside the threads if there are any",
        flag=False,
        ini=False,
    ),
    Option(
        "start_method",
        OneOf(("fork", "spawn", "forkserver")),
        None,
        "How the processes of processes=N and racecheck.run(processes=True) are started",
        metavar="METHOD",
        default_text="that of `multiprocessing`",
    ),
    Option(
        "invariant",
        Callables(),
        (),
        "What must hold after every run: one function or several; their parameters are fixtures",
        flag=False,
        ini=False,
    ),
    Option(
        "source",
        Patterns(),
        (),
        "Modules to explore beside the code under pytest's rootdir: names or glob patterns, also of standard modules",
        metavar="PATTERN",
    ),
    Option(
        "strategy",
        Name(),
        "portfolio",
        "How schedules are chosen: a name, and parameters if it takes any, such as pct:depth=2",
        metavar="NAME",
    ),
    Option("seed", WholeNumber(0), 0, "Where random choices start; the same seed gives the same runs"),
    Option("runs", WholeNumber(1), PROFILES["dev"]["runs"], "At most so many runs a test"),
    Option("time", Seconds(), PROFILES["dev"]["time"], "At most so many seconds a test", metavar="SECONDS"),
    Option("steps", WholeNumber(1), 100_000, "At most so many operations in one run"),
    Option(
        "stuck",
        Seconds(),
        10.0,
        "Seconds without any operation after which a run is ended as hanging",
        metavar="SECONDS",
    ),
    Option(
        "mode",
        OneOf(("explore", "stress")),
        "explore",
        "explore decides which thread moves; stress lets threads run freely and only hopes",
        metavar="MODE",
    ),
    Option(
        "races",
        OneOf(("error",), later=("warn", "ignore"), now="this release fails a test for every race that it finds"),
        "error",
        "What becomes of races that no assertion noticed",
        flag=False,
        ini=False,
    ),
    Option(
        "granularity",
        OneOf(("access", "gil")),
        "access",
        "Where threads can be switched: at every access to shared state, or only where this CPython can with its GIL",
        metavar="WHERE",
    ),
    Option(
        "clock",
        OneOf(("virtual", "real")),
        "virtual",
        "Which clock the code under test sees: virtual takes no time, with real it waits as long as it says",
        metavar="CLOCK",
    ),
    Option(
        "timeouts",
        OneOf(("last", "explore")),
        "last",
        "When timed waits give up and sleeps end: only when nothing else can move, or also at any time before",
        flag=False,
        ini=False,
    ),
    Option(
        "wakeups",
        WholeNumber(0),
        0,
        "So often in one run may Condition.wait return although nobody has notified it, as the documentation allows",
        metavar="N",
    ),
    Option(
        "profile",
        OneOf(tuple(PROFILES)),
        "dev",
        "Sets runs and time together: "
        + ", ".join(f"{name} {p['runs']:,} runs or {p['time']:g} s" for name, p in PROFILES.items()),
        marker=False,
        metavar="NAME",
    ),
    Option(
        "replay",
        Name("a token as a report prints it"),
        None,
        "Replay one schedule in the one marked test that is selected",
        ini=False,
        marker=False,
        metavar="TOKEN",
        default_text="none",
    ),
    Option(
        "json",
        FilePath(),
        None,
        "Write a machine-readable report to this file",
        ini=False,
        marker=False,
        metavar="PATH",
        default_text="none",
    ),
)

BY_NAME: Final[Mapping[str, Option]] = {option.name: option for option in OPTIONS}


def from_text(option: Option, text: str, *, name: str, where: str) -> object:
    """Convert what stands on the command line or in an ini file; `ValueError` has the whole message."""
    return _converted(option, option.kind.from_text, text, name, where)


def from_value(option: Option, value: object, *, name: str, where: str) -> object:
    """Check what stands in a marker; `ValueError` has the whole message."""
    return _converted(option, option.kind.from_value, value, name, where)


def _converted(option: Option, read: Callable[[Any], object], value: object, name: str, where: str) -> object:
    try:
        return read(value)
    except NotYetError as error:
        raise NotYetError(f"{where}: {name}={value!r} does not work yet; {error}.") from None
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{where}: {name}={value!r} is not {option.kind.right}.") from None


def marker_line() -> str:
    """What ``pytest --markers`` says."""
    keywords = [option for option in OPTIONS if option.marker]
    signature = ", ".join(
        option.name if option.default is None else f"{option.name}={option.default!r}" for option in keywords
    )
    meanings = " ".join(f"{option.name}: {_lowered(option.help)}." for option in keywords)
    return f"{MARKER}(*, {signature}): run the test under many thread interleavings, chosen one by one. {meanings}"


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]
