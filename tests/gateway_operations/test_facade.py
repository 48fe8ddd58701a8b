"""The typed facade: complete, as committed, lazy, and nothing but types on top of `gateway.client`."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integrations.gateway import client
from integrations.gateway import facade as package
from integrations.gateway.client import Page, Result
from integrations.gateway.codegen.facade_text import facade, method_names
from integrations.gateway.facade import v2, v3
from integrations.gateway.tenant_api import TenantApi
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination.styles import style_of
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

FOLDER = Path(package.__file__).parent
DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v3"])
APIS: dict[str, type[TenantApi]] = {"v2": v2.Api, "v3": v3.Api}


@DIALECTS
def test_the_committed_files_are_what_the_catalogue_gives(dialect: DialectName) -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / dialect).glob("*.py")}
    assert committed == facade(catalogue(dialect), dialect), "run manage.py catalogue build"


@pytest.mark.slow
@DIALECTS
def test_every_operation_is_a_method_with_all_its_parameters(dialect: DialectName) -> None:
    api = APIS[dialect](App(dialect=dialect), location="LOC")
    for operation in catalogue(dialect).operations():
        (group, name), (_, pages) = method_names(operation)
        method = getattr(getattr(api, group), name)
        taken = {parameter.rstrip("_") for parameter in inspect.signature(method).parameters}
        wanted = {p.name for p in operation.params} | ({"body"} if operation.body else set())
        assert taken == wanted, operation.key
        assert hasattr(getattr(api, group), pages) == (style_of(operation.key, dialect) is not None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What reached the client."""
    made: list[tuple[str, dict[str, Any]]] = []

    def call(operation: str, **arguments: Any) -> Result:
        made.append((operation, arguments))
        return Result(200, None, None, operation)

    def pages(operation: str, **arguments: Any) -> list[Page]:
        made.append((operation, arguments))
        return [Page([], None, None)]

    monkeypatch.setattr(client, "call", call)
    monkeypatch.setattr(client, "pages", pages)
    return made


def test_a_method_calls_its_operation_for_the_tenant(calls: list[tuple[str, dict[str, Any]]]) -> None:
    app = App(dialect="v2")
    api = v2.Api(app, location="LOC", lane=Lane.INTERACTIVE, deadline=5.0)
    api.contacts.update_contact(contactId="C1", body={"firstName": "Ann"})
    how = {
        "app": app,
        "version": None,
        "location": "LOC",
        "company": None,
        "lane": Lane.INTERACTIVE,
        "deadline": 5.0,
        "retries": None,
    }
    expected = {"params": {"contactId": "C1"}, "body": {"firstName": "Ann"}, **how}
    assert calls == [("contacts.update-contact", expected)]


def test_what_was_not_given_is_left_to_the_gateway(calls: list[tuple[str, dict[str, Any]]]) -> None:
    api = v2.Api(App(dialect="v2"), company="COMP")
    api.oauth.get_installed_location(appId="APP")
    assert calls[0][1]["params"] == {"appId": "APP"}
    assert calls[0][1]["company"] == "COMP"


def test_a_listing_has_its_pages(calls: list[tuple[str, dict[str, Any]]]) -> None:
    api = dataclasses.replace(v2.Api(App(dialect="v2"), location="LOC"), lane=Lane.EVENTS)
    assert [page.items for page in api.contacts.search_contacts_advanced_pages(body={"query": "ann"})] == [[]]
    assert calls[0][0] == "contacts.search-contacts-advanced"
    assert (calls[0][1]["body"], calls[0][1]["lane"]) == ({"query": "ann"}, Lane.EVENTS)


def test_pages_need_no_parameter_that_they_set_themselves(calls: list[tuple[str, dict[str, Any]]]) -> None:
    """The vendor wants `limit` and `skip` with every call of this one."""
    list(v2.Api(App(dialect="v2"), location="LOC").blogs.get_blogs_pages())
    assert calls[0][1]["params"] == {}


def test_a_name_that_python_keeps_for_itself(calls: list[tuple[str, dict[str, Any]]]) -> None:
    api = v2.Api(App(dialect="v2"), company="C")
    api.snapshots.get_snapshot_push(snapshotId="S", from_="2026-01-01", to="2026-02-01", lastDoc="D", limit=5)
    assert calls[0][1]["params"]["from"] == "2026-01-01"


@DIALECTS
def test_a_facade_calls_in_its_own_version(calls: list[tuple[str, dict[str, Any]]], dialect: DialectName) -> None:
    """The vendor decides by the header: an app of the other dialect can use it too."""
    other: DialectName = "v2" if dialect == "v3" else "v3"
    api = APIS[dialect](App(name="Mine", dialect=other), location="LOC")
    api.contacts.get_contact(contactId="C1")  # type: ignore[attr-defined]
    api.call("GET /contacts/{contactId}/badges", {"contactId": "C1", "since": None}, version="2023-02-21")
    assert [(name, how["version"], how["params"]) for name, how in calls] == [
        ("contacts.get-contact", dialect, {"contactId": "C1"}),
        ("GET /contacts/{contactId}/badges", "2023-02-21", {"contactId": "C1"}),
    ]


@pytest.mark.slow
def test_only_what_is_asked_for_is_loaded() -> None:
    """42 modules of types are not read by a process that calls one operation."""
    program = (
        "import sys, tests.conftest\n"
        "from integrations.gateway.facade import v2\n"
        "from integrations.tenants.models import App\n"
        "v2.Api(App(dialect='v2'), location='L').contacts\n"
        "print([m for m in sys.modules if m.startswith('integrations.gateway.facade.v') and m.count('.') > 3])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=FOLDER.parents[2], timeout=60
    )
    assert done.stdout.strip() == "['integrations.gateway.facade.v2.contacts']"
