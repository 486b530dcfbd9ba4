"""What the code does with a value that it reads: decides by it, or only goes on with it. Read off the source."""

from __future__ import annotations

import ast
import linecache
from enum import Enum
from functools import lru_cache
from typing import Final

from pytest_racecheck.core.values import Site

DEPTH: Final = 3
"""So many variables in a row are followed."""


LONGEST: Final = 60
"""So long may the name of a lock be."""


class Role(Enum):
    """What becomes of a value."""

    DECISION = "where the code goes on depends on it"
    NOTHING = "nobody looks at it"
    VALUE = "it is worked with, and nothing is decided by it"
    UNKNOWN = "it is handed on, or the source is not there"


class _Source:
    """One file, taken apart."""

    def __init__(self, filename: str) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.at: dict[tuple[int, int], list[ast.expr]] = {}
        self.blocks: dict[int, ast.With | ast.AsyncWith] = {}
        """By the line that they begin on, and that of each thing that they enter."""
        try:
            tree = ast.parse("".join(linecache.getlines(filename)))
        except (SyntaxError, ValueError, RecursionError):
            return
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.With | ast.AsyncWith):
                self.blocks.update(
                    dict.fromkeys([node.lineno, *[item.context_expr.lineno for item in node.items]], node)
                )
            if isinstance(node, ast.expr):
                self.at.setdefault((node.lineno, node.col_offset), []).append(node)

    def node_of(self, site: Site) -> ast.expr | None:
        """The expression at a site."""
        if site.column is None:
            return None
        found = self.at.get((site.line, site.column), [])
        exact = [node for node in found if node.end_col_offset == site.end_column]
        named = [node for node in exact or found if _is_named(node, site)]
        return next(iter(named or exact or found), None)

    def role(self, node: ast.expr, depth: int = DEPTH) -> Role:
        """What becomes of the value of an expression."""
        if isinstance(self.parents.get(node), ast.Expr):
            return Role.NOTHING
        asked = handed = False
        child: ast.AST = node
        while (parent := self.parents.get(child)) is not None:
            if _decides(parent, child):
                return Role.DECISION
            if isinstance(parent, ast.Return | ast.Yield | ast.Lambda):
                return Role.DECISION if asked else Role.UNKNOWN
            if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr):
                followed = self._followed(parent, depth)
                if not isinstance(parent, ast.NamedExpr) or followed is Role.DECISION:
                    return followed
            elif isinstance(parent, ast.stmt):
                return Role.UNKNOWN if handed else Role.VALUE
            asked = asked or _asks(parent)
            handed = handed or (isinstance(parent, ast.Call) and child is not parent.func)
            child = parent
        return Role.UNKNOWN

    def _followed(self, assignment: ast.Assign | ast.AnnAssign | ast.NamedExpr, depth: int) -> Role:
        """What becomes of the variable that a value is kept in."""
        names = _names_of(assignment)
        if not names:
            return Role.VALUE
        if depth == 0:
            return Role.UNKNOWN
        roles = {self.role(use, depth - 1) for use in self._uses(assignment, names)}
        return next((role for role in (Role.DECISION, Role.UNKNOWN) if role in roles), Role.VALUE)

    def _uses(self, assignment: ast.AST, names: set[str]) -> list[ast.Name]:
        loads = (node for node in ast.walk(self.function(assignment)) if isinstance(node, ast.Name))
        return [node for node in loads if node.id in names and isinstance(node.ctx, ast.Load)]

    def function(self, node: ast.AST) -> ast.AST:
        """The function that a node stands in, or the module."""
        while node in self.parents and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            node = self.parents[node]
        return node

    def statement(self, node: ast.AST) -> ast.AST:
        """The statement that a node belongs to."""
        while node in self.parents and not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def reaches(self, value: ast.AST, statement: ast.AST, depth: int = DEPTH) -> bool:
        """Whether the value of an expression goes into a statement, or decides whether that is executed."""
        child = value
        while (parent := self.parents.get(child)) is not None:
            if child is statement or (_decides(parent, child) and self._rules(parent, statement)):
                return True
            if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr) and depth and parent is not statement:
                uses = self._uses(parent, _names_of(parent))
                if any(self.reaches(use, statement, depth - 1) for use in uses):
                    return True
            if isinstance(child, ast.stmt):
                return False
            child = parent
        return False

    def _rules(self, deciding: ast.AST, statement: ast.AST) -> bool:
        """Whether it depends on a decision that a statement is executed: it lies inside, or behind a way out."""
        if any(node is statement for node in ast.walk(deciding)):
            return True
        leaves = isinstance(deciding, ast.If | ast.While) and any(
            isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break) for node in ast.walk(deciding)
        )
        later = getattr(statement, "lineno", 0) > getattr(deciding, "lineno", 0)
        return (leaves or isinstance(deciding, ast.While | ast.Assert)) and later


def _names_of(assignment: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> set[str]:
    targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
    inside = [each for target in targets for each in ast.walk(target)]
    return {each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def goes_into(first: Site, last: Site) -> bool:
    """Whether the source shows that what is read at one site decides what is done at another, in the same function."""
    if first.filename != last.filename or first.qualname != last.qualname:
        return False
    source = _source(first.filename)
    read, written = source.node_of(first), source.node_of(last)
    if read is None or written is None or source.function(read) is not source.function(written):
        return False
    return source.reaches(read, source.statement(written))


def role_of(site: Site) -> Role:
    """What becomes of the value that is read at a site."""
    return _role(site)


@lru_cache(maxsize=4096)
def _role(site: Site) -> Role:
    source = _source(site.filename)
    node = source.node_of(site)
    return Role.UNKNOWN if node is None else source.role(node)


@lru_cache(maxsize=128)
def _source(filename: str) -> _Source:
    return _Source(filename)


def _is_named(node: ast.expr, site: Site) -> bool:
    """Whether an expression is of the kind that a site announces."""
    if "attribute" in site.action:
        return isinstance(node, ast.Attribute) and node.attr == site.name
    if "global" in site.action or "cell" in site.action:
        return isinstance(node, ast.Name) and node.id == site.name
    return isinstance(node, _NODES.get(site.action, ast.expr))


_NODES: Final[dict[str, type[ast.expr]]] = {
    "read_item": ast.Subscript, "write_item": ast.Subscript, "delete_item": ast.Subscript, "call": ast.Call,
    "contains": ast.Compare, "compare": ast.Compare,
}  # fmt: skip


def _decides(parent: ast.AST, child: ast.AST) -> bool:
    """Whether the value of an expression says where the code goes on."""
    if isinstance(parent, ast.If | ast.While | ast.IfExp | ast.Assert):
        return child is parent.test
    if isinstance(parent, ast.comprehension):
        return child in parent.ifs
    if isinstance(parent, ast.match_case):
        return child is parent.guard
    return isinstance(parent, ast.Match)


def _asks(parent: ast.AST) -> bool:
    """Whether only an answer is left of the value: yes or no."""
    return isinstance(parent, ast.Compare | ast.BoolOp) or (
        isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not)
    )


def lock_at(site: Site) -> str:
    """What the source calls the lock that is taken at a site."""
    source = _source(site.filename)
    node: ast.AST | None = source.node_of(site)
    block = source.blocks.get(site.line)
    if site.action == "enter" and block is not None:
        entered = [item.context_expr for item in block.items]
        if node not in entered:
            names = [_short(each) for each in entered]
            return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return "a lock" if node is None else _short(node)


def name_at(site: Site) -> str:
    """What the source calls the thing that is accessed at a site."""
    node: ast.AST | None = _source(site.filename).node_of(site)
    while isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            node = node.func.value
        elif node.args:
            node = node.args[0]
        else:
            break
    if isinstance(node, ast.Compare):
        node = node.comparators[-1]
    return site.name or "something" if node is None else _short(node, site.name or "something")


def _short(node: ast.AST, otherwise: str = "a lock") -> str:
    text = ast.unparse(node)
    return text if len(text) <= LONGEST else otherwise
