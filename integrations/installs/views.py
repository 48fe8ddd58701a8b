"""Views of an installation: start, consent link, OAuth callback, result.

`console.errors.middleware` turns errors into pages.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from integrations.core import clock
from integrations.core import signed as signatures
from integrations.core.admin import operator
from integrations.core.client_address import client_address
from integrations.core.errors import BadRequest
from integrations.core.tenant import UserType
from integrations.installs import callback as callbacks
from integrations.installs import consent_answer, install_limits, queries, state
from integrations.installs.callback import Callback
from integrations.tenants import install_link, marketplace
from integrations.tenants.install_link import MarketplaceHost
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps
from integrations.tokens.admin_pages import consent_link

_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")  # what `secrets.token_urlsafe(32)` returns
_RESULT_SALT = "installs.result"
_RESULT_LIFE = timedelta(hours=1)


@never_cache
@require_GET
def install(request: HttpRequest) -> HttpResponse:
    """The start page. With `?go=1`: redirect to the vendor's page, with a one-time state bound to this browser."""
    app = marketplace.find(request.GET.get("app"))
    if "go" not in request.GET:
        go = reverse("install") + "?" + urlencode({"app": app.highlevel_id, "go": "1"})
        context = {"app": app, "hosts": _buttons(install_link.hosts(app), go), "not_now": True}
        return render(request, "installs/install.html", context)
    return _to_vendor(request, app)


@never_cache
@require_GET
def again(request: HttpRequest, signed: str) -> HttpResponse:
    """The page of a consent link: what one account is asked for, and its answer. With `?go=1`: on to the vendor."""
    link = consent_link.read(signed, now=clock.now())
    if "go" in request.GET:
        return _to_vendor(request, link.installation.app, link.installation)
    go = reverse("install_again", args=[signed]) + "?go=1"
    context = consent_answer.page(link) | {"hosts": _buttons(consent_answer.hosts(link.installation), go)}
    return render(request, "installs/again.html", context)


def _buttons(hosts: list[MarketplaceHost], go: str) -> list[dict[str, str]]:
    return [{"name": host.name, "url": f"{go}&{urlencode({'market': host.name})}"} for host in hosts]


def _to_vendor(request: HttpRequest, app: App, asked: Installation | None = None) -> HttpResponse:
    install_limits.begin(client_address(request))
    # Two tabs of one browser may install at once, so the second one keeps the first one's cookie.
    known = request.COOKIES.get(cookie_name(), "")
    browser = known if _BROWSER.fullmatch(known) else secrets.token_urlsafe(32)
    claimant = operator(request) if request.user.is_authenticated and asked is None else ""
    issued = state.issue(app, browser=browser, claimant=claimant, now=clock.now(), installation=asked)
    response = redirect(install_link.address(app, state=issued, host=request.GET.get("market")))
    response.set_cookie(
        cookie_name(),
        browser,
        max_age=int(state.LIFETIME.total_seconds()),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return response


@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Handles the code, then redirects, so that the code is neither sent again by a reload nor kept in the history."""
    received = Callback(
        code=request.GET.get("code"),
        state=request.GET.get("state"),
        error=request.GET.get("error"),
        app=request.GET.get("app"),
        browser=request.COOKIES.get(cookie_name(), ""),
    )
    with install_limits.callback(client_address(request), has_state=received.state is not None):
        done = callbacks.handle(received)
    asked = done.asked.pk if done.asked else None
    return redirect("install_result", signatures.dumps([done.installation.pk, asked], salt=_RESULT_SALT))


def cookie_name() -> str:
    """The cookie that binds a state to the browser; over HTTPS one that no other host of the domain can set."""
    return "__Host-install" if settings.HTTPS else "install"


@never_cache
@require_GET
def result(request: HttpRequest, signed: str) -> HttpResponse:
    """The result page. For an unclaimed installation it shows nothing about the tenant."""
    try:
        pk, asked = signatures.loads(signed, salt=_RESULT_SALT, max_age=_RESULT_LIFE)
    except (BadSignature, TypeError, ValueError):  # signed by a release whose links had another form
        raise BadRequest("this page has expired: the installation itself is not affected") from None
    rows = Installation.objects.select_related("app", "company", "location")
    row = rows.get(pk=pk)
    gap = scope_gaps.of(row)
    claimed = row.claimed_at is not None
    progress = queries.progress(row) if claimed and row.user_type == UserType.COMPANY else None
    context = {
        "installation": row if claimed else None,
        "app": row.app,
        "company": row.company if claimed else None,
        "location": row.location if claimed else None,
        "claimed": claimed,
        "missing": gap.missing if claimed else (),
        "disabled": scope_gaps.disabled(row, gap) if claimed and gap.missing else (),
        "again": consent_link.path(row) if claimed and gap.missing else "",
        "asked": consent_answer.account_name(rows.get(pk=asked)) if asked and asked != pk else "",
        "locations_connected": progress.connected if progress else 0,
        "locations_expected": progress.total if progress else 0,
    }
    return render(request, "installs/result.html", context)
