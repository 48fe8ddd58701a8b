"""Guessing passwords gets slower for an account and for an address, and locks no operator out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from integrations.core.models import AuditEntry
from integrations.operators.models import SignInAttempts
from integrations.operators.rights.sealed_backend import SealedBackend
from integrations.operators.sign_in import back_off, forms
from integrations.quota import thread_budgets
from tests.operators.conftest import SignIn
from tests.support import audit_trail

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]

PASSWORD = "a long enough password"
START = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_superuser("ann", password=PASSWORD)


def attempt(password: str, number: int = 0, *, client: Client | None = None, name: str = "ann") -> HttpResponse:
    """An attempt from the address of this number."""
    address = f"203.0.{number // 250}.{number % 250 + 1}"
    form = {"username": name, "password": password}
    return (client or Client()).post("/admin/login/", form, headers={"X-Forwarded-For": address})  # type: ignore[return-value]


@pytest.mark.slow
def test_two_hundred_guesses_from_two_hundred_addresses_are_five(ann: User) -> None:
    with time_machine.travel(START, tick=False):
        statuses = [attempt(f"guess {number}", number).status_code for number in range(200)]
        assert statuses == [200] * 5 + [429] * 195
        refused = attempt(PASSWORD, 201)
        assert (refused.status_code, refused["Retry-After"]) == (429, "1")
        assert "Try again in 1 seconds, or ask an owner" in refused.content.decode()
    assert AuditEntry.objects.filter(action="sign_in.failed", subject="user:ann").count() == 5


@pytest.mark.slow
def test_each_wait_is_twice_as_long_up_to_a_quarter_of_an_hour_and_a_success_ends_it(ann: User) -> None:
    waits = []
    with time_machine.travel(START, tick=False) as traveller:
        for number in range(18):
            attempt("guess", number)
            row = SignInAttempts.objects.get(key__startswith="account:")
            wait = (row.blocked_until - row.last_at).total_seconds() if row.blocked_until else 0
            waits.append(int(wait))
            traveller.shift(timedelta(seconds=wait + 1))
        assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
        assert attempt(PASSWORD, 300).status_code == 302
        assert not SignInAttempts.objects.filter(key__startswith="account:").exists()
        day = sum(1 for _ in range(0, 86_400, 900))
    assert day < 100, "guesses of an account in a day"


@pytest.mark.django_db(transaction=True)
def test_passwords_are_checked_two_at_a_time_for_strangers_and_an_operator_s_browser_has_a_place(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Client()
    assert attempt(PASSWORD, 1, client=browser).status_code == 302
    browser.post("/admin/logout/")
    entered, release, statuses = threading.Semaphore(0), threading.Event(), list[int]()
    authenticate = SealedBackend.authenticate

    def slow(*args: Any, **kwargs: Any) -> Any:
        if kwargs["password"] == "guess":
            entered.release()
            release.wait(60)
        return authenticate(*args, **kwargs)

    def guess(number: int) -> None:
        try:
            statuses.append(attempt("guess", number, name=f"nobody{number}").status_code)
        finally:
            connection.close()

    monkeypatch.setattr(SealedBackend, "authenticate", slow)
    threads = [threading.Thread(target=guess, args=(2 + number,)) for number in range(thread_budgets.OF_STRANGERS)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert entered.acquire(timeout=60)
    counted = SignInAttempts.objects.count()
    refused = attempt(PASSWORD, 9)
    assert (refused.status_code, refused["Retry-After"]) == (429, "2")
    assert "Many people sign in" in refused.content.decode()
    assert SignInAttempts.objects.count() == counted, "who is not looked at has no failed attempt"
    assert attempt(PASSWORD, 1, client=browser).status_code == 302
    release.set()
    for thread in threads:
        thread.join(60)
    assert statuses == [200] * thread_budgets.OF_STRANGERS
    assert attempt(PASSWORD, 9).status_code == 302


@pytest.mark.slow
def test_who_has_signed_in_from_a_browser_is_not_locked_out_of_it_by_strangers(ann: User) -> None:
    browser = Client()
    with time_machine.travel(START, tick=False) as traveller:
        assert attempt(PASSWORD, 1, client=browser).status_code == 302
        cookie = browser.cookies[back_off.COOKIE]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/admin/")
        for _ in range(40):
            attempt("guess", 2)  # even from the operator's own address
        assert attempt(PASSWORD, 2).status_code == 429
        browser.post("/admin/logout/")
        assert attempt(PASSWORD, 2, client=browser).status_code == 302
        # The cookie is no way to guess: its own attempts count, and it is good for one account.
        thief = Client()
        thief.cookies[back_off.COOKIE] = cookie.value
        assert [attempt("guess", 3, client=thief).status_code for _ in range(7)] == [200] * 5 + [429] * 2
        User.objects.create_superuser("bob", password=PASSWORD)
        assert [attempt("guess", 4, client=thief, name="bob").status_code for _ in range(6)] == [200] * 5 + [429]
        forged = Client()
        forged.cookies[back_off.COOKIE] = cookie.value[:-1] + "x"
        assert attempt(PASSWORD, 5, client=forged).status_code == 429
        traveller.shift(timedelta(days=2))
        assert attempt(PASSWORD, 6).status_code == 302, "and a day without attempts ends it for every browser"


@pytest.mark.slow
def test_an_address_is_slowed_whatever_names_it_tries_and_blocks_no_account(ann: User) -> None:
    with time_machine.travel(START, tick=False):
        statuses = [attempt("guess", 9, name=f"name{number}").status_code for number in range(25)]
        assert statuses == [200] * 20 + [429] * 5
        assert attempt("guess", 9).status_code == 429
        assert attempt(PASSWORD, 10).status_code == 302, "its refused attempts did not count against the account"
        mine = SignInAttempts.objects.filter(key__startswith="address:203.0.0.11").get()
        assert mine.failures == 0, "a success is taken back"


def test_without_redis_the_limits_hold(ann: User, store_unavailable: Callable[..., None]) -> None:
    store_unavailable()
    with time_machine.travel(START, tick=False):
        assert [attempt("guess", number).status_code for number in range(8)] == [200] * 5 + [429] * 3


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_moment_all_count(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in several web processes together: one alone checks few passwords at once."""
    monkeypatch.setattr(thread_budgets, "AT_ONCE", 8)
    monkeypatch.setattr(thread_budgets, "OF_STRANGERS", 8)
    monkeypatch.setattr(forms, "PASSWORDS", thread_budgets.ThreadBudget("passwords"))

    def guess(number: int) -> int:
        try:
            return attempt("guess", number).status_code
        finally:
            connection.close()

    with time_machine.travel(START, tick=False), ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(guess, range(24)))
    assert SignInAttempts.objects.get(key__startswith="account:").failures == 5
    # One that was counted may get no connection within the pool's three seconds, while the machine does other work.
    assert 5 - statuses.count(503) <= statuses.count(200) <= 5


def test_sign_ins_failures_and_sign_outs_are_in_the_audit_trail_and_unknown_names_are_not(ann: User) -> None:
    browser = Client()
    attempt("my-secret-in-the-wrong-field", name="my-secret-in-the-wrong-field")
    attempt("guess", client=browser)
    attempt(PASSWORD, client=browser)
    changed = {"old_password": PASSWORD, "new_password1": PASSWORD + "!", "new_password2": PASSWORD + "!"}
    assert browser.post("/admin/password_change/", changed).status_code == 302
    browser.post("/admin/logout/")
    entries = [(row.action, row.actor, row.subject) for row in audit_trail.entries()]
    assert entries == [
        ("sign_in.failed", "client 203.0.0.1", "user:unknown"),
        ("sign_in.failed", "client 203.0.0.1", "user:ann"),
        ("sign_in.succeeded", "operator ann", "user:ann"),
        ("user.password_changed", "operator ann", "user:ann"),
        ("sign_out", "operator ann", "user:ann"),
    ]
    assert "secret" not in str([row.detail for row in AuditEntry.objects.all()])


def command(*words: str, typed: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    out = StringIO()
    if monkeypatch:
        monkeypatch.setattr("sys.stdin", StringIO(typed + "\n"))
    call_command("operators", *words, stdout=out)
    return out.getvalue().strip()


def test_the_command_makes_operators_with_a_role_and_unlocks_them(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = command("create", "sam", "--role", "support", typed=PASSWORD, monkeypatch=monkeypatch)
    assert made == "sam: support"
    for typed, name, reason in (
        ("short", "tim", "too short"),
        (PASSWORD, "sam", "already exists"),
        (PASSWORD, "a name", "valid username"),
    ):
        with pytest.raises(CommandError, match=reason):
            command("create", name, "--role", "viewer", typed=typed, monkeypatch=monkeypatch)
    with time_machine.travel(START, tick=False):
        for number in range(6):
            attempt("guess", number, name="sam")
        assert attempt(PASSWORD, 7, name="sam").status_code == 429
        command("unlock", "sam")
        assert attempt(PASSWORD, 8, name="sam").status_code == 302
    assert command("role", "ann", "viewer") == "ann: viewer"
    assert not User.objects.get(username="ann").is_superuser
    assert command("list") == "ann: viewer\nsam: support"
    with pytest.raises(CommandError, match="no operator zoe"):
        command("unlock", "zoe")
    actions = AuditEntry.objects.filter(actor="command line").order_by("id").values_list("action", "subject")
    assert list(actions) == [
        ("user.added", "user:sam"),
        ("user.unlocked", "user:sam"),
        ("user.role_changed", "user:ann"),
    ]
    assert not command("create", "oda", "--role", "owner", "--no-password").endswith("superuser")
    assert not User.objects.get(username="oda").has_usable_password()


def test_an_owner_changes_users_and_groups_and_the_trail_has_it(sign_in: SignIn, ann: User) -> None:
    owner = sign_in("owner")
    group = {"name": "night", "permissions": []}
    assert owner.post("/admin/auth/group/add/", group).status_code == 302
    entry = AuditEntry.objects.get(action="group.added")
    assert (entry.actor, entry.subject) == ("operator the-owner", "group:night")
