"""Back-off after failed sign-ins, per account and per address, counted in PostgreSQL.

An attempt is counted before its password is looked at, in one statement, so that a thousand attempts at once are not a
thousand guesses. After some failures in a row each further attempt has to wait, twice as long as the one before, up to
a quarter of an hour: about a hundred guesses a day for an account, from however many addresses. A successful sign-in,
or a day without an attempt, ends it.

A stranger must not lock an operator out. So a browser that has signed in to an account keeps a signed cookie for half a
year, and its attempts for that account count by themselves: neither the account's count nor the address's applies. For
the first sign-in in a new browser there is `manage.py operators unlock NAME`.

The counts are in the database that has the passwords: there is no sign-in without it, and none that is not counted.
The limit of requests in `SIGN_INS`, which saves CPU, is in Redis, and without Redis only this one is off.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from integrations.core.client_address import client_address
from integrations.core.errors import TooManyRequests
from integrations.operators.models import SignInAttempts
from integrations.quota.request_limits import RequestLimit

SIGN_INS = RequestLimit("sign-in", 30)  # per address: a check of a password costs a quarter of a second of CPU
# Ways to the identity provider that strangers begin, from all addresses: each is a row of a session for ten minutes.
OPENID_OF_STRANGERS = RequestLimit("openid", 600)
FREE = 5  # attempts on an account that do not wait
FREE_OF_ADDRESS = 20  # a team behind one address
LONGEST = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(days=1)
COOKIE = "known_browser"
_COOKIE_AGE = timedelta(days=180)
_SALT = "integrations.operators.sign_in.back_off"

_COUNT = """
INSERT INTO operators_signinattempts AS known (key, failures, last_at, blocked_until)
VALUES (%(key)s, 1, %(now)s, NULL)
ON CONFLICT (key) DO UPDATE SET
  failures = CASE WHEN known.last_at < %(forgotten)s THEN 1 ELSE known.failures + 1 END,
  last_at = %(now)s,
  blocked_until = CASE
    WHEN known.last_at < %(forgotten)s OR known.failures + 1 < %(free)s THEN NULL
    ELSE %(now)s + LEAST(%(longest)s, power(2, LEAST(known.failures + 1 - %(free)s, 20)) * interval '1 second')
  END
WHERE known.blocked_until IS NULL OR known.blocked_until <= %(now)s
RETURNING failures, blocked_until
"""


@dataclass(frozen=True, slots=True)
class CountedAttempt:
    """One counted attempt: under which keys, and until when the next one has to wait, if it has to."""

    keys: tuple[str, ...]
    blocked_until: datetime | None = None


def begin(request: HttpRequest, username: str, now: datetime) -> CountedAttempt:
    """Count an attempt to sign in to an account. Raises TooManyRequests while it has to wait.

    The address comes first: one that has to wait does not count against the account.
    """
    address = client_address(request)
    SIGN_INS.count(address)
    if browser := _known_browser(request, username):
        return _count(now, (browser, FREE))
    return _count(now, (f"address:{address}", FREE_OF_ADDRESS), (_account(username), FREE))


def is_known(request: HttpRequest, username: str) -> bool:
    """Whether this browser has signed in to this account before."""
    return bool(_known_browser(request, username))


def begin_openid(request: HttpRequest) -> None:
    """Count a way to the identity provider. Raises TooManyRequests, in a flood for browsers that never signed in."""
    SIGN_INS.count(client_address(request))
    if _signed_in_before(request) is None:
        OPENID_OF_STRANGERS.count()


def begin_code(user_id: int, now: datetime) -> CountedAttempt:
    """Count an attempt to give the code of a second factor. Raises TooManyRequests while it has to wait.

    Who gets here knows the password, so that a stranger cannot use these up.
    """
    return _count(now, (f"code:{user_id}", FREE))


def succeeded(attempt: CountedAttempt) -> None:
    """End the back-off of an attempt that succeeded. Of its address only this attempt is taken back."""
    for key in attempt.keys:
        rows = SignInAttempts.objects.filter(key=key)
        if key.startswith("address:"):
            rows.give_back()
        else:
            rows.delete()


def unlock(username: str) -> None:
    """End the back-off of an account, for its next attempt from any browser."""
    SignInAttempts.objects.filter(key=_account(username)).delete()


def remember(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Give the browser that has signed in the cookie by which its attempts count by themselves."""
    if not _known_browser(request, username):
        value = signing.dumps([_account(username), secrets.token_urlsafe(12)], salt=_SALT)
        age = int(_COOKIE_AGE.total_seconds())
        response.set_cookie(
            COOKIE, value, max_age=age, path="/admin/", secure=request.is_secure(), httponly=True, samesite="Lax"
        )


def _count(now: datetime, *limits: tuple[str, int]) -> CountedAttempt:
    blocked = None
    for key, free in limits:
        values: dict[str, Any] = {
            "key": key,
            "free": free,
            "now": now,
            "forgotten": now - FORGOTTEN_AFTER,
            "longest": LONGEST,
        }
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, values)
            counted = cursor.fetchone()
        if counted is None:
            _refuse(key, now)
        failures, until = counted
        if failures == 1:
            SignInAttempts.objects.filter(last_at__lt=now - FORGOTTEN_AFTER).delete()
        blocked = max(filter(None, (blocked, until)), default=None)
    return CountedAttempt(tuple(key for key, _ in limits), blocked)


def _refuse(key: str, now: datetime) -> None:
    until = SignInAttempts.objects.filter(key=key).values_list("blocked_until", flat=True).first() or now
    wait = max(1.0, (until - now).total_seconds())
    raise TooManyRequests("too many failed attempts to sign in", retry_after=wait, limit=key.partition(":")[0])


def _account(username: str) -> str:
    """The key of an account. A MAC, because people type their password into the wrong field."""
    return f"account:{salted_hmac(_SALT, username.casefold(), algorithm='sha256').hexdigest()[:40]}"


def _known_browser(request: HttpRequest, username: str) -> str:
    """The key of a browser that has signed in to this account; empty for all others."""
    account, number = _signed_in_before(request) or ("", "")
    return f"browser:{number}" if account == _account(username) else ""


def _signed_in_before(request: HttpRequest) -> tuple[str, str] | None:
    """The account to which this browser has signed in, and the browser's number."""
    try:
        account, number = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=_COOKIE_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return account, number
