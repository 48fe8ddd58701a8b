"""Template filter that shows a time relative to now, with the exact one as a tooltip."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from integrations.core.ages import relative

register = template.Library()


@register.filter
def ago(at: datetime | None, now: datetime) -> SafeString | str:
    """`3 min ago` or `in 20 h`; a dash for None."""
    if at is None:
        return "–"
    exact = localtime(at)
    values = exact.isoformat(), f"{exact:%Y-%m-%d %H:%M:%S %Z}", relative(at, now)
    return format_html('<time datetime="{}" title="{}">{}</time>', *values)
