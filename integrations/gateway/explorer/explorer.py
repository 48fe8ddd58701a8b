"""Call explorer without its views: search for operations, the form of one, and one call by an operator.

An operator's call is a call like any other. It goes through the gateway in the interactive lane, costs a permit, is
counted, and is kept when it fails. A call that may change something needs a confirmation and an audit entry. The
response is shown unchanged except for tokens and keys, which no page shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.core import audit, clock, redaction
from integrations.core.errors import BadRequest, IntegrationError, StoreUnavailable
from integrations.gateway import call_checks, client, target
from integrations.gateway.stats import anonymize, usage_counter
from integrations.gateway.stats.attempt_hook import ObservedAttempt, observed
from integrations.gateway.support import refused_call
from integrations.gateway.support.advice_on_refusal import SupportHelp, help_with
from integrations.gateway.target import Target
from integrations.highlevel.catalogue import (
    Operation,
    Parameter,
    PreparedRequest,
    catalogue,
    field_notes,
    proven_fields,
)
from integrations.highlevel.catalogue.api_version import api_version
from integrations.quota.permits import queries as quota
from integrations.quota.permits.lanes import Lane
from integrations.tenants.credential_kinds import CredentialApi, CredentialKind, abilities
from integrations.tenants.models import App, Installation

LARGEST_SHOWN = 100_000  # characters of a response
FILLED = frozenset({"locationId", "location_id", "companyId", "altId", "altType"})  # the tenant's own, when omitted
_PLACEHOLDER = "<{}>"  # in an example body; a body that still contains one is not sent


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter as a form field. `part` is the part of the request. `choices` are suggestions, not limits."""

    name: str
    part: str
    kind: str
    required: bool
    choices: tuple[str, ...]
    filled: bool
    note: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class CallByHand:
    """What an operator fills in. `name` is an operation's, or method and path; `version` empty: the app's dialect.

    `values` are the parameters by name. `query` has those that the operation does not list: a line `name=value` for
    each parameter, several lines for a list.
    """

    name: str
    version: str = ""
    tenant: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A checked call for an operator, ready to send or to show."""

    app: App
    installation: Installation
    wanted: CallByHand
    target: Target
    params: Mapping[str, Any]
    body: Any
    request: PreparedRequest

    @property
    def operation(self) -> Operation:
        """The operation, listed by the catalogue or not."""
        return self.target.operation

    @property
    def changes(self) -> bool:
        """Whether the call may change something at the vendor."""
        return not self.target.reads

    @property
    def remarks(self) -> list[str]:
        """What the vendor's files have against the call, which is sent all the same."""
        return call_checks.remarks(self.target, self.app, self.installation.tenant, self.params, self.body)


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The outcome of a call. `spent` counts permits; `took_ms` is the last attempt's; `free` states the quota left."""

    status: int | None
    text: str
    trace_id: str
    took_ms: int | None
    spent: int
    free: str
    code: str = ""
    message: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)
    help: SupportHelp | None = None


def search(app: App, words: str, version: str = "") -> list[Operation]:
    """Operations with every word in their key, method, path or tag. None for API 1.0, which has no catalogue.

    Raises BadRequest for an unknown version.
    """
    dialect = api_version(version).dialect if version else app.dialect_name
    wanted = words.lower().split()
    found = (
        operation
        for operation in (() if dialect is None else catalogue(dialect).operations())
        if all(
            word in f"{operation.key} {operation.method} {operation.path} {operation.tag}".lower() for word in wanted
        )
    )
    return list(found)


def find(app: App, name: str, version: str = "") -> Target:
    """What the name stands for, before anything is filled in. Raises BadRequest as `gateway.target.find`."""
    return target.find(name, app, version=version or None)


def fields(operation: Operation, values: Mapping[str, str], notes: Mapping[str, str]) -> list[Field]:
    """The form fields of the operation, required ones first."""
    return sorted(
        (_field(parameter, values.get(parameter.name, ""), notes) for parameter in operation.params),
        key=lambda one: (not one.required or one.filled, one.filled),
    )


def notes_of(found: Target) -> Mapping[str, str]:
    """The notes on the parameters and fields of an operation of the catalogue, by name."""
    dialect = found.version.dialect
    return {} if dialect is None else field_notes.committed(dialect).get(found.operation.key, {})


def example(operation: Operation) -> str:
    """Example body with types, to begin with; empty for an operation without a body.

    It has the fields that the evidence shows to be required, without evidence those that are documented so.
    """
    wanted = operation.body
    if wanted is None:
        return ""
    if wanted.is_array:
        return "[]"
    proven = proven_fields.of(operation)
    shown = (*proven.required, *(group[0] for group in proven.one_of)) or wanted.needs
    names = [name for name in shown if name not in FILLED]
    return json.dumps({name: _placeholder(wanted.properties.get(name)) for name in names}, indent=2)


def installations(app: App, operation: Operation | None = None) -> Any:
    """Installations of the app for which the operation can be called."""
    found = Installation.objects.installed().filter(app=app)
    if operation is not None and operation.kinds:
        found = found.filter(user_type__in=[kind.capitalize() for kind in operation.kinds])
    return found.select_related("location", "company").order_by("user_type", "resource_id")


def prepared(app: App, wanted: CallByHand) -> PreparedCall:
    """Parse a filled form. Raises BadRequest that names the mistake."""
    installation = installations(app).filter(resource_id=wanted.tenant.strip()).first()
    if installation is None:
        raise BadRequest(f"the app is not installed on {wanted.tenant!r}" if wanted.tenant else "choose a tenant")
    blank = find(app, wanted.name, wanted.version)
    listed = {
        p.name: _given(p, text) for p in blank.operation.params if (text := wanted.values.get(p.name, "").strip())
    }
    params, body = {**_pairs(wanted.query), **listed}, _filled_in(blank.operation, _parsed(wanted.body))
    found = target.find(wanted.name, app, version=wanted.version or None, params=params, body=body)
    key = call_checks.credential_key(found.operation, app=app, api=found.api, **_tenant_argument(installation))
    request = found.request(params, body, key.tenant.request_fields)
    return PreparedCall(app, installation, wanted, found, params, body, request)


def perform(wanted: PreparedCall, *, actor: str) -> CallOutcome:
    """Make the call; an error is an outcome too. A call that may change something is audited before it is sent."""
    if wanted.changes:
        _audit("api.called_by_hand", wanted, actor)
    with observed() as seen:
        outcome = _call(wanted, seen)
    usage_counter.flush()  # the operator looks for the call on the next page
    if wanted.changes:
        result = {"status": outcome.status, "code": outcome.code, "trace_id": outcome.trace_id}
        _audit("api.answered_by_hand", wanted, actor, **result)
    return outcome


def _call(wanted: PreparedCall, seen: list[ObservedAttempt]) -> CallOutcome:
    how = {
        "version": wanted.wanted.version or None,
        "params": wanted.params,
        "body": wanted.body,
        "lane": Lane.INTERACTIVE,
        **_tenant_argument(wanted.installation),
    }
    began, code, message, vendor_trace_id, support = clock.now(), "", "", "", None
    details: list[tuple[str, str]] = []
    try:
        client.call(wanted.wanted.name, app=wanted.app, **how)
    except IntegrationError as error:
        code, message, vendor_trace_id = error.code, str(error), error.vendor.trace_id or ""
        details = [(name.replace("_", " "), _shown(value)) for name, value in error.context.items()]
        details += [(name, value) for name, value in error.vendor.headers.items()]
        support = _help(wanted, error, began)
    last = seen[-1] if seen else None
    answer = last.response if last else None
    return CallOutcome(
        status=answer.status if answer else None,
        text=_text(answer.json, answer.body, answer.content_type) if answer else "",
        trace_id=(answer.trace_id if answer else None) or vendor_trace_id,
        took_ms=None if last is None or last.took is None else round(last.took * 1_000),
        spent=sum(one.spent for one in seen),
        free=_free(wanted),
        code=code,
        message=message,
        details=details,
        help=support,
    )


def _help(wanted: PreparedCall, error: IntegrationError, at: datetime) -> SupportHelp | None:
    sent = wanted.request
    known = {"request": f"{sent.method} {anonymize.path(sent.path)}", "version": sent.version or ""}
    refused = refused_call.of_error(error, app=wanted.app, tenant=wanted.installation.tenant, at=at, **known)
    return help_with(refused, wanted.installation)


def _audit(action: str, wanted: PreparedCall, actor: str, **more: Any) -> None:
    """Write the audit entry. It has names, not values: audit entries never expire, and values may be personal data."""
    names = sorted(wanted.body) if isinstance(wanted.body, dict) else []
    subject = wanted.installation.tenant.audit_subject
    sent = wanted.request
    request = {"operation": sent.operation, "method": sent.method, "path": sent.path, "version": sent.version}
    audit.record(action, actor=actor, subject=subject, app=wanted.app.highlevel_id, **request, fields=names, **more)


def _tenant_argument(installation: Installation) -> dict[str, Any]:
    return {"location": None, "company": None, installation.tenant.kind: installation.resource_id}


def _field(parameter: Parameter, value: str, notes: Mapping[str, str]) -> Field:
    choices = parameter.enum or (("true", "false") if parameter.type == "boolean" else ())
    one_of = choices if parameter.type != "array" else ()
    kind = f"list of {', '.join(choices)}" if choices and not one_of else parameter.type
    filled = parameter.name in FILLED
    note = notes.get(parameter.name, "")
    return Field(parameter.name, parameter.part, kind, parameter.required, one_of, filled, note, value)


def _given(parameter: Parameter, text: str) -> Any:
    if parameter.type != "array":
        return text
    return [item.strip() for line in text.splitlines() for item in line.split(",") if item.strip()]


def _pairs(query: str) -> dict[str, Any]:
    """Parameters by name; one that is given more than once has a list."""
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, query.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise BadRequest(f"the query has a line for each parameter, name=value, and '{line[:60]}' is none")
        found.setdefault(name.strip(), []).append(value.strip())
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _parsed(body: str) -> Any:
    if not body.strip():
        return None
    try:
        parsed = json.loads(body)
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()  # NaN and unpaired surrogates cannot be sent
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    return parsed


def _placeholder(kind: str | None) -> str:
    return _PLACEHOLDER.format(kind or "value")


def _filled_in(operation: Operation, body: Any) -> Any:
    if operation.body is not None and isinstance(body, dict):
        kinds = operation.body.properties
        left = [name for name, value in body.items() if value == _placeholder(kinds.get(name))]
        if left:
            raise BadRequest(f"still to be filled in: {', '.join(left)}")
    return body


def _text(parsed: Any, raw: bytes, content_type: str) -> str:
    if parsed is None and raw and not content_type.startswith("text/"):
        return f"{len(raw):,} bytes of {content_type or 'unknown kind'}"
    shown = redaction.without_secrets(raw.decode(errors="replace") if parsed is None else parsed)
    text = shown if parsed is None else json.dumps(shown, indent=2, ensure_ascii=False)
    return text if len(text) <= LARGEST_SHOWN else f"{text[:LARGEST_SHOWN]}\n… {len(text) - LARGEST_SHOWN:,} more"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)


def _quota_app(wanted: PreparedCall) -> str:
    """Under which name the call will be counted: the installation's, or that of its key for the other API."""
    if wanted.installation.abilities.api == wanted.target.api:
        return wanted.installation.quota_app
    other = CredentialKind.KEY if wanted.target.api == CredentialApi.ONE else CredentialKind.OAUTH
    return abilities(other).quota or wanted.app.client_id


def _free(wanted: PreparedCall) -> str:
    try:
        now = quota.snapshot(_quota_app(wanted), wanted.installation.resource_id)
    except StoreUnavailable:
        return "the quota store does not answer"
    day = "" if now.day_remaining is None else f", {now.day_remaining:,} of {now.day_limit:,} left today"
    return f"{now.free} of {now.limit} free now{day}"
