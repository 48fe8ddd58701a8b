"""Signed values with a time, for links and tickets that expire: `django.core.signing` with one more check.

Django takes a value from the future for a young one, so it would live for longer than it should. A clock that went back
must not extend what was signed before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.core.signing import BadSignature, TimestampSigner, b62_decode

from integrations.core import clock

AHEAD = timedelta(minutes=1)  # by which the clocks of two machines may differ
log = structlog.get_logger(__name__)


def dumps(value: Any, *, salt: str) -> str:
    """The JSON value as a text that only this deployment can write, with the time. It is readable by everyone."""
    return TimestampSigner(salt=salt).sign_object(value)


def loads(text: str, *, salt: str, max_age: timedelta) -> Any:
    """The value of `dumps`.

    Raises SignatureExpired, BadSignature (also for one from the future) and ValueError (signed, but without a time).
    """
    value = TimestampSigner(salt=salt).unsign_object(text, max_age=max_age)
    signed_at = datetime.fromtimestamp(b62_decode(text.rsplit(":", 2)[1]), UTC)
    if signed_at > clock.now() + AHEAD:
        log.warning("signed.from_the_future", salt=salt, signed_at=signed_at.isoformat())
        raise BadSignature("the signature is from the future")
    return value
