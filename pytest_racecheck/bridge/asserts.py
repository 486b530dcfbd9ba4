"""In the process that forks others: asserts say as much as they do in the process that pytest runs in."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

WHERE = "pytest_racecheck.bridge.asserts:rewrite"
"""What is to be called there, see `instrument.warm`."""


def rewritten_files() -> list[str]:
    """The files whose asserts pytest has rewritten in this process."""
    modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    specs = [getattr(module, "__spec__", None) for module in modules]
    return sorted(spec.origin for spec in specs if spec is not None and spec.origin and _is_of_pytest(spec.loader))


def _is_of_pytest(loader: object) -> bool:
    return type(loader).__name__ == "AssertionRewritingHook"


def rewrite(files: Sequence[str]) -> None:
    """Rewrite the asserts in these files when they are imported."""
    known = next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)
    if known is None:
        sys.meta_path.insert(0, _Finder(set(files)))
    else:
        known.files.update(files)


class _Finder(MetaPathFinder):
    def __init__(self, files: set[str]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what the usual finder does; only the code of some files is made otherwise."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin not in self.files:
            return None
        spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        """Make the code anew: it is not that of the usual cache."""
        from _pytest.assertion.rewrite import rewrite_asserts

        source = self.get_data(self.path)
        tree = ast.parse(source, filename=self.path)
        rewrite_asserts(tree, source)
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code
