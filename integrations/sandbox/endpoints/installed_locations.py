"""`GET /oauth/installedLocations` (v3: `/oauth/installed-locations`): a company's locations, with and without the app.

Without `isInstalled=true` the list has locations without the app too. API 2.0's `count` is the number of all locations
of the company, with any filter. Both are as in the schema.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from integrations.sandbox import refusals, timestamps
from integrations.sandbox.context import Platform
from integrations.sandbox.data.world import Location
from integrations.sandbox.oauth.installs import Install
from integrations.sandbox.protocol import ApiCall, ApiError, Reply

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 500  # the largest seen in use; the real one is not published
LARGEST_PAGE = 100

Rows = list[dict[str, Any]]


def by_skip(platform: Platform, call: ApiCall) -> Reply:
    """API 2.0: pages by `skip` and `limit`."""
    _check_app(platform, call)
    skip = _whole(call, "skip", 0, 0, None)
    limit = _whole(call, "limit", DEFAULT_LIMIT, 1, LARGEST_LIMIT)
    rows = _rows(platform, call)
    company = platform.world.companies[call.company_id]
    body = {
        "locations": rows[skip : skip + limit],
        "count": len(company.locations),
        "installToFutureLocations": _future(platform, call),
    }
    return Reply(body)


def by_token(platform: Platform, call: ApiCall) -> Reply:
    """v3: pages by `pageSize` and an opaque `pageToken`; errors in the AIP envelope."""
    try:
        _check_app(platform, call)
        size = _whole(call, "pageSize", DEFAULT_LIMIT, 1, LARGEST_PAGE)
        skip = _read_page_token(call.query.get("pageToken"))
    except ApiError as error:
        raise _enveloped(error) from None
    rows = _rows(platform, call)
    page = rows[skip : skip + size]
    following = skip + size < len(rows)
    pagination: dict[str, Any] = {
        "totalRecords": len(rows),
        "hasNextPage": following,
        "hasPrevPage": skip > 0,
        "currentPageSize": len(page),
    }
    if following:
        pagination["nextPageToken"] = _page_token(skip + size)
    if skip > 0:
        pagination["prevPageToken"] = _page_token(max(0, skip - size))
    metadata = {
        "filterApplied": {name: call.query[name] for name in ("companyId", "appId")},
        "sortApplied": {},
    }
    future = _future(platform, call)
    return Reply({"items": page, "pagination": pagination, "metadata": metadata, "installToFutureLocations": future})


def _check_app(platform: Platform, call: ApiCall) -> None:
    missing = [name for name in ("companyId", "appId") if not call.query.get(name)]
    if missing:
        raise refusals.invalid(*(f"{name} should not be empty" for name in missing))
    if call.query["companyId"] != call.company_id:
        raise refusals.other_company()
    if call.query["appId"] != platform.app.app_id:
        message = f"No integration found with the id: {call.query['appId']}"
        raise ApiError(404, {"statusCode": 404, "message": message, "error": "Not Found"})


def _rows(platform: Platform, call: ApiCall) -> Rows:
    company = platform.world.companies[call.company_id]
    rows = (_row(platform, location) for location in company.locations.values())
    return [row for row in rows if _wanted(call, row)]


def _row(platform: Platform, location: Location) -> dict[str, Any]:
    install: Install | None = platform.installs.locations.get(location.id)
    row: dict[str, Any] = {
        "_id": location.id,
        "name": location.name,
        "address": ", ".join(filter(None, (location.address, location.city, location.state))),
        "isInstalled": install is not None,
    }
    if install is not None:
        row["versionId"] = platform.app.version_id
        row["installedAt"] = timestamps.iso(install.installed_at)
    return row


def _wanted(call: ApiCall, row: dict[str, Any]) -> bool:
    query = call.query
    installed = query.get("isInstalled")
    if installed in ("true", "false") and row["isInstalled"] != (installed == "true"):
        return False
    if query.get("locationId") not in (None, "", row["_id"]):
        return False
    if query.get("versionId") and row.get("versionId") != query["versionId"]:
        return False
    if query.get("onTrial") == "true" or query.get("planId"):
        return False  # the sandbox has no trials and no plans
    return query.get("query", "").lower() in row["name"].lower()


def _whole(call: ApiCall, name: str, default: int, least: int, most: int | None) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal():
        raise refusals.invalid(f"{name} must be a number string")
    value = int(text)
    if value < least:
        raise refusals.invalid(f"{name} must not be less than {least}")
    if most is not None and value > most:
        raise refusals.invalid(f"{name} must not be greater than {most}")
    return value


def _future(platform: Platform, call: ApiCall) -> bool:
    install = platform.installs.companies.get(call.company_id)
    return install is not None and install.future


def _page_token(skip: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"skip": skip}).encode()).rstrip(b"=").decode()


def _read_page_token(token: str | None) -> int:
    if not token:
        return 0
    try:
        skip = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))["skip"]
    except (ValueError, KeyError, TypeError):
        raise refusals.invalid("pageToken is invalid") from None
    if not isinstance(skip, int) or skip < 0:
        raise refusals.invalid("pageToken is invalid")
    return skip


def _enveloped(error: ApiError) -> ApiError:
    message = error.body["message"]
    text = "; ".join(message) if isinstance(message, list) else message
    code, status = {404: ("RESOURCE_NOT_FOUND", 404), 403: ("PERMISSION_DENIED", 403)}.get(
        error.status, ("INVALID_ARGUMENT", 400)
    )
    return ApiError(status, {"error": {"code": code, "message": text}})
