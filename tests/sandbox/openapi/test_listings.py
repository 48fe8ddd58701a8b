"""Rows that a test gives the sandbox for operations that no code plays."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from integrations.sandbox.openapi.listing_store import Listing, Listings, listed
from tests.sandbox.journey import V2, Journey, bearer

ROWS = [{"_id": f"p{number}", "product": "hat" if number % 2 else "shoe"} for number in range(7)]
PRICES: dict[str, Any] = {
    "listing": "GET /products/{productId}/price",
    "items": "prices",
    "total": "total",
    "parent": {"productId": "product"},
    "record": "GET /products/{productId}/price/{priceId}",
    "rows": ROWS,
}


def test_rows_are_listed_and_looked_up_over_http(journey: Journey) -> None:
    location, headers = journey.locations[0], {**bearer(journey.install_location()["access_token"]), **V2}

    def get(path: str, **query: Any) -> httpx2.Response:
        return journey.http.get(path, params={"locationId": location, **query}, headers=headers)

    assert get("/products/hat/price").status_code == 501
    given = journey.http.post("/sandbox/listings", json={"location": location, **PRICES})
    assert (given.status_code, given.json()) == (201, {"rows": 7})
    page = get("/products/hat/price", limit=2, offset=1).json()
    assert ([row["_id"] for row in page["prices"]], page["total"]) == (["p3", "p5"], 3)
    assert get("/products/hat/price/p3").json()["product"] == "hat"
    assert "not found" in get("/products/hat/price/p9").json()["message"]
    for wrong in ({"listing": "GET /no/such"}, {"unknown": 1}):
        refused = journey.http.post("/sandbox/listings", json={"location": location, **PRICES, **wrong})
        assert refused.status_code == 400
    assert journey.http.post("/sandbox/listings", json={"location": "nowhere", **PRICES}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "0123"),
        ({"limit": "2", "skip": "1"}, "12"),
        ({"pageSize": "3", "page": "2"}, "3"),
        ({"pageLimit": 2, "page": 1, "searchAfter": ["1"]}, "23"),
        ({"limit": "9", "lastFaqId": "2"}, "3"),
        ({"limit": "9", "startAfterDate": "1790000001000"}, "23"),
        ({"startAt": "2026-09-21T14:13:21Z", "endAt": "1790000003000"}, "12"),
    ],
)
def test_each_way_to_page_and_to_bound(asked: dict[str, Any], found: str) -> None:
    rows = [
        {"id": str(n), "at": 1790000000000 + n * 1000, "lastMessageDate": 1790000000000 + n * 1000} for n in range(4)
    ]
    one = Listing(location="l", listing="GET /x", rows=rows, items="a.rows", between=("at", "startAt", "endAt"))
    assert "".join(row["id"] for row in listed(one, asked)["a"]["rows"]) == found


def test_the_next_pages_cursor_is_where_the_listing_says() -> None:
    one = Listing(location="l", listing="GET /x", rows=ROWS, items="rows", next="meta.next", more="more", at_most=3)
    first = listed(one, {})
    assert (first["meta"]["next"], first["more"], len(first["rows"])) == ("p2", True, 3)
    last = listed(one, {"cursor": "p5"})
    assert (last["meta"]["next"], last["more"], len(last["rows"])) == (None, False, 1)
    assert Listings().route("GET", "/products/", "/products/", "v3") is None
