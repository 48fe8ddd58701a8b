"""The files in which HighLevel's own CLI keeps what the developer portal says of an app (FACTS section 11).

`ghl app pull` writes `ghl-app.json` and, if the app has webhooks, `src/webhooks/ghl-webhooks.json` beside it. They hold
no secret. Nothing is asked of the portal itself: its addresses are not public.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.core.errors import BadRequest

APP_FILE = "ghl-app.json"
WEBHOOKS_FILE = Path("src/webhooks/ghl-webhooks.json")


@dataclass(frozen=True, slots=True)
class PortalApp:
    """One version of an app, as the portal has it. `events` maps a subscribed event to its own address, or to "".

    `events` is None without the file of webhooks: the app has none, or the file was not kept.
    """

    app_id: str
    version_id: str
    version: str
    status: str
    scopes: frozenset[str]
    redirect_uris: tuple[str, ...]
    default_redirect_uri: str
    webhook_url: str
    events: Mapping[str, str] | None


def read(path: Path) -> PortalApp:
    """The app of a `ghl-app.json`, or of the folder that has one. Raises BadRequest, which says what is wrong."""
    file = path / APP_FILE if path.is_dir() else path
    app = _object(file)
    oauth = _member(file, app, "oauth", dict)
    defaults = oauth.get("defaults") or {}
    webhooks_file = file.parent / WEBHOOKS_FILE
    webhooks = _object(webhooks_file) if webhooks_file.is_file() else None
    return PortalApp(
        app_id=_member(file, app, "appId", str),
        version_id=_member(file, app, "versionId", str),
        version=_member(file, app, "version", str),
        status=_member(file, app, "status", str),
        scopes=frozenset(_texts(file, oauth, "allowedScopes")),
        redirect_uris=tuple(_texts(file, oauth, "redirectUris")),
        default_redirect_uri=str(defaults.get("redirectUrl") or "") if isinstance(defaults, dict) else "",
        webhook_url=str(webhooks.get("webhookUrl") or "") if webhooks else "",
        events=None if webhooks is None else _events(webhooks_file, webhooks),
    )


def _events(file: Path, webhooks: dict[str, Any]) -> dict[str, str]:
    found = {}
    for event in _member(file, webhooks, "subscribedEvents", list):
        if not isinstance(event, dict) or not isinstance(event.get("name"), str):
            raise BadRequest(f"{file}: an entry of subscribedEvents has no name; pull it again with `ghl app pull`")
        found[event["name"]] = str(event.get("url") or "")
    return found


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"{file} cannot be read ({error.strerror}): give the {APP_FILE} of `ghl app pull`") from None
    except (ValueError, RecursionError):
        raise BadRequest(f"{file} is not JSON: pull it again with `ghl app pull`") from None
    if not isinstance(found, dict):
        raise BadRequest(f"{file} is not a JSON object: pull it again with `ghl app pull`")
    return found


def _member(file: Path, values: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(found := values.get(name), kind):
        raise BadRequest(f"{file} has no {name} of the kind that `ghl app pull` writes; is it another file?")
    return found


def _texts(file: Path, values: dict[str, Any], name: str) -> list[str]:
    return [str(one) for one in _member(file, values, name, list)]
