"""The pages of purges: what goes is shown before, and only an operator with the permission asks for it or cancels."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from integrations.privacy.models import Purge
from integrations.tenants.models import App, Installation
from tests.privacy.conftest import ANN, ANN_PLACE, BOB_PLACE
from tests.support import audit_trail

pytestmark = pytest.mark.django_db


def client_of(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name, password="a-long-password-1", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def address(place: str, kind: str = "Location") -> str:
    return reverse("admin:privacy_purge_ask", args=[kind, place])


@pytest.mark.slow
def test_an_operator_sees_what_goes_asks_for_it_and_cancels_it(planted: App) -> None:
    operator = client_of("op", "add_purge", "view_purge", "change_purge", "view_installation")
    row = Installation.objects.get(resource_id=ANN_PLACE)
    opened = operator.get(reverse("admin:tenants_installation_purge", args=[row.pk]))
    assert opened.url == address(ANN_PLACE)  # type: ignore[attr-defined]
    page = operator.get(address(ANN_PLACE)).content.decode()
    assert "synced records" in page
    assert f"Enter {ANN_PLACE} to confirm" in page
    refused = operator.post(address(ANN_PLACE), {"confirm": BOB_PLACE})
    assert b"Nothing was changed" in refused.content
    assert not Purge.objects.exists()
    asked = operator.post(address(ANN_PLACE), {"confirm": ANN_PLACE})
    purge = Purge.objects.get()
    assert asked.url == reverse("admin:privacy_purge_change", args=[purge.pk])  # type: ignore[attr-defined]
    assert f"manage.py purge cancel {purge.pk}" in operator.get(asked.url).content.decode()  # type: ignore[attr-defined]
    assert b"asked for already" in operator.post(address(ANN_PLACE), {"confirm": ANN_PLACE}).content
    operator.post(reverse("admin:privacy_purge_cancel", args=[purge.pk]), {"_form_submitted": "True"})
    purge.refresh_from_db()
    assert (purge.status, purge.requested_by, purge.note) == ("cancelled", "operator op", "by operator op")
    assert set(audit_trail.entries().values_list("action", flat=True)) == {"purge.requested", "purge.cancelled"}


@pytest.mark.slow
def test_a_contact_is_purged_by_its_id(planted: App) -> None:
    operator = client_of("op", "add_purge", "view_purge")
    page = operator.get(address(BOB_PLACE), {"contact": ANN["id"]}).content.decode()
    assert "records that belong to it" in page
    assert b"still installed" in operator.get(address(BOB_PLACE)).content
    operator.post(address(BOB_PLACE), {"confirm": ANN["id"], "contact": ANN["id"]})
    assert Purge.objects.get().contact_id == ANN["id"]


def test_others_neither_see_nor_ask(planted: App) -> None:
    viewer = client_of("viewer", "view_purge", "view_installation")
    assert viewer.get(address(ANN_PLACE)).status_code == 403
    assert viewer.post(address(ANN_PLACE), {"confirm": ANN_PLACE}).status_code == 403
    assert Client().get(address(ANN_PLACE)).status_code == 302
    assert client_of("op", "add_purge").get(address(ANN_PLACE, "Planet")).status_code == 404
    purge = Purge.objects.create(
        user_type="Location",
        tenant_id=ANN_PLACE,
        requested_by="op",
        requested_at=planted.created_at,
        begins_at=planted.created_at,
        due_at=planted.created_at,
    )
    viewer.post(reverse("admin:privacy_purge_cancel", args=[purge.pk]), {"_form_submitted": "True"})
    purge.refresh_from_db()
    assert purge.status == "waiting"
    row = Installation.objects.get(resource_id=ANN_PLACE)
    assert viewer.get(reverse("admin:tenants_installation_purge", args=[row.pk])).status_code == 403
