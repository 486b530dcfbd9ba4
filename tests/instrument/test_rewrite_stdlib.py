"""The standard library does the same with a hook at everything, tracebacks included."""

from __future__ import annotations

import functools
import importlib
import io
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.rewrite import Hooks, Plan, Skipped, rewrite
from pytest_racecheck.instrument.splice import put_together, take_apart

Work = Callable[..., Iterator[Any]]
RARE = {"delete_global", "delete_cell"}
"""Hooks for which no workload here has an occasion."""


class Job(NamedTuple):
    """Something to do with modules of the standard library."""

    modules: tuple[str, ...]
    without: tuple[str, ...]
    """Accelerators that are hidden, so that the Python code runs."""
    work: Work


JOBS: dict[str, Job] = {}


def job(*modules: str, without: tuple[str, ...] = ()) -> Callable[[Work], Work]:
    """Registers the decorated generator; it gets the modules and yields results."""

    def register(work: Work) -> Work:
        JOBS[modules[0]] = Job(modules, without, work)
        return work

    return register


def attempt(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """The type, text and traceback of what the function raises."""
    try:
        function(*arguments, **keywords)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        return type(error).__name__, str(error), [(frame.filename, frame.lineno, frame.name) for frame in frames]
    raise AssertionError("should have raised")


@job("json", "json.decoder", "json.encoder", "json.scanner", without=("_json",))
def _json(json: Any, *_: Any) -> Iterator[Any]:
    value = {"a": [1, 2.5, None, True, "x\u1234\n"], "b": {"c": [], "d": {}}, "e": "\ud83d\ude00"}
    for options in ({}, {"indent": 2}, {"sort_keys": True}, {"ensure_ascii": False}):
        text = json.dumps(value, **options)
        yield text, json.loads(text) == value
    yield attempt(json.loads, '{"a": [1, 2')
    yield attempt(json.dumps, {"a": object()}), attempt(json.dumps, {(): 1})


@job("re._parser", "re._compiler")
def _re(parser: Any, compiler: Any) -> Iterator[Any]:
    for pattern in (r"(a|b)*c+?", r"(?P<n>[\w-]{2,5})\b(?=x)(?!y)", r"(?i:x)[^\d\s]*", r"^(?:ab|cd)$", r"(?<=a)b"):
        compiled = compiler.compile(pattern)
        yield str(parser.parse(pattern)), compiled.pattern, compiled.groups, compiled.findall("abcd bac-x ab")
    yield [attempt(parser.parse, pattern) for pattern in ("(", "[a", "a{2,1}", "(?P<n", "*")]


@job("textwrap")
def _textwrap(textwrap: Any) -> Iterator[Any]:
    text = "  A sentence that is long enough to be wrapped, twice-hyphenated.  Another one!\n\n  End"
    yield textwrap.wrap(text, 20), textwrap.fill(text, 30, initial_indent="* "), textwrap.dedent(text)
    yield textwrap.shorten(text, 25), textwrap.indent(text, "> ")
    yield attempt(textwrap.wrap, text, 0)


@job("difflib")
def _difflib(difflib: Any) -> Iterator[Any]:
    a, b = ["one", "two", "three", "four"], ["one", "too", "three", "fore", "five"]
    yield list(difflib.unified_diff(a, b)), list(difflib.ndiff(a, b)), list(difflib.context_diff(a, b))
    yield difflib.get_close_matches("too", a), difflib.SequenceMatcher(None, a, b).get_opcodes()
    yield attempt(difflib.get_close_matches, "x", a, n=0)


@job("heapq", without=("_heapq",))
def _heapq(heapq: Any) -> Iterator[Any]:
    row = [(i * 37) % 101 for i in range(60)]
    heap = row[:]
    heapq.heapify(heap)
    heapq.heappush(heap, 50)
    yield heapq.heappop(heap), heapq.heappushpop(heap, 3), heapq.heapreplace(heap, 9), heap
    yield heapq.nlargest(5, row), heapq.nsmallest(5, row, key=lambda x: -x), list(heapq.merge([1, 4], [2, 3], [0]))
    yield attempt(heapq.heappop, []), attempt(heapq.heapify, [1, "a", 2])


@job("bisect", without=("_bisect",))
def _bisect(bisect: Any) -> Iterator[Any]:
    row = [1, 3, 3, 7]
    bisect.insort(row, 4)
    yield row, bisect.bisect_left(row, 3), bisect.bisect_right(row, 3), bisect.bisect(row, -7, key=lambda x: -x)
    yield attempt(bisect.bisect_left, row, 3, -1), attempt(bisect.insort, row, "x")


@job("collections")
def _collections(collections: Any) -> Iterator[Any]:
    count = collections.Counter("abracadabra")
    count.update("bb")
    yield count.most_common(2), count - collections.Counter("aab"), count
    chain = collections.ChainMap({"a": 1}, {"b": 2})
    chain["c"] = 3
    yield dict(chain), chain.maps, chain.new_child({"a": 5})["a"]
    point = collections.namedtuple("point", "x y", defaults=[2])
    yield point(1), point(1)._replace(y=5), point._fields
    row, text, box = collections.UserList([3, 1]), collections.UserString("ab"), collections.UserDict(a=1)
    row.append(2)
    row.sort()
    yield row * 2, text.upper() * 2, box | {"b": 2}
    yield attempt(chain.__getitem__, "nope"), attempt(collections.namedtuple, "p", "x x"), attempt(box.pop, "q")


@job("functools", without=("_functools",))
def _functools(functools: Any) -> Iterator[Any]:
    calls = []

    @functools.lru_cache(maxsize=2)  # type: ignore[untyped-decorator]
    def square(x: int) -> int:
        calls.append(x)
        return x * x

    yield [square(x) for x in (1, 2, 1, 3, 1, 2)], calls, square.cache_info()[:2]

    @functools.singledispatch  # type: ignore[untyped-decorator]
    def kind(x: object) -> str:
        return "object"

    kind.register(int, lambda x: "int")

    @functools.total_ordering
    class Ordered:
        def __init__(self, n: int) -> None:
            self.n = n

        def __lt__(self, other: Any) -> bool:
            return bool(self.n < other.n)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Ordered) and self.n == other.n

        def __hash__(self) -> int:
            return hash(self.n)

        @functools.cached_property  # type: ignore[untyped-decorator]
        def twice(self) -> int:
            return self.n * 2

    yield kind(1), kind("x"), Ordered(1) <= Ordered(2), Ordered(3).twice, functools.reduce(divmod, [7, 2])
    yield functools.partial(divmod, 7)(2), sorted([3, 1, 2], key=functools.cmp_to_key(lambda a, b: b - a))
    yield attempt(functools.reduce, max, []), attempt(kind), attempt(functools.partial)


@job("enum")
def _enum(enum: Any) -> Iterator[Any]:
    class Color(enum.Enum):  # type: ignore[misc]
        RED = 1
        BLUE = enum.auto()

    class Perm(enum.Flag):  # type: ignore[misc]
        R = 4
        W = 2
        RW = 6

    yield list(Color), Color.__members__["RED"].value, Color(2).name, repr(Perm.R | Perm.W), ~Perm.R
    yield attempt(Color, 9), attempt(lambda: Color.GREEN), attempt(setattr, Color, "RED", 3)


@job("dataclasses")
def _dataclasses(dataclasses: Any) -> Iterator[Any]:
    @dataclasses.dataclass(order=True, frozen=True, slots=True)
    class Point:
        x: int
        y: int = 0
        tags: list[str] = dataclasses.field(default_factory=list, compare=False)

    make: Any = Point
    yield repr(make(1)), make(1) < make(2), dataclasses.asdict(make(1, 2, ["a"])), dataclasses.replace(make(1), y=3)
    yield [field.name for field in dataclasses.fields(Point)], hash(make(1)) == hash(make(1))
    yield attempt(setattr, make(1), "x", 2)[:2], attempt(dataclasses.fields, 3), attempt(make)[:2]


@job("fractions")
def _fractions(fractions: Any) -> Iterator[Any]:
    a, b = fractions.Fraction("3/4"), fractions.Fraction(2.5)
    yield a + b, a * b, a / b, a**3, a // b, divmod(b, a), round(b), float(a), a < b, hash(a), str(-a)
    yield b.limit_denominator(2), fractions.Fraction("1e-3"), sum([a, b], fractions.Fraction(0))
    yield attempt(fractions.Fraction, 1, 0), attempt(fractions.Fraction, "x"), attempt(lambda: a / 0)


@job("_pydecimal")
def _decimal(decimal: Any) -> Iterator[Any]:
    context = decimal.Context(prec=20)
    a, b = decimal.Decimal("3.14159265358979"), decimal.Decimal("-2.5")
    yield [str(x) for x in (a + b, a * b, a / b, a**2, a.sqrt(context), b.quantize(decimal.Decimal(1)), a % b, a.ln())]
    yield a.compare(b), b.as_tuple(), f"{a:.3f}", hash(b), int(b), a.exp(context)
    yield attempt(decimal.Decimal, "x"), attempt(lambda: a / 0), attempt(context.create_decimal, "sNaN1x")


@job("statistics")
def _statistics(statistics: Any) -> Iterator[Any]:
    row = [1, 2, 2, 3, 4, 7, 9.5]
    yield [getattr(statistics, name)(row) for name in ("mean", "median", "mode", "stdev", "pvariance", "multimode")]
    yield statistics.quantiles(row), statistics.linear_regression(row, row[::-1]), statistics.NormalDist(0, 1).cdf(0.5)
    yield attempt(statistics.mean, []), attempt(statistics.stdev, [1])


@job("random")
def _random(random: Any) -> Iterator[Any]:
    draw = random.Random(5)
    row = list(range(10))
    draw.shuffle(row)
    yield row, draw.choice(row), draw.sample(row, 3), draw.choices(row, k=3), draw.gauss(0, 1), draw.randint(1, 9)
    yield draw.betavariate(1, 2), draw.triangular(), draw.expovariate(2), draw.vonmisesvariate(0, 1)
    yield attempt(draw.choice, []), attempt(draw.randrange, 1, 1), attempt(draw.sample, row, 99)


@job("string")
def _string(string: Any) -> Iterator[Any]:
    template = string.Template("$a ${b} $$")
    yield template.substitute(a=1, b=2), template.safe_substitute(a=1), string.capwords("ab cd")
    yield string.Formatter().format("{0:>5} {x[k]} {1!r}", 1, "s", x={"k": 2})
    yield attempt(template.substitute, a=1), attempt(string.Formatter().format, "{}{1}", 1)


@job("csv")
def _csv(csv: Any) -> Iterator[Any]:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["a", "b"])
    writer.writeheader()
    writer.writerows([{"a": 1, "b": "x,y"}, {"a": 2}])
    yield out.getvalue(), list(csv.DictReader(io.StringIO(out.getvalue())))
    yield csv.Sniffer().sniff("a;b;c\n1;2;3\n").delimiter, csv.Sniffer().has_header("a;b\n1;2\n3;4\n")
    yield attempt(writer.writerow, {"z": 1})


@job("configparser")
def _configparser(configparser: Any) -> Iterator[Any]:
    parser = configparser.ConfigParser()
    parser.read_string("[DEFAULT]\nroot = /x\n[one]\na = %(root)s/y\nb: 1\n   2\n[two]\nc = yes\n")
    parser["three"] = {"d": "4"}
    out = io.StringIO()
    parser.write(out)
    yield parser.sections(), parser["one"]["a"], parser.getboolean("two", "c"), dict(parser["one"]), out.getvalue()
    yield attempt(parser.get, "one", "z"), attempt(parser.read_string, "x = 1"), attempt(parser.getint, "two", "c")


@job("argparse")
def _argparse(argparse: Any) -> Iterator[Any]:
    parser = argparse.ArgumentParser(prog="p", description="does things", exit_on_error=False)
    parser.add_argument("name", nargs="+", help="names")
    parser.add_argument("-n", "--number", type=int, default=3, choices=[1, 2, 3])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--yes", action="store_true")
    group.add_argument("--no", action="store_true")
    yield vars(parser.parse_args(["a", "b", "-n2", "--yes"])), parser.format_help()
    yield parser.parse_known_args(["a", "-z"])
    yield attempt(parser.parse_args, ["a", "-n", "x"]), attempt(parser.parse_args, ["a", "-n", "9"])


@job("ast")
def _ast(ast: Any) -> Iterator[Any]:
    source = "@d\ndef f(a, *b, c=1, **d):\n    with a as x: return [y for y in x if y] + (lambda: f'{a!r:>3}')()\n"
    tree = ast.parse(source)
    yield ast.dump(tree, indent=1), ast.unparse(tree), ast.literal_eval("{'a': [1, -2.5, (None,)]}")
    yield [type(node).__name__ for node in ast.walk(tree)], ast.get_docstring(tree)
    yield attempt(ast.literal_eval, "f(x)"), attempt(ast.literal_eval, "1 +")[:2]


@job("tokenize")
def _tokenize(tokenize: Any) -> Iterator[Any]:
    source = "def f(x):\n    # comment\n    return x + 'a' ** 0x1f\n"
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    yield [tuple(token)[:4] for token in tokens], tokenize.untokenize(tokens)
    yield tokenize.detect_encoding(io.BytesIO(b"# -*- coding: latin-1 -*-\n").readline)
    yield attempt(tokenize.detect_encoding, io.BytesIO(b"# -*- coding: nope -*-\n").readline)
    yield attempt(lambda: list(tokenize.generate_tokens(io.StringIO("(\n").readline)))


@job("html.parser", "_markupbase")
def _html(parser: Any, _: Any) -> Iterator[Any]:
    events: list[Any] = []

    class Parser(parser.HTMLParser):  # type: ignore[misc]
        def handle_starttag(self, tag: str, attributes: Any) -> None:
            events.append((tag, attributes))

        def handle_data(self, data: str) -> None:
            events.append(data)

    Parser().feed("<!DOCTYPE html><p class='a' b>x &amp; y<!-- c --><br/><script>1<2</script></p>")
    yield events
    yield attempt(Parser().feed, None)


@job("urllib.parse")
def _urllib(parse: Any) -> Iterator[Any]:
    url = "https://u:p@host:80/a/b;c?q=1&q=2&r=%C3%A9#frag"
    yield parse.urlsplit(url), parse.urlparse(url).port, parse.urljoin(url, "../x?y"), parse.unquote("%C3%A9+")
    yield parse.parse_qs("q=1&q=2"), parse.urlencode({"a": [1, "é"]}, doseq=True), parse.quote("a/ é")
    yield attempt(lambda: parse.urlsplit("http://h:99999").port), attempt(parse.urlsplit, "http://[x")


@job("datetime" if sys.version_info < (3, 12) else "_pydatetime", without=("_datetime",))
def _datetime(datetime: Any) -> Iterator[Any]:
    at = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    yield at.isoformat(), at + datetime.timedelta(days=366, seconds=5), at.strftime("%Y-%j"), at.timetuple()[:6]
    yield datetime.date.fromisoformat("2024-01-05").isocalendar()[:], str(datetime.timedelta(1, 2, 3) / 2), hash(at)
    yield datetime.datetime.fromisoformat("2020-01-01T00:00:00+01:00") < at, at.astimezone(datetime.timezone.utc)
    yield attempt(datetime.date, 2023, 2, 29), attempt(datetime.date.fromisoformat, "x"), attempt(lambda: at - 1)


@job("ipaddress")
def _ipaddress(ipaddress: Any) -> Iterator[Any]:
    net = ipaddress.ip_network("10.0.0.0/29")
    yield list(net.hosts()), list(net.subnets(2)), ipaddress.ip_address("::1").exploded, net.supernet(), net[3] in net
    yield list(ipaddress.summarize_address_range(net[1], net[6])), list(ipaddress.collapse_addresses(net.subnets(1)))
    yield attempt(ipaddress.ip_address, "1.2.3"), attempt(ipaddress.ip_network, "10.0.0.1/8")


@job("shlex")
def _shlex(shlex: Any) -> Iterator[Any]:
    yield shlex.split('a \'b c\' "d\\"e" f#g'), shlex.quote("it's"), list(shlex.shlex("a=b;c", punctuation_chars=True))
    yield attempt(shlex.split, "'open")


@job("pprint")
def _pprint(pprint: Any) -> Iterator[Any]:
    value: dict[str, Any] = {"a": list(range(30)), "b": {"c": ("x" * 50, "y" * 50)}, "s": {3, 1}}
    value["self"] = value["b"]
    yield pprint.pformat(value, width=40), pprint.saferepr(value), pprint.isreadable(value)
    yield attempt(pprint.PrettyPrinter, width=0)


@job("copy", "copyreg", "weakref")
def _copy(copy: Any, *_: Any) -> Iterator[Any]:
    row: list[Any] = [1, {"a": (2, [3])}]
    row.append(row)
    deep = copy.deepcopy(row)
    yield deep[:2], deep[2] is deep, copy.copy(row)[:2], attempt(copy.deepcopy, (i for i in row))


@job("contextlib")
def _contextlib(contextlib: Any) -> Iterator[Any]:
    log: list[str] = []

    @contextlib.contextmanager  # type: ignore[untyped-decorator]
    def noting(name: str) -> Iterator[str]:
        log.append(f"in {name}")
        try:
            yield name
        finally:
            log.append(f"out {name}")

    with contextlib.ExitStack() as stack, contextlib.suppress(KeyError), noting("a") as a:
        stack.enter_context(noting("b"))
        stack.callback(log.append, "callback")
        raise KeyError(a)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.closing(io.StringIO()):
        sys.stdout.write("x")
    yield log, out.getvalue()

    def fail() -> None:
        with noting("c"), contextlib.ExitStack() as inner:
            inner.enter_context(noting("d"))
            raise ValueError("v")

    yield attempt(fail), attempt(contextlib.ExitStack().enter_context, 3), log


@job("pathlib", "fnmatch", "posixpath", "glob")
def _pathlib(pathlib: Any, fnmatch: Any, posixpath: Any, _: Any) -> Iterator[Any]:
    path = pathlib.PurePosixPath("/a/b/../c.tar.gz")
    yield path.parts, path.suffixes, path.with_suffix(".x"), path.relative_to("/a"), path.match("*.gz"), path / "d"
    yield fnmatch.filter(["a.py", "b.c"], "*.py"), posixpath.normpath("/a/./b/../c"), posixpath.relpath("/a/b", "/a/c")
    yield attempt(path.relative_to, "/z"), attempt(path.with_suffix, "x"), attempt(posixpath.join, "a", 1)


@job("tempfile")
def _tempfile(tempfile: Any) -> Iterator[Any]:
    with tempfile.SpooledTemporaryFile(max_size=5, mode="w+") as file:
        file.write("longer than that")
        file.seek(0)
        yield file.read()
    with tempfile.TemporaryDirectory() as directory, tempfile.NamedTemporaryFile(dir=directory) as named:
        named.write(b"x")
        yield named.tell()
    yield attempt(lambda: tempfile.mkstemp(suffix=b"x", prefix="y"))


@job("queue", "threading", without=("_queue",))
def _queue(queue: Any, threading: Any) -> Iterator[Any]:
    jobs, done = queue.Queue(2), queue.PriorityQueue()

    def serve() -> None:
        while (item := jobs.get()) is not None:
            done.put(-item)
            jobs.task_done()

    worker = threading.Thread(target=serve, name="w")
    worker.start()
    for item in (*range(5), None):
        jobs.put(item, timeout=10)
    worker.join()
    yield [done.get() for _ in range(5)], worker.is_alive(), done.empty()
    yield attempt(done.get_nowait), attempt(done.get, timeout=-1)
    stack = queue.LifoQueue()
    stack.put(1)
    yield stack.get(), queue._PySimpleQueue().empty()


@job("threading")
def _threading(threading: Any) -> Iterator[Any]:
    lock, condition, event = threading.RLock(), threading.Condition(), threading.Event()
    semaphore, barrier = threading.BoundedSemaphore(2), threading.Barrier(2)
    total = 0

    def work() -> None:
        nonlocal total
        with lock, lock, semaphore:
            total += 1
        barrier.wait(10)
        with condition:
            condition.notify_all()
        event.set()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    yield total, event.wait(1), barrier.broken, threading.local() is not None
    yield attempt(semaphore.release), attempt(condition.notify), attempt(workers[0].start), attempt(lock.release)


@job("sched")
def _sched(sched: Any) -> Iterator[Any]:
    now = [0.0]
    log: list[Any] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    plan = sched.scheduler(lambda: now[0], sleep)
    for delay in (3, 1, 2):
        plan.enter(delay, 1, log.append, (delay,))
    plan.run()
    yield log, now, plan.empty()
    yield attempt(plan.cancel, None)


@job("graphlib")
def _graphlib(graphlib: Any) -> Iterator[Any]:
    yield list(graphlib.TopologicalSorter({"a": ["b", "c"], "b": ["d"], "c": ["d"]}).static_order())
    yield attempt(graphlib.TopologicalSorter({1: [2], 2: [1]}).prepare)


@job("types")
def _types(types: Any) -> Iterator[Any]:
    made = types.new_class("Made", (list,), {}, lambda body: body.update(x=1))
    yield made.x, types.resolve_bases((list[int],)), types.prepare_class("P")[0].__name__
    yield attempt(types.DynamicClassAttribute(None).__get__, 1, None), attempt(types.new_class, "M", (1,))


@job("inspect")
def _inspect(inspect: Any) -> Iterator[Any]:
    def function(a: int, /, b: str = "x", *args: Any, c: int = 3, **rest: Any) -> None:
        """Its docstring."""

    signature = inspect.signature(function)
    yield str(signature), signature.bind(1, c=2).arguments, inspect.getdoc(function), inspect.cleandoc(" a\n  b")
    yield inspect.getsource(attempt), inspect.getfullargspec(function), inspect.isfunction(function)
    yield attempt(signature.bind), attempt(inspect.signature, 3), attempt(inspect.getsource, 3)


@job("logging")
def _logging(logging: Any) -> Iterator[Any]:
    out = io.StringIO()
    logger = logging.Logger("l", logging.INFO)
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("{levelname}:{funcName}:{message}", style="{"))
    logger.addHandler(handler)
    logger.debug("no")
    logger.warning("yes %d", 1)
    yield out.getvalue(), logger.isEnabledFor(10), logging.getLevelName(20)
    yield attempt(logger.setLevel, "nope"), attempt(logging.Formatter, style="?"), attempt(logger.log, "x", "y")


@job("email._header_value_parser", "email.message", "email.feedparser", "email.parser", "email.generator")
def _email(*_: Any) -> Iterator[Any]:
    from email import message_from_string, policy
    from email.message import EmailMessage

    message = EmailMessage(policy=policy.default)
    message["From"], message["To"] = "Ä B <a@example.org>", "c@example.org, 'd e' <d@example.org>"
    message["Subject"] = "s" * 90 + " ü"
    message.set_content("body\n")
    text = message.as_string()
    parsed = message_from_string(text, policy=policy.default)
    yield text, [address.addr_spec for address in parsed["to"].addresses], parsed.get_content(), list(parsed.walk())[1:]
    yield attempt(message.__setitem__, "Subject", "again"), attempt(message.add_alternative, 3)


@job("calendar", "locale")
def _calendar(calendar: Any, _: Any) -> Iterator[Any]:
    yield calendar.TextCalendar().formatmonth(2024, 2), calendar.HTMLCalendar().formatmonth(2024, 2)
    yield calendar.isleap(1900), calendar.monthrange(2024, 2)
    yield attempt(calendar.monthrange, 2024, 13)


@job("zipfile", "gzip")
def _zipfile(zipfile: Any, gzip: Any) -> Iterator[Any]:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.txt"), "text" * 50)
    with zipfile.ZipFile(raw) as archive:
        yield archive.namelist(), archive.read("a.txt"), archive.testzip()
        yield gzip.decompress(gzip.compress(b"x", mtime=0)), attempt(gzip.decompress, b"no")
        yield attempt(archive.read, "b.txt"), attempt(zipfile.ZipFile, io.BytesIO(b"no"))


@job("asyncio.base_events", "asyncio.events", "asyncio.tasks", "asyncio.locks", "asyncio.queues", "asyncio.runners")
def _asyncio(*_: Any) -> Iterator[Any]:
    import asyncio

    async def main() -> Any:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        lock = asyncio.Lock()

        async def feed() -> None:
            for i in range(3):
                async with lock:
                    await queue.put(i)

        async with asyncio.timeout(10):
            feeder = asyncio.create_task(feed())
            got = [await queue.get() for _ in range(3)]
            await feeder
        return got, await asyncio.gather(asyncio.sleep(0, "x"), asyncio.wait_for(asyncio.sleep(0, "y"), 5))

    async def fail() -> None:
        await asyncio.wait_for(asyncio.sleep(10), 0)

    yield asyncio.run(main())
    yield attempt(asyncio.run, fail()), attempt(asyncio.run, 3)


@job("mimetypes")
def _mimetypes(mimetypes: Any) -> Iterator[Any]:
    mimetypes.init([])
    yield mimetypes.guess_type("a.tar.gz"), mimetypes.guess_extension("text/html")
    yield attempt(mimetypes.guess_type, 3)


def shown(results: Iterator[Any]) -> list[str]:
    """The results as text, without addresses."""
    return [re.sub(r"\b0x[0-9a-f]{6,}", "0x", repr(result)) for result in results]


@contextmanager
def loaded(names: tuple[str, ...], without: tuple[str, ...]) -> Iterator[list[ModuleType]]:
    """The modules; if accelerators are to be hidden, fresh ones, and the old ones are put back at the end."""
    hidden: dict[str, Any] = {}
    if without:
        hidden = {name: sys.modules.get(name) for name in (*names, *without)}
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]
    try:
        yield [importlib.import_module(name) for name in names]
    finally:
        for name, module in hidden.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def functions(holder: Any, module: str, seen: set[int]) -> Iterator[FunctionType]:
    """The functions that the module, or a class of it, holds: plain, wrapped, in properties and such."""
    todo = list(vars(holder).values())
    while todo:
        found = todo.pop()
        if id(found) in seen or isinstance(found, ModuleType):
            continue
        seen.add(id(found))
        if isinstance(found, type):
            if found.__module__ == module:
                yield from functions(found, module, seen)
        else:
            if isinstance(found, FunctionType) and found.__globals__["__name__"] == module:
                yield found
            if hasattr(found, "__dict__"):
                todo.append(vars(found).get("__wrapped__"))
            todo += [getattr(found, name, None) for name in ("__func__", "fget", "fset", "fdel", "func")]


def counting(counts: dict[str, int]) -> Hooks:
    """Hooks that count how often each was called; they use nothing that may be rewritten itself."""

    def counter(name: str) -> Callable[..., Any]:
        def hook(site: Site, *operands: Any) -> Any:
            counts[name] = counts.get(name, 0) + 1
            return operands[0] if name in {"call", "call_spread"} else None

        return hook

    return Hooks(**{field.name: counter(field.name) for field in fields(Hooks)})


@contextmanager
def hooked(modules: list[ModuleType], hooks: Hooks, plan: Plan, skipped: list[Skipped]) -> Iterator[int]:
    """Swaps the code of all functions of the modules; gives their number; restores."""
    found = [function for module in modules for function in functions(module, module.__name__, set())]
    codes = [function.__code__ for function in found]
    new = [
        rewrite(
            function.__code__,
            hooks,
            plan,
            module=function.__module__ or "",
            namespace=function.__globals__,
            skipped=skipped,
        )
        for function in found
    ]
    try:
        for function, code in zip(found, new, strict=True):
            function.__code__ = code
        yield len(found)
    finally:
        for function, code in zip(found, codes, strict=True):
            function.__code__ = code


@dataclass
class Outcome:
    """What a job gave without and with hooks."""

    plain: list[Any]
    rewritten: list[Any]
    counts: dict[str, int]
    functions: int
    skipped: list[Skipped]


@functools.cache
def outcome(name: str, plan: Plan = Plan.FULL) -> Outcome:
    """Does the job twice."""
    names, without, work = JOBS[name]
    counts: dict[str, int] = {}
    skipped: list[Skipped] = []
    with loaded(names, without) as modules:
        plain = shown(work(*modules))
        with hooked(modules, counting(counts), plan, skipped) as number:
            rewritten = shown(work(*modules))
    return Outcome(plain, rewritten, counts, number, skipped)


@pytest.mark.parametrize("name", JOBS)
def test_modules_do_the_same(name: str) -> None:
    """Results, exceptions and tracebacks are equal with hooks on everything, and the hooks are called."""
    result = outcome(name)

    assert result.plain == result.rewritten
    assert sum(result.counts.values()) > 10
    assert result.skipped == []


@pytest.mark.parametrize("name", ["contextlib", "queue", "threading", "logging", "asyncio.base_events"])
def test_modules_do_the_same_outside_the_scope(name: str) -> None:
    """The same with hooks only where something can synchronise."""
    result = outcome(name, Plan.SYNC)

    assert result.plain == result.rewritten
    assert result.counts.keys() <= {"call", "call_spread", "enter", "leave"}


def test_every_hook_is_called() -> None:
    """Together the jobs reach every hook, in well over a thousand functions."""
    counts: dict[str, int] = {}
    for name in JOBS:
        for hook, times in outcome(name).counts.items():
            counts[hook] = counts.get(hook, 0) + times

    slices = {"read_slice", "write_slice"} if sys.version_info < (3, 12) else set()
    assert {field.name for field in fields(Hooks)} - RARE - slices <= counts.keys()
    assert sum(outcome(name).functions for name in JOBS) > 1000


def every_code(code: CodeType) -> Iterator[CodeType]:
    """The code object and all inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from every_code(constant)


def compiled(name: str) -> CodeType:
    """The code of a whole module."""
    source = importlib.import_module(name).__file__
    assert source is not None
    return compile(Path(source).read_text(encoding="utf-8"), source, "exec")


@pytest.mark.parametrize("name", ["_pydecimal", "typing", "tarfile", "unittest.mock", "asyncio.base_events"])
def test_taking_apart_and_putting_together_changes_nothing(name: str) -> None:
    """Code without anything put in comes out as it was: bytes, positions, exception table, lines."""
    module = compiled(name)

    for code in every_code(module):
        again = put_together(code, take_apart(code), code.co_consts, 0)

        assert code.co_code == again.co_code
        assert list(code.co_positions()) == list(again.co_positions())
        assert code.co_exceptiontable == again.co_exceptiontable
        assert list(code.co_lines()) == list(again.co_lines())


@pytest.mark.parametrize("name", ["_pydecimal", "typing", "tarfile", "unittest.mock", "asyncio.base_events"])
def test_lines_are_the_same(name: str) -> None:
    """The rewritten code has the same lines in the same order, and no call is left alone."""
    module = compiled(name)
    skipped: list[Skipped] = []
    rewritten = rewrite(module, counting({}), module=name, namespace={}, skipped=skipped)

    def lines(code: CodeType) -> list[int | None]:
        found = [line for *_, line in code.co_lines()]
        return [line for index, line in enumerate(found) if index == 0 or found[index - 1] != line]

    assert [lines(code) for code in every_code(module)] == [lines(code) for code in every_code(rewritten)]
    assert skipped == []
