"""Exceptions of the vendor's protocol; they belong to the error tree of `integrations.core.errors`.

::

    Retryable
    ├── AccessTokenRejected    401 whose words blame the access token: refresh once per token generation, then stop
    │   └── Unexplained401     401 in words that no row knows: ask about the token before anything is refreshed
    └── UnknownRefusal         a response that no row of our tables matches: back off, show it, add a row
"""

from __future__ import annotations

from integrations.core.errors import Retryable


class AccessTokenRejected(Retryable):
    """The API refused the access token. At most one refresh per generation may follow, and none for a missing scope."""

    code = "access_token_rejected"


class Unexplained401(AccessTokenRejected):
    """A 401 that does not say what it is about. The token may be alive: a refresh needs other evidence first."""


class UnknownRefusal(Retryable):
    """A refusal that no table lists. Retryable: to treat a live grant as dead costs the customer a re-install."""

    code = "unknown_refusal"
