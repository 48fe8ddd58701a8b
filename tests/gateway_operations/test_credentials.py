"""Every kind of credential: an operation of the other level, a scope it lacks, a parameter that cannot be.

The vendor's files forbid nothing: what they have against a token is sent, and a remark when the vendor refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.core.errors import BadRequest, InstallGone, OtherAccount, ScopeMissing
from integrations.gateway import api1, client
from integrations.highlevel.http import transport
from integrations.quota.permits import queries
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.gateway_operations.conftest import COMPANY, LOCATION, credential
from tests.gateway_operations.scripted import Scripted, status

OF_A_LOCATION, OF_A_COMPANY = "contacts.get-contact", "oauth.get-installed-location"
OAUTH_ONLY = "marketplace.deleteInstallation"
PARAMS = {OF_A_LOCATION: {"contactId": "C"}, OF_A_COMPANY: {"appId": "A"}}
WRONG_LEVEL = "This authClass type is not allowed to access this scope."
NO_SCOPE = "The token is not authorized for this scope."
Kind = Credential.Kind

KINDS = pytest.mark.parametrize(
    ("level", "kind"),
    [("location", Kind.OAUTH), ("company", Kind.OAUTH), ("location", Kind.PRIVATE), ("company", Kind.PRIVATE)],
)


def tenant(level: str) -> dict[str, str]:
    return {"location": LOCATION} if level == "location" else {"company": COMPANY}


def own(level: str, kind: str = Kind.OAUTH) -> str:
    """An operation that takes a token of this level and kind."""
    if level == "location":
        return OF_A_LOCATION
    return OF_A_COMPANY if kind == Kind.OAUTH else "companies.get-company"


def untouched(app: App, scripted: Scripted, level: str) -> bool:
    """Nothing was sent and no permit was taken."""
    resource = LOCATION if level == "location" else COMPANY
    return scripted.requests == [] and queries.snapshot(app.client_id, resource).day_used == 0


@KINDS
def test_an_operation_of_the_other_level(app: App, scripted: Scripted, level: str, kind: str) -> None:
    credential(app, level, kind=kind)
    other = "company" if level == "location" else "location"
    wanted: dict[str, Any] = {"app": app, "params": PARAMS[own(other)], **tenant(level)}
    assert client.call(own(other), **wanted).json == {"ok": True}
    scripted.plan(status(401, WRONG_LEVEL))
    with pytest.raises(OtherAccount) as refused:
        client.call(own(other), **wanted)
    assert refused.value.context["remarks"] == [f"documented for the token of a {other}, not of a {level}"]
    assert len(scripted.requests) == 2, "no refresh, no second try"


@KINDS
def test_a_scope_that_is_missing(app: App, scripted: Scripted, level: str, kind: str) -> None:
    credential(app, level, kind=kind, scopes="something.else")
    operation = own(level, kind)
    wanted: dict[str, Any] = {"app": app, "params": PARAMS.get(operation), **tenant(level)}
    assert client.call(operation, **wanted).json == {"ok": True}
    scripted.plan(status(401, NO_SCOPE))
    with pytest.raises(ScopeMissing) as missing:
        client.call(operation, **wanted)
    scope = {OF_A_LOCATION: "contacts.readonly", OF_A_COMPANY: "oauth.readonly"}.get(operation, "companies.readonly")
    assert missing.value.context["missing"] == [scope]
    assert scope in str(missing.value)
    where = "/install/?app=" if kind == Kind.OAUTH else "/admin/tokens/credential/add/?"
    assert missing.value.context["reconnect_url"].startswith(f"https://app.example.com{where}")
    assert len(scripted.requests) == 2, "no refresh, no second try"


@KINDS
def test_a_parameter_that_cannot_be(app: App, scripted: Scripted, level: str, kind: str) -> None:
    credential(app, level, kind=kind)
    params = dict(PARAMS.get(own(level, kind)) or {}) | {"surprise": b"no text"}
    with pytest.raises(BadRequest, match="surprise"):
        client.call(own(level, kind), app=app, params=params, **tenant(level))  # type: ignore[arg-type]
    assert untouched(app, scripted, level)


@KINDS
def test_what_it_may_do_it_does(app: App, scripted: Scripted, level: str, kind: str) -> None:
    credential(app, level, kind=kind)
    operation = own(level, kind)
    result = client.call(operation, app=app, params=PARAMS.get(operation), **tenant(level))  # type: ignore[arg-type]
    assert result.json == {"ok": True}
    assert [token for _, _, token in scripted.requests] == [f"the-{level}-token"]


def test_a_private_token_where_only_oauth_will_do(app: App, scripted: Scripted) -> None:
    credential(app, "company", kind=Kind.PRIVATE)
    wanted: dict[str, Any] = {"app": app, "company": COMPANY, "params": PARAMS[OF_A_COMPANY]}
    assert client.call(OF_A_COMPANY, **wanted).json == {"ok": True}
    scripted.plan(status(401, WRONG_LEVEL))
    with pytest.raises(OtherAccount, match="another kind of credential") as refused:
        client.call(OF_A_COMPANY, **wanted)
    assert refused.value.context["remarks"] == [
        "documented for an OAuth grant only, not for a private integration token"
    ]


def test_a_scope_that_the_app_does_not_ask_for_yet_is_named_apart(app: App, scripted: Scripted) -> None:
    credential(app, "location", scopes="contacts.readonly")
    scripted.plan(status(401, NO_SCOPE), status(401, NO_SCOPE))
    with pytest.raises(ScopeMissing) as missing:
        client.call("users.get-user-by-location", app=app, location=LOCATION)
    assert missing.value.context["not_requested"] == ["users.readonly"]
    with pytest.raises(ScopeMissing) as known:
        client.call("contacts.delete-contact", app=app, location=LOCATION, params={"contactId": "C"})
    assert "not_requested" not in known.value.context


def test_a_scope_that_the_vendor_misses_is_reported_the_same_way(app: App, scripted: Scripted) -> None:
    """Scopes are unknown to us when the grant named none; the vendor's 401 then names nothing either."""
    credential(app, "location")
    scripted.plan(status(401, NO_SCOPE))
    with pytest.raises(ScopeMissing) as missing:
        client.call(OF_A_LOCATION, app=app, location=LOCATION, params={"contactId": "C"})
    assert missing.value.context["missing"] == ["contacts.readonly"]
    assert missing.value.context["reconnect_url"].endswith(f"/install/?app={app.highlevel_id}")
    assert len(scripted.requests) == 1, "no refresh, no second try"


class TestApiKey:
    """API 1.0 has no scopes and no catalogue: its wrong level is API 2.0, its parameters are the caller's."""

    @pytest.fixture(autouse=True)
    def _address(self, app: App, scripted: Scripted, settings: Any) -> Iterator[None]:
        settings.HIGHLEVEL_API_1_URL = f"{scripted.url}/v1"
        yield
        transport.shared(settings.HIGHLEVEL_API_1_URL).close()

    def test_it_opens_nothing_of_api_2(self, app: App, scripted: Scripted) -> None:
        credential(app, "location", kind=Kind.KEY)
        with pytest.raises(BadRequest, match=r"connected by an API 1\.0 key"):
            client.call(OF_A_LOCATION, app=app, location=LOCATION, params={"contactId": "C"})
        assert untouched(app, scripted, "location")

    def test_an_agencys_is_not_its_locations(self, app: App, scripted: Scripted) -> None:
        credential(app, "company", kind=Kind.KEY)
        with pytest.raises(InstallGone):
            api1.call("GET", "/contacts/", app=app, location=LOCATION)
        assert scripted.requests == []

    def test_api_1_takes_nothing_else(self, app: App, scripted: Scripted) -> None:
        """Not InstallGone, by which a job's run would take the tenant for uninstalled."""
        credential(app, "location")
        with pytest.raises(BadRequest, match=r"has no API 1\.0 key, and its token for API 2\.0 opens nothing"):
            api1.call("GET", "/contacts/", app=app, location=LOCATION)
        assert scripted.requests == []

    def test_a_call_that_cannot_be(self, app: App, scripted: Scripted) -> None:
        credential(app, "location", kind=Kind.KEY)
        with pytest.raises(BadRequest, match="a path that starts with a slash"):
            api1.call("GET", "contacts", app=app, location=LOCATION)
        assert scripted.requests == []

    @pytest.mark.parametrize("level", ["location", "company"])
    def test_what_it_may_do_it_does(self, app: App, scripted: Scripted, level: str) -> None:
        credential(app, level, kind=Kind.KEY)
        assert api1.call("GET", "/contacts/", app=app, **tenant(level)).json == {"ok": True}  # type: ignore[arg-type]
        assert scripted.requests == [("GET", "/v1/contacts/", f"the-{level}-token")]
