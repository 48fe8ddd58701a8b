"""The theme of the admin pages (django-unfold): names, sheets, scripts, and the primary colour from light to dark."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

PRIMARY = {
    "50": "oklch(97% .014 268)",
    "100": "oklch(93.5% .032 268)",
    "200": "oklch(88% .06 268)",
    "300": "oklch(80% .1 268)",
    "400": "oklch(72% .15 268)",
    "500": "oklch(65.5% .2 268)",
    "600": "oklch(55.5% .24 267)",
    "700": "oklch(48% .22 267)",
    "800": "oklch(41% .18 267)",
    "900": "oklch(36% .14 267)",
    "950": "oklch(27% .1 267)",
}


def options(static_url: str) -> dict[str, Any]:
    """The setting UNFOLD."""
    return {
        "SITE_TITLE": "hlapp",
        "SITE_HEADER": "hlapp",
        "SITE_SYMBOL": "hub",
        "SHOW_HISTORY": False,
        "DASHBOARD_CALLBACK": "integrations.console.dashboard.context",
        "GLOBAL_CALLBACK": "integrations.core.pages.live.context",
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{static_url}site/mark.svg"}],
        "STYLES": [lambda request, name=name: static(f"site/{name}.css") for name in ("theme", "access", "sidebar")],
        "SCRIPTS": [lambda request, name=name: static(f"site/{name}.js") for name in ("expressions", "access", "zone")],
        "SIDEBAR": {
            "navigation": "integrations.console.navigation.sidebar",
            "show_search": True,
            "command_search": True,
        },
        "COMMAND": {"search_callback": "integrations.console.search.lookups.search"},
        "COLORS": {"primary": PRIMARY},
    }
