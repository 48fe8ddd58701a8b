"""The time zone of the operator who looks at a page, for what the server draws: axes, tooltips and forecasts.

The browser knows the zone and `hlapp/static/site/zone.js` keeps it in a cookie, of no meaning but this. Texts and
tables have their times in UTC, and the same script shows them in the zone. A first page, before the cookie, is in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.http.response import HttpResponseBase

COOKIE = "zone"
_PAGES = "/admin/"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*){0,2}")
_LONGEST = 64
_zone: ContextVar[tzinfo] = ContextVar("operator_zone", default=UTC)


class OperatorZone:
    """Middleware: the views of the operators' pages draw in the zone of the cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(_PAGES):
            return self.get_response(request)
        token = _zone.set(named(request.COOKIES.get(COOKIE, "")))
        try:
            return self.get_response(request)
        finally:
            _zone.reset(token)


def named(name: str) -> tzinfo:
    """The zone with this IANA name; UTC for a text that names none."""
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of that name, a damaged file, or a folder of the database
        return UTC


def local(at: datetime) -> datetime:
    """The moment in the operator's zone."""
    return at.astimezone(_zone.get())


def name() -> str:
    """What a plot calls the zone: `Europe/Berlin`."""
    return str(_zone.get())
