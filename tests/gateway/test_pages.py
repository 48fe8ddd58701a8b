"""A listing while the data changes: no row twice, no lasting row missing, and an end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.core.errors import BadRequest, PayloadAnomalous
from integrations.gateway import client
from integrations.gateway.client import Page, Result
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor

CONTACTS, OPPORTUNITIES = "contacts.search-contacts-advanced", "opportunities.search-opportunity"
LISTING = "oauth.get-installed-location"
ENOUGH = 100  # pages; a listing here has a dozen

Pages = Callable[..., Iterator[Page]]


@pytest.fixture
def pages(app: App, location: Credential, vendor: Vendor) -> Pages:
    more = {"location": location.resource_id, "kind": "create", "resource": "opportunities", "count": 8}
    vendor.post("/sandbox/changes", more)

    def pages(operation: str, **how: Any) -> Iterator[Page]:
        asked: dict[str, Any] = {"app": app, "location": location.resource_id} | how
        return itertools.islice(client.pages(operation, **asked), ENOUGH)

    return pages


def sized(operation: str, size: int) -> dict[str, Any]:
    return {"body": {"pageLimit": size}} if operation == CONTACTS else {"params": {"limit": size}}


def ids(found: list[Page]) -> list[str]:
    return [item["id"] for page in found for item in page.items]


@pytest.fixture
def change(vendor: Vendor, location: Credential) -> Callable[[str, str], None]:
    def change(operation: str, kind: str) -> None:
        resource = operation.partition(".")[0]
        body = {"location": location.resource_id, "kind": kind, "resource": resource, "count": 1}
        vendor.post("/sandbox/changes", body)

    return change


def test_the_size_is_the_largest_unless_said(pages: Pages) -> None:
    (whole,) = pages(CONTACTS)
    assert (len(whole.items), whole.total, whole.next) == (12, 12, None)
    assert [len(page.items) for page in pages(CONTACTS, body={"pageLimit": 5})][:2] == [5, 5]


@pytest.mark.parametrize("operation", [CONTACTS, OPPORTUNITIES])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_listing_at_rest_is_whole(pages: Pages, operation: str, size: int) -> None:
    whole = ids(list(pages(operation)))
    assert len(whole) > 2
    found = list(pages(operation, **sized(operation, size)))
    assert ids(found) == whole
    assert found[-1].next is None


@pytest.mark.parametrize("operation", [CONTACTS, OPPORTUNITIES])
@pytest.mark.parametrize("kinds", [("create",), ("delete",), ("update",), ("create", "delete", "update")])
def test_a_listing_that_moves(
    pages: Pages, change: Callable[[str, str], None], operation: str, kinds: tuple[str, ...]
) -> None:
    before = set(ids(list(pages(operation))))
    found: list[Page] = []
    for page in pages(operation, **sized(operation, 2)):
        found.append(page)
        if len(found) <= 4:  # else inserts could go on for ever
            for kind in kinds:
                change(operation, kind)
    after = set(ids(list(pages(operation))))
    seen = ids(found)
    assert len(seen) == len(set(seen)), "twice"
    assert before & after <= set(seen), "there all along and not seen"
    assert found[-1].next is None


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_installed_locations_move_too(app: App, company: Credential, vendor: Vendor, dialect: str) -> None:
    app.dialect = dialect
    size = {"limit": "1"} if dialect == "v2" else {"pageSize": 1}
    params = {"appId": app.highlevel_id, "isInstalled": True, **size}
    vendor.post("/sandbox/locations", {"company": vendor.company, "name": "Not installed"})
    seen: list[str] = []
    listing = client.pages(LISTING, app=app, company=company.resource_id, params=params)
    for page in itertools.islice(listing, ENOUGH):
        seen += [row["_id"] for row in page.items]
        if len(seen) == 1:
            vendor.post(f"/sandbox/locations/{vendor.locations[2]}/uninstall")
            vendor.post("/sandbox/locations", {"company": vendor.company, "name": "New"})
    assert seen == vendor.locations[:2]


def test_a_cursor_survives_its_worker(app: App, location: Credential) -> None:
    how: dict[str, Any] = {"app": app, "location": location.resource_id, "body": {"pageLimit": 5}}
    first = client.page(CONTACTS, **how)
    cursor = json.loads(json.dumps(first.next))
    rest = list(client.pages(CONTACTS, start=cursor, **how))
    assert len(set(ids([first, *rest]))) == 12
    again = client.page(CONTACTS, cursor=cursor, **how)
    assert again.items == rest[0].items, "the same page, when it has to be fetched again"


def test_a_page_that_repeats_for_ever_is_an_error_not_a_loop(
    pages: Pages, vendor: Vendor, app: App, location: Credential
) -> None:
    one = client.call(CONTACTS, app=app, location=location.resource_id, body={"pageLimit": 5}).json
    vendor.fault("/contacts/search", "status", times=None, status=200, body=one)
    with pytest.raises(PayloadAnomalous, match="repeats"):
        list(pages(CONTACTS, body={"pageLimit": 5}))


@pytest.mark.parametrize("body", [{}, {"contacts": None}, {"contacts": "x"}, []])
def test_an_answer_without_its_list_is_an_error_not_an_end(pages: Pages, vendor: Vendor, body: Any) -> None:
    vendor.fault("/contacts/search", "status", status=200, body=body)
    with pytest.raises(PayloadAnomalous):
        list(pages(CONTACTS))


def test_an_operation_without_pages_says_so(pages: Pages) -> None:
    with pytest.raises(BadRequest, match="no pages, call it: its answer is whole"):
        list(pages("locations.get-location"))
    with pytest.raises(BadRequest, match="HighLevel does not describe its answer"):
        list(pages("ad-manager.fb-get-entity"))


@pytest.mark.parametrize("trail", [True, False], ids=["a cursor", "a cursor of a version without trails"])
def test_a_listing_that_is_asked_for_in_the_body(monkeypatch: pytest.MonkeyPatch, trail: bool) -> None:
    """`skip` and `limit` go into the body, as text where the vendor wants it so; the parameters stay as they are."""
    asked: list[tuple[Any, Any]] = []

    def call(operation: str, *, params: Any, body: Any, **_: Any) -> Result:
        asked.append((params, body))
        skip = int(body["skip"])
        return Result(201, {"results": {"posts": [{"_id": n} for n in range(skip, 3)][:2]}}, None, operation)

    monkeypatch.setattr(client, "call", call)
    how: dict[str, Any] = {"app": App(dialect="v2"), "params": {"userId": "U"}, "body": {"type": "all", "limit": "2"}}
    first = client.page("social-media-posting.get-posts", **how)
    assert first.next is not None
    start = first.next if trail else {"send": first.next["send"]}
    rest = list(client.pages("social-media-posting.get-posts", start=start, **how))
    assert [row["_id"] for page in [first, *rest] for row in page.items] == [0, 1, 2]
    assert asked == [({"userId": "U"}, {"type": "all", "limit": "2", "skip": skip}) for skip in ("0", "2", "3")]


def test_a_listing_that_breaks_off_is_an_error_not_an_end(app: App, company: Credential, vendor: Vendor) -> None:
    """Nothing, and the promise of more: taken for the end, it would uninstall a whole company."""
    app.dialect = "v3"
    broken = {"items": [], "pagination": {"hasNextPage": True, "nextPageToken": "t", "totalRecords": 500}}
    vendor.fault("/oauth/installed-locations", "status", times=None, status=200, body=broken)
    listing = client.pages(LISTING, app=app, company=company.resource_id, params={"appId": app.highlevel_id})
    assert next(listing).items == []
    with pytest.raises(PayloadAnomalous, match="repeats a cursor"):
        next(listing)
