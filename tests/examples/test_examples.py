"""The apps in docs/examples are short, and leave an audit trail.

That they do what they say, with their own tests and in a project of their own, is in `tests/package/`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hlapp import app_imports
from hlapp.project import PACKAGE
from hlapp.testing import kit
from hlapp.testing.kit import HighLevel
from integrations.core.models import AuditEntry
from integrations.jobs import define, events
from integrations.webhooks import handlers
from tests.support import own_pages

EXAMPLES = PACKAGE.parent / "docs/examples"
APPS = sorted(one.parent for one in EXAMPLES.glob("*/__init__.py"))


@pytest.fixture
def highlevel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    yield from kit.play(monkeypatch)


@pytest.fixture(autouse=True)
def no_others() -> Iterator[None]:
    """What an example registers ends with the test."""
    jobs, handled = dict(define.JOBS), dict(handlers.HANDLERS)
    yield
    for registry, before in ((define.JOBS, jobs), (handlers.HANDLERS, handled)):
        registry.clear()
        registry.update(before)


def load(name: str) -> ModuleType:
    """A module of an example, as of an app in `apps/`."""
    file = EXAMPLES.joinpath(*name.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"apps.{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    events.register()
    return module


def test_a_tag_that_a_user_adds_is_in_the_audit_trail(
    highlevel: HighLevel, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = load("tagging.views")
    templates = EXAMPLES / "tagging/templates"
    own_pages.serve("tagging/", views.contacts, templates, settings=settings, monkeypatch=monkeypatch)

    load("tests.test_tagging").test_users_list_and_tag_contacts(highlevel)

    assert AuditEntry.objects.filter(action="tagging.tag", actor__startswith="user").count() == 2


@pytest.mark.parametrize("app", APPS, ids=lambda one: one.name)
def test_an_example_is_short_and_imports_the_public_surface_alone(app: Path) -> None:
    texts = [one.read_text(encoding="utf-8") for one in app.rglob("*.*") if one.suffix in (".py", ".html")]
    lines = [line for text in texts for line in text.splitlines()]
    assert len([line for line in lines if line.strip()]) < 60
    assert list(app_imports.beyond_public(app)) == []
