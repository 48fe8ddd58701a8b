"""Answers by which the vendor says how much of a quota is left: how long the next call has to wait."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from integrations.core.errors import VendorThrottled
from integrations.gateway import client
from integrations.quota.permits import queries
from tests.cases.case_files import each
from tests.gateway_operations.conftest import LOCATION, MakeApp, credential, make_app, scripted
from tests.gateway_operations.scripted import Scripted

__all__ = ["make_app", "scripted"]

HOUR = 3_600


@each("answers")
def test_the_window_that_is_spent_is_waited_for(make_app: MakeApp, scripted: Scripted, case: dict[str, Any]) -> None:
    app = make_app(scripted.url)
    credential(app, "location")

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"statusCode": case["status"]}, status=case["status"], headers=case["headers"])

    scripted.plan(answer)
    with pytest.raises(VendorThrottled) as refused:
        client.call("contacts.get-contacts", app=app, location=LOCATION)
    assert refused.value.context["window"] == case["window"]
    assert "waits" not in case or refused.value.retry_after == case["waits"]
    left = queries.snapshot(app.client_id, LOCATION).day_remaining
    assert (left == 0) == (case["window"] == "day"), "the governor has learned it, for every worker"
