"""Django view of the webhook endpoint (`webhooks.endpoint`). Under WSGI, `wsgi_entry` takes most posts before it."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from integrations.webhooks import endpoint


@csrf_exempt
def receive(request: HttpRequest, app_name: str | None = None) -> HttpResponse:
    """Handle /webhooks/ and /webhooks/<app>/."""
    if request.method in ("GET", "HEAD"):
        return HttpResponse("HighLevel posts its webhooks here.\n", content_type="text/plain")
    if request.method != "POST":
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    response = endpoint.respond(app_name, request.META, body_stream(request))
    return JsonResponse(response.body, status=response.status, headers=response.headers)


def body_stream(request: HttpRequest) -> BinaryIO:
    """The stream to read the body from.

    Django reads nothing of a chunked body, because it declares no length. The server marks bodies that end by
    themselves (`wsgi.input_terminated`).
    """
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "") and request.META.get("wsgi.input_terminated"):
        return cast(BinaryIO, request.META["wsgi.input"])
    return cast(BinaryIO, request)
