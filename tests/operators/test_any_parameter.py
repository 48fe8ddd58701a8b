"""Whatever an address says: every page, with each parameter that it reads, answers garbage without a fault of ours.

The pages come from the URL configuration and the parameters from what the page reads of them, so a new page or a new
parameter is judged without a line here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, reverse

from integrations.console import urls as public_pages
from integrations.installs import urls as pages_of_installs
from integrations.operators import urls as own_pages
from tests.operators.test_access import address, patterns

# A list that the database refuses leaves no transaction to go on in, as in production, where pages have none.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("unrendered")]

GARBAGE = ("x(", "-1", "9" * 30, "\0", "²")
FAULT = 500
# Read by Django itself, on most pages: they are sent together, and the page's own ones one by one.
OF_DJANGO = frozenset({"_popup", "_to_field", "_changelist_filters", "_facets", "all", "e", "o", "p"})
TYPED = (("", "x("), ("", "\0"), ("__gte", "-x"), ("__regex", "("), ("__date", "9"), ("__nothing", "1"))


class Reads:
    """The names that pages read of an address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: set[str] = set()
        for method in ("get", "getlist", "__getitem__", "__contains__"):
            monkeypatch.setattr(QueryDict, method, self._recorded(getattr(QueryDict, method)))

    def _recorded(self, method: Any) -> Any:
        def read(query: QueryDict, name: Any, *rest: Any) -> Any:
            self.names.add(str(name))
            return method(query, name, *rest)

        return read

    def of(self, client: Client, url: str) -> set[str]:
        """What the page reads, and the parameters of the filters of a list."""
        self.names.clear()
        answer = client.get(url)
        found = set(self.names)
        if listed := (getattr(answer, "context_data", None) or {}).get("cl"):
            found |= {name for spec in listed.filter_specs for name in spec.expected_parameters() if name}
        return found


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


@pytest.fixture
def owner(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # a line for each refusal: thousands
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("olga"))
    return client


def pages(people: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and address of each page: those of the admin, of one's own account, and of the public."""
    rows = people | {"auth.User": User.objects.all()[0], "auth.Group": Group.objects.all()[0]}
    for pattern in patterns():
        if pattern.name not in (None, "logout") and (url := address(pattern, rows)):
            yield str(pattern.name), url
    for room in (own_pages, public_pages, pages_of_installs):
        for one in room.urlpatterns:
            if isinstance(one, URLPattern) and one.name and not one.pattern.converters:  # type: ignore[attr-defined]
                yield one.name, reverse(f"{space}:{one.name}" if (space := getattr(room, "app_name", "")) else one.name)


def faults(client: Client, url: str, names: Iterable[str], values: Iterable[str]) -> list[str]:
    """What the page answers with a fault, each value in all these parameters at once."""
    kept = dict(parse_qsl(urlsplit(url).query))
    asked = {value: f"{urlsplit(url).path}?{urlencode(kept | dict.fromkeys(names, value))}" for value in values}
    return [f"{one} {value!r}" for value, one in asked.items() if client.get(one).status_code == FAULT]


@pytest.mark.django_db(transaction=True)
def test_no_parameter_of_a_page_makes_it_fail(people: dict[str, Any], owner: Client, reads: Reads) -> None:
    found: dict[str, set[str]] = {}
    failed: list[str] = []
    for page, url in pages(people):
        found[page] = reads.of(owner, url)
        for names in [found[page] & OF_DJANGO, *({name} for name in found[page] - OF_DJANGO)]:
            failed += faults(owner, url, names, GARBAGE)
    assert failed == []
    assert {"s", "page"} <= found["search"]
    assert {"app", "location", "company"} <= found["sync_plan_choose"]
    assert {"q", "p", "when", "status__exact"} <= found["webhooks_event_changelist"]


@pytest.mark.django_db(transaction=True)
def test_no_filter_that_somebody_types_makes_a_list_fail(people: dict[str, Any], owner: Client) -> None:
    failed: list[str] = []
    for model in admin.site._registry:
        meta = model._meta
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        for field in {type(field): field for field in meta.fields}.values():  # one of each type says it of all
            for lookup, value in TYPED:
                failed += faults(owner, url, [field.name + lookup], [value])
    assert failed == []
