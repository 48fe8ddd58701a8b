"""A vendor in memory, behind the process's HTTP wire: companies, locations, installations, tokens and webhooks.

The sandbox answers over HTTP. This one answers in microseconds, so that a property test can run thousands of stories.
Its clock differs from ours by `skew`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpcore2
import httpx2

from integrations.highlevel.http.wire import WireAnswer

Payload = dict[str, Any]


@dataclass(eq=False)
class Install:
    """One installation. Its tokens work while it is `live`; a later installation is another object."""

    company: str
    location: str | None
    live: bool = True


@dataclass
class Place:
    """A location and what the list says of it."""

    company: str
    name: str
    version: str = "v1"
    plan: str = "p1"


@dataclass
class SimulatedVendor:
    """The vendor's truth, the webhooks on their way, and the codes that browsers have not brought yet."""

    now: Callable[[], datetime]
    skew: timedelta = timedelta(0)
    places: dict[str, Place] = field(default_factory=dict)
    companies: dict[str, Install] = field(default_factory=dict)  # installations by company id
    locations: dict[str, Install] = field(default_factory=dict)  # installations by location id
    tokens: dict[str, Install] = field(default_factory=dict)  # access and refresh tokens
    spent: set[str] = field(default_factory=set)
    events: list[tuple[Payload, datetime]] = field(default_factory=list)
    codes: list[tuple[str, Install]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    also_listed: dict[str, str] = field(default_factory=dict)  # a location that a company's list has by mistake
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    # --- What people do at the vendor's ---------------------------------------------------------------------------

    def install_company(self, company: str) -> None:
        """An agency installs on all its locations, present and future."""
        if company not in self.companies:
            self.companies[company] = Install(company, None)
            self._send({"type": "INSTALL", "companyId": company})
        for location, place in self.places.items():
            if place.company == company and location not in self.locations:
                self._install(location)
        self.codes.append((f"code-{next(self._numbers)}", self.companies[company]))

    def install_location(self, location: str) -> None:
        """A user of the location installs."""
        if location not in self.locations:
            self._install(location)
        self.codes.append((f"code-{next(self._numbers)}", self.locations[location]))

    def uninstall_location(self, location: str) -> None:
        if (install := self.locations.pop(location, None)) is not None:
            install.live = False
            self._send({"type": "UNINSTALL", "locationId": location})

    def uninstall_company(self, company: str) -> None:
        """It takes all locations of the agency along, however they were installed (FACTS 1.9)."""
        below = [location for location, place in self.places.items() if place.company == company]
        ended = [self.locations.pop(location) for location in below if location in self.locations]
        if (install := self.companies.pop(company, None)) is not None:
            ended.append(install)
        for install in ended:
            install.live = False
        if ended:
            self._send({"type": "UNINSTALL", "companyId": company})

    def add_location(self, company: str, location: str) -> None:
        """A new location. Where the agency has the app, it is installed; that INSTALL names no company."""
        self.places[location] = Place(company, f"name of {location}")
        self._send({"type": "LocationCreate", "id": location, "companyId": company, "name": self.places[location].name})
        if company in self.companies:
            self.locations[location] = Install(company, location)
            self._send({"type": "INSTALL", "locationId": location})

    def transfer_silently(self, location: str, company: str) -> None:
        """The location moves, and no event tells of it. Only the companies' lists do."""
        sent = len(self.events)
        self.transfer(location, company)
        del self.events[sent:]

    def transfer(self, location: str, company: str) -> None:
        """The location moves. Its connections end; an agency that has the app has it there, too."""
        place = self.places[location]
        if place.company == company:
            return
        place.company = company
        if (install := self.locations.pop(location, None)) is not None:
            install.live = False
        self._send({"type": "LocationUpdate", "id": location, "companyId": company, "name": place.name})
        if company in self.companies:
            self._install(location)

    def update(self, location: str) -> None:
        place = self.places[location]
        if location in self.locations:
            before, place.version = place.version, f"v{next(self._numbers)}"
            self._send(
                {"type": "UPDATE", "locationId": location, "previousVersionId": before} | self._details(location)
            )

    def change_plan(self, location: str) -> None:
        place = self.places[location]
        if location in self.locations:
            before, place.plan = place.plan, f"p{next(self._numbers)}"
            self._send(
                {"type": "PLAN_CHANGE", "locationId": location, "currentPlanId": before, "newPlanId": place.plan}
            )

    def rename(self, location: str) -> None:
        place = self.places[location]
        place.name = f"name {next(self._numbers)}"
        self._send({"type": "LocationUpdate", "id": location, "companyId": place.company, "name": place.name})

    # --- What the API answers -------------------------------------------------------------------------------------

    def exchange(self, request: httpcore2.Request) -> WireAnswer:
        """Stands in for `Wire.exchange`."""
        url, body = bytes(request.url).decode(), b"".join(cast(Iterable[bytes], request.stream))
        answer = self._answer(httpx2.Request(request.method.decode(), url, headers=request.headers, content=body))
        return WireAnswer(answer.status_code, answer.headers.raw, answer.content)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        parts = urlsplit(str(request.url))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        self.calls.append(parts.path)
        if parts.path == "/oauth/token":
            return self._token(form)
        install = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if install is None or not install.live:
            message = "Invalid token: access token is invalid"
            return _answer(401, {"statusCode": 401, "message": message, "error": "Unauthorized"})
        if parts.path == "/oauth/locationToken":
            return self._mint(install, form)
        if parts.path == "/oauth/installedLocations":
            return self._list(install, query)
        kind, key = parts.path.strip("/").split("/", 1)
        if kind == "locations" and key in self.places:
            place = self.places[key]
            return _answer(200, {"location": {"id": key, "name": place.name, "companyId": place.company}})
        return _answer(200, {"company": {"name": f"name of {key}"}})

    def listed(self, location: str) -> bool:
        """Whether the list has the location; a test may replace it by a list that is wrong."""
        return location in self.locations

    def _is_in_list(self, location: str, company: str) -> bool:
        return self.places[location].company == company or self.also_listed.get(company) == location

    def _token(self, form: dict[str, str]) -> httpx2.Response:
        refused = {"error": "invalid_grant", "error_description": "This refresh token is invalid"}
        if form["grant_type"] == "authorization_code":
            install = dict(self.codes)[form["code"]]
        else:
            token = form["refresh_token"]
            install = self.tokens[token]
            if token in self.spent:
                return _answer(400, refused)
            self.spent.add(token)
        return _answer(200, self._grant(install)) if install.live else _answer(400, refused)

    def _mint(self, company: Install, form: dict[str, str]) -> httpx2.Response:
        location = form["locationId"]
        if self.places[location].company != company.company:
            return _answer(403, {"statusCode": 403, "message": "The token does not have access to this location."})
        if location not in self.locations:
            return _answer(400, {"statusCode": 400, "message": "The app is not installed on this location."})
        return _answer(201, self._grant(self.locations[location]))

    def _list(self, company: Install, query: dict[str, str]) -> httpx2.Response:
        rows = [
            {"_id": key, "name": self.places[key].name, "isInstalled": True} | self._details(key)
            for key in sorted(self.locations)
            if self._is_in_list(key, company.company) and query.get("locationId") in (None, key) and self.listed(key)
        ]
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 20))
        return _answer(200, {"locations": rows[skip : skip + limit], "count": len(rows)})

    def _grant(self, install: Install) -> Payload:
        access, refresh = (f"{kind}-{next(self._numbers)}" for kind in ("access", "refresh"))
        self.tokens |= {access: install, refresh: install}
        body: Payload = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 86_399}
        body |= {"companyId": self._company(install), "userId": "u1", "scope": "oauth.readonly locations.readonly"}
        if install.location is not None:
            return body | {"userType": "Location", "locationId": install.location}
        return body | {"userType": "Company", "isBulkInstallation": True, "installToFutureLocations": True}

    def _company(self, install: Install) -> str:
        return install.company if install.location is None else self.places[install.location].company

    def _details(self, location: str) -> Payload:
        return {"versionId": self.places[location].version, "planId": self.places[location].plan}

    def _install(self, location: str) -> None:
        company = self.places[location].company
        self.locations[location] = Install(company, location)
        event = {"type": "INSTALL", "locationId": location, "companyId": company}
        self._send(event | self._details(location))

    def _send(self, payload: Payload) -> None:
        self.events.append((payload, self.now() + self.skew))


def _answer(status: int, body: Payload) -> httpx2.Response:
    return httpx2.Response(status, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
