"""Views that belong to no other room: landing page, `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from dataclasses import asdict

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from integrations.console.doctor import health
from integrations.console.metrics import registry
from integrations.core.errors import BadRequest
from integrations.tenants import marketplace
from integrations.tenants.models import App


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """The landing page: an Install button for each marketplace app, or a hint to the operator when there is none."""
    try:
        default = marketplace.default()
    except BadRequest:
        return render(request, "landing.html", {"app": None, "apps": []})
    apps = list(App.objects.filter(halted_at__isnull=True).order_by("name"))
    return render(request, "landing.html", {"app": default, "apps": apps, "of_all_apps": len(apps) > 1})


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Liveness: 200 while the process runs. It queries no service, so that an outage of one restarts no process."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness: 200 when every service this process needs answers, else 503. The body says which failed.

    What each probe found (`note`: versions, reasons) only the holder of `METRICS_TOKEN` reads, and in development
    everybody. `manage.py doctor` says it too.
    """
    results = health.READINESS.look()
    ready = all(result.ok for result in results.values())
    checks = {name: asdict(result) for name, result in results.items()}
    if not (settings.DEBUG or _has_token(request)):
        checks = {name: {**check, "note": ""} for name, check in checks.items()}
    body = {"status": "ok" if ready else "failed", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


@never_cache
@require_safe
def exposition(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus text format, for a scraper with `METRICS_TOKEN` as bearer token, or a signed-in operator
    who may read them.

    The client's address grants nothing: behind a reverse proxy every caller has a private one.
    """
    if not _may_scrape(request):
        response = HttpResponse("A bearer token is needed.\n", status=401, content_type="text/plain")
        response["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    return HttpResponse(registry.render(), content_type=CONTENT_TYPE_LATEST)


def _may_scrape(request: HttpRequest) -> bool:
    return _has_token(request) or (request.user.is_staff and request.user.has_perm("operators.view_metrics"))


def _has_token(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    return bool(token) and constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
