"""Who reads the table of sessions has no operator's session, and who writes to it makes none."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

pytestmark = pytest.mark.django_db


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
