"""Template tag `brand`: name, logo, colours and words of this deployment (`BRAND_FILE`)."""

from __future__ import annotations

from django import template
from django.conf import settings

from integrations.console.brand.brand_file import Brand

register = template.Library()


@register.simple_tag
def brand() -> Brand:
    """The brand. A tag, because error pages have no request whose context could have it."""
    found: Brand = settings.BRAND
    return found
