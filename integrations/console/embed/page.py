"""The page inside the agency's iframe: a shell that anybody may frame, and the exchange that fills it.

The shell holds nothing about anybody. Its script asks the parent frame who is looking, posts the encrypted answer
here, and gets a ticket (`visitors`) and the state of that one place; it then asks for the state with the ticket.
"""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from integrations.console.embed import claims, rate_limits, sso_session, tenant_state
from integrations.core import clock
from integrations.core.errors import PayloadAnomalous, PayloadTooLarge, SignatureInvalid
from integrations.highlevel.sso import LONGEST_PAYLOAD
from integrations.tenants import marketplace

_LARGEST_BODY = LONGEST_PAYLOAD + 1024


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """`?app=` chooses the app, as everywhere; the default one without it."""
    app = marketplace.find(request.GET.get("app"))
    return render(request, "embed/page.html", {"app": app})


@csrf_exempt  # no cookie counts here: the proof is in the body, or in the Authorization header
@never_cache
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> JsonResponse:
    """POST `{"payload": …, "app": …}` gives `{"ticket": …, "state": …}`; GET with the ticket gives `{"state": …}`.

    429 with Retry-After for who asks too often (`throttle`).
    """
    now = clock.now()
    rate_limits.visitor(request, now)
    if request.method == "GET":
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise SignatureInvalid("no ticket was sent")
        return JsonResponse({"state": tenant_state.state(sso_session.read(text, now))})
    app_name, payload = _posted(request)
    app = marketplace.find(app_name)
    rate_limits.exchange(app, now)
    visitor = sso_session.admit(app, payload)
    claims.by_visitor(visitor, now)
    return JsonResponse({"ticket": sso_session.ticket(visitor, now), "state": tenant_state.state(visitor)})


def _posted(request: HttpRequest) -> tuple[str | None, str]:
    if len(request.body) > _LARGEST_BODY:
        raise PayloadTooLarge("the user data is larger than any real one")
    try:
        body = json.loads(request.body)
        app_name, payload = body.get("app"), body["payload"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise PayloadAnomalous("the body is not JSON with a payload") from None
    if not isinstance(payload, str) or not isinstance(app_name, str | None):
        raise PayloadAnomalous("the payload is not text")
    if app_name and not app_name.isprintable():  # NUL and lone surrogates are valid JSON, but no text for a database
        raise PayloadAnomalous("the app's name is not text")
    return app_name, payload
