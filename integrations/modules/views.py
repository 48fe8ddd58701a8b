"""Django view of the URLs of modules."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from integrations.core.sensitive import sensitive
from integrations.modules import module_endpoint
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
    response = module_endpoint.respond(kind, app_name, name, request.META, body_stream(request), request.GET.dict())
    return JsonResponse(response.body, status=response.status, headers=dict(response.headers), safe=False)
