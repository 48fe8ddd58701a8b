"""Types of the sandbox's operations: ApiCall, Reply, ApiError, Route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.data.world import Location, World

Json = Any


class ApiError(Exception):
    """An answer other than success; `body` is the JSON the vendor would send."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


@dataclass(slots=True)
class ApiCall:
    """One API request that has passed the token, scope, version and quota checks.

    `location` is the token's location, None for a company token. `emit(event_type, payload)` sends a signed webhook of
    that location to the app, if it is installed there, after the answer. `version` is the request's header.
    """

    world: World
    company_id: str
    location: Location | None
    emit: Callable[[str, dict[str, Any]], None]
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    version: str = ""

    @property
    def is_v3(self) -> bool:
        """Whether request and answer have the names of v3."""
        return self.version == "v3"

    def publish(self, event_type: str, location_id: str, fields: dict[str, Any]) -> None:
        """Emit the event of a data change. `fields` may have another `type`, because some events have two names."""
        self.emit(event_type, {"type": event_type, "locationId": location_id, **fields})


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer of an operation: JSON body and status."""

    body: Json
    status: int = 200


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: `path` as in the OpenAPI file (`/contacts/{contactId}`), `levels` of token that may call it.

    `oauth_only`: private integration tokens may not.
    """

    method: str
    path: str
    operation_id: str
    handler: Callable[[ApiCall], Reply]
    scopes: tuple[str, ...]
    levels: tuple[str, ...] = ("Location",)
    version: str = "2021-07-28"
    oauth_only: bool = False
