"""Template tag of the head of the operators' pages: where the page is, in the words of the sidebar."""

from __future__ import annotations

from typing import Any

from django import template

from integrations.console import navigation

register = template.Library()


@register.inclusion_tag("admin/breadcrumbs.html", takes_context=True)
def breadcrumbs(context: template.Context) -> dict[str, Any]:
    """The group and the page of the sidebar, then the row or the page below it. Without these, the page's title."""
    parts = navigation.trail(context.get("sidebar_navigation") or ())
    shown = str(context.get("original") or context.get("object") or context.get("title") or "")
    path = getattr(context.get("request"), "path", "")
    if shown and (not parts or parts[-1][1] != path):
        parts.append((shown, ""))
    return {"parts": parts}
