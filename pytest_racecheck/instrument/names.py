"""Says what a site touches in the words of its source: ``self.n``, ``cache['k']``, ``lock_a``."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from typing import Final

from pytest_racecheck.core.values import Site

LONGEST: Final = 60


@lru_cache(maxsize=4096)
def source_of(site: Site) -> str:
    """The expression at a site, if it stands on one line; else the site's own name."""
    line = linecache.getline(site.filename, site.line).encode()
    if site.column is None or site.end_column is None or not line:
        return site.name
    text = line[site.column : site.end_column].decode(errors="replace").strip()
    return text if _parsed(text) is not None else site.name


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def managers_of(site: Site) -> list[str]:
    """What a ``with`` statement that stands on one line enters."""
    line = linecache.getline(site.filename, site.line).strip()
    try:
        statement = ast.parse(f"{line} pass" if line.endswith(":") else line).body[0]
    except (SyntaxError, ValueError, IndexError):
        return []
    if not isinstance(statement, ast.With | ast.AsyncWith):
        return []
    return [short(ast.unparse(item.context_expr)) for item in statement.items]


def attribute_name(site: Site) -> str:
    """``self.n`` for a site that reads or writes it."""
    node = _parsed(source_of(site))
    if isinstance(node, ast.Attribute) and node.attr == site.name:
        return short(ast.unparse(node))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return short(ast.unparse(node.func))
    return site.name


def item_name(site: Site, key: str) -> str:
    """``cache['k']`` for a site that says ``cache[key]``."""
    node = _parsed(source_of(site))
    if isinstance(node, ast.Subscript):
        return f"{short(ast.unparse(node.value))}[{key}]"
    return f"{container_name(site)}[{key}]"


def container_name(site: Site) -> str:
    """``cache`` for a site that says ``cache.get(key)``, ``cache[1:]``, ``x in cache`` or just ``cache``."""
    node = _parsed(source_of(site))
    if isinstance(node, ast.Call):
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0] if node.args else node.func
    elif isinstance(node, ast.Subscript):
        node = node.value
    elif isinstance(node, ast.Compare):
        node = node.comparators[-1]
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        node = node.generators[0].iter
    return short(ast.unparse(node)) if node is not None else site.name


def short(text: str) -> str:
    """A text that fits a column of the report."""
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
