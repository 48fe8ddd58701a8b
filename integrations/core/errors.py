"""The one tree of errors. The tree *is* the retry policy: tasks and views read it and nothing else.

::

    IntegrationError                 code, context (identifiers only, never secrets), a message that says what to do
    ├── Retryable                    the same call may succeed later; `retry_after` seconds, or None for "back off"
    │   ├── Unreachable              no answer: connection refused, time-out, garbage instead of HTTP
    │   ├── ServerFault              the vendor answered 5xx
    │   ├── QuotaExhausted           no permit now (ours), or a 429 (the vendor's)
    │   ├── RefreshInProgress        somebody else holds the lease on this credential
    │   ├── TooManyRequests          somebody asks us more often than anybody needs to: 429
    │   ├── InstallPending           an event or call came before the installation it belongs to
    │   └── StoreUnavailable         our own database, cache or broker is away
    ├── Permanent                    repeating cannot help
    │   ├── GrantRevoked             the vendor no longer accepts the grant: the agency must install again
    │   ├── InstallGone              no such installation, or it was uninstalled
    │   ├── LocationInactive         paused, unpaid or closed: tokens are kept and tried again slowly
    │   ├── ScopeMissing             the grant lacks a scope the operation needs
    │   ├── ClientRejected           our own client id or secret is wrong: the whole app stops
    │   ├── RequestRejected          the vendor refused the request (4xx)
    │   ├── BadRequest               the caller's own mistake, found before anything was sent
    │   ├── ConsentDenied            whoever was asked to install the app said no
    │   └── SealBroken               a ciphertext does not open: wrong key, or moved from its row
    └── Untrusted                    input from outside that is not what it claims: 400/401/413, counted, never retried
        ├── StateInvalid             the OAuth state or code is unknown, used, expired or another browser's
        ├── SignatureInvalid         a webhook or SSO payload that nobody we trust has signed
        └── PayloadAnomalous         malformed or impossible content
            └── PayloadTooLarge      more bytes than we take

Every error survives pickling, because Celery carries it between processes. Foreign exceptions are turned into
this tree at one boundary per library (`highlevel.transport`, `highlevel.oauth`, `vault.seal`, `quota.governor`).
"""

from __future__ import annotations

from typing import Any


class IntegrationError(Exception):
    """Base of every anticipated failure.

    `context` holds identifiers and the vendor's `traceId`; it is logged and shown, so it never holds a secret.
    """

    code = "error"

    def __init__(self, message: str, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.context = {key: value for key, value in context.items() if value is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.context)

    def __str__(self) -> str:
        return self.message


class Retryable(IntegrationError):
    """The same work may succeed later. `retry_after` is in seconds; None means back off with jitter."""

    code = "retryable"

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, {**self.context, "retry_after": self.retry_after})


class Unreachable(Retryable):
    """No answer, or none that is HTTP. `sent=False` in the context means the request never left."""

    code = "unreachable"


class ServerFault(Retryable):
    code = "server_fault"


class QuotaExhausted(Retryable):
    code = "quota_exhausted"


class RefreshInProgress(Retryable):
    code = "refresh_in_progress"


class TooManyRequests(Retryable):
    code = "too_many_requests"


class InstallPending(Retryable):
    code = "install_pending"


class StoreUnavailable(Retryable):
    code = "store_unavailable"


class Permanent(IntegrationError):
    """Repeating cannot help; somebody has to do something, and the message says what."""

    code = "permanent"


class GrantRevoked(Permanent):
    code = "grant_revoked"


class InstallGone(Permanent):
    code = "install_gone"


class LocationInactive(Permanent):
    code = "location_inactive"


class ScopeMissing(Permanent):
    code = "scope_missing"


class ClientRejected(Permanent):
    code = "client_rejected"


class RequestRejected(Permanent):
    """The vendor refused the request. Context: status, trace_id, operation."""

    code = "request_rejected"


class BadRequest(Permanent):
    code = "bad_request"


class ConsentDenied(Permanent):
    code = "consent_denied"


class SealBroken(Permanent):
    code = "seal_broken"


class Untrusted(IntegrationError):
    """Input from outside that is not what it claims. `status` is the HTTP answer it deserves."""

    code = "untrusted"
    status = 400


class StateInvalid(Untrusted):
    code = "state_invalid"


class SignatureInvalid(Untrusted):
    code = "signature_invalid"
    status = 401


class PayloadAnomalous(Untrusted):
    code = "payload_anomalous"


class PayloadTooLarge(PayloadAnomalous):
    code = "payload_too_large"
    status = 413


def _rebuild(kind: type[IntegrationError], message: str, context: dict[str, Any]) -> IntegrationError:
    return kind(message, **context)
