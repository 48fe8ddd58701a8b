"""Exceptions of the vendor's protocol; both belong to the error tree of `integrations.core.errors`.

::

    Retryable
    ├── AccessTokenRejected    401 on a call: refresh once per token generation, then stop
    └── UnknownRefusal         a response that no row of our tables matches: back off, show it, add a row
"""

from __future__ import annotations

from integrations.core.errors import Retryable


class AccessTokenRejected(Retryable):
    """The API refused the access token. At most one refresh per generation may follow, and none for a missing scope."""

    code = "access_token_rejected"


class UnknownRefusal(Retryable):
    """A refusal that no table lists. Retryable: to treat a live grant as dead costs the customer a re-install."""

    code = "unknown_refusal"
