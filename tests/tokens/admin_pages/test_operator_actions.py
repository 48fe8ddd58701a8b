"""What an operator asks of a credential: refresh now, mint again, suspend; each is in the audit trail."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.quota.permits.lanes import Lane
from integrations.tokens import seals, store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.admin_pages import commands
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease
from tests.plugin.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)

State = Credential.State
WHO = "operator alice"
NAMES = ("refresh_this", "mint_this", "suspend_this")
Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What was enqueued, by name and ids."""
    jobs: Sent = []
    monkeypatch.setattr(commands, "enqueue", lambda task, **ids: jobs.append((task, ids)))
    return jobs


@pytest.fixture
def operator(client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("alice", password="a-long-password"))
    return client


@pytest.fixture
def minted(company: Credential, vendor: Vendor) -> Credential:
    key = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(key, company_id=company.resource_id, lane=Lane.EVENTS)
    found = store.find(key)
    assert found is not None
    return found


def page(row: Credential, name: str = "change") -> str:
    return reverse(f"admin:tokens_credential_{name}", args=[row.pk])


def recorded() -> list[tuple[str, str, str]]:
    asked = AuditEntry.objects.filter(actor__startswith="operator").order_by("id")
    return list(asked.values_list("action", "actor", "subject"))


def test_a_minting_gives_a_new_pair_where_the_own_refresh_token_is_dead(minted: Credential, sent: Sent) -> None:
    Credential.objects.filter(pk=minted.pk).update(state=State.NEEDS_RECONNECT, refresh_sealed=None)
    minted.refresh_from_db()
    commands.mint_again(minted, actor=WHO)
    assert sent == [("tokens.mint", {"credential_id": minted.pk})]
    tasks.mint_one(credential_id=minted.pk)
    row = Credential.objects.get(pk=minted.pk)
    assert (row.state, row.generation) == (State.ACTIVE, minted.generation + 1)
    assert recorded() == [("token.mint_requested", WHO, minted.tenant.audit_subject)]


def test_without_a_company_nothing_is_minted(location: Credential, sent: Sent) -> None:
    with pytest.raises(BadRequest, match="no company"):
        commands.mint_again(location, actor=WHO)
    assert (sent, recorded()) == ([], [])


def test_a_suspended_one_rests_until_it_is_refreshed_by_hand(location: Credential, sent: Sent) -> None:
    commands.suspend(location, actor=WHO)
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.reason, row.refresh_due_at) == (State.SUSPENDED, f"suspended by {WHO}", None)
    with pytest.raises(BadRequest, match="not active"):
        commands.suspend(row, actor=WHO)
    commands.refresh_now(row, actor=WHO)
    [(_, wanted)] = sent
    tasks.refresh_one(**wanted)
    assert Credential.objects.get(pk=row.pk).state == State.ACTIVE
    assert [action for action, _, _ in recorded()] == ["token.suspended", "token.refresh_requested"]


def test_a_company_may_be_suspended_too(company: Credential) -> None:
    commands.suspend(company, actor=WHO)
    assert Credential.objects.get(pk=company.pk).state == State.SUSPENDED


def test_of_an_older_generation_nothing_is_suspended(location: Credential) -> None:
    Credential.objects.filter(pk=location.pk).update(generation=location.generation + 1)
    with pytest.raises(BadRequest, match="has just done so"):
        commands.suspend(location, actor=WHO)


def test_a_credential_under_refresh_is_not_suspended(location: Credential) -> None:
    assert lease.claim(location.pk, owner="a worker")
    with pytest.raises(BadRequest, match="a worker is refreshing it"):
        commands.suspend(location, actor=WHO)
    location.refresh_from_db()
    assert (location.state, recorded()) == (State.ACTIVE, [])


@pytest.mark.parametrize(
    ("action", "done", "left"),
    [
        ("refresh_now", "2 refreshes are being sent to a worker", "is revoked"),
        ("mint_again", "1 mintings are being sent to a worker", "no company"),
        ("suspend", "1 credentials are suspended", "is not active"),
    ],
)
def test_the_list_acts_on_those_that_it_fits(
    minted: Credential, neighbour: Credential, operator: Client, sent: Sent, action: str, done: str, left: str
) -> None:
    chosen = [minted, neighbour, store.find(store.company(minted.app, minted.company_id))]
    Credential.objects.filter(pk=chosen[2].pk).update(state=State.REVOKED, access_sealed=None, refresh_sealed=None)
    if action == "suspend":
        Credential.objects.filter(pk=neighbour.pk).update(state=State.NEEDS_RECONNECT)
    asked = {"action": action, "_selected_action": [row.pk for row in chosen]}
    answer = operator.post(reverse("admin:tokens_credential_changelist"), asked, follow=True).content.decode()
    assert done in answer
    assert left in answer
    assert {actor for _, actor, _ in recorded()} == {WHO}


@pytest.mark.parametrize(("name", "task"), [("refresh_this", "tokens.refresh"), ("mint_this", "tokens.mint")])
def test_the_page_of_one_asks_in_a_dialog(minted: Credential, operator: Client, sent: Sent, name, task) -> None:
    assert "A worker asks HighLevel" in operator.get(page(minted, name)).content.decode()
    assert sent == []
    answer = operator.post(page(minted, name), {"_form_submitted": "True"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == page(minted)
    assert [task for task, _ in sent] == [task]


def test_only_what_fits_is_offered(minted: Credential, neighbour: Credential, operator: Client) -> None:
    shown = operator.get(page(minted)).content.decode()
    assert [name for name in NAMES if page(minted, name) not in shown] == []
    Credential.objects.filter(pk=neighbour.pk).update(
        state=State.REVOKED, company_id="", access_sealed=None, refresh_sealed=None
    )
    for name in NAMES:
        assert page(neighbour, name) not in operator.get(page(neighbour)).content.decode()
        assert operator.post(page(neighbour, name), {"_form_submitted": "True"}).status_code == 403


def test_who_may_only_look_steers_nothing(
    minted: Credential, client: Client, django_user_model: Any, sent: Sent
) -> None:
    viewer = django_user_model.objects.create_user("bob", password="a-long-password", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_credential"))
    client.force_login(viewer)
    assert client.get(page(minted)).status_code == 200
    for name in NAMES:
        assert client.post(page(minted, name), {"_form_submitted": "True"}).status_code == 403
    assert (sent, recorded()) == ([], [])


def test_its_page_shows_all_but_the_token(minted: Credential, operator: Client) -> None:
    now = clock.now()
    trouble = {"last_error": "it was refused", "last_error_code": "server_fault", "last_error_at": now}
    lease = {"lease_owner": "worker-7", "lease_until": now, "last_trace_id": "trace-4711"}
    Credential.objects.filter(pk=minted.pk).update(**trouble, **lease)
    shown = operator.get(page(minted)).content.decode()
    reported = ("server_fault", "trace-4711", "it was refused", "worker-7", "/install/?app=", ">test<")
    assert [fact for fact in reported if fact not in shown] == []
    assert len(re.findall(r"\(in \d+ (h|d)\)", shown)) >= 2, "expiry and next refresh"
    for secret in (seals.access_token(minted), seals.refresh_token(minted)):
        assert isinstance(secret, Secret)
        assert secret.reveal() not in shown
