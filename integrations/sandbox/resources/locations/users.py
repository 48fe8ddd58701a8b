"""Users: those of a location, one by id, and the agency's search."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.records import User
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import not_found, other_location
from integrations.sandbox.resources.checks import Rules, limit, own, query

BOTH = ("Location", "Company")
PERMISSIONS = ("campaignsEnabled", "contactsEnabled", "workflowsEnabled", "opportunitiesEnabled", "settingsEnabled")
SEARCH_RULES: Rules = {
    **dict.fromkeys(("companyId", "query", "locationId", "type", "role", "ids", "sort"), "string"),
    "skip": "number",
    "limit": "number",
    "sortDirection": ("asc", "desc"),
    "enabled2waySync": "boolean",
}


def list_users(call: ApiCall) -> Reply:
    """Deprecated, but what apps with a location token use."""
    given = query(call, {"locationId": "string"}, required=("locationId",))
    users = own(call, given["locationId"]).users.values()
    return Reply({"users": [{**view(user), "deleted": False} for user in users]})


def get(call: ApiCall) -> Reply:
    """Return one user."""
    user = next((user for user in _reachable(call) if user.id == call.path["userId"]), None)
    if user is None:
        raise not_found("User", call.path["userId"])
    return Reply(view(user))


def search(call: ApiCall) -> Reply:
    """Search the agency's users."""
    given = query(call, SEARCH_RULES, required=("companyId",))
    if given["companyId"] != call.company_id:
        raise other_location()
    users = sorted(
        (user for user in _reachable(call) if _fits(user, given)),
        key=lambda user: (user.first_name, user.last_name, user.id),
        reverse=given.get("sortDirection") == "desc",
    )
    skip, size = int(given.get("skip", 0)), limit(given, default=25)
    rows = [{**view(user), "deleted": False} for user in users[skip : skip + size]]
    return Reply({"users": rows, "count": len(users)})


def _reachable(call: ApiCall) -> list[User]:
    owner = call.location or call.world.companies[call.company_id]
    return list(owner.users.values())


def _fits(user: User, given: dict[str, Any]) -> bool:
    text = f"{user.first_name} {user.last_name} {user.email} {user.phone}".lower()
    return (
        given.get("query", "").lower() in text
        and given.get("locationId", "") in ("", *user.location_ids)
        and given.get("type", user.type) == user.type
        and given.get("role", user.role) == user.role
        and ("ids" not in given or user.id in given["ids"].split(","))
    )


def view(user: User) -> dict[str, Any]:
    """A user as answers show it."""
    return {
        "id": user.id,
        "name": f"{user.first_name} {user.last_name}",
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.email,
        "phone": user.phone,
        "extension": "",
        "permissions": dict.fromkeys(PERMISSIONS, True),
        "roles": {"type": user.type, "role": user.role, "locationIds": list(user.location_ids)},
    }


READ = ("users.readonly",)
ROUTES = (
    Route("GET", "/users/search", "search-users", search, READ, BOTH),
    Route("GET", "/users/", "get-user-by-location", list_users, READ),
    Route("GET", "/users/{userId}", "get-user", get, READ, BOTH),
)
