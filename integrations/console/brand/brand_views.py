"""Views that serve the logo and the colours of the brand. Their addresses change with them, so browsers keep both."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from integrations.console.brand import shades

_KEEP = cache_control(public=True, max_age=86_400)
# An SVG may have scripts. Nobody's run, even if somebody opens the image by itself.
_NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@_KEEP
@require_safe
def logo(request: HttpRequest) -> HttpResponse:
    """The logo. Raises Http404 without one."""
    if not settings.BRAND.logo:
        raise Http404
    answer = HttpResponse(settings.BRAND.logo, content_type=settings.BRAND.logo_type)
    answer["Content-Security-Policy"] = _NO_SCRIPTS
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


@_KEEP
@require_safe
def colours(request: HttpRequest) -> HttpResponse:
    """The style sheet, which comes after site.css. It is empty without colours."""
    return HttpResponse(shades.css(settings.BRAND), content_type="text/css; charset=utf-8")
