"""The threat model of docs/security.md: every line names tests that exist, or says that something remains."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from django.apps import apps

from integrations.console import embed_limits
from integrations.installs import install_limits
from integrations.operators.sign_in import back_off
from integrations.quota.request_limits import RequestLimit

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
MODEL = TEXT.split("## Who can do what\n")[1].split("\n## ")[0]
LINES = re.findall(r"^- .*(?:\n  .*)*", MODEL, re.MULTILINE)
CITED = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")
ACTORS = ("stranger", "HighLevel user", "agency", "Staff", "operator", "Redis", "database", "backup", "vendor")


def section(head: str) -> str:
    return TEXT.split(f"## {head}\n")[1].split("\n## ")[0]


def missing(text: str) -> list[str]:
    """The tests that the text names and that do not exist; every link to a test has the test's name."""
    cited = CITED.findall(text)
    assert len(cited) == text.count("](../tests/"), "a link to a test has the test's name"
    return [f"{path}::{name}" for name, path in cited if name not in functions(path)]


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_line_has_its_tests_or_says_what_remains() -> None:
    assert len(LINES) > 40
    assert [line for line in LINES if not CITED.search(line) and not line.startswith("- **Remains:** ")] == []
    assert [line for line in LINES if CITED.search(line) and "**Remains" in line] == []


def test_the_named_tests_exist() -> None:
    assert len(CITED.findall(MODEL)) > 60
    assert missing(MODEL) == []


def test_every_hole_has_its_kind_where_it_was_searched_and_its_tests() -> None:
    holes = re.findall(r"^- .*(?:\n  .*)*", section("Holes that were found"), re.MULTILINE)
    assert len(holes) > 15
    shape = re.compile(r"- \*\*[^*]+\.\*\*\s+\*Kind:\*\s[^*]+\s\*Searched:\*\s[^*\[]+(?:\[[^*]+)+\Z")
    assert [hole for hole in holes if not shape.match(hole)] == []
    assert [hole for hole in holes if not CITED.search(hole)] == []
    assert missing("\n".join(holes)) == []


def test_every_door_has_its_limits_and_their_tests() -> None:
    doors = section("Doors that are open to everybody")
    assert missing(doors) == []
    for limit, number in {
        install_limits.BEGUN: "| 60 begun |",
        install_limits.STORED: "| 3,000 stored;",
        install_limits.FAILED: "| 20 that failed |",
        install_limits.FAILED_BY_ALL: "| 300 that failed without",
        embed_limits.EMBED_REQUESTS: "| 1,200 |",
        embed_limits.EMBED_PAGES: "| 240 of a user |",
        embed_limits.EMBED_EXCHANGES: "| 6,000 sessions of an app |",
        embed_limits.FAILED_BY_ALL: "| 600 payloads",
        back_off.SIGN_INS: "| 30; back-off after",
        back_off.OPENID_OF_STRANGERS: "| 600 by browsers",
    }.items():
        assert number in doors, limit
        assert re.search(rf"\b{limit.per_minute:,}\b", number), "the code has the same number"
    made = (name for room in (install_limits, embed_limits, back_off) for name in vars(room).values())
    assert len({one.name for one in made if isinstance(one, RequestLimit)}) == 12, "a new limit belongs there, too"


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
