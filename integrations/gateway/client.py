"""API client of the gateway: target, credential, permit, HTTP request, typed result or error.

Every API call of a job, command or page goes through this module. One HTTP attempt costs one permit. The gateway
settles every permit from the response. It replaces a refused access token once per token generation, but never for a
401 with another cause (FACTS 1.5, `tokens.access.second_opinion`). `repeat` decides which other failures the gateway
retries here. For all the rest, `core.errors` says whether and when the caller retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, BinaryIO

from integrations.core import clock
from integrations.core.errors import (
    NO_ANSWER,
    BadRequest,
    GrantRevoked,
    LocationInactive,
    MissingPermit,
    RequestRejected,
    VendorThrottled,
)
from integrations.core.observing import log_scope, spans
from integrations.gateway import consent, repeat, target
from integrations.gateway.call_checks import credential_key
from integrations.gateway.pages_ahead import PagesAhead
from integrations.gateway.stats.attempt_hook import Attempt
from integrations.highlevel.catalogue import Operation, PreparedRequest
from integrations.highlevel.errors import AccessTokenRejected, Unexplained401
from integrations.highlevel.http import api_errors, transport
from integrations.highlevel.http.transport import Response
from integrations.highlevel.pagination import pages as pagination
from integrations.highlevel.pagination.pages import Style
from integrations.highlevel.pagination.styles import why_not
from integrations.quota.attempt import permitted
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.access import api_endpoint, mint_on_demand, second_opinion
from integrations.tokens.access_cache import AccessToken
from integrations.tokens.models import CredentialKey

DEADLINE_SECONDS = 30.0  # seconds
_ABOUT_THE_ARGUMENTS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


@dataclass(frozen=True, slots=True)
class Result:
    """A successful response. `json` is None for an empty body; `body` holds the bytes of one that is not JSON."""

    status: int
    json: Any
    trace_id: str | None
    operation: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `next` is the next page's cursor (JSON), None at the end; `total` is None when the vendor omits it.

    `asked_at` is the moment before its request.
    """

    items: list[dict[str, Any]]
    total: int | None
    next: dict[str, Any] | None
    asked_at: datetime | None = None


def call(  # noqa: PLR0913 - the one entry point; all but the operation are keywords
    operation: str,
    *,
    app: App,
    location: str | None = None,
    company: str | None = None,
    version: str | None = None,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    lane: Lane = Lane.BULK,
    deadline: float = DEADLINE_SECONDS,
    retries: int | None = None,
    repeatable: bool = False,
    into: BinaryIO | None = None,
    largest: int = 0,
) -> Result:
    """Call one operation for one location or company: one of the catalogue, or any such as `GET /contacts/{id}/badges`.

    `version` is the app's dialect unless given: `v2`, `v3`, a value of the header `Version` such as `2021-07-28`, or
    `1.0` for API 1.0, which uses the tenant's API key. Of an operation that the catalogue lacks, scopes and parameters
    are unknown: parameters that its path does not name go into the query.

    `deadline` is in seconds. It bounds the HTTP attempt and its retries together. `retries` and `repeatable` are those
    of `gateway.repeat`: by default the gateway retries only reads, twice, in the interactive lane. With an open file
    `into`, the body of a successful response goes there, up to `largest` bytes (`media.download` does that for a path).

    Raises BadRequest before anything is sent, for what cannot be written as a request; QuotaExhausted with the time to
    retry at; InstallGone, GrantRevoked, LocationInactive; ScopeMissing (with `reconnect_url`), Unreachable,
    ServerFault, RequestRejected and AccessTokenRejected from the vendor, with all that it said in `vendor`, and
    `remarks` in the context (what the vendor's files have against the token or the arguments); PayloadTooLarge.
    """
    wanted = target.find(operation, app, version=version, params=params, body=body)
    known = wanted.operation
    key = credential_key(known, app=app, location=location, company=company, api=wanted.api)
    request = wanted.request(params, body, key.tenant.request_fields)
    if into is not None:
        request = replace(request, into=into, largest=largest)
    chosen = repeat.policy(reads=wanted.reads, lane=lane, retries=retries, repeatable=repeatable)
    try:
        tenant = key.tenant.mailbox_key
        with log_scope.scope(tenant=tenant), spans.span(f"call {known.key}", tenant=tenant, lane=lane.value):
            response = repeat.attempts(
                lambda seconds: perform(known, key, request, lane=lane, deadline=seconds), chosen, deadline=deadline
            )
    except RequestRejected as error:
        if error.vendor.status in _ABOUT_THE_ARGUMENTS:
            error.annotate(remarks=wanted.remarks(params, body, key.tenant.request_fields) or None)
        raise
    return Result(response.status, response.json, response.trace_id, known.key, response.body, response.content_type)


def page(  # noqa: PLR0913 - all but the operation are keywords
    operation: str,
    *,
    app: App,
    version: str | None = None,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    cursor: dict[str, Any] | None = None,
    ahead: PagesAhead | None = None,
    **how: Any,
) -> Page:
    """Fetch one page of a listing. Its size is the largest that the vendor allows, unless the caller gives one.

    `cursor` is the `next` of the previous page, None for the first page. `ahead` keeps pages that were read ahead, and
    reads further ones. `how` is passed to `call`.

    Raises PayloadAnomalous when the vendor's pages contradict themselves, and what `call` raises.
    """
    style = _paged(operation, app, version)
    given = body if style.part == "body" else params
    sent = cursor["send"] if cursor else {**style.first(), **(given or {})}
    trail = cursor.get("trail") if cursor else None

    def ask(sent: Mapping[str, Any]) -> Any:
        arguments = {"params": params, "body": sent} if style.part == "body" else {"params": sent, "body": body}
        return call(operation, app=app, version=version, **arguments, **how).json

    if ahead is None:
        asked_at = clock.now()
        seen = pagination.read(style, sent, ask(sent), trail=trail)
    else:
        listing = {"operation": operation, "params": params, "body": body}
        seen, asked_at = ahead.read(listing, style, sent, trail=trail, ask=ask)
    following = None if seen.next is None else {"send": seen.next, "trail": seen.trail}
    return Page(seen.items, seen.total, following, asked_at)


def pages(
    operation: str,
    *,
    start: dict[str, Any] | None = None,
    fetch: Callable[..., Page] | None = None,
    **arguments: Any,
) -> Iterator[Page]:
    """Iterate over all pages from the cursor `start`; `arguments` are those of `page`.

    A repeated page raises PayloadAnomalous. `fetch` replaces `page` for a caller that waits for quota in its own way.
    """
    cursor = start
    while True:
        got = (fetch or page)(operation, cursor=cursor, **arguments)
        yield got
        if got.next is None:
            return
        cursor = got.next


def perform(
    operation: Operation, key: CredentialKey, request: PreparedRequest, *, lane: Lane, deadline: float
) -> Response:
    """Send a prepared request; returns the response of a success."""
    access = mint_on_demand.access(key, lane=lane)
    with consent.advised(operation, key, access):
        try:
            return _attempt(key, request, access, lane=lane, deadline=deadline)
        except AccessTokenRejected as refusal:
            if isinstance(refusal, Unexplained401):
                second_opinion.judge(key, access, refusal, path=request.path, lane=lane)
            store.reject_access_token(access.credential_id, access.generation, now=clock.now())
            with _said_by(refusal):
                renewed = mint_on_demand.access(key, lane=lane, refused=access.generation)
            if renewed.generation == access.generation:
                raise
            return _attempt(key, request, renewed, lane=lane, deadline=deadline)


@contextmanager
def _said_by(refusal: AccessTokenRejected) -> Iterator[None]:
    """Give a GrantRevoked raised inside, which asked the vendor nothing, the answer that refused its token."""
    try:
        yield
    except GrantRevoked as error:
        if error.vendor == NO_ANSWER:
            error.vendor = refusal.vendor
        raise


def _attempt(
    key: CredentialKey, request: PreparedRequest, access: AccessToken, *, lane: Lane, deadline: float
) -> Response:
    """One attempt inside the attempt hook, which counts its cost and outcome and keeps it when it failed."""
    with Attempt(key, request, lane) as attempt:
        return _answer(key, request, access, attempt, lane=lane, deadline=deadline)


def _answer(
    key: CredentialKey, request: PreparedRequest, access: AccessToken, attempt: Attempt, *, lane: Lane, deadline: float
) -> Response:
    """One permit, one request, one settlement; then the response is classified."""
    endpoint = api_endpoint.of(key, access.kind)
    with permitted(endpoint.quota_app, key.tenant.id, lane=lane, timeout=deadline) as costed:
        attempt.sending()  # first, because the permit may expire while a watcher of the attempt commits its intent
        costed.sending()
        response = attempt.response = transport.shared(endpoint.url).send(
            request.request(access.token, timeout=deadline)
        )
        rate, refused = endpoint.rate(key, response.rate), response.status == HTTPStatus.TOO_MANY_REQUESTS
        costed.answered(received_at=response.received_at, rate=rate, refused=refused)
    try:
        api_errors.raise_for(response, operation=request.operation)
    except VendorThrottled as error:  # the task can be parked until the permit that it names is free
        error.permit = MissingPermit(endpoint.quota_app, key.tenant.id, lane.value)
        raise
    except LocationInactive as error:
        store.suspend(access.credential_id, access.generation, reason=str(error), now=clock.now())
        raise
    if access.suspended:
        store.confirm_active(access.credential_id, access.generation, now=clock.now())
    return response


def _paged(operation: str, app: App, version: str | None) -> Style:
    wanted = target.find(operation, app, version=version)
    if wanted.style is None:
        key = wanted.operation.key
        why = why_not(key) if wanted.listed else _why_not_unlisted(wanted)
        raise BadRequest(f"{key} has no pages, call it: {why}", operation=key)
    return wanted.style


def _why_not_unlisted(wanted: target.Target) -> str:
    if wanted.version.dialect is None:
        return "API 1.0 is known to page contacts and a pipeline's opportunities; its other listings come whole"
    return "the catalogue does not list it, so its pagination is unknown"
