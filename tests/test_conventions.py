"""Conventions: where states of rows change, what decisions about errors read, and the words of prose."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_structure import PACKAGES, ROOT, modules

STATES = {"phase", "state", "status", "status_at"}  # columns that hold the state of a row, or since when it has it
PROSE = {".py", ".html", ".js", ".lua", ".txt"}
WRITERS = {"update", "bulk_update", "update_or_create"}


def outside_querysets(node: ast.AST) -> Iterator[ast.AST]:
    """The functions of a module that are not methods of a QuerySet or Manager."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and child.name.endswith(("QuerySet", "Manager")):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        else:
            yield from outside_querysets(child)


def state_writes(tree: ast.AST) -> Iterator[int]:
    """Lines outside of QuerySets that write a state: by keyword, in a dict, or by `save(update_fields=…)`."""
    for function in outside_querysets(tree):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        called = {node.func.attr: node for node in calls if isinstance(node.func, ast.Attribute)}
        for call in calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr in WRITERS:
                named = {keyword.arg for keyword in call.keywords} | strings(call.args)
                if named & STATES:
                    yield call.lineno
            if isinstance(call.func, ast.Attribute) and call.func.attr == "save":
                fields = [keyword.value for keyword in call.keywords if keyword.arg == "update_fields"]
                if strings(fields) & STATES:
                    yield call.lineno
        if WRITERS & called.keys():
            yield from (
                node.lineno for node in ast.walk(function) if isinstance(node, ast.Dict) and keys(node) & STATES
            )


def strings(nodes: list[ast.expr]) -> set[str]:
    """The texts in these expressions."""
    found = (node.value for one in nodes for node in ast.walk(one) if isinstance(node, ast.Constant))
    return {value for value in found if isinstance(value, str)}


def keys(node: ast.Dict) -> set[str]:
    """The keys of a dict display that are texts."""
    return {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    rows.filter(pk=1).update(state='sent')", [2]),
        ("def f():\n    columns = {'status': 'done'}\n    rows.update(**columns)", [2]),
        ("def f():\n    columns = {'status': 'done'}\n    return columns", []),
        ("def f():\n    rows.bulk_update(found, ['phase'])", [2]),
        ("class C:\n    def f(self):\n        row.save(update_fields=['due_at', 'status'])", [3]),
        ("class RowQuerySet:\n    def done(self):\n        self.update(state='done')", []),
        ("def f():\n    rows.filter(state='sent').update(due_at=now)", []),
    ],
)
def test_writes_of_states_are_found(source: str, lines: list[int]) -> None:
    assert list(state_writes(ast.parse(source))) == lines


@pytest.mark.slow
def test_states_change_in_querysets() -> None:
    found = {str(path): lines for path, tree in modules().items() if (lines := sorted(state_writes(tree)))}
    assert found == {}


def decisions_by_context(tree: ast.AST) -> Iterator[int]:
    """Lines that take one value out of an error's `context`, which is for showing."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="context"), attr="get" | "pop")):
                yield node.lineno
            case ast.Subscript(value=ast.Attribute(attr="context")):
                yield node.lineno
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[ast.Attribute(attr="context")]):
                yield node.lineno


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("error.context.get('reason')", [1]),
        ("error.context['sent']", [1]),
        ("'status' not in error.context", [1]),
        ("log.warning('failed', **error.context)", []),
    ],
)
def test_reads_of_a_context_are_found(source: str, lines: list[int]) -> None:
    assert list(decisions_by_context(ast.parse(source))) == lines


@pytest.mark.slow
def test_no_decision_reads_the_context_of_an_error() -> None:
    found = {str(path): lines for path, tree in modules().items() if (lines := list(decisions_by_context(tree)))}
    assert found == {}


def test_prose_names_the_actor() -> None:
    """The worker, the caller, the operator, the vendor, another program. Migrations keep their texts."""
    vague = re.compile(r"\b(somebody|whoever|lest|gainsay|hearsay)\b", re.IGNORECASE)
    texts = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in PROSE]
    texts += (ROOT / "docs").rglob("*.md")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts
        if "migrations" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if vague.search(line)
    ]
    assert len(texts) > 1000
    assert found == []
