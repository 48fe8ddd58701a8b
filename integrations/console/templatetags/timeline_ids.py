"""Template filter that makes an id a link to its timeline."""

from __future__ import annotations

from django import template

from integrations.core.pages import timeline_link

register = template.Library()
register.filter("timeline", timeline_link.of_id)
