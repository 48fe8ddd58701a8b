"""Exception hierarchy (error tree). It *is* the retry policy: tasks and views decide by its types and attributes only.

::

    IntegrationError                 code, operation, reason, vendor (its answer), context (for showing), a message
    ├── Retryable                    the same call may succeed later; `retry_after` seconds, or None for "back off"
    │   ├── Unreachable              no answer: connection refused, time-out, garbage instead of HTTP; `sent`
    │   ├── ServerFault              the vendor answered 5xx
    │   ├── QuotaExhausted           no quota now
    │   │   ├── NoPermit             our governor gives no permit: `retry_after` is its forecast
    │   │   └── VendorThrottled      the vendor answered 429: `retry_after` is from its response
    │   ├── RefreshInProgress        another process holds the lease on this credential
    │   ├── TooManyRequests          a client sends us more requests than our rate limit allows: 429
    │   ├── InstallPending           an event or call came before the installation it belongs to
    │   └── StoreUnavailable         our own database, cache or broker is unavailable
    ├── Permanent                    repeating cannot help
    │   ├── GrantRevoked             the vendor no longer accepts the grant: the agency must install again
    │   │   └── MintRefused          and the company's token cannot mint another, which may change by itself
    │   ├── InstallGone              no such installation, or it was uninstalled
    │   ├── LocationInactive         paused, unpaid or closed: tokens are kept and tried again slowly
    │   ├── ScopeMissing             the grant lacks a scope the operation needs: which ones, and where to consent
    │   ├── ClientRejected           our own client id or secret is wrong: the whole app stops
    │   │   └── ClientOrGrantRejected   the vendor's words fit a wrong client and a revoked authorization alike
    │   ├── RequestRejected          the vendor refused the request (4xx)
    │   │   └── OtherAccount         the token is alive, but not for this account or level
    │   ├── BadRequest               the caller's own mistake, found before anything was sent
    │   ├── ConsentDenied            the user refused to install the app
    │   ├── DestinationRefused       a secret may not be sent to this address: its host is not allowed
    │   └── SealBroken               a ciphertext cannot be decrypted: wrong key, or moved from its row
    └── Untrusted                    input from outside that is not what it claims: 400/401/413, counted, never retried
        ├── StateInvalid             the OAuth state or code is unknown, used, expired or another browser's
        ├── SignatureInvalid         a webhook or SSO payload without a signature of a trusted key
        └── PayloadAnomalous         malformed or impossible content
            └── PayloadTooLarge      more bytes than we take

Decisions read types and attributes (`reason`, `sent`, `permit`, `vendor.status`, `missing`). `context` collects them
and further identifiers for logs, pages and `--json`: code shows it and never decides by it. A subclass that refines a
decision has its parent's `code`, because codes are stored and shown.

Every error survives pickling, because Celery carries it between processes. Foreign exceptions are turned into
this tree at one boundary per library (`highlevel.http.transport`, `highlevel.oauth`, `vault.seal`,
`quota.permits.scripts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class VendorAnswer:
    """The vendor's HTTP answer behind an error: all that it said, without secrets.

    `message` is the vendor's text, short and redacted; `details` are the sentences of a validation error. `body` is the
    parsed error body with its codes and `meta`, redacted likewise; `headers` are those that matter: of the quota,
    Retry-After, ids of the request. `context` has neither of the two; `record` has everything.
    """

    status: int | None = None
    message: str | None = None
    trace_id: str | None = None
    details: tuple[str, ...] = ()
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def shown(self) -> dict[str, Any]:
        """The fields as `context` names them."""
        named = {"status": self.status, "trace_id": self.trace_id, "vendor_message": self.message}
        return named | ({"details": list(self.details)} if self.details else {})

    def record(self) -> dict[str, Any]:
        """The answer as JSON, for commands and pages; empty when there was none."""
        named = {
            "status": self.status,
            "message": self.message,
            "details": list(self.details),
            "trace_id": self.trace_id,
            "body": self.body,
            "headers": dict(self.headers),
        }
        return {name: value for name, value in named.items() if value not in (None, [], {}, "")}


@dataclass(frozen=True, slots=True)
class MissingPermit:
    """The permit that a call lacked: one for `resource` under the app's quota key, in `lane`. `reason` is the
    governor's ("burst", "day", "store"), empty when the vendor refused.
    """

    app: str
    resource: str
    lane: str
    reason: str = ""

    def shown(self) -> dict[str, str | None]:
        """The fields as `context` names them."""
        return {"app": self.app, "resource": self.resource, "lane": self.lane, "reason": self.reason or None}


NO_ANSWER = VendorAnswer()


class IntegrationError(Exception):
    """Base class of every expected failure.

    The message says what to do. `vendor` is the vendor's answer, `NO_ANSWER` when there was none. `operation` is the
    one that was called, empty outside a call. `reason` tells refusals of one class apart, as the tables of refusals
    name them (`highlevel.http.error_rows`); empty where the class says all. Further keywords are identifiers for
    `context`.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        vendor: VendorAnswer = NO_ANSWER,
        operation: str = "",
        reason: str = "",
        **identifiers: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.vendor = vendor
        self.operation = operation
        self.reason = reason
        self._identifiers = identifiers

    def __str__(self) -> str:
        return self.message

    @property
    def context(self) -> dict[str, Any]:
        """What is known of this error, for showing only. It is logged, so nothing in it is a secret."""
        called = {name: value for name in ("operation", "reason") if (value := getattr(self, name))}
        every = {**self.vendor.shown(), **self._attributes(), **called, **self._identifiers}
        return {key: value for key, value in every.items() if value is not None}

    @property
    def never_sent(self) -> bool:
        """Whether the request is known never to have left this process, so that it cannot have had an effect."""
        return False

    def annotate(self, **identifiers: Any) -> None:
        """Add identifiers to `context`; those of the same name are replaced."""
        self._identifiers = {**self._identifiers, **identifiers}

    def _attributes(self) -> dict[str, Any]:
        """The typed attributes of a subclass, as `context` names them."""
        return {}


class Retryable(IntegrationError):
    """The same work may succeed later. `retry_after` is in seconds; None means back off with jitter.

    `permit`, where there is one, is what the work waited for: its task can be parked until that permit is free.
    """

    code = "retryable"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        permit: MissingPermit | None = None,
        vendor: VendorAnswer = NO_ANSWER,
        **identifiers: Any,
    ) -> None:
        super().__init__(message, vendor=vendor, **identifiers)
        self.retry_after = retry_after
        self.permit = permit

    def _attributes(self) -> dict[str, Any]:
        return {} if self.permit is None else self.permit.shown()


class Unreachable(Retryable):
    """No answer, or none that can be read. `sent=False`: the request never left, so it had no effect. Otherwise its
    fate is unknown.
    """

    code = "unreachable"

    def __init__(
        self,
        message: str,
        *,
        sent: bool = True,
        retry_after: float | None = None,
        vendor: VendorAnswer = NO_ANSWER,
        **identifiers: Any,
    ) -> None:
        super().__init__(message, retry_after=retry_after, vendor=vendor, **identifiers)
        self.sent = sent

    @property
    def never_sent(self) -> bool:
        """See the base class."""
        return not self.sent

    def _attributes(self) -> dict[str, Any]:
        return {**super()._attributes(), "sent": self.sent}


class ServerFault(Retryable):
    """The vendor answered 5xx: the request may have had its effect."""

    code = "server_fault"


class QuotaExhausted(Retryable):
    """No quota for this call now. The subclass says whether our governor or the vendor refused."""

    code = "quota_exhausted"


class NoPermit(QuotaExhausted):
    """Our governor gives no permit now: nothing was sent, and `retry_after` is a forecast."""


class VendorThrottled(QuotaExhausted):
    """The vendor answered 429: `retry_after` is its order."""


class RefreshInProgress(Retryable):
    """Another process holds the lease on this credential: its new token will be there soon."""

    code = "refresh_in_progress"


class TooManyRequests(Retryable):
    """A client sends us more requests than our rate limit allows."""

    code = "too_many_requests"


class InstallPending(Retryable):
    """An event or a call came before the installation it belongs to."""

    code = "install_pending"


class StoreUnavailable(Retryable):
    """Our own database, cache or broker is unavailable."""

    code = "store_unavailable"


class Permanent(IntegrationError):
    """Repeating cannot help: the message says what an operator or the agency has to do."""

    code = "permanent"


class GrantRevoked(Permanent):
    """The vendor no longer accepts the grant: the account has to be connected again."""

    code = "grant_revoked"


class MintRefused(GrantRevoked):
    """The grant is dead, and its company's token mints no other now: that may change without a new installation."""

    def _attributes(self) -> dict[str, Any]:
        return {"mint_refused": True}


class InstallGone(Permanent):
    """There is no such installation, or it was uninstalled."""

    code = "install_gone"


class LocationInactive(Permanent):
    """The location is paused, unpaid or closed: its tokens work again once it is active."""

    code = "location_inactive"


class ScopeMissing(Permanent):
    """The grant lacks a scope that the operation needs.

    `missing`: the scopes, if they are known; `not_requested`: those of them that the app does not ask for yet;
    `reconnect_url`: the page where the account consents again.
    """

    code = "scope_missing"

    def __init__(
        self,
        message: str,
        *,
        missing: Iterable[str] | None = None,
        vendor: VendorAnswer = NO_ANSWER,
        **identifiers: Any,
    ) -> None:
        super().__init__(message, vendor=vendor, **identifiers)
        self.missing = tuple(missing or ())
        self.not_requested: tuple[str, ...] = ()
        self.reconnect_url: str | None = None

    def _attributes(self) -> dict[str, Any]:
        return {
            "missing": list(self.missing) or None,
            "not_requested": list(self.not_requested) or None,
            "reconnect_url": self.reconnect_url,
        }


class ClientRejected(Permanent):
    """The vendor refuses the app's client id or secret: every refresh of the app stops."""

    code = "client_rejected"


class ClientOrGrantRejected(ClientRejected):
    """The vendor's words fit a wrong client secret and a revoked authorization alike (FACTS 1.5)."""

    def _attributes(self) -> dict[str, Any]:
        return {"ambiguous": True}


class RequestRejected(Permanent):
    """The vendor refused the request (4xx): `vendor` has its status, words and trace id."""

    code = "request_rejected"


class OtherAccount(RequestRejected):
    """The token is alive, but not for this account: it is another's, or an agency's where a location's is needed."""


class BadRequest(Permanent):
    """The caller's own mistake, found before anything was sent."""

    code = "bad_request"

    @property
    def never_sent(self) -> bool:
        """See the base class."""
        return True


class ConsentDenied(Permanent):
    """The user refused to install the app."""

    code = "consent_denied"


class DestinationRefused(Permanent):
    """No secret is sent to this address: the environment does not allow its host, or it is not HTTPS."""

    code = "destination_refused"

    @property
    def never_sent(self) -> bool:
        """See the base class."""
        return True


class SealBroken(Permanent):
    """A ciphertext cannot be decrypted: the key is wrong, or it was moved from its row."""

    code = "seal_broken"


class Untrusted(IntegrationError):
    """Input from outside that is not what it claims. `status` is the HTTP answer it deserves."""

    code = "untrusted"
    status = 400


class StateInvalid(Untrusted):
    """The OAuth state or code is unknown, used, expired or another browser's."""

    code = "state_invalid"


class SignatureInvalid(Untrusted):
    """A webhook or SSO payload without a signature of a trusted key."""

    code = "signature_invalid"
    status = 401


class PayloadAnomalous(Untrusted):
    """Malformed or impossible content."""

    code = "payload_anomalous"


class PayloadTooLarge(PayloadAnomalous):
    """More bytes than we take."""

    code = "payload_too_large"
    status = 413
