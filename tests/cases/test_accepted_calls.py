"""Calls that the vendor accepts and whose OpenAPI file wants more: they are sent as they are, and a 422 is told."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from integrations.core.errors import RequestRejected
from integrations.gateway import call_checks, client, target
from integrations.highlevel.catalogue import proven_fields
from tests.cases.case_files import each, filled
from tests.gateway_operations.conftest import LOCATION, MakeApp, credential, make_app, scripted
from tests.gateway_operations.scripted import RATE, Answer, Scripted

__all__ = ["make_app", "scripted"]

WORDS = ["title should not be empty", "status must be one of"]


def answering(bodies: list[Any], status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        said = {"statusCode": status, "message": WORDS, "error": "Unprocessable Entity"}
        return web.json_response(said if status != 200 else {"ok": True}, status=status, headers=RATE)

    return answer


@each("calls")
def test_it_is_sent_as_it_is(make_app: MakeApp, scripted: Scripted, case: dict[str, Any]) -> None:
    case = filled(case, {"<location 1>": LOCATION})
    call: dict[str, Any] = {"location": LOCATION, "params": case.get("params"), "body": case["body"]}
    for dialect in ("v2", "v3"):
        app = make_app(scripted.url, dialect=dialect)
        row = credential(app, "location")
        bodies: list[Any] = []
        scripted.plan(answering(bodies), answering(bodies, 422))
        assert client.call(case["operation"], app=app, **call).json == {"ok": True}
        wanted = target.find(case["operation"], app)
        named = wanted.operation.body.properties if wanted.operation.body else {}
        whole = {**{name: value for name, value in case.get("filled", {}).items() if name in named}, **case["body"]}
        assert bodies == [whole], "as it is, with the tenant's own id where the operation has it"
        with pytest.raises(RequestRejected) as refused:
            client.call(case["operation"], app=app, **call)
        assert set(WORDS) <= set(refused.value.vendor.details)
        said = call_checks.remarks(wanted, app, row.tenant, call["params"], case["body"])
        assert (refused.value.context.get("remarks") or []) == said
        assert any(case.get("remark", "") in remark for remark in said) or "remark" not in case
        assert not [remark for remark in said if remark.startswith("the body needs")], "the evidence agrees"
        evidence = proven_fields.of(wanted.operation)
        assert set(evidence.required) <= whole.keys()
