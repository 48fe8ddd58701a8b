"""Another session holds a row that a request of the web wants: it ends in time, says so, and nothing else waits.

Each request goes to a real gunicorn; a transaction that stays open in PostgreSQL holds the row. Once it has ended, the
same request succeeds: what was refused had used nothing up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from time import sleep as pause
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from pytest_django import Settings

from hlapp import time_limits
from hlapp.testing.vendor import install_everywhere
from integrations.console.embed import embedded_visits
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import clock
from integrations.core.models import AuditHead
from integrations.core.secret import Secret
from integrations.installs import complete
from integrations.installs.browser import state
from integrations.installs.browser.result_link import cookie_name
from integrations.installs.models import EmbeddedVisit, InstallState, UsedPayload
from integrations.modules import module_keys
from integrations.operators import accounts
from integrations.operators.models import SignInAttempts
from integrations.operators.roles import Role
from integrations.sandbox.pages.sso import encrypted
from integrations.sync.models import Plan
from integrations.tenants.app_version import AppVersion
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.webhooks.models import Mailbox
from tests.installs.conftest import set_up
from tests.plugin.vendor import Vendor, authorize_url, run_vendor
from tests.support.database import locked, somebody_waits_for_a_lock
from tests.support.waiting import wait_until
from tests.support.web import Answer, Web, gunicorn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
WAITING = 4  # requests at a time, of eight threads
BROWSER = "b" * 43
TOKEN = "c" * 32
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSWORD = "a-long-operator-password"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(locations=2, contacts=0)


@pytest.fixture
def app(vendor: Vendor, settings: Settings, clean_redis: object) -> App:
    return set_up(settings, vendor)


@pytest.fixture
def web(vendor: Vendor, app: App, settings: Settings, tmp_path: Path) -> Iterator[Web]:
    settings.SPOOL_DIR = str(tmp_path / "spool")
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the web has it, from its URL
    names = ("CLIENT_ID", "CLIENT_SECRET", "SHARED_SECRET", "API_URL", "MARKETPLACE_URL")
    known = {f"HIGHLEVEL_{name}": getattr(settings, f"HIGHLEVEL_{name}") for name in names}
    with gunicorn(**known, SPOOL_DIR=settings.SPOOL_DIR, HIGHLEVEL_SCOPES=" ".join(settings.HIGHLEVEL_SCOPES)) as web:
        yield web


@dataclass(frozen=True)
class Case:
    """A request, the rows that it wants, and how it is answered while they are locked and after that."""

    model: type[Model]
    pks: list[object]
    ask: Callable[[Web, int], Answer]  # with the number of the request
    refusals: set[int]
    success: int = 200
    after: Callable[[], object] = field(default=lambda: True)  # true once the web has done it


def _install(app: App, vendor: Vendor) -> Case:
    """The start page writes a state that refers to the app."""
    return Case(App, [app.pk], lambda web, _: web.get("/install/?go=1"), {503}, 302)


def _callback(app: App, vendor: Vendor) -> Case:
    """The state is locked: neither it nor the code is used up."""
    address = _callback_address(app, vendor)
    pks = list(InstallState.objects.values_list("pk", flat=True))
    installed = Installation.objects.filter(status=Installation.Status.INSTALLED).exists
    # Of a process's threads three at most exchange codes: the fourth request is told to come again.
    return Case(InstallState, pks, _from_the_browser([address] * 9), {503, 429}, 302, installed)


def _callback_again(app: App, vendor: Vendor) -> Case:
    """The installation is locked after the codes were exchanged: the grants are kept, and completed later."""
    install_everywhere(vendor, app)
    addresses = [_callback_address(app, vendor) for _ in range(WAITING + 1)]
    row = Installation.objects.get(resource_id=vendor.locations[0])
    granted = Credential.objects.get(resource_id=row.resource_id).granted_at

    def completed() -> bool:
        current_app.tasks["installs.sweep"]()
        left = list(Path(django_settings.SPOOL_DIR).rglob(f"{complete.KIND}-*"))
        return Credential.objects.get(resource_id=row.resource_id).granted_at != granted and not left

    return Case(Installation, [row.pk], _from_the_browser(addresses), {503, 429}, 302, completed)


def _change(app: App, vendor: Vendor) -> Case:
    """A change form of the operators' pages."""
    row = AppVersion.objects.create(app=app, version_id="v2", created_at=clock.now())
    entered = {"number": "2.0.0", "scopes": "", "reason": "", "deprecated_at_0": "", "deprecated_at_1": ""}
    page = f"/admin/tenants/appversion/{row.pk}/change/"
    changed = AppVersion.objects.filter(number="2.0.0").exists
    return Case(AppVersion, [row.pk], _as_operator(page, entered), {503}, 302, changed)


def _action(app: App, vendor: Vendor) -> Case:
    """An action of a list."""
    plan = Plan.objects.create(app=app, location_id="loc1", resource="contacts", created_at=clock.now())
    chosen = {"action": "pause", "_selected_action": str(plan.pk)}
    paused = Plan.objects.filter(enabled=False).exists
    return Case(Plan, [plan.pk], _as_operator("/admin/sync/plan/", chosen), {503}, 302, paused)


def _audited(app: App, vendor: Vendor) -> Case:
    """The same action, while somebody writes the audit trail: what cannot be recorded does not happen."""
    case = _action(app, vendor)
    head = list(AuditHead.objects.values_list("pk", flat=True))
    return Case(AuditHead, head, case.ask, {503}, 302, case.after)


def _sign_in(app: App, vendor: Vendor) -> Case:
    """The count of an account's failed sign-ins: no guess is answered that is not counted."""
    accounts.create("ann", Role.OPERATOR, password=Secret(PASSWORD))
    Client().post("/admin/login/", {"username": "ann", "password": "a first guess"})
    row = SignInAttempts.objects.get(key__startswith="account:")
    guess = urlencode({"username": "ann", "password": "a guess", "csrfmiddlewaretoken": TOKEN}).encode()
    ask = lambda web, _: web.post("/admin/login/", guess, {"Cookie": f"csrftoken={TOKEN}", **FORM})  # noqa: E731

    def counted() -> bool:
        return SignInAttempts.objects.get(pk=row.pk).failures == row.failures + 1

    return Case(SignInAttempts, [row.pk], ask, {503, 429}, after=counted)  # 429: few passwords are checked at once


def _embedded(app: App, vendor: Vendor) -> Case:
    """The row that remembers the visits of a user of the page inside HighLevel: no payload is used up."""
    company, location = install_everywhere(vendor, app)
    user = EmbeddedUser(app.pk, company, location, "user1", is_admin=True, is_agency=False)
    embedded_visits.remember(user, clock.now())
    facts = {"userId": "user1", "companyId": company, "role": "admin", "type": "location", "activeLocation": location}
    payload = encrypted(facts, vendor.options.shared_secret)
    body = json.dumps({"payload": payload}).encode()
    pks = list(EmbeddedVisit.objects.values_list("pk", flat=True))
    ask = lambda web, _: web.post("/embed/session", body, {"Content-Type": "application/json"})  # noqa: E731
    return Case(EmbeddedVisit, pks, ask, {503})


def _module(app: App, vendor: Vendor) -> Case:
    """The mailbox of the tenant for which a workflow action comes."""
    box = Mailbox.objects.create(app=app, tenant="location:loc1")
    headers = {
        module_keys.HEADER: module_keys.make(app, now=clock.now(), by="the test").reveal(),
        "Content-Type": "application/json",
    }
    body = json.dumps({"data": {}, "extras": {"locationId": "loc1"}, "meta": {}}).encode()
    path = f"/modules/{app.highlevel_id}/action/say/"
    return Case(Mailbox, [box.pk], lambda web, _: web.post(path, body, headers), {429})


CASES = (_install, _callback, _callback_again, _change, _action, _audited, _sign_in, _embedded, _module)


@pytest.mark.parametrize("make", CASES, ids=[case.__name__.strip("_") for case in CASES])
def test_a_locked_row_costs_a_request_seconds_and_the_others_nothing(
    make: Callable[[App, Vendor], Case], app: App, vendor: Vendor, web: Web
) -> None:
    case = make(app, vendor)
    with locked(case.model, case.pks), ThreadPoolExecutor(WAITING) as pool:
        waiting = [pool.submit(case.ask, web, number) for number in range(WAITING)]
        wait_until(lambda: somebody_waits_for_a_lock() or any(one.done() for one in waiting))
        others = [web.get("/healthz")]
        while not all(one.done() for one in waiting):
            others += [web.get("/healthz"), web.get("/admin/login/")]
        refused = [one.result() for one in waiting]
    assert {answer.status for answer in refused} <= case.refusals, [answer.body for answer in refused]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert max(answer.seconds for answer in refused) < time_limits.WEB.answer
    assert {answer.status for answer in others} == {200}
    assert max(answer.seconds for answer in others) < time_limits.WEB.lock
    while (again := case.ask(web, WAITING)).status == HTTPStatus.TOO_MANY_REQUESTS:  # for a moment more
        pause(0.5)
    assert again.status == case.success, again.body
    assert case.after()


def test_old_rows_that_a_request_would_tidy_away_hold_up_nobody(app: App, vendor: Vendor, web: Web) -> None:
    """Whoever is deleting them may wait for a lock of another tenant."""
    long_ago = clock.now() - timedelta(days=3)
    state.issue(app, browser=BROWSER, claimant="", now=long_ago)
    UsedPayload.objects.create(app=app, salt=b"a-salt-1", used_at=long_ago)
    session = _embedded(app, vendor)
    asked: tuple[tuple[type[Model], Any], ...] = (
        (InstallState, _install(app, vendor).ask),
        (UsedPayload, session.ask),
    )
    for model, ask in asked:
        pks = list(model._default_manager.values_list("pk", flat=True))
        with locked(model, pks):
            answer = ask(web, 0)
        assert answer.status in (200, 302), answer.body
        assert answer.seconds < time_limits.WEB.lock
        assert model._default_manager.filter(pk__in=pks).exists()


def _callback_address(app: App, vendor: Vendor) -> str:
    """Where the vendor sends a browser that has installed on one location."""
    issued = state.issue(app, browser=BROWSER, claimant="", now=clock.now())
    parts = urlsplit(vendor.single(authorize_url(app, issued), vendor.locations[0]))
    return f"{parts.path}?{parts.query}"


def _from_the_browser(addresses: list[str]) -> Callable[[Web, int], Answer]:
    return lambda web, number: web.get(addresses[number], Cookie=f"{cookie_name()}={BROWSER}")


def _as_operator(page: str, form: dict[str, str]) -> Callable[[Web, int], Answer]:
    client = Client()
    client.force_login(User.objects.create_superuser("op", "op@example.com", PASSWORD))
    body = urlencode({**form, "csrfmiddlewaretoken": TOKEN}).encode()
    cookies = f"csrftoken={TOKEN}; sessionid={client.cookies['sessionid'].value}"
    return lambda web, _: web.post(page, body, {"Cookie": cookies, **FORM})
