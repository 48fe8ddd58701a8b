"""What strangers can do to the webhook endpoint by posting much: next to nothing, so it needs no limit by address."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.quota.permits import scripts
from integrations.tenants.models import App
from integrations.webhooks import response_counts
from tests.webhooks.conftest import Post, contact, sign


@pytest.mark.slow
@pytest.mark.django_db
def test_strangers_cost_no_query_and_no_redis_and_close_the_door_for_nobody(
    post: Post, app: App, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HighLevel sends for all tenants from few addresses, so a limit by address could be turned against it."""
    assert post(contact()).status_code == 200
    junk = {"X-GHL-Signature": sign(b"something else")}

    def asked(*_: Any) -> Any:
        raise AssertionError("Redis was asked")

    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        monkeypatch.context() as patched,
    ):
        patched.setattr(scripts, "client", asked)
        for number in range(300):
            name = (f"{app.client_id}/", "nobody/", "")[number % 3]
            address = {"X-Forwarded-For": f"198.51.100.{number % 50}"}
            refused = post(contact(number), f"/webhooks/{name}", headers={**(junk if number % 2 else {}), **address})
            assert refused.status_code == 401
    told = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(told) < 10, "the buffered counts, and the names that they are for"
    assert [sql for sql in told if "webhooks_answers" not in sql and "tenants_app" not in sql] == []
    response_counts.counter.flush()
    assert post(contact(2)).status_code == 200
