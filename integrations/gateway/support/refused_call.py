"""A call that HighLevel refused or did not answer, and its report for HighLevel's support: facts, and no secret.

The report is plain text to copy. It has no token, key, body or value of a query. The vendor's words are redacted,
because they may repeat what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from integrations.core.errors import IntegrationError, Permanent
from integrations.core.tenant import Tenant
from integrations.gateway.models import Call
from integrations.gateway.stats import anonymize
from integrations.highlevel.http import api_errors
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from integrations.tokens.refresh import refused_entered_tokens

_REQUEST_IDS = ("cf-ray", "x-request-id")
_NOTE = "No token, key, body or value of a query is in this report."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCall:
    """What is known of the call: `code` and `reason` are those of its error, `source` is what made it.

    `account` is the id of the location or company, or its kind and id. `kind` is that of the credential, empty when it
    is the installation's. `words` are HighLevel's, `noted` are ours. `sent`: HighLevel had a part in it.
    """

    app: App | None
    account: str
    code: str
    reason: str = ""
    at: datetime | None = None
    operation: str = ""
    request: str = ""
    version: str = ""
    source: str = ""
    status: int | None = None
    trace_id: str = ""
    words: str = ""
    noted: str = ""
    kind: str = ""
    sent: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def report(self) -> str:
        """The text to send: one fact a line; what is unknown is left out."""
        return "\n".join([*(f"{name}: {value}" for name, value in self._facts() if value), _NOTE])

    def _facts(self) -> Iterator[tuple[str, str]]:
        yield "Time (UTC)", f"{self.at:%Y-%m-%d %H:%M:%S}" if self.at else ""
        yield "Trace id", self.trace_id or "none came with the answer"
        yield "App id", self.app.highlevel_id if self.app else ""
        yield "Account", self.account
        yield "Operation", self.operation
        yield "Request", self.request
        yield "Version header", self.version
        yield "Made by", self.source
        yield "HTTP status", str(self.status or "")
        yield "Answer", self.words
        yield "Noted here", self.noted
        for name in _REQUEST_IDS:
            yield name, self.headers.get(name, "")
        yield "Error code here", f"{self.code} ({self.reason})" if self.reason else self.code


class FailedRow(Protocol):
    """A row with the columns that `core.runs.querysets.error_columns` writes."""

    error_code: str
    error: str
    trace_id: str
    vendor_answer: Any


def of_error(error: IntegrationError, *, app: App, tenant: Tenant, at: datetime, **known: str) -> RefusedCall:
    """The call behind an error of the gateway. `known`: request and version, where the caller has them."""
    vendor = error.vendor
    return RefusedCall(
        app=app,
        account=str(tenant),
        code=error.code,
        reason=error.reason,
        at=at,
        operation=error.operation,
        status=vendor.status,
        trace_id=vendor.trace_id or "",
        words=anonymize.clean(vendor.message or ""),
        headers=vendor.headers,
        sent=vendor.status is not None or not (error.never_sent or isinstance(error, Permanent)),
        **known,
    )


def of_kept(call: Call, app: App | None) -> RefusedCall:
    """The call behind a row of failed and slow calls; `code` is empty when it was slow only."""
    return RefusedCall(
        app=app,
        account=call.resource_id,
        code=call.code,
        reason=api_errors.reason_of(call.status, call.message),
        at=call.at,
        operation=call.operation,
        request=f"{call.method} {call.path}",
        source=call.job and f"job {call.job}",
        status=call.status,
        trace_id=call.trace_id,
        words=call.message,
    )


def of_row(  # noqa: PLR0913 - all but the row are keywords
    row: FailedRow,
    *,
    app: App,
    tenant: Tenant | str,
    at: datetime | None,
    source: str,
    operation: str = "",
    version: str = "",
) -> RefusedCall:
    """The call behind a row of a run, an entry or an attempt, as far as the row has it.

    `source`: the job, sync or other work that made it.
    """
    answer = row.vendor_answer or {}
    status = answer.get("status")
    return RefusedCall(
        app=app,
        account=str(tenant),
        code=row.error_code,
        reason=api_errors.reason_of(status, row.error),
        at=at,
        status=status,
        trace_id=row.trace_id,
        words=anonymize.clean("; ".join(answer.get("details", ())) or str(answer.get("message", ""))),
        headers=answer.get("headers", {}),
        source=source,
        operation=operation,
        version=version,
    )


def of_credential(row: Credential) -> RefusedCall:
    """The last trouble of a credential: of its refresh, or of a token that an operator entered."""
    return RefusedCall(
        app=row.app,
        account=str(row.tenant),
        code=row.last_error_code,
        kind=row.kind,
        reason=refused_entered_tokens.REASONS.get(row.kind, ""),
        at=row.last_error_at,
        source=f"refresh of the {row.get_kind_display()}" if row.abilities.renews else row.get_kind_display(),
        trace_id=row.last_trace_id,
        noted=anonymize.clean(row.last_error),
    )
