"""Adds a template's code to a module of an app: imports are merged, the rest goes to the end."""

from __future__ import annotations

import ast
import sys


def merged(existing: str, added: str) -> str:
    """The module's text with the code of `added`, a whole module, in it. Raises SyntaxError for a broken module."""
    if not existing.strip():
        return added
    names, body = _imports(added), _body(added)
    for module, wanted in sorted(_imports(existing).items()):
        names[module] = names.get(module, set()) | wanted
    head, rest = _head(existing), _body(existing)
    gap = "\n" if body.startswith("urlpatterns") else "\n\n\n"
    return f"{head}{_written(names)}\n{_before(rest)}{rest.strip()}{gap}{body.strip()}\n"


def defined(text: str) -> set[str]:
    """The functions and classes of a module. Raises SyntaxError for a broken one."""
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _written(names: dict[str, set[str]]) -> str:
    """The import statements, in the groups of isort: standard library, packages, the project's own."""
    groups: dict[int, list[str]] = {}
    for module, wanted in sorted(names.items()):
        top = module.partition(".")[0]
        group = 0 if module == "__future__" else 1 if top in sys.stdlib_module_names else 3 if top == "apps" else 2
        groups.setdefault(group, []).append(f"from {module} import {', '.join(sorted(wanted, key=_order))}")
    return "\n\n".join("\n".join(lines) for _, lines in sorted(groups.items())) + "\n"


def _before(body: str) -> str:
    """Two blank lines before a function or class, else one."""
    return "\n" if body.startswith(("def ", "class ", "@")) else ""


def _order(name: str) -> tuple[int, str]:
    """Constants, classes, functions: as isort orders names."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


def _imports(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found.setdefault(node.module, set()).update(
                alias.name if alias.asname is None else f"{alias.name} as {alias.asname}" for alias in node.names
            )
    return found


def _head(text: str) -> str:
    """The docstring, and plain imports of modules."""
    kept = [ast.get_source_segment(text, node) or "" for node in ast.parse(text).body if _is_head(node)]
    return "".join(f"{part}\n\n" for part in kept)


def _is_head(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _body(text: str) -> str:
    """All after the imports at the top, comments included."""
    nodes = ast.parse(text).body
    first = next((node for node in nodes if not (_is_head(node) or isinstance(node, ast.ImportFrom))), None)
    if first is None:
        return ""
    decorators = getattr(first, "decorator_list", [])
    line = min([first.lineno, *(one.lineno for one in decorators)])
    lines = text.splitlines()
    while line > 1 and lines[line - 2].startswith("#"):
        line -= 1
    return "\n".join(lines[line - 1 :])
