"""Where a page is: the sidebar goes by an operator's questions, and the head says the same in the same words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.operators.conftest import people as people

GROUPS = ["Overview", "Tenants", "Problems", "Activity", "Quota & usage", "Developers", "Settings"]


def head(page: str) -> list[str]:
    found = re.search(r'<h1 class="breadcrumbs.*?</h1>', page, re.DOTALL)
    assert found
    words = re.sub(r"<[^>]+>", "\n", found[0]).replace("chevron_right", "").replace("&amp;", "&")
    return [line.strip() for line in words.splitlines() if line.strip()]


def test_the_groups_are_questions_and_no_page_is_in_two(operator_client: Client) -> None:
    groups = operator_client.get("/admin/").context["sidebar_navigation"]
    assert [group["title"] for group in groups] == GROUPS
    titles = [item["title"] for group in groups for item in group["items"]]
    links = [item["link"] for group in groups for item in group["items"]]
    assert sorted(set(titles)) == sorted(titles)
    assert sorted(set(links)) == sorted(links)
    lists = {
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    }
    assert lists <= set(links), "every list is reached from the sidebar"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/admin/", ["Overview", "Dashboard"]),
        ("/admin/sync/run/", ["Activity", "Sync runs"]),
        ("/admin/sync/run/export/", ["Activity", "Sync runs", "Export runs"]),
        ("/admin/sync/plan/choose/", ["Settings", "Choose resources"]),
        ("/admin/core/workerprocess/safekeeping/", ["Settings", "Keys, spool and audit"]),
        ("/admin/password_change/", ["Password change"]),
    ],
)
def test_the_head_says_where_the_page_is(operator_client: Client, path: str, words: list[str]) -> None:
    page = operator_client.get(path)
    assert head(page.content.decode()) == words
    active = [item for group in page.context["sidebar_navigation"] for item in group["items"] if item["active"]]
    assert len(active) == (len(words) > 1)


@pytest.mark.slow
def test_the_head_of_a_row_ends_with_its_name(operator_client: Client, people: dict[str, Any]) -> None:
    """For every model: its own words, and none of Django's for a row without a name, such as `Run object (5)`."""
    heads = {}
    for label, row in people.items():
        page = operator_client.get(reverse(f"admin:{label.lower().replace('.', '_')}_change", args=[row.pk]))
        heads[label] = head(page.content.decode())
    assert {label: words for label, words in heads.items() if len(words) != 3 or words[0] not in GROUPS} == {}
    assert {label: words for label, words in heads.items() if "object (" in words[-1]} == {}
