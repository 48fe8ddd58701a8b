"""The README's first job does what it says: its very code, at the sandbox vendor."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from integrations.core import clock
from integrations.gateway import client
from integrations.jobs import define, runs, schedules
from integrations.jobs.models import Run
from integrations.jobs.queries import outcome
from integrations.tenants.models import App
from tests.jobs.conftest import CONTACTS, ask, turn

README = Path(__file__).resolve().parents[2] / "README.md"
pytestmark = pytest.mark.django_db


def code() -> str:
    chapter = README.read_text(encoding="utf-8").partition("## Your first background job")[2]
    found = re.search(r"```python\n(.*?)```", chapter, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def welcome() -> Iterator[ModuleType]:
    """The README's module, imported as the app's would be."""
    module = ModuleType("apps.welcome.jobs")
    sys.modules[module.__name__] = module
    exec(compile(code(), "README.md", "exec"), module.__dict__)
    yield module
    del sys.modules[module.__name__]


def add(app: App, location: str, name: str) -> str:
    body = {"firstName": name, "email": f"{name}@example.com"}
    answer = client.call("contacts.create-contact", app=app, location=location, body=body).json
    return str(answer["contact"]["id"])


def tags(app: App, location: str, contact_id: str) -> Any:
    answer = client.call("contacts.get-contact", app=app, location=location, params={"contactId": contact_id}).json
    return answer["contact"]["tags"]


def test_it_is_about_twenty_lines() -> None:
    lines = [line for line in code().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 20


def test_it_tags_newcomers_and_nobody_twice(welcome: ModuleType, app: App, location: str) -> None:
    newcomers = [add(app, location, name) for name in ("ann", "ben")]
    job = define.find("welcome.tag_newcomers")
    assert job.title == "Tag every contact that was added since the last run."

    first = turn(ask(job, location))
    assert (first.status, first.error) == ("complete", "")
    recent = first.counts["tagged"]
    assert 2 <= recent < CONTACTS, "the newest alone"
    assert all("newcomer" in tags(app, location, contact_id) for contact_id in newcomers)

    later = add(app, location, "cleo")
    again = turn(ask(job, location))
    assert (again.status, outcome(again)) == ("complete", "1 tagged")
    assert "newcomer" in tags(app, location, later)


def test_it_is_scheduled_for_the_location_every_hour(welcome: ModuleType, location: str) -> None:
    schedules.create_missing(clock.now())
    (pk,) = schedules.start_due(clock.now() + timedelta(minutes=11))
    Run.objects.update(due_at=clock.now())
    runs.advance(pk)
    run = Run.objects.select_related("schedule").get(pk=pk)
    assert (run.status, run.schedule.tenant_id) == ("complete", location)
    assert run.schedule.due_at is not None
    assert run.schedule.due_at - clock.now() > timedelta(minutes=50)
