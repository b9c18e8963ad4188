"""Counts the names of the package: one-word functions, and names that two modules define.

`python -m tools.name_statistics` prints both; a test holds the bounds of docs/STYLE.md.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "qdrantctl"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class NameStatistics:
    """Counts of names."""

    functions: int
    """Functions and methods, without `__init__` and the like."""
    one_word: int
    """Those whose name is a single word."""
    definitions: int
    """Functions, classes and variables at module level."""
    shared: int
    """Those whose name another module defines, too."""
    most_shared: tuple[tuple[str, int], ...]
    """The names that most modules define, with how many do."""


def count_names(package: Path = PACKAGE) -> NameStatistics:
    """Count the names of every module of a package."""
    trees = [ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))]
    functions = [
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS) and not node.name.startswith("__")
    ]
    modules_of = Counter(name for tree in trees for name in set(_module_names(tree)))
    shared = {name: count for name, count in modules_of.items() if count > 1}
    return NameStatistics(
        functions=len(functions),
        one_word=sum("_" not in name.strip("_") for name in functions),
        definitions=sum(modules_of.values()),
        shared=sum(shared.values()),
        most_shared=tuple(sorted(shared.items(), key=lambda item: -item[1])[:10]),
    )


def _module_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from (part.id for part in parts if isinstance(part, ast.Name))


def main() -> None:
    """Print the counts."""
    counts = count_names()
    print(f"functions with a one-word name: {counts.one_word} of {counts.functions}"
          f" ({counts.one_word / counts.functions:.1%})")  # fmt: skip
    print(f"module-level names that another module defines: {counts.shared} of"
          f" {counts.definitions} ({counts.shared / counts.definitions:.1%})")  # fmt: skip
    for name, count in counts.most_shared:
        print(f"  {name}: {count} modules")


if __name__ == "__main__":
    main()
