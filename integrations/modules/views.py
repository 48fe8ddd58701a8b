"""Django views of the URLs of modules: calls of HighLevel, and the billing URL, which browsers open."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from integrations.core.client_address import client_address
from integrations.core.sensitive import sensitive
from integrations.modules import billing_page, module_endpoint
from integrations.modules.module_kinds import KINDS
from integrations.webhooks.module_deliveries import NAME
from integrations.webhooks.views import body_stream


@csrf_exempt
@sensitive()
def called(request: HttpRequest, app_name: str, segment: str, name: str) -> HttpResponse:
    """Handle /modules/<app>/<kind>/<name>/. Headers have the app's key, a body may have a customer's credentials."""
    kind = KINDS.get(segment)
    if kind is None or not NAME.fullmatch(name):
        raise Http404
    if request.method not in kind.methods:
        return HttpResponseNotAllowed(kind.methods)
    if kind.is_page:
        return _billing(request, app_name, name)
    response = module_endpoint.respond(kind, app_name, name, request.META, body_stream(request), request.GET.dict())
    return JsonResponse(response.body, status=response.status, headers=dict(response.headers), safe=False)


@never_cache
def _billing(request: HttpRequest, app_name: str, name: str) -> HttpResponse:
    """Send the user who installs to the page where the app takes its payment."""
    to = billing_page.visit(app_name, name, request.GET.dict(), client_address(request))
    return render(request, "modules/no_payment.html", status=404) if to is None else HttpResponseRedirect(to)
