"""Operators' pages that stay up to date without a reload (`hlapp/static/site/live.js`).

The script asks for the address of the page again, with the header `X-Live`, and puts the parts that changed in their
place. To such a request a page answers with its content alone: `admin/base.html` leaves out the frame with the sidebar,
which costs most of a page. A page says which of its parts live by including `admin/live_bar.html`; a list or the page
of a row by `is_live` of its admin class.

Messages of an action stay for the next whole page, because only the frame shows them.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

HEADER = "X-Live"
_CONTENT_ALONE = "admin/content_alone.html"


def is_update(request: HttpRequest) -> bool:
    """Whether the script of a page that is open asks for what changed."""
    return HEADER in request.headers


def context(request: HttpRequest) -> dict[str, Any]:
    """unfold's GLOBAL_CALLBACK: the frame around the content of any admin page."""
    return {"frame": _CONTENT_ALONE} if is_update(request) else {}
