"""Views of the page inside HighLevel: an empty HTML page that any site may frame, and the endpoint that fills it.

The page itself contains no tenant's data. Its script asks the parent frame for the encrypted user data and posts it to
`session`. The answer is a ticket (`sso_session`); later requests carry it and get the state of that one tenant. Pages
of own apps (`embedded_page`) use the same script and the same tickets.
"""

from __future__ import annotations

import json

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations.console import embed_limits
from integrations.console.embed import claims, embedded_access, embedded_visits, ending, sso_session, tenant_state
from integrations.console.errors.middleware import FRAMED
from integrations.core import clock
from integrations.core.errors import PayloadAnomalous, PayloadTooLarge
from integrations.highlevel.sso import LONGEST_PAYLOAD
from integrations.tenants import marketplace

_LARGEST_BODY = LONGEST_PAYLOAD + 1024


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """The HTML page. `?app=` chooses the marketplace app; without it the default app is used."""
    request.META[FRAMED] = True
    app = marketplace.find(request.GET.get("app"))
    return render(request, "embed/page.html", {"app": app})


@csrf_exempt  # no cookie is read here: the proof is in the body or in the Authorization header
@never_cache
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> JsonResponse:
    """POST `{"payload": …, "app": …}` gives `{"ticket": …, "tenant": …}`; GET with the ticket gives `{"state": …}`.

    Answers 429 with Retry-After when a client or an app exceeds its limit (`embed_limits`).
    """
    embed_limits.embed_request(request)
    if request.method == "GET":
        return JsonResponse({"state": tenant_state.state(embedded_access.user_of(request))})
    app_name, payload = _posted(request)
    app = marketplace.find(app_name)
    with transaction.atomic():  # what fails after it, such as a wait for a locked row, uses no payload up
        with embed_limits.decryption(request):
            user = sso_session.authenticate(app, payload)
        embed_limits.embed_exchange(app)
        embedded_access.check_not_dismissed(user)
        now = clock.now()
        claims.claim_for(user, now)
        embedded_visits.remember(user, now)
    return JsonResponse({"ticket": sso_session.issue_ticket(user), "tenant": str(user.tenant)})


@csrf_exempt  # the ticket in the Authorization header is the proof
@never_cache
@require_POST
def uninstall(request: HttpRequest) -> JsonResponse:
    """Uninstall the app from the tenant of the ticket, for its administrators. Answers `{"uninstalled": true}`."""
    embed_limits.embed_request(request)
    user = embedded_access.user_of(request)
    with embed_limits.embed_uninstall(user.app_id, user.user_id):
        ending.end(user)
    return JsonResponse({"uninstalled": True})


def _posted(request: HttpRequest) -> tuple[str | None, str]:
    if len(request.body) > _LARGEST_BODY:
        raise PayloadTooLarge("the user data exceeds the size limit")
    try:
        body = json.loads(request.body)
        app_name, payload = body.get("app"), body["payload"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise PayloadAnomalous("the body is not JSON with a payload") from None
    if not isinstance(payload, str) or not isinstance(app_name, str | None):
        raise PayloadAnomalous("the payload is not text")
    if app_name and not app_name.isprintable():  # PostgreSQL stores neither NUL nor lone surrogates, which JSON allows
        raise PayloadAnomalous("the app's name is not text")
    return app_name, payload
