"""Views of the page inside HighLevel: an empty HTML page that any site may frame, and the endpoint that fills it.

The page itself contains no tenant's data. Its script asks the parent frame for the encrypted user data and posts it to
`session`. The answer is a ticket (`sso_session`) and the state of that one tenant; later requests carry the ticket.
"""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from integrations.console import rate_limits
from integrations.console.embed import claims, sso_session, tenant_state
from integrations.core import clock
from integrations.core.errors import PayloadAnomalous, PayloadTooLarge, SignatureInvalid
from integrations.highlevel.sso import LONGEST_PAYLOAD
from integrations.tenants import marketplace

_LARGEST_BODY = LONGEST_PAYLOAD + 1024


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """The HTML page. `?app=` chooses the marketplace app; without it the default app is used."""
    app = marketplace.find(request.GET.get("app"))
    return render(request, "embed/page.html", {"app": app})


@csrf_exempt  # no cookie is read here: the proof is in the body or in the Authorization header
@never_cache
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> JsonResponse:
    """POST `{"payload": …, "app": …}` gives `{"ticket": …, "state": …}`; GET with the ticket gives `{"state": …}`.

    Answers 429 with Retry-After when a client or an app exceeds its limit (`rate_limits`).
    """
    rate_limits.embed_request(request)
    if request.method == "GET":
        scheme, _, ticket = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise SignatureInvalid("no ticket was sent")
        return JsonResponse({"state": tenant_state.state(sso_session.read_ticket(ticket))})
    app_name, payload = _posted(request)
    app = marketplace.find(app_name)
    user = sso_session.authenticate(app, payload)
    rate_limits.embed_exchange(app)
    claims.claim_for(user, clock.now())
    return JsonResponse({"ticket": sso_session.issue_ticket(user), "state": tenant_state.state(user)})


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
