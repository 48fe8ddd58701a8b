"""The threat model of docs/security.md: every line names tests that exist, or says that something remains."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
MODEL = TEXT.split("## Who can do what\n")[1].split("\n## ")[0]
LINES = re.findall(r"^- .*(?:\n  .*)*", MODEL, re.MULTILINE)
CITED = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")
ACTORS = ("stranger", "HighLevel user", "agency", "Staff", "operator", "Redis", "database", "backup", "vendor")


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_line_has_its_tests_or_says_what_remains() -> None:
    assert len(LINES) > 40
    assert [line for line in LINES if not CITED.search(line) and not line.startswith("- **Remains:** ")] == []
    assert [line for line in LINES if CITED.search(line) and "**Remains" in line] == []


def test_the_named_tests_exist() -> None:
    cited = CITED.findall(MODEL)
    assert len(cited) > 60
    assert len(cited) == MODEL.count("](../tests/"), "a link to a test has the test's name"
    assert [f"{path}::{name}" for name, path in cited if name not in functions(path)] == []


def test_every_actor_has_a_section() -> None:
    heads = re.findall(r"^### (.+)$", MODEL, re.MULTILINE)
    assert [actor for actor in ACTORS if not any(actor in head for head in heads)] == []


def test_every_table_with_a_due_time_says_what_keeps_others_from_having_it_act() -> None:
    table = TEXT.split("## Rows that make workers act\n")[1].split("\n## ")[0]
    named = {name for line in table.splitlines() for name in re.findall(r"`(\w+\.[A-Z]\w+)`", line)}
    assert named >= tables_with("due_at"), "each has a line"
    assert named <= tables_with("due_at") | tables_with("mac"), "and others only where a MAC decides"


def tables_with(column: str) -> set[str]:
    """Our models that have a column whose name ends so."""
    ours = (model for model in apps.get_models() if model.__module__.startswith("integrations."))
    return {one._meta.label for one in ours if any(field.name.endswith(column) for field in one._meta.concrete_fields)}
