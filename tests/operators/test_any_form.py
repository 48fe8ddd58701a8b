"""Whatever a form says: every page that takes one answers garbage in each of its fields without a fault of ours.

As `test_any_parameter`, for POST. The fields come from what the page reads, so a new form is judged without a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from integrations.console.alerts import alerts_view
from integrations.console.safekeeping import safekeeping_view
from integrations.operators.sign_in import enrolment_page
from tests.operators.test_any_parameter import FAULT, Reads, owner, pages, reads

__all__ = ["owner", "reads"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("unrendered")]

# More digits than `int` takes, deeper than `json` goes, a moment that is none, and JSON that is no passkey.
DIGITS = "9" * 5_000
GARBAGE = ("x(", DIGITS, "\0", "²", "[" * 100_000, "2026-13-40T99:99", '{"id": 1, "response": {"a": 1}}')
# What chooses the branch of a page that takes several forms.
BRANCHES = {
    "do": (*enrolment_page._ACTS, "download", "save", "forget"),
    "action": (*safekeeping_view._ACTIONS, *alerts_view._ACTIONS),
    "act": ("on", "off", "delete"),
}
KEPT = frozenset({"logout", "admin_logout", "sign-out"})  # they end the session


def sent(client: Client, url: str, fields: dict[str, Any]) -> list[str]:
    """The form in words, if it ends in a fault."""
    answer = client.post(url, fields)
    if answer.status_code != FAULT:
        return []
    return [f"{url} {json.dumps({name: str(value)[:20] for name, value in fields.items()})}"]


def faults(client: Client, url: str, names: Iterable[str], branch: dict[str, str]) -> Iterator[str]:
    """What the page answers with a fault: garbage in all fields at once, and a number in each alone."""
    fields = sorted(set(names) - branch.keys() - {"csrfmiddlewaretoken"})
    for value in GARBAGE:
        yield from sent(client, url, dict.fromkeys(fields, value) | branch)
    for name in fields if len(fields) > 1 else ():
        yield from sent(client, url, {name: DIGITS} | branch)


@pytest.mark.django_db(transaction=True)
def test_no_field_of_a_form_makes_its_page_fail(people: dict[str, Any], owner: Client, reads: Reads) -> None:
    found: dict[str, set[str]] = {}
    failed: list[str] = []
    for page, url in pages(people):
        if page in KEPT or (page.endswith(("_changelist", "_export")) and page != "webhooks_event_export"):
            continue  # actions have a test of their own, and the exports of all lists are one page
        reads.names.clear()
        if owner.post(url, {}).status_code in (403, 404, 405):
            continue
        found[page] = {name for name in reads.names if name.isprintable()}
        branches = [{name: value} for name in found[page] & BRANCHES.keys() for value in BRANCHES[name]]
        for branch in [{}, *branches]:
            reads.names.clear()
            owner.post(url, branch)
            found[page] |= {name for name in reads.names if name.isprintable()}
            failed += faults(owner, url, found[page], branch)
        owner.force_login(User.objects.get(username="olga"))
    assert failed == []
    assert {"passkey", "code", "do"} <= found["second-factor"]
    assert {"day", "at", "locations"} <= found["exports_export_new"]


@pytest.mark.django_db(transaction=True)
def test_no_key_in_the_address_of_a_page_makes_it_fail(people: dict[str, Any], owner: Client) -> None:
    failed: list[str] = []
    for model in admin.site._registry:
        for key in ("place1", "999999999", "9" * 30, "²"):
            url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{key}/change/"
            if FAULT in (owner.get(url).status_code, owner.post(url, {}).status_code):
                failed.append(url)
    assert failed == []


@pytest.mark.django_db(transaction=True)
def test_no_key_of_a_row_makes_an_action_fail(people: dict[str, Any], owner: Client) -> None:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username="olga")
    failed: list[str] = []
    for model, page in admin.site._registry.items():
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for action in page.get_actions(request):
            for value in GARBAGE:
                failed += sent(owner, url, {"action": action, helpers.ACTION_CHECKBOX_NAME: [value]})
                failed += sent(owner, url, {"action": action, helpers.ACTION_CHECKBOX_NAME: ["0"], "index": value})
    assert failed == []
