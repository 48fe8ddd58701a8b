"""Views that serve the logo and the colours of the brand. Their addresses change with them, so browsers keep both."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from integrations.console.brand import shades
from integrations.console.brand.brand_file import Brand

_KEEP = cache_control(public=True, max_age=86_400)
# An SVG may have scripts. None runs, even if a browser opens the image by itself.
_NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@_KEEP
@require_safe
def logo(request: HttpRequest) -> HttpResponse:
    """The logo, with `?app=` that of an app. Raises Http404 without one."""
    found = _brand(request)
    if not found.logo:
        raise Http404
    answer = HttpResponse(found.logo, content_type=found.logo_type)
    answer["Content-Security-Policy"] = _NO_SCRIPTS
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


@_KEEP
@require_safe
def colours(request: HttpRequest) -> HttpResponse:
    """The style sheet, which comes after site.css. It is empty without colours."""
    return HttpResponse(shades.css(_brand(request)), content_type="text/css; charset=utf-8")


def _brand(request: HttpRequest) -> Brand:
    every: Brand = settings.BRAND
    return every.of(request.GET.get("app", ""))
