"""Calls each operation of one OpenAPI file through the gateway, and says what Prism had against the request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integrations.core import clock
from integrations.core.errors import IntegrationError, NoPermit
from integrations.core.secret import Secret
from integrations.gateway import client
from integrations.gateway.stats import attempt_hook
from integrations.highlevel.catalogue import Operation, catalogue
from integrations.highlevel.catalogue.operation import Kind
from integrations.highlevel.http.transport import Response
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.oauth.grants import Grant
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens import store
from tests.gateway_operations import arguments
from tests.gateway_operations.samples import flat
from tests.gateway_operations.specification import Specified

VIOLATIONS = "sl-violations"  # Prism's header: a JSON list of what it has against request and answer
REQUIRED, EVERY, SPOILT = "required", "all", "spoilt"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Prism said of one request; `words` is empty for an accepted one.

    `arguments`: "required" parameters and fields only, "all" of them, or "spoilt": all but one that is required.
    """

    operation: str
    arguments: str
    words: str


def app_of(name: str, dialect: DialectName, url: str) -> App:
    """A new app whose API is at `url`."""
    return App.objects.create(
        name=f"{name} {dialect}",
        client_id=f"prism-{dialect}-{name}",
        highlevel_id=f"prism-{dialect}-{name}",
        dialect=dialect,
        api_url=url,
        marketplace_url=url,
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )


def verdicts(app: App, operations: list[Specified]) -> Iterator[Verdict]:
    """Each operation with its required arguments, with all, and spoilt where something can be left out."""
    known = catalogue(app.dialect_name)
    for number, operation in enumerate(operations):
        tenant = _tenant(app, known.operation(operation.key), number)
        (kind,) = tenant
        for whole, name in ((False, REQUIRED), (True, EVERY)):
            given = arguments.params(operation, kind, whole=whole), arguments.body(operation, kind, whole=whole)
            yield Verdict(operation.key, name, _words(app, operation, tenant, given))
        if spoilt := _spoilt(operation, kind):
            yield Verdict(operation.key, SPOILT, _words(app, operation, tenant, spoilt))


def _tenant(app: App, operation: Operation, number: int) -> dict[Kind, str]:
    """A new tenant that granted what the operation needs: calls for different tenants never wait for each other."""
    kind: Kind = "company" if operation.kinds == {"company"} else "location"
    tenant, is_location = f"{kind}{number}", kind == "location"
    grant = Grant(
        access_token=Secret("an-access-token"),
        refresh_token=Secret("a-refresh-token"),
        expires_in=86_399,
        scopes=frozenset(scope for wanted in operation.scopes(kind) for scope in wanted),
        user_type="Location" if is_location else "Company",
        location_id=tenant if is_location else None,
        company_id=None if is_location else tenant,
    )
    key = store.location(app, tenant) if is_location else store.company(app, tenant)
    store.save_grant(key, grant, now=clock.now())
    return {kind: tenant}


def _spoilt(operation: Specified, kind: Kind) -> tuple[Any, Any] | None:
    """All arguments without one that is required; None where the operation requires none that the gateway fills not."""
    params, body = arguments.params(operation, kind), arguments.body(operation, kind)
    for parameter in operation.parameters("query"):
        if parameter.get("required") and parameter["name"] in params:
            return {name: value for name, value in params.items() if name != parameter["name"]}, body
    if operation.body is None or not isinstance(body, dict) or operation.body[0] != "application/json":
        return None
    needed = [name for name in flat(operation.body[1], operation.document).get("required", ()) if name in body]
    return (params, {name: value for name, value in body.items() if name != needed[0]}) if needed else None


def _words(app: App, operation: Specified, tenant: dict[Kind, str], given: tuple[Any, Any]) -> str:
    """One request through the gateway; what Prism, or the gateway itself, had against it."""
    refusal = ""
    with attempt_hook.observed() as seen:
        try:
            _when_there_is_quota(operation, app, tenant, given)
        except IntegrationError as error:
            refusal = f"{error.code}: {error}"
    answers = [attempt.response for attempt in seen if attempt.response is not None]
    return (_said(answers[-1]) if answers else "") or refusal


def _when_there_is_quota(operation: Specified, app: App, tenant: dict[Kind, str], given: tuple[Any, Any]) -> None:
    """Call the operation, again when the quota has come back: a file has more operations than a window has calls."""
    while True:
        try:
            client.call(
                operation.key,
                app=app,
                location=tenant.get("location"),
                company=tenant.get("company"),
                params=given[0],
                body=given[1],
                lane=Lane.INTERACTIVE,
                retries=0,
            )
        except NoPermit as error:
            clock.sleep(error.retry_after or 1.0)
        else:
            return


def _said(answer: Response) -> str:
    """Prism's words about the request; empty if it accepted it."""
    found: list[dict[str, Any]] = []
    if VIOLATIONS in answer.headers:
        found = _parsed(answer.headers[VIOLATIONS])
    elif isinstance(answer.json, dict) and answer.status >= 400:
        found = answer.json.get("validation") or [answer.json]
    return "; ".join(_sentence(one) for one in found if _is_of_the_request(one))


def _parsed(text: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(text)
    except ValueError:  # Prism cuts a header that would be too long
        return [{"message": text}]
    return found


def _is_of_the_request(one: dict[str, Any]) -> bool:
    return one.get("location", ["request"])[:1] != ["response"] and one.get("severity", "Error") == "Error"


def _sentence(one: dict[str, Any]) -> str:
    where = ".".join(map(str, one.get("location") or ["request"]))
    return f"{where}: {one['message']}" if "message" in one else f"{one.get('title')}: {one.get('detail')}"
