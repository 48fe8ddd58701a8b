"""A caller of the sandbox's operations without HTTP: what the front does once its checks have passed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.sandbox.data.seed import seed
from integrations.sandbox.data.world import Company, Location, World
from integrations.sandbox.protocol import ApiCall, ApiError, Reply, Route
from integrations.sandbox.resources import ROUTES

NOW = 1_793_600_000.0  # a day after the newest seeded date
BY_OPERATION: dict[str, Route] = {route.operation_id: route for route in ROUTES}


class Desk:
    """A seeded world, the token of one location, and the emitted webhooks."""

    def __init__(self, *, contacts: int = 60, number: int = 7) -> None:
        self.world: World = seed(companies=1, locations=2, contacts=contacts, seed=number)
        self.time = NOW
        self.world.clock = self._tick
        self.company: Company = next(iter(self.world.companies.values()))
        self.location: Location
        self.other: Location
        self.location, self.other = self.company.locations.values()
        self.emitted: list[tuple[str, dict[str, Any]]] = []

    def _tick(self) -> float:
        self.time += 0.25
        return self.time

    def reply(
        self,
        operation: str,
        path: dict[str, str] | None = None,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        agency: bool = False,
        version: str = "",
    ) -> Reply:
        """Calls with the location's token, or the agency's."""
        call = ApiCall(
            world=self.world,
            company_id=self.company.id,
            location=None if agency else self.location,
            emit=lambda event, fields: self.emitted.append((event, json.loads(json.dumps(fields)))),
            path=path or {},
            query=query or {},
            body=json.loads(json.dumps(body)),
            version=version,
        )
        return BY_OPERATION[operation].handler(call)

    def get(self, operation: str, path: dict[str, str] | None = None, **more: Any) -> Any:
        """The body of the answer, as it comes off the wire."""
        return json.loads(json.dumps(self.reply(operation, path, **more).body))

    def refused(self, status: int, operation: str, path: dict[str, str] | None = None, **more: Any) -> Any:
        """The body of the error, which must have this status."""
        with pytest.raises(ApiError) as caught:
            self.reply(operation, path, **more)
        assert caught.value.status == status
        assert caught.value.body["statusCode"] == status
        return caught.value.body

    def events(self) -> list[str]:
        return [event for event, _ in self.emitted]
