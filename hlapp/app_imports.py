"""Imports of own apps: they may use the public surface of hlapp, and all else in it may change with any version."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PUBLIC = ("hlapp.api", "hlapp.testing")
OURS = ("hlapp", "integrations")


def beyond_public(folder: Path) -> Iterator[tuple[str, str]]:
    """Each import in this package that goes beyond the public surface: `<file>:<line>`, and the module's name."""
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for line, name in _imported(node):
                if _below(name, OURS) and not _below(name, PUBLIC):
                    yield f"{file.relative_to(folder.parent)}:{line}", name


def _imported(node: ast.AST) -> list[tuple[int, str]]:
    match node:
        case ast.Import(names=names):
            return [(node.lineno, alias.name) for alias in names]
        case ast.ImportFrom(module=str(module), level=0, names=names):
            # `from hlapp import api` names a module of the package.
            return [(node.lineno, f"{module}.{alias.name}" if module in OURS else module) for alias in names]
        case _:
            return []


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
