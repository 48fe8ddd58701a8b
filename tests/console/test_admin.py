"""The operators' lists, forms and actions: nothing sealed leaves, every act leaves an entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from integrations.core import audit
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane
from integrations.sync.models import Plan
from integrations.tenants import marketplace
from integrations.tenants.forms import AppForm
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from tests.console.conftest import CANARY, COMPANY, LOCATION, OTHER, begin_run

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
Sent = list[tuple[str, dict[str, Any]]]


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What was enqueued, by name and ids."""
    jobs: Sent = []
    monkeypatch.setattr(
        "integrations.tokens.admin_pages.commands.enqueue", lambda task, **ids: jobs.append((task, ids))
    )
    return jobs


@pytest.fixture
def act(operator_client: Client) -> Iterator[Any]:
    def act(model: Any, action: str, *rows: Any, client: Client = operator_client) -> Any:
        chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
        return client.post(url(model, "changelist"), chosen, follow=True)

    return act


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_list_opens_searches_and_shows_no_secret(
    operator_client: Client, agency: Installation, model: Any
) -> None:
    begin_run(Plan.objects.all()[0])
    listed = operator_client.get(url(model, "changelist"))
    assert listed.status_code == 200
    assert CANARY not in listed.content.decode()
    assert operator_client.get(url(model, "changelist"), {"q": "loc1"}).status_code == 200


@pytest.mark.slow
def test_every_choice_of_a_filter_has_a_name(operator_client: Client, agency: Installation) -> None:
    queue.enqueue("tests.spend", app="a" * 24, resource=LOCATION, lane=Lane.BULK, number=1)
    begin_run(Plan.objects.all()[0])
    unnamed = []
    for model in MODELS:
        page = operator_client.get(url(model, "changelist")).context
        listed = page.get("cl")  # a list that is somebody else's page has none
        for spec in listed.filter_specs if listed else ():
            choices = [choice for choice in spec.choices(listed) if not str(choice.get("display", "?")).strip()]
            unnamed += [f"{model._meta.label}: {spec.title}"] * len(choices)
    assert not unnamed


def test_signing_in_without_a_destination_leads_to_the_dashboard(client: Client, db: None) -> None:
    User.objects.create_superuser("op2", password="a long enough password")
    answer = client.post("/admin/login/", {"username": "op2", "password": "a long enough password"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_the_audit_list_tells_what_was_done_and_how_it_ended_first(operator_client: Client) -> None:
    shown = {"app": "a" * 24, "path": "/contacts/", "method": "POST", "status": 201, "code": ""}
    audit.record(
        "api.answered_by_hand",
        actor="op",
        subject="x",
        operation="contacts.create-contact",
        fields=list("abcdefg"),
        **shown,
    )
    page = operator_client.get(url(AuditEntry, "changelist")).content.decode()
    assert "operation contacts.create-contact, method POST, status 201, path /contacts/, app aaaaa" in page
    assert "fields a b c d e and 2 more" in page


@pytest.mark.slow
@pytest.mark.parametrize("model", [App, Installation, Credential, AuditEntry, User], ids=lambda model: model.__name__)
def test_every_detail_page_opens_and_shows_no_secret(
    operator_client: Client, agency: Installation, act: Any, model: Any
) -> None:
    Installation.objects.update(claimed_at=None, claimed_by="")
    act(Installation, "claim_here", agency)
    page = operator_client.get(url(model, "change", model.objects.order_by("-pk")[0].pk))
    assert page.status_code == 200
    body = page.content.decode()
    for secret in (CANARY, "fake-client-secret-0c7a5d1e", "fake-shared-secret-9b31f4a2"):
        assert secret not in body
    assert "sealed" not in body.lower()


def test_claiming_is_audited_with_the_operators_name(agency: Installation, act: Any) -> None:
    Installation.objects.update(claimed_at=None, claimed_by="")
    act(Installation, "claim_here", agency)
    assert not Installation.objects.filter(claimed_at__isnull=True).exists()
    assert AuditEntry.objects.get(subject=f"Company:{COMPANY}").actor == "operator op"


def test_reconcile_now_makes_it_due(agency: Installation, act: Any) -> None:
    Installation.objects.filter(pk=agency.pk).update(reconcile_due_at=None)
    act(Installation, "reconcile_now", agency)
    agency.refresh_from_db()
    assert agency.reconcile_due_at is not None
    assert AuditEntry.objects.filter(action="install.reconcile_requested", actor="operator op").exists()


def test_refresh_now_leaves_wiped_tokens_alone(agency: Installation, act: Any, sent: Sent) -> None:
    first, second = Credential.objects.order_by("pk")
    Credential.objects.filter(pk=second.pk).update(state="revoked", access_sealed=None, refresh_sealed=None)
    act(Credential, "refresh_now", first, second)
    assert sent == [("tokens.refresh", {"credential_id": first.pk})]


def test_removing_asks_first_and_takes_the_locations_along(operator_client: Client, agency: Installation) -> None:
    address = reverse("admin:tenants_installation_clean_up", args=[agency.pk])
    assert "Deletes its tokens" in operator_client.get(address).content.decode()
    assert Installation.objects.filter(status="installed").count() == 3
    response = operator_client.post(address, {"_form_submitted": "True"})
    assert response.status_code == 302
    assert not Installation.objects.exclude(status="uninstalled").exists()
    assert not Credential.objects.filter(access_sealed__isnull=False).exists()
    assert not Installation.objects.locations().filter(sync_due_at=None).exists()
    assert AuditEntry.objects.filter(action="install.removal_requested", actor="operator op").exists()
    removed = AuditEntry.objects.filter(action="install.removed").values_list("subject", "actor")
    assert dict(removed) == dict.fromkeys(
        (f"Company:{COMPANY}", f"Location:{LOCATION}", f"Location:{OTHER}"), "operator op"
    )


def test_removing_from_the_dialog_moves_the_whole_page(operator_client: Client, agency: Installation) -> None:
    address = reverse("admin:tenants_installation_clean_up", args=[agency.pk])
    response = operator_client.post(address, {"_form_submitted": "True"}, headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == url(Installation, "change", agency.pk)


def test_who_may_only_look_cannot_act(agency: Installation, act: Any, sent: Sent, client: Client) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=("view_installation", "view_credential")))
    client.force_login(viewer)
    assert client.get(url(Installation, "changelist")).status_code == 200
    act(Installation, "reconcile_now", agency, client=client)
    act(Credential, "refresh_now", Credential.objects.all()[0], client=client)
    address = reverse("admin:tenants_installation_clean_up", args=[agency.pk])
    assert client.post(address, {"_form_submitted": "True"}).status_code == 403
    assert sent == []


@pytest.mark.parametrize("model", [Installation, Credential, AuditEntry], ids=lambda model: model.__name__)
def test_machine_rows_are_neither_added_nor_deleted(operator_client: Client, agency: Installation, model: Any) -> None:
    if model is not Credential:  # keys and private tokens are entered by hand
        assert operator_client.get(url(model, "add")).status_code == 403
    first = model.objects.first()
    if first is not None:
        assert operator_client.post(url(model, "delete", first.pk), {"post": "yes"}).status_code == 403


def app_form(**fields: str) -> dict[str, str]:
    return {
        "name": "Second app",
        "client_id": "77b1419a-second",
        "highlevel_id": "",
        "version_id": "",
        "dialect": "v2",
        "scopes": "contacts.readonly",
        "api_url": "http://127.0.0.1:1",
        "marketplace_url": "http://127.0.0.1:1",
        "client_secret": "",
        "shared_secret": "",
    } | fields


def test_an_app_is_added_with_sealed_secrets(operator_client: Client, app: App) -> None:
    form = app_form(client_secret="new-client-secret", shared_secret="new-shared")
    assert operator_client.post(url(App, "add"), form).status_code == 302
    added = App.objects.get(client_id="77b1419a-second")
    assert (added.highlevel_id, added.version_id) == ("77b1419a", "77b1419a")
    assert marketplace.identity(added).client_secret == Secret("new-client-secret")
    assert marketplace.shared_secret(added) == Secret("new-shared")
    entry = AuditEntry.objects.get(action="app.added", subject="app:77b1419a")
    assert entry.detail["secrets_changed"] is True
    assert "new-client-secret" not in str(entry.detail)


def test_an_app_needs_a_client_secret(operator_client: Client, app: App) -> None:
    response = operator_client.post(url(App, "add"), app_form())
    assert response.status_code == 200
    assert "needs its client secret" in response.content.decode()
    assert App.objects.count() == 1


def test_an_empty_field_keeps_the_stored_secret(operator_client: Client, app: App) -> None:
    before = marketplace.identity(app).client_secret
    form = app_form(name="Renamed", client_id="ignored-on-change", shared_secret="another-shared")
    assert operator_client.post(url(App, "change", app.pk), form).status_code == 302
    app.refresh_from_db()
    assert (app.name, app.client_id) == ("Renamed", marketplace.default().client_id)
    assert marketplace.identity(app).client_secret == before
    assert marketplace.shared_secret(app) == Secret("another-shared")


def test_another_address_needs_the_client_secret_again(operator_client: Client, app: App) -> None:
    moved = {"api_url": "http://127.0.0.1:2"}
    refused = operator_client.post(url(App, "change", app.pk), app_form(**moved))
    assert "enter the client secret again" in refused.content.decode()
    assert App.objects.get(pk=app.pk).api_url == app.api_url
    done = operator_client.post(url(App, "change", app.pk), app_form(client_secret="entered-again", **moved))
    assert done.status_code == 302
    app.refresh_from_db()
    assert marketplace.identity(app).client_secret == Secret("entered-again")


@pytest.mark.parametrize("field", ["api_url", "marketplace_url"])
@pytest.mark.parametrize("address", ["https://evil.example", "http://services.leadconnectorhq.com"])
def test_an_address_that_the_environment_does_not_allow_is_refused(
    operator_client: Client, app: App, field: str, address: str
) -> None:
    form = app_form(client_secret="entered-again", **{field: address})
    assert operator_client.post(url(App, "change", app.pk), form).status_code == 200
    assert getattr(App.objects.get(pk=app.pk), field) == getattr(app, field)


def test_the_trail_has_old_and_new_value_of_each_changed_field(operator_client: Client, app: App) -> None:
    form = app_form(scopes="users.readonly", client_secret="a-new-secret", api_url="http://127.0.0.1:2")
    operator_client.post(url(App, "change", app.pk), form)
    found = AuditEntry.objects.filter(action="app.changed").latest("id").detail
    assert found["changed"]["api_url"] == [app.api_url, "http://127.0.0.1:2"]
    assert found["changed"]["scopes"] == [app.scopes, "users.readonly"]
    assert "dialect" not in found["changed"], "only what changed"
    assert found["secrets_changed"] is True
    assert "a-new-secret" not in str(found)


def test_a_new_secret_ends_a_halt(operator_client: Client, app: App) -> None:
    App.objects.update(halted_at=app.created_at, halted_reason="client refused")
    operator_client.post(url(App, "change", app.pk), app_form(client_secret="corrected"))
    app.refresh_from_db()
    assert (app.halted_at, app.halted_reason) == (None, "")


def test_a_change_writes_no_column_that_it_is_not_about(
    operator_client: Client, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the form is on its way the vault seals the row anew, and the vendor's refusal stops the app."""
    plain, resealed = AppForm.clean, b"sealed anew by a rotation"

    def meanwhile(form: AppForm) -> dict[str, Any]:
        App.objects.update(shared_secret_sealed=resealed, halted_at=app.created_at, halted_reason="client refused")
        return plain(form)

    monkeypatch.setattr(AppForm, "clean", meanwhile)
    assert operator_client.post(url(App, "change", app.pk), app_form(name="Renamed")).status_code == 302
    app.refresh_from_db()
    assert (app.name, app.halted_reason, bytes(app.shared_secret_sealed or b"")) == (
        "Renamed",
        "client refused",
        resealed,
    )


def test_a_secret_whose_key_is_lost_has_to_be_entered_again(operator_client: Client, app: App) -> None:
    App.objects.update(client_secret_sealed=None, shared_secret_sealed=None, halted_at=app.created_at)
    address = url(App, "change", app.pk)
    refused = operator_client.post(address, app_form(shared_secret="only-the-other"))
    assert "The key that sealed it is lost: enter it again." in refused.content.decode()
    assert operator_client.post(address, app_form(client_secret="entered-again")).status_code == 302
    app.refresh_from_db()
    assert (app.halted_at, marketplace.identity(app).client_secret) == (None, Secret("entered-again"))


def test_a_refused_form_does_not_echo_the_secret(operator_client: Client, app: App) -> None:
    page = operator_client.post(url(App, "add"), app_form(name="", client_secret="typed-secret-canary"))
    assert page.status_code == 200
    assert "typed-secret-canary" not in page.content.decode()


def test_a_damaged_seal_does_not_break_the_list(operator_client: Client, agency: Installation) -> None:
    Credential.objects.filter(resource_id=LOCATION).update(access_sealed=b"\xff\xff")
    assert "damaged" in operator_client.get(url(Credential, "changelist")).content.decode()


def test_the_trail_has_each_change_of_a_user_and_no_password(operator_client: Client) -> None:
    password = "a-password-that-nobody-guesses"
    operator_client.post(url(User, "add"), {"username": "ann", "password1": password, "password2": password})
    ann = User.objects.get(username="ann")
    group = Group.objects.create(name="viewers")
    joined = ann.date_joined
    form = {
        "username": "ann",
        "is_active": "on",
        "is_staff": "on",
        "groups": [group.pk],
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
    }
    assert operator_client.post(url(User, "change", ann.pk), form).status_code == 302
    changed = AuditEntry.objects.get(action="user.changed")
    assert changed.subject == "user:ann"
    assert changed.detail["changed"]["is_staff"] == [False, True]
    assert changed.detail["changed"]["groups"] == [[], ["viewers"]]
    again = {"password1": f"{password}2", "password2": f"{password}2"}
    assert operator_client.post(f"/admin/auth/user/{ann.pk}/password/", again).status_code == 302
    operator_client.post(url(Group, "change", group.pk), {"name": "readers"})
    operator_client.post(url(User, "delete", ann.pk), {"post": "yes"})
    assert AuditEntry.objects.get(action="user.deleted").detail["changed"]["groups"] == [["readers"], None]
    assert AuditEntry.objects.get(action="group.changed").detail["changed"] == {"name": ["viewers", "readers"]}
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"user.added", "user.password_changed", "user.deleted"} <= actions
    assert password not in str(list(AuditEntry.objects.values()))
