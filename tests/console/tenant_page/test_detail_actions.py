"""The actions of each list are buttons on the page of a row, and those of its parts on the page of a tenant."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.pages.row_actions import RowActions
from integrations.outbox.models import Entry, TenantOutbox
from integrations.sync.models import Plan
from integrations.tenants.models import Installation
from integrations.webhooks.models import Event
from tests.console.conftest import LOCATION
from tests.console.tenant_page.test_tenant_page import PAGE, receive
from tests.operators.conftest import people as people

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
DIALOGS = {"refresh_now": "refresh_this", "mint_again": "mint_this", "suspend": "suspend_this"}


@pytest.mark.slow
def test_each_action_that_fits_a_row_is_a_button_or_a_dialog_on_its_page(
    operator_client: Client, operator: User, people: dict[str, Any]
) -> None:
    request = RequestFactory().get("/admin/")
    request.user = operator
    lacking, seen = {}, set()
    for label, row in people.items():
        page = admin.site.get_model_admin(type(row))
        if not isinstance(page, RowActions):
            continue
        names = [name for name in page.get_actions(request) if name != "delete_selected"]
        fitting = {name for name in names if page.applies_to(row, name)}
        url = reverse(f"admin:{label.lower().replace('.', '_')}_change", args=[row.pk])
        text = operator_client.get(url).content.decode()
        offered = set(re.findall(r'name="action" value="(\w+)"', text))
        offered |= {name for name, dialog in DIALOGS.items() if re.search(dialog.replace("_", "[-_]"), text)}
        seen |= {f"{label} {name}" for name in fitting & offered}
        if fitting - offered:
            lacking[label] = fitting - offered
    assert lacking == {}
    assert {"webhooks.Event process_again", "quota.Parked drop", "problems.Problem call_fixed"} <= seen


def press(client: Client, text: str, form: str, action: str) -> None:
    """Post the form of the page whose label has these words, as its button of this action does."""
    (found,) = re.findall(
        rf'<form class="row-actions" method="post" action="(\S+)" aria-label="{form}">(.*?)</form>', text
    )
    url, inside = found
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', inside):
        fields.setdefault(name, []).append(value)
    assert f'name="action" value="{action}"' in inside
    answer = client.post(url, {**fields, "action": action})
    assert (answer.status_code, answer.headers.get("Location")) == (302, PAGE)


@pytest.mark.slow
def test_the_tenants_page_runs_pauses_and_repairs_all_its_plans_at_once(
    operator_client: Client, agency: Installation
) -> None:
    now = clock.now()
    for resource in ("opportunities", "tasks"):
        Plan.objects.create(app=agency.app, location_id=LOCATION, resource=resource, synced_at=now, created_at=now)
    mine = Plan.objects.filter(location_id=LOCATION)
    text = operator_client.get(PAGE).content.decode()
    assert 'value="go_on"' not in text, "none is paused"
    for action in ("run_now", "run_in_full", "repair", "pause"):
        press(operator_client, text, "Actions on all plans", action)
    assert mine.filter(due_at__gte=now, repair_asked_at__gte=now).count() == mine.filter(enabled=False).count() == 3
    assert Plan.objects.exclude(location_id=LOCATION).filter(enabled=False).count() == 0
    press(operator_client, operator_client.get(PAGE).content.decode(), "Actions on all plans", "go_on")
    assert mine.filter(enabled=True).count() == 3
    entries = AuditEntry.objects.filter(action__startswith="sync.").order_by("pk")
    assert [len(entry.detail["plans"]) for entry in entries] == [3] * 5


def test_parts_of_a_tenant_are_cured_on_its_page(operator_client: Client, agency: Installation) -> None:
    event = receive(agency.app, 1)
    Event.objects.update(status="poisoned", error="no such field")
    here = {"app": agency.app, "level": "Location", "tenant_id": LOCATION, "created_at": clock.now()}
    box = TenantOutbox.objects.create(**here)
    put = {"outbox": box, "entity": "e", "operation": "contacts.create-note", "lane": "events"}
    entry = Entry.objects.create(key="a", state="unknown", sent_at=clock.now(), created_at=clock.now(), **put)
    installation = Installation.objects.get(resource_id=LOCATION)
    text = operator_client.get(PAGE).content.decode()
    press(operator_client, text, re.escape(f"Actions on {event}"), "process_again")
    press(operator_client, text, re.escape(f"Actions on {box}"), "pause")
    press(operator_client, text, re.escape(f"Actions on {installation}"), "reconcile_now")
    assert f'_selected_action" value="{entry.pk}"' in text
    assert Event.objects.get().status == "pending"
    assert not TenantOutbox.objects.get().enabled
    assert AuditEntry.objects.filter(action="install.reconcile_requested").count() == 1
