"""Template tag `brand`: name, logo, colours and words of the page's app, or of this deployment (`BRAND_FILE`)."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.template import Context

from integrations.console.brand.brand_file import Brand

register = template.Library()


@register.simple_tag(takes_context=True)
def brand(context: Context) -> Brand:
    """The brand of the `app` of the page; a page of several apps is the deployment's (`of_all_apps`). A tag, because
    error pages have no request whose context could have it.
    """
    every: Brand = settings.BRAND
    app = None if context.get("of_all_apps") else context.get("app")
    return every.of(getattr(app, "highlevel_id", ""))
