"""Views of an installation: start, consent link, OAuth callback. The page after it is `console.agency_view`'s.

`console.errors.middleware` turns errors into pages.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from integrations.core import clock
from integrations.core.admin import operator
from integrations.core.client_address import client_address
from integrations.installs import callback as callbacks
from integrations.installs import consent_answer, install_limits
from integrations.installs.browser import result_link, state
from integrations.installs.callback import Callback
from integrations.tenants import install_link, marketplace
from integrations.tenants.install_link import MarketplaceHost
from integrations.tenants.models import App, Installation
from integrations.tokens.admin_pages import consent_link

_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")  # what `secrets.token_urlsafe(32)` returns


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
    may_store = install_limits.begin(client_address(request))
    # Two tabs of one browser may install at once, so the second one keeps the first one's cookie.
    known = request.COOKIES.get(result_link.cookie_name(), "")
    browser = known if _BROWSER.fullmatch(known) else secrets.token_urlsafe(32)
    claimant = operator(request) if request.user.is_authenticated and asked is None else ""
    if may_store or claimant:
        issued = state.issue(app, browser=browser, claimant=claimant, now=clock.now(), installation=asked)
    else:
        issued = state.issue_signed(app, browser=browser, installation=asked)
    response = redirect(install_link.address(app, state=issued, host=request.GET.get("market")))
    _bind(response, browser, state.LIFETIME)
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
        browser=request.COOKIES.get(result_link.cookie_name(), ""),
    )
    began_here = state.began_here(received.state, browser=received.browser, now=clock.now())
    with install_limits.callback(client_address(request), has_state=received.state is not None, began_here=began_here):
        done = callbacks.handle(received)
    browser = received.browser if _BROWSER.fullmatch(received.browser) else ""
    response = redirect("console:install-result", result_link.make(done.installation, done.asked, browser=browser))
    if browser:
        _bind(response, browser, result_link.LIFE)
    return response


def _bind(response: HttpResponse, browser: str, life: timedelta) -> None:
    """Set the cookie that binds the state of an install, and the page after it, to this browser."""
    response.set_cookie(
        result_link.cookie_name(),
        browser,
        max_age=int(life.total_seconds()),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
