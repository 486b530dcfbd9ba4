"""The one table of strategies: their names, their parameters, and what each is good at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.strategies.chain import Chain
from pytest_racecheck.strategies.covered import Covered
from pytest_racecheck.strategies.delays import Delays
from pytest_racecheck.strategies.depth_first import DepthFirst
from pytest_racecheck.strategies.dpor import Dpor
from pytest_racecheck.strategies.exhaustive import Exhaustive
from pytest_racecheck.strategies.pct import Pct
from pytest_racecheck.strategies.portfolio import Portfolio
from pytest_racecheck.strategies.pos import Pos
from pytest_racecheck.strategies.preemptions import Preemptions
from pytest_racecheck.strategies.random_walk import RandomWalk
from pytest_racecheck.strategies.reads_from import ReadsFrom
from pytest_racecheck.strategies.sequential import Sequential
from pytest_racecheck.strategies.starvation import Starvation
from pytest_racecheck.strategies.surw import Surw
from pytest_racecheck.strategies.urw import Urw

Values = Mapping[str, int]
"""What the parameters of a strategy were set to; those that nobody set are left out."""


class Parameter(NamedTuple):
    """A whole number that a strategy can be told."""

    name: str
    least: int
    most: int
    default: int | None
    """``None`` if there is no limit unless one is set."""
    help: str

    @property
    def right(self) -> str:
        """What would be right, to be read after "is not"."""
        return f"a whole number from {self.least} to {self.most:,}"


class Entry(NamedTuple):
    """One strategy."""

    make: Callable[[int, Values], Strategy]
    """Makes it from a seed and parameters."""
    help: str
    parameters: tuple[Parameter, ...] = ()
    opens: bool = True
    """Whether the sequential orders are run before it: they show which sites are shared."""


_BOUND: Final = Parameter("bound", 0, 1000, None, "ends when all schedules with so many have been run")

WITHOUT_GIL: Final = (
    "dpor changes the order of single steps, and with granularity='gil' tasks can't be stopped between them"
)

STRATEGIES: Final[Mapping[str, Entry]] = {
    "portfolio": Entry(
        lambda seed, values: Covered(Portfolio(seed), Dpor()),
        "all that follow, by turns; more of what still brings something new, and dpor where it can finish",
        opens=False,
    ),
    "random": Entry(lambda seed, values: RandomWalk(seed), "a coin at every choice"),
    "pct": Entry(
        lambda seed, values: Pct(seed, **values),
        "priorities, lowered at a few random choices",
        (Parameter("depth", 1, 100, 3, "how many ordering constraints the bug needs"),),
    ),
    "pos": Entry(lambda seed, values: Pos(seed), "a priority for each operation, drawn anew after a lost race"),
    "urw": Entry(lambda seed, values: Urw(seed), "every interleaving is as probable as every other"),
    "surw": Entry(lambda seed, values: Surw(seed), "the same, but for a few locations only, others for each run"),
    "reads-from": Entry(lambda seed, values: ReadsFrom(seed), "lets reads see writes that they saw least"),
    "starvation": Entry(lambda seed, values: Starvation(seed), "one task does not move for a long while"),
    "preemptions": Entry(
        lambda seed, values: Preemptions(**values), "all schedules, by their number of preemptions", (_BOUND,)
    ),
    "delays": Entry(lambda seed, values: Delays(**values), "all schedules, by their number of delays", (_BOUND,)),
    "dfs": Entry(lambda seed, values: DepthFirst(), "all schedules, depth first"),
    "dpor": Entry(
        lambda seed, values: Dpor(), "one schedule of each class of equivalent ones, then it ends", opens=False
    ),
    "sequential": Entry(lambda seed, values: Sequential(), "one task after another, in five runs", opens=False),
}  # fmt: skip


def names() -> tuple[str, ...]:
    """The names that `make` knows, in the order of the table."""
    return tuple(STRATEGIES)


def make(spec: str, seed: int, *, gil: bool = False) -> Strategy:
    """Make a strategy from its name and parameters: ``pct``, ``pct:depth=2``.

    ``gil``: tasks can be stopped only where the interpreter, with its GIL, can stop them.

    Raises: RacecheckError, with what is wrong and what would be right.
    """
    name, values = parse(spec)
    if gil and name == "dpor":
        raise RacecheckError(f"{WITHOUT_GIL}; use dfs, which runs every schedule, or portfolio, which uses it")
    if gil and name == "portfolio":
        return Covered(Portfolio(seed), Exhaustive())
    entry = STRATEGIES[name]
    strategy = entry.make(seed, values)
    if not entry.opens:
        return strategy
    return Chain(_spelt(name, values), [Sequential(), strategy])


def parse(spec: str) -> tuple[str, dict[str, int]]:
    """Take a name and its parameters apart and check them.

    Raises: RacecheckError, with what is wrong and what would be right.
    """
    name, colon, rest = spec.partition(":")
    if name not in STRATEGIES:
        raise RacecheckError(f"unknown strategy {name!r}; there are: {', '.join(names())}")
    known = {parameter.name: parameter for parameter in STRATEGIES[name].parameters}
    values: dict[str, int] = {}
    for part in rest.split(",") if colon else ():
        given, _, text = (piece.strip() for piece in part.partition("="))
        if given not in known:
            raise RacecheckError(f"{name} has no parameter {given!r}; {_known(known)}")
        if given in values:
            raise RacecheckError(f"{given} is given twice")
        values[given] = _number(known[given], text)
    return name, values


def _known(parameters: Mapping[str, Parameter]) -> str:
    return f"it has {', '.join(parameters)}" if parameters else "it has none"


def _number(parameter: Parameter, text: str) -> int:
    if text.isascii() and text.isdigit() and parameter.least <= int(text[:20]) <= parameter.most:
        return int(text)
    raise RacecheckError(f"{parameter.name}={text!r} is not {parameter.right}")


def _spelt(name: str, values: Values) -> str:
    return f"{name}:{','.join(f'{each}={value}' for each, value in values.items())}" if values else name
