"""Static search for callers: which code calls which operation, read from the source without any registration.

Code names an operation by its key or its route anywhere, by its bare id in a `call`, `page` or `pages`, or by the
facade's `api.contacts.get_contact`, also through a variable assigned from `api.contacts`. The caller is named by what
encloses the use: a job's decorator, a sync resource's name, else the constant, function or module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from integrations.gateway.codegen.facade_text import method_names
from integrations.highlevel.catalogue import Catalogue

_CALLS = frozenset({"call", "page", "pages"})
_SKIPPED = frozenset({"facade", "migrations", "tests"})  # generated for all operations, or not production code


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One use of an operation or event. `caller` names the enclosing code, `source` the file and line."""

    name: str
    caller: str
    source: str


def find(catalogue: Catalogue, folders: Iterable[Path], *, root: Path) -> dict[str, list[Use]]:
    """Every use in the folders, by the operation's key. Paths are relative to `root` for files inside it."""
    return _found(_Names(catalogue), folders, root)


def find_events(types: Iterable[str], folders: Iterable[Path], *, root: Path) -> dict[str, list[Use]]:
    """Every place that names an event's type, such as a handler, a job's `on` or a resource; otherwise as `find`."""
    return _found(_EventNames(frozenset(types)), folders, root)


def _found(names: _Names | _EventNames, folders: Iterable[Path], root: Path) -> dict[str, list[Use]]:
    found: dict[str, list[Use]] = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            if not _SKIPPED & set(file.relative_to(folder).parts):
                for use in _in_file(names, file, root):
                    found.setdefault(use.name, []).append(use)
    return {name: sorted(set(uses)) for name, uses in sorted(found.items())}


class _EventNames:
    """The types of events."""

    def __init__(self, types: frozenset[str]) -> None:
        self._types = types

    def of(self, node: ast.AST, _: Mapping[str, str]) -> str | None:
        """The type that this node names."""
        text = _text(node) if isinstance(node, ast.Constant) else ""
        return text if text in self._types else None


class _Names:
    """All names of each operation, mapped to its key."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.exact: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.methods: dict[tuple[str, str], str] = {}
        for operation in catalogue.operations():
            self.exact |= {operation.key: operation.key, f"{operation.method} {operation.path}": operation.key}
            self.ids[operation.operation_id] = operation.key
            self.methods |= dict.fromkeys(method_names(operation), operation.key)

    def of(self, node: ast.AST, aliases: Mapping[str, str]) -> str | None:
        """The key of the operation that this node names. `aliases` are the file's variables for facade groups."""
        if isinstance(node, ast.Constant):
            return self.exact.get(_text(node))
        if isinstance(node, ast.Call) and _last_name(node.func) in _CALLS and node.args:
            return self.ids.get(_text(node.args[0]))
        if isinstance(node, ast.Attribute):
            group = _last_name(node.value)
            return self.methods.get((aliases.get(group, group), node.attr))
        return None


def _in_file(names: _Names | _EventNames, file: Path, root: Path) -> Iterator[Use]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    aliases = dict(pair for node in ast.walk(tree) for pair in _aliases(node))
    for node, parents in _nodes(tree, ()):
        key = names.of(node, aliases)
        if key is not None:
            yield Use(key, _caller(parents) or file.stem, f"{shown}:{getattr(node, 'lineno', 0)}")


def _aliases(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Variable and group: `people`, `contacts` for `people = api.contacts`."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
        yield from ((target.id, node.value.attr) for target in node.targets if isinstance(target, ast.Name))


def _nodes(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    yield node, parents
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child, (*parents, node))


def _caller(parents: tuple[ast.AST, ...]) -> str:
    """The innermost enclosing node that has a name."""
    return next((name for parent in reversed(parents) if (name := _name(parent))), "")


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return next(filter(None, map(_decorated, node.decorator_list)), node.name)
    if isinstance(node, ast.Call):
        named = next((k.value for k in node.keywords if k.arg == "name"), None)
        return f"{_last_name(node.func)} {_text(named)}" if named is not None and _text(named) else ""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id if node.targets[0].id.isupper() else ""
    return ""


def _decorated(node: ast.expr) -> str:
    """`task sync.advance` for `@task("sync.advance")`."""
    text = _text(node.args[0]) if isinstance(node, ast.Call) and node.args else ""
    return f"{_last_name(node.func)} {text}" if isinstance(node, ast.Call) and text else ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
