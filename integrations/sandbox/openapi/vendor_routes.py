"""Every route of the vendor, from the committed list of its operations: data alone, none of the rooms' code.

`/calendars/{calendarId}` is served here, and `/calendars/groups` may not be. Without this list the second would be
taken for the calendar "groups".
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_LISTS = Path(__file__).parents[2] / "highlevel" / "catalogue"
_ANY, _ROUTES = "{}", ""  # children of a node: of a parameter, and the routes that end here, by method


def route_of(method: str, raw_path: str) -> str | None:
    """The path template of the vendor's operation that this request means, the most literal one; None without one."""
    return _find(_tree(), [unquote(segment) for segment in raw_path.strip("/").split("/")], method)


def same_route(one: str, other: str) -> bool:
    """Whether two templates are the same but for the names of their parameters and a slash at the end."""
    return shape(one) == shape(other)


def as_path_of(template: str, path: str) -> dict[str, str]:
    """The parameters that turn the template into the path, of which each is a literal there; empty when none do."""
    pairs = list(zip(template.strip("/").split("/"), path.strip("/").split("/"), strict=False))
    found = {one[1:-1]: other for one, other in pairs if one.startswith("{") and not other.startswith("{")}
    fits = template.count("/") == path.count("/")
    return found if fits and all(one == other or one[1:-1] in found for one, other in pairs) else {}


def is_removed_in_v3(method: str, template: str) -> bool:
    """Whether API 2.0 has this route and v3 does not."""
    route = (method, shape(template))
    return route in _routes("v2") and route not in _routes("v3")


def shape(template: str) -> str:
    """The template without the names of its parameters and a slash at the end."""
    return re.sub(r"\{[^}]*\}", _ANY, template).rstrip("/")


@lru_cache(maxsize=1)
def _tree() -> dict[str, Any]:
    root: dict[str, Any] = {}
    for operation in (*_operations("v2"), *_operations("v3")):
        node = root
        for segment in shape(operation["path"]).strip("/").split("/"):
            node = node.setdefault(segment, {})
        node.setdefault(_ROUTES, {}).setdefault(operation["method"], operation["path"])
    return root


@lru_cache(maxsize=2)
def _routes(dialect: str) -> frozenset[tuple[str, str]]:
    return frozenset((operation["method"], shape(operation["path"])) for operation in _operations(dialect))


def _operations(dialect: str) -> list[dict[str, str]]:
    listed = json.loads((_LISTS / f"{dialect}.json").read_text(encoding="utf-8"))
    return list(listed["operations"].values())


def _find(node: dict[str, Any], segments: list[str], method: str) -> str | None:
    if not segments:
        found: str | None = node.get(_ROUTES, {}).get(method)
        return found
    first, *rest = segments
    for name in dict.fromkeys((first, _ANY)):
        if name and name in node:
            found = _find(node[name], rest, method)
            if found is not None:
                return found
    return None
