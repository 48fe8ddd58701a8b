"""Who reads the table of sessions has no operator's session, and who writes to it makes none."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from integrations.core.models import AuditEntry
from integrations.operators import accounts
from integrations.operators.models import OperatorSession as Session
from integrations.operators.models import RecoveryCode
from tests.operators.conftest import SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]


def signed_in(name: str, *, owner: bool) -> Client:
    make = User.objects.create_superuser if owner else User.objects.create_user
    client = Client()
    client.force_login(make(name, password="a long enough password"))
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_the_key_of_a_row_is_no_cookie() -> None:
    owner = signed_in("owner", owner=True)
    assert is_signed_in(owner)
    row = Session.objects.get()
    assert owner.cookies["sessionid"].value != row.session_key
    thief = Client()
    thief.cookies["sessionid"] = row.session_key
    assert not is_signed_in(thief)


def test_data_that_is_copied_from_another_row_is_not_read() -> None:
    signed_in("owner", owner=True)
    theirs = Session.objects.get().session_data
    low = signed_in("low", owner=False)
    assert not is_signed_in(low)
    Session.objects.update(session_data=theirs)
    assert not is_signed_in(low)


def test_a_session_ends_with_the_sign_out() -> None:
    owner = signed_in("owner", owner=True)
    assert owner.post("/admin/logout/").status_code in (200, 302)
    assert Session.objects.count() == 0
    assert not is_signed_in(owner)


@pytest.mark.slow
def test_an_operator_sees_and_ends_the_own_sessions_and_an_owner_all(sign_in: SignIn) -> None:
    owner, viewer = sign_in("owner"), sign_in("viewer")
    second = Client()
    form = {"username": "the-viewer", "password": "a long enough password"}
    second.post("/admin/login/", form, headers={"User-Agent": "Firefox", "X-Forwarded-For": "198.51.100.7"})
    address = "/admin/operators/operatorsession/"
    theirs = Session.objects.get(user__username="the-owner")
    seen = viewer.get(address).context["cl"].result_list
    assert sorted((str(row.user), row.address, row.browser, row.is_mine) for row in seen) == [
        ("the-viewer", "", "", True),
        ("the-viewer", "198.51.100.7", "Firefox", False),
    ]
    assert viewer.get(f"{address}{theirs.pk}/change/").status_code == 302, "not found"
    everything = [row.pk for row in Session.objects.exclude(user__username="the-viewer", address="")]
    viewer.post(address, {"action": "end", "_selected_action": everything})
    assert (is_signed_in(viewer), is_signed_in(second), is_signed_in(owner)) == (True, False, True)
    row = Session.objects.get(user__username="the-viewer")
    owner.post(address, {"action": "end", "_selected_action": [row.pk]})
    assert (is_signed_in(viewer), is_signed_in(owner)) == (False, True)
    entries = AuditEntry.objects.filter(action="session.ended").order_by("id").values_list("actor", "subject")
    assert list(entries) == [("operator the-viewer", "user:the-viewer"), ("operator the-owner", "user:the-viewer")]


def test_the_list_of_accounts_says_what_each_may_and_how_it_signs_in(sign_in: SignIn) -> None:
    owner = sign_in("owner")
    sign_in("support")
    User.objects.create_superuser("root", password="a-long-password-1")
    RecoveryCode.objects.create(user=User.objects.get(username="the-support"), mac="0" * 64)
    found = owner.get("/admin/auth/user/").context["cl"]
    listed = {row.username: (found.model_admin.roles(row), row.has_factor) for row in found.result_list}
    assert listed == {
        "the-owner": ("owner", False),
        "the-support": ("support", True),
        "root": ("everything (superuser)", False),
    }


@pytest.mark.slow
def test_sessions_end_when_the_role_or_the_password_changes(sign_in: SignIn) -> None:
    owner = sign_in("owner")
    for change in ("role by command", "group of the role", "user page", "password by an owner", "own password"):
        User.objects.filter(username="the-support").delete()
        client, second = sign_in("support"), Client()
        user = User.objects.get(username="the-support")
        second.force_login(user)
        page = f"/admin/auth/user/{user.pk}/"
        form = {
            "username": "the-support",
            "is_active": "on",
            "is_staff": "on",
            "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00:00",
        }
        password = {"password1": "another long password", "password2": "another long password"}
        match change:
            case "role by command":
                accounts.give_role(user, "viewer")
            case "group of the role":
                group = Group.objects.get(name="support")
                kept = list(group.permissions.values_list("pk", flat=True))[1:]
                owner.post(f"/admin/auth/group/{group.pk}/change/", {"name": "support", "permissions": kept})
            case "user page":
                assert owner.post(f"{page}change/", form).status_code == 302
            case "password by an owner":
                assert owner.post(f"{page}password/", password | {"usable_password": "true"}).status_code == 302
            case "own password":
                own = {"old_password": "a long enough password", "new_password1": "another long password"}
                client.post("/admin/password_change/", own | {"new_password2": "another long password"})
        assert (is_signed_in(client), is_signed_in(second)) == (change == "own password", False), change
        assert Session.objects.filter(user=user).count() == (change == "own password")
        assert is_signed_in(owner)
