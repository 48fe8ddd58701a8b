"""Tokens that are entered by hand: recognised or explained, tested, replaced without a pause, called with."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import (
    BadRequest,
    GrantRevoked,
    InstallGone,
    QuotaExhausted,
    ScopeMissing,
    SealBroken,
    StoreUnavailable,
    Unreachable,
)
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant
from integrations.gateway import api1
from integrations.gateway import client as gateway
from integrations.highlevel.oauth.grants import Grant
from integrations.quota.permits import governor, queries
from integrations.tenants.models import App
from integrations.tokens import seals, store, tasks
from integrations.tokens.admin_pages.reconnect_link import reconnect_url
from integrations.tokens.entered_tokens import entry, parsing
from integrations.tokens.models import Credential, CredentialKey
from tests.support import audit_trail
from tests.tokens.listener import Listener, listening
from tests.tokens.rows import enter, let_pass

Kind, State = Credential.Kind, Credential.State
PRIVATE = "pit-00000000-aaaa-bbbb-cccc-000000000001"
ROTATED = "pit-00000000-aaaa-bbbb-cccc-000000000002"
LOCATION, AGENCY = "location-one", "company-one"
WHO = "operator alice"


def key(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps({**claims, "version": 1, "iat": 1}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.{'s' * 43}"


KEY = key(location_id=LOCATION)


@pytest.fixture
def vendor(settings: Any) -> Iterator[Listener]:
    with listening() as listener:
        settings.HIGHLEVEL_API_1_URL = f"{listener.url}/v1"
        listener.known |= {PRIVATE, KEY}
        yield listener


@pytest.fixture
def app(vendor: Listener, db: None, clean_redis: Any) -> App:
    return App.objects.create(
        name="Entered",
        client_id="entered",
        highlevel_id="entered",
        api_url=vendor.url,
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )


@pytest.fixture
def credential_key(app: App) -> CredentialKey:
    return store.location(app, LOCATION)


def aged(row: Credential) -> None:
    Credential.objects.filter(pk=row.pk).update(refreshed_at=clock.now() - timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", Kind.KEY, "nothing was pasted"),
        ("  \n ", Kind.PRIVATE, "nothing was pasted: copy it from HighLevel, Settings > Private Integrations"),
        ("undefined", Kind.PRIVATE, "'undefined' is no token: copy it from HighLevel, Settings > Private"),
        ("undefined", Kind.KEY, "no key yet.*five hours"),
        ('"null"', Kind.KEY, "no key yet"),
        ("eyJhbGciOi JIUzI1", Kind.KEY, "spaces"),
        ("kéy", Kind.KEY, "outside ASCII"),
        ("x" * 9000, Kind.KEY, "no token"),
        ("0c8f6a1b-5d3e-4f70-9a2b-1c3d5e7f9a0b-0123456789abc", Kind.KEY, "old kind"),
        (KEY[:150].rpartition(".")[0], Kind.KEY, "malformed, perhaps cut short"),
        (KEY.replace(".", ",") * 2, Kind.KEY, "malformed"),
        (PRIVATE, Kind.KEY, "private integration token: enter it as one"),
        (key(authClass="Location", authClassId=LOCATION), Kind.KEY, "OAuth access token"),
        (key(location_id="another"), Kind.KEY, "belongs to another, not to location-one"),
        (key(company_id=AGENCY), Kind.KEY, "agency's key"),
        (KEY, Kind.PRIVATE, "begins with pit-"),
        ("hunter2", Kind.PRIVATE, "begins with pit-"),
    ],
)
def test_what_people_paste_instead_is_explained(text: str, kind: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        parsing.parse(text, kind=kind, tenant=Tenant.location(LOCATION))
    assert len(text.strip()) < 10 or text.strip() not in str(caught.value), "no message repeats a secret"


@pytest.mark.parametrize("text", [KEY, f"  Bearer {KEY}\n", f'"{KEY}"', key(sub="nothing is said of a credential_key")])
def test_what_is_meant_is_taken(text: str) -> None:
    found = parsing.parse(text, kind=Kind.KEY, tenant=Tenant.location(LOCATION))
    assert found.reveal() in text


def test_an_agencys_key_is_its_own() -> None:
    mine = key(company_id=AGENCY)
    assert parsing.parse(mine, kind=Kind.KEY, tenant=Tenant.company(AGENCY)).reveal() == mine
    with pytest.raises(BadRequest, match="enter it for that location"):
        parsing.parse(KEY, kind=Kind.KEY, tenant=Tenant.company(AGENCY))


def test_a_private_token_calls_api_2(credential_key: CredentialKey, vendor: Listener) -> None:
    row = enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    assert (row.kind, row.api, row.refresh_due_at, row.expires_at) == (Kind.PRIVATE, 2, None, None)
    gateway.call("locations.get-location", app=credential_key.app, location=LOCATION)
    assert vendor.asked[-1] == ("GET", f"/locations/{LOCATION}", PRIVATE)
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.actor, entry.subject) == ("token.entered", WHO, f"Location:{LOCATION}")
    assert PRIVATE not in json.dumps(entry.detail)


def test_a_key_calls_api_1_beside_the_locations_other_token(credential_key: CredentialKey, vendor: Listener) -> None:
    enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO, tested=False)
    row = enter(credential_key, KEY, kind=Kind.KEY, actor=WHO, tested=False)
    assert (row.api, Credential.objects.count()) == (1, 2)
    result = api1.call("GET", "/contacts/", app=credential_key.app, location=LOCATION, params={"limit": "5"})
    assert (result.status, result.json) == (200, {"ok": True})
    assert vendor.asked[-1] == ("GET", "/v1/contacts/?limit=5", KEY)
    gateway.call("locations.get-location", app=credential_key.app, location=LOCATION)
    assert vendor.asked[-1][2] == PRIVATE


def test_api_1_has_a_quota_of_its_own(credential_key: CredentialKey, vendor: Listener) -> None:
    enter(credential_key, KEY, kind=Kind.KEY, actor=WHO, tested=False)
    api1.call("GET", "/contacts/", app=credential_key.app, location=LOCATION)
    documented = queries.snapshot("api-1.0", LOCATION)
    assert (documented.limit, documented.interval_ms, documented.day_limit) == (100, 10_000, 200_000)
    left = documented.day_remaining
    api1.call("GET", "/contacts/", app=credential_key.app, location=LOCATION)
    assert queries.snapshot("api-1.0", LOCATION).day_remaining == left - 1, "counted on, not begun again"
    assert queries.snapshot(credential_key.app.client_id, LOCATION).day_used == 0
    vendor.headers = {"X-RateLimit-Max": "40", "X-RateLimit-Remaining": "30"}
    api1.call("GET", "/contacts/", app=credential_key.app, location=LOCATION)
    assert queries.snapshot("api-1.0", LOCATION).limit == 40, "headers, when there are any, know better"


def test_a_permit_that_came_too_late_is_given_back_unused(
    credential_key: CredentialKey, vendor: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, long_ago = governor.acquire, clock.monotonic() - 1.0
    monkeypatch.setattr(governor, "acquire", lambda *a, **k: replace(real(*a, **k), send_before=long_ago))
    with pytest.raises(Unreachable, match="was suspended"):
        enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    assert vendor.asked == []


def test_an_answer_of_api_1_is_not_lost_for_its_accounts(
    credential_key: CredentialKey, vendor: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(credential_key, KEY, kind=Kind.KEY, actor=WHO, tested=False)

    def away(*_: object) -> None:
        raise StoreUnavailable("the quota store went away between the answer and its settlement")

    monkeypatch.setattr(queries, "snapshot", away)
    assert api1.call("GET", "/contacts/", app=credential_key.app, location=LOCATION).status == 200


@pytest.mark.parametrize(
    ("method", "path", "tenant"),
    [
        ("GET", "/contacts/", {}),
        ("GET", "/c", {"location": "a", "company": "b"}),
        ("HEAD", "/c", {"location": "a"}),
        ("GET", "c", {"location": "a"}),
    ],
)
def test_a_call_of_api_1_is_checked_before_it_is_sent(app: App, vendor: Listener, method, path, tenant) -> None:
    with pytest.raises(BadRequest, match=f"api1 {method}"):
        api1.call(method, path, app=app, **tenant)
    assert vendor.asked == []


def test_no_key_no_call(app: App, vendor: Listener) -> None:
    with pytest.raises(InstallGone):
        api1.call("GET", "/contacts/", app=app, location=LOCATION)


def test_it_is_tested_before_it_replaces_the_old_one(credential_key: CredentialKey, vendor: Listener) -> None:
    old = enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    with pytest.raises(GrantRevoked, match="does not accept this token"):
        enter(credential_key, ROTATED, kind=Kind.PRIVATE, actor=WHO)
    assert seals.access_token(store.find(credential_key)).reveal() == PRIVATE
    vendor.known.add(ROTATED)
    new = enter(credential_key, ROTATED, kind=Kind.PRIVATE, actor=WHO)
    assert (new.pk, new.generation) == (old.pk, old.generation + 1)
    gateway.call("locations.get-location", app=credential_key.app, location=LOCATION)
    assert vendor.asked[-1][2] == ROTATED


@pytest.mark.parametrize(
    "answer", [(401, {"message": "The token is not authorized for this scope."}), (404, {"message": "x"})]
)
def test_a_token_that_lacks_a_scope_is_a_live_one(credential_key: CredentialKey, vendor: Listener, answer) -> None:
    vendor.answer = answer
    assert enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO).state == State.ACTIVE
    if answer[0] == 401:
        with pytest.raises(ScopeMissing):
            gateway.call("locations.get-location", app=credential_key.app, location=LOCATION)


@pytest.mark.parametrize(
    ("kind", "text", "cure"), [(Kind.PRIVATE, PRIVATE, "rotated or deleted"), (Kind.KEY, KEY, "regenerated")]
)
def test_a_rotated_token_is_recognised_with_its_cure(
    credential_key: CredentialKey, vendor: Listener, kind, text, cure
) -> None:
    row = enter(credential_key, text, kind=kind, actor=WHO, tested=False)
    aged(row)
    vendor.known.clear()
    call = partial(api1.call, "GET", "/contacts/")
    if kind == Kind.PRIVATE:
        call = partial(gateway.call, "locations.get-location")
    for _ in range(2):
        with pytest.raises(GrantRevoked, match=cure):
            call(app=credential_key.app, location=LOCATION)
    assert len(vendor.asked) == 1, "a token without a refresh is not tried twice"
    row.refresh_from_db()
    assert (row.state, row.last_error_code) == (State.NEEDS_RECONNECT, "grant_revoked")
    assert cure in row.reason
    assert AuditEntry.objects.filter(action="token.needs_reconnect").count() == 1
    assert reconnect_url(row).startswith("https://app.example.com/admin/tokens/credential/add/?")
    assert f"resource_id={LOCATION}" in reconnect_url(row)


def test_a_compromised_token_is_given_up_at_once(credential_key: CredentialKey, vendor: Listener) -> None:
    row = enter(credential_key, KEY, kind=Kind.KEY, actor=WHO, tested=False)
    entry.give_up(row, actor=WHO)
    row.refresh_from_db()
    assert (row.state, row.access_sealed) == (State.NEEDS_RECONNECT, None)
    assert "regenerate the API key" in row.reason
    with pytest.raises(GrantRevoked, match="compromised"):
        api1.call("GET", "/contacts/", app=credential_key.app, location=LOCATION)
    assert vendor.asked == []


def test_a_stored_token_can_be_tested(credential_key: CredentialKey, vendor: Listener) -> None:
    row = enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO, tested=False)
    entry.check(row, actor=WHO)
    vendor.known.clear()
    with pytest.raises(GrantRevoked):
        entry.check(row, actor=WHO)
    assert AuditEntry.objects.filter(action="token.tested", actor=WHO).count() == 2


def test_a_429_during_a_test_is_reported_to_the_governor(credential_key: CredentialKey, vendor: Listener) -> None:
    vendor.answer = (429, {"message": "Too Many Requests"})
    vendor.quota["X-RateLimit-Remaining"] = "0"
    with pytest.raises(QuotaExhausted):
        enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    assert queries.snapshot("private-integration", LOCATION).withheld == 5, "another client uses this quota too"
    assert Credential.objects.count() == 0


def test_a_suspended_one_is_simply_used_again(credential_key: CredentialKey, vendor: Listener) -> None:
    row = enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO, tested=False)
    store.suspend(row.pk, row.generation, reason="paused", now=clock.now())
    let_pass(row)
    assert tasks.claim_due(100, clock.now()) == [row.pk]
    tasks.refresh_one(credential_id=row.pk)
    row.refresh_from_db()
    assert (row.state, row.refresh_due_at) == (State.ACTIVE, None)


@pytest.fixture
def operator(client: Any, django_user_model: Any, vendor: Listener) -> Any:
    client.force_login(django_user_model.objects.create_superuser("alice", password="a-long-password"))
    return client


def form(app: App, **changed: Any) -> dict[str, Any]:
    fields = {"app": app.pk, "kind": "private", "user_type": "Location", "resource_id": LOCATION, "pasted": PRIVATE}
    return fields | changed


def test_an_operator_enters_and_replaces_a_token(app: App, operator: Any, vendor: Listener) -> None:
    page = "/admin/tokens/credential/add/"
    shown = operator.get(page, {"app": app.pk, "kind": "key", "resource_id": LOCATION}).content.decode()
    assert f'value="{LOCATION}"' in shown
    assert operator.post(page, form(app)).status_code == 302
    vendor.known.add(ROTATED)
    answer = operator.post(page, form(app, pasted=ROTATED), follow=True)
    row = Credential.objects.get()
    assert (row.generation, seals.access_token(row).reveal()) == (2, ROTATED)
    assert ROTATED not in answer.content.decode()
    recorded = audit_trail.entries().values_list("action", "actor")
    assert list(recorded) == [("token.entered", WHO), ("install.connected", WHO)] * 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pasted": "undefined"}, "has no key yet"),
        ({"pasted": "pit-00000000-dddd-eeee-ffff-000000000009"}, "does not accept this token"),
        ({"kind": "oauth"}, "Select a valid choice"),
        ({"pasted": ""}, "nothing was pasted"),
    ],
)
def test_a_mistake_is_shown_on_the_form_and_stores_nothing(app: App, operator: Any, changed, said) -> None:
    answer = operator.post("/admin/tokens/credential/add/", form(app, **changed))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert said in text
    assert not changed.get("pasted") or f'value="{changed["pasted"]}"' not in text
    assert Credential.objects.count() == 0


def test_a_refused_token_is_answered_with_steps_and_a_report(app: App, operator: Any, vendor: Listener) -> None:
    page, pasted = "/admin/tokens/credential/add/", "pit-00000000-dddd-eeee-ffff-000000000009"
    assert '<details class="entering" open>' in operator.get(page).content.decode(), "before: what one has to know"
    text = operator.post(page, form(app, pasted=pasted)).content.decode()
    assert '<details class="entering">' in text, "after: the error comes first"
    assert "What to do now" in text
    assert "https://developers.gohighlevel.com/support" in text
    report = text.partition('<pre id="support-report"')[2].partition("</pre>")[0]
    for fact in (f"Account: Location {LOCATION}", "HTTP status: 401", "Trace id: ", "test of a token before"):
        assert fact in report
    assert pasted not in text
    mistaken = operator.post(page, form(app, pasted="undefined")).content.decode()
    assert "What to do now" not in mistaken, "HighLevel was not asked"


def test_actions_test_and_give_up_only_what_was_entered(
    app: App, operator: Any, credential_key: CredentialKey, vendor
) -> None:
    entered = enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO, tested=False)
    oauth = Credential.objects.create(app=app, user_type="Location", resource_id="other", created_at=clock.now())
    chosen = {"_selected_action": [entered.pk, oauth.pk]}
    tested = operator.post("/admin/tokens/credential/", {"action": "test_token", **chosen}, follow=True)
    assert tested.content.decode().count("HighLevel accepts it.") == 1
    operator.post("/admin/tokens/credential/", {"action": "give_up", "confirmed": "yes", **chosen})
    assert set(Credential.objects.values_list("pk", "state")) == {(entered.pk, "needs_reconnect"), (oauth.pk, "active")}


def test_who_may_only_look_enters_nothing(app: App, client: Any, django_user_model: Any, vendor: Listener) -> None:
    client.force_login(django_user_model.objects.create_user("bob", password="a-long-password", is_staff=True))
    assert client.post("/admin/tokens/credential/add/", form(app)).status_code == 403


def test_an_oauth_grant_cannot_be_entered(credential_key: CredentialKey) -> None:
    with pytest.raises(BadRequest, match="installed"):
        enter(credential_key, PRIVATE, kind=Kind.OAUTH, actor=WHO)


def test_a_pasted_token_does_not_replace_a_working_grant(credential_key: CredentialKey, vendor: Listener) -> None:
    grant = Grant(Secret("access"), Secret("refresh"), 86_399, frozenset(), "Location", location_id=LOCATION)
    row = store.save_grant(credential_key, grant, now=clock.now())
    with pytest.raises(BadRequest, match="installed the app"):
        enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    assert seals.refresh_token(Credential.objects.get(pk=row.pk)).reveal() == "refresh"
    assert enter(credential_key, KEY, kind=Kind.KEY, actor=WHO).pk != row.pk, "API 1.0 stands beside it"
    store.revoke(credential_key, reason="uninstalled", now=clock.now())
    assert enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO).pk == row.pk


def test_a_sealed_key_does_not_open_as_the_grant_of_the_same_location(
    credential_key: CredentialKey, vendor: Listener
) -> None:
    grant = enter(credential_key, PRIVATE, kind=Kind.PRIVATE, actor=WHO, tested=False)
    old = enter(credential_key, KEY, kind=Kind.KEY, actor=WHO, tested=False)
    grant.access_sealed = old.access_sealed
    with pytest.raises(SealBroken):
        seals.access_token(grant)
