"""Template filter that makes an element of unfold's frame the main landmark, which its own markup lacks."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def main_landmark(frame: SafeString, element_id: str) -> SafeString:
    """The frame's HTML in which the `div` with this id is the main landmark and can take the focus from a skip link."""
    start = f'<div id="{element_id}"'
    return mark_safe(frame.replace(start, f'{start} role="main" tabindex="-1"', 1))  # noqa: S308 - it was safe before
