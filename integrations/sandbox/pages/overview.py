"""Overview page of the sandbox: installations, requests, and the environment variables for an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.controls import environment, state_report
from integrations.sandbox.pages import markup
from integrations.sandbox.pages.markup import Markup


async def overview(request: web.Request) -> web.Response:
    """Handle GET /sandbox/."""
    platform = request.app[PLATFORM]
    quota = state_report.quota(platform)
    rows: list[Markup] = []
    for company_id, company in state_report.companies(platform).items():
        rows.append(_row(company_id, company, quota.get(company_id)))
        rows += [
            _row(location_id, location, quota.get(location_id))
            for location_id, location in state_report.locations(platform).items()
            if location["company"] == company_id
        ]
    counts = platform.deliveries.counts
    content = markup.fill(
        "overview",
        app=platform.app.name,
        requests=str(platform.requests),
        rejected=str(sum(bucket["rejected_429"] for bucket in quota.values())),
        sent=str(counts["sent"]),
        pending=str(counts["pending"]),
        failed=str(counts["failed"]),
        now=platform.clock.iso(),
        rows=markup.join(rows),
        environment=environment.exports(platform.app, platform.options.seed, _base_url(request)),
    )
    return markup.page("Sandbox", content, width="wide")


async def listing(request: web.Request) -> web.Response:
    """Show the app's entry in the marketplace."""
    platform = request.app[PLATFORM]
    content = markup.fill(
        "marketplace",
        app=platform.app.name,
        app_id=platform.app.app_id,
        install=install_path(platform),
    )
    return markup.page("Marketplace", content)


async def settings(request: web.Request) -> web.Response:
    """Return the environment variables for an app as shell lines."""
    platform = request.app[PLATFORM]
    return web.Response(text=environment.exports(platform.app, platform.options.seed, _base_url(request)))


async def home(request: web.Request) -> web.Response:
    """Redirect to /sandbox/."""
    return web.Response(status=302, headers={"Location": "/sandbox/"})


def install_path(platform: Platform) -> str:
    """The listing's install link: everything but a state."""
    app = platform.app
    fields = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": next(iter(app.redirect_uris), ""),
        "scope": " ".join(app.requested),
        "version_id": app.version_id,
    }
    return f"/v2/oauth/chooselocation?{urlencode(fields, quote_via=quote)}"


def _row(resource_id: str, row: Mapping[str, Any], quota: Mapping[str, Any] | None) -> Markup:
    company = "company" not in row
    used = quota or {"requests": 0, "rejected_429": 0, "burst_remaining": "", "daily_remaining": ""}
    cells = [
        markup.tag("td", markup.tag("strong", row["name"]) if company else row["name"]),
        markup.tag("td", markup.tag("code", resource_id)),
        _number("" if company else row["contacts"]),
        _number("" if company else row["opportunities"]),
        markup.tag("td", "installed" if row["installed"] else "", class_="good"),
        markup.tag("td", "" if row.get("active", True) else "paused", class_="bad"),
        *(_number(used[name]) for name in ("requests", "rejected_429", "burst_remaining", "daily_remaining")),
    ]
    return markup.tag("tr", markup.join(cells))


def _number(value: int | str) -> Markup:
    return markup.tag("td", f"{value:,}" if isinstance(value, int) else value, class_="number")


def _base_url(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


ROUTES = (
    web.get("/", home),
    web.get("/sandbox", home),
    web.get("/sandbox/", overview),
    web.get("/sandbox/marketplace", listing),
    web.get("/sandbox/environment", settings),
)
