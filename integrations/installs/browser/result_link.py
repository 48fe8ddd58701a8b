"""The signed link to the page after an install, and the browser that it is for.

The link names the installation, its generation and a digest of the browser's cookie. It lives for an hour. Its page
shows names of sub-accounts, so a link that was sent on, or is read from a history or a log, must show none.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest

from integrations.core import signed as signatures
from integrations.core.errors import BadRequest
from integrations.tenants.models import Installation

LIFE = timedelta(hours=1)
_SALT = "installs.result"
_EXPIRED = "this page has expired: the installation itself is not affected"


@dataclass(frozen=True, slots=True)
class ResultLink:
    """The installation of a link, the one that a consent link had asked, if any, and the browser's digest."""

    installation: Installation
    asked: Installation | None
    browser: str

    def is_from(self, request: HttpRequest) -> bool:
        """Whether the request comes from the browser that went through the install."""
        cookie = request.COOKIES.get(cookie_name(), "")
        return bool(cookie and self.browser) and hmac.compare_digest(_digest(cookie), self.browser)


def cookie_name() -> str:
    """The cookie that binds an install to the browser; over HTTPS one that no other host of the domain can set."""
    return "__Host-install" if settings.HTTPS else "install"


def make(installation: Installation, asked: Installation | None, *, browser: str) -> str:
    """The signed part of the link. `browser` is the value of the cookie, empty without one."""
    value = [installation.pk, installation.generation, asked.pk if asked else None, _digest(browser)]
    return signatures.dumps(value, salt=_SALT)


def read(signed: str) -> ResultLink:
    """The link's installation, as it is now. Raises BadRequest once it has expired or its installation has ended."""
    try:
        pk, generation, asked, browser = signatures.loads(signed, salt=_SALT, max_age=LIFE)
    except (BadSignature, TypeError, ValueError):  # or signed by a release whose links had another form
        raise BadRequest(_EXPIRED) from None
    rows = Installation.objects.select_related("app", "company", "location")
    found = {row.pk: row for row in rows.filter(pk__in=[pk, asked])}
    row = found.get(pk)
    if row is None or row.generation != generation or row.status == Installation.Status.UNINSTALLED:
        raise BadRequest(_EXPIRED)
    return ResultLink(row, found.get(asked), browser)


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest() if browser else ""
