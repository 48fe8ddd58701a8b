"""Who writes to the database makes no operator: rights that this application did not give are none."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from integrations.console.doctor import diagnostics
from integrations.core import audit
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.operators import accounts, roles
from integrations.operators.models import RightsSeal
from integrations.operators.rights import rights_seal
from integrations.operators.roles import Role
from integrations.vault import columns, forget, keys, rotation, sealed_counts

pytestmark = pytest.mark.django_db
PASSWORD, OTHER = "a password of the owner", "a password of the attacker"
USERS = "/admin/auth/user/"


@pytest.fixture
def owner() -> User:
    return accounts.create("olga", Role.OWNER, password=Secret(PASSWORD))


@pytest.fixture
def viewer() -> User:
    return accounts.create("vera", Role.VIEWER, password=Secret(OTHER))


def signs_in(name: str, password: str) -> bool:
    return authenticate(username=name, password=password) is not None


def sql(statement: str, *values: object) -> None:
    """What somebody does who writes to the database."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def copied_seal(source: User, to: User) -> None:
    sql(
        "UPDATE operators_rightsseal SET sealed = s.sealed, permissions = s.permissions "
        "FROM operators_rightsseal s WHERE s.user_id = %s AND operators_rightsseal.user_id = %s",
        source.pk,
        to.pk,
    )


def whole_row_copied(source: User, to: User) -> None:
    """Everything but the primary key: the attacker's own hash in the owner's row, with the attacker's seal."""
    sql(
        "UPDATE auth_user SET password = s.password FROM auth_user s WHERE s.id = %s AND auth_user.id = %s",
        *_ids(source, to),
    )
    copied_seal(source, to)


def _ids(*users: User) -> list[int]:
    return [user.pk for user in users]


def test_an_account_of_this_application_signs_in_and_may_what_its_role_may(owner: User, viewer: User) -> None:
    assert signs_in("olga", PASSWORD)
    assert not signs_in("olga", OTHER)
    client = Client()
    client.force_login(viewer)
    assert client.get("/admin/").status_code == 200
    assert client.get(USERS).status_code == 403
    assert set(roles.permissions(Role.VIEWER)) == set(User.objects.get(pk=viewer.pk).get_all_permissions())


def test_what_is_written_into_the_database_gives_nothing(owner: User, viewer: User) -> None:
    """The attacker knows the viewer's password, has the viewer's session, and writes what they like."""
    stolen = "UPDATE auth_user SET password = %s WHERE username = 'olga'"
    attacks: dict[str, tuple[Callable[[], None], str, str]] = {
        "password": (partial(sql, stolen, make_password(OTHER)), "olga", OTHER),
        "password and seal of another": (partial(whole_row_copied, viewer, owner), "olga", OTHER),
        "superuser": (partial(sql, "UPDATE auth_user SET is_superuser = true"), "vera", OTHER),
        "seal of the owner": (partial(copied_seal, owner, viewer), "vera", OTHER),
        "permissions in the seal": (
            partial(sql, "UPDATE operators_rightsseal SET permissions = permissions || '{auth.view_user}'::varchar[]"),
            "vera",
            OTHER,
        ),
        "no seal": (partial(sql, "DELETE FROM operators_rightsseal"), "vera", OTHER),
        "garbage for a seal": (partial(sql, "UPDATE operators_rightsseal SET sealed = 'x'"), "vera", OTHER),
        "name": (partial(sql, "UPDATE auth_user SET username = 'olga2' WHERE username = 'vera'"), "olga2", OTHER),
        "made from nothing": (_new_account, "mallory", OTHER),
    }
    session = Client()
    session.force_login(viewer)
    for name, (attack, username, password) in attacks.items():
        with transaction.atomic():
            attack()
            assert not signs_in(username, password), name
            assert session.get(USERS).status_code in (302, 403), name
            transaction.set_rollback(True)
    assert signs_in("vera", OTHER)


def _new_account() -> None:
    columns = "username, password, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined"
    sql(
        f"INSERT INTO auth_user ({columns}) VALUES ('mallory', %s, true, true, true, '', '', '', now())",
        make_password(OTHER),
    )


@pytest.mark.slow
def test_a_group_or_a_permission_that_is_written_gives_nothing(owner: User, viewer: User) -> None:
    session = Client()
    session.force_login(viewer)
    group, permission = Group.objects.get(name=Role.OWNER), Permission.objects.get(codename="view_user")
    sql("INSERT INTO auth_user_groups (user_id, group_id) VALUES (%s, %s)", viewer.pk, group.pk)
    sql("INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (%s, %s)", viewer.pk, permission.pk)
    mine = viewer.groups.get(name=Role.VIEWER)
    sql("INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (%s, %s)", mine.pk, permission.pk)
    assert session.get("/admin/").status_code == 200, "the account is what it was"
    assert session.get(USERS).status_code == 403
    assert authenticate(username="vera", password=OTHER).get_all_permissions() == roles.permissions(Role.VIEWER)
    # Nor does it get in with what the account, or somebody else, changes next.
    new = f"{OTHER}, a new one"
    own = {"old_password": OTHER, "new_password1": new, "new_password2": new}
    assert session.post("/admin/password_change/", own).status_code == 302
    assert session.get("/admin/").status_code == 200
    assert rights_seal.clean([owner, viewer]) == [owner], "a change of the group does not seal it either"
    with pytest.raises(BadRequest, match="not the sealed ones"):
        accounts.give_role(viewer, Role.SUPPORT)
    assert authenticate(username="vera", password=new).get_all_permissions() == roles.permissions(Role.VIEWER)


@pytest.mark.slow
def test_a_change_on_the_pages_is_sealed(owner: User, viewer: User) -> None:
    session, other = Client(), Client()
    session.force_login(owner)
    other.force_login(viewer)
    joined = viewer.date_joined
    form = {
        "username": "vera",
        "is_active": "on",
        "is_staff": "on",
        "groups": [Group.objects.get(name=Role.OWNER).pk],
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
    }
    assert session.post(f"{USERS}{viewer.pk}/change/", form).status_code == 302
    assert authenticate(username="vera", password=OTHER).has_perm("auth.view_user")
    again = {"password1": "another long password", "password2": "another long password"}
    assert session.post(f"{USERS}{viewer.pk}/password/", again).status_code == 302
    assert signs_in("vera", "another long password")
    own = {
        "old_password": PASSWORD,
        "new_password1": "one more long password",
        "new_password2": "one more long password",
    }
    assert session.post("/admin/password_change/", own).status_code == 302
    assert signs_in("olga", "one more long password")
    assert session.get(USERS).status_code == 200
    accounts.give_role(viewer, Role.VIEWER)
    group = Group.objects.get(name=Role.VIEWER)
    session.post(f"/admin/auth/group/{group.pk}/change/", {"name": "viewer", "permissions": []})
    assert authenticate(username="vera", password="another long password").get_all_permissions() == set()
    session.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    assert signs_in("vera", "another long password")


@pytest.mark.slow
def test_a_stronger_hash_is_sealed_at_the_sign_in(owner: User, settings) -> None:
    before = owner.password
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    assert signs_in("olga", PASSWORD)
    assert signs_in("olga", PASSWORD)
    assert User.objects.get(pk=owner.pk).password != before
    sql("UPDATE auth_user SET password = %s WHERE username = 'olga'", before)
    assert not signs_in("olga", PASSWORD)
    assert not signs_in("olga", PASSWORD), "the better hash of an unproven one is not sealed"


def test_commands_make_and_seal_accounts(owner: User, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--username", "root", "--email", "", stdout=io.StringIO())
    assert signs_in("root", PASSWORD)
    assert AuditEntry.objects.get(subject="user:root").action == "user.added"
    monkeypatch.setattr("getpass.getpass", lambda **_: "another long password")
    call_command("changepassword", "root", stdout=io.StringIO())
    assert signs_in("root", "another long password")
    User.objects.filter(username="root").update(is_staff=False)
    with pytest.raises(CommandError, match="are not sealed"):
        call_command("changepassword", "root", stdout=io.StringIO())
    assert rights_seal.refused() == []
    sql("UPDATE auth_user SET is_superuser = true WHERE username = 'olga'")
    assert rights_seal.refused() == [owner]
    assert next(diagnostics.operators()).found.endswith("is not sealed: olga (rights)")
    monkeypatch.setattr("builtins.input", lambda *_: "no")
    with pytest.raises(CommandError, match="nothing was sealed"):
        call_command("operators", "seal", "olga")
    out = io.StringIO()
    call_command("operators", "seal", "olga", "--yes", "--json", stdout=out)
    assert json.loads(out.getvalue())[0]["role"] == "superuser"
    assert "olga is a superuser; groups: owner" in capsys.readouterr().err
    assert AuditEntry.objects.get(action="user.rights_sealed").detail["is_superuser"] is True
    assert (signs_in("olga", PASSWORD), audit.verify()) == (True, None)


def test_seals_go_with_the_keys(owner: User, settings) -> None:
    old = settings.VAULT_KEYS
    settings.VAULT_KEYS = ["next:0Wm8kR4mGgB8xC5h8c1mYx0m0F9cG5o6yqS2mUO3b1s=", *old]
    assert signs_in("olga", PASSWORD)
    rotation.rotate(keys.ring(), watcher=rotation.Watcher())
    assert sealed_counts.count().by_key.keys() == {"next"}
    assert signs_in("olga", PASSWORD)
    settings.VAULT_KEYS = old
    assert not signs_in("olga", PASSWORD), "without the key nothing is proven"
    ends = forget.run("next", actor="test").ends
    assert ends["operators.RightsSeal"] == {rights_seal.REMOVED: 1}
    assert ends.keys() == {"operators.RightsSeal", "vault.RowMacKey"}
    assert not RightsSeal.objects.exists()
    assert AuditEntry.objects.get(action="user.key_lost").subject == "user:olga"
    accounts.seal(owner)
    assert signs_in("olga", PASSWORD)
    assert columns.sealed_by(RightsSeal, "test").count() == 1
