"""The two failures only the vendor's protocol knows; both hang in the tree of `integrations.core.errors`.

::

    Retryable
    ├── AccessTokenRejected    401 on a call: refresh once per token generation, then stop
    └── UnknownRefusal         an answer no row of our tables knows: back off, show it, add a row
"""

from __future__ import annotations

from integrations.core.errors import Retryable


class AccessTokenRejected(Retryable):
    """The API refused the access token. At most one refresh per generation may follow; never for a missing
    scope.
    """

    code = "access_token_rejected"


class UnknownRefusal(Retryable):
    """A refusal that is in no table. Retryable, because calling a live grant dead costs the customer a
    re-install.
    """

    code = "unknown_refusal"
