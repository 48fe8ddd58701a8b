"""Every kind of credential does the whole job: connect, sync, job, webhook, quota page, disconnect.

A v2 app, a v3 app, a private integration token and an API 1.0 key, each of a location and of a company, walk the same
way against the sandbox over HTTP. They differ in how the tenant is connected and disconnected, in how a job calls, in
how a change reaches the copy, and in what is refused: a refusal is asserted in the words that an operator reads.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from integrations.console.embed import tenant_state
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import UserType
from integrations.installs import reconcile
from integrations.jobs.job_run import JobRun
from integrations.sandbox.events import signing
from integrations.sync import plans, queries
from integrations.sync.models import Record
from integrations.sync.resources import DEFAULTS
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks import mailbox
from integrations.webhooks.models import Mailbox
from tests.installs.conftest import set_up
from tests.installs.journey import Browser
from tests.jobs.conftest import ask, defined, no_other_jobs, turn
from tests.plugin.vendor import SCOPES, Vendor, run_vendor
from tests.sandbox.conftest import inbox
from tests.sandbox.journey import Receiver
from tests.sync.resources.test_sandbox import run_all

__all__ = ["defined", "inbox", "no_other_jobs"]

CONTACTS = 110  # two pages
_seeds = itertools.count(9_000)
Words = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One credential: `kind` as the installation names it, `dialect` of the app, `level` of the tenant.

    A token for a v2 app is entered by the command, one for a v3 app on the page.
    """

    kind: str
    dialect: str
    level: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.dialect} {self.level}"

    @property
    def entered(self) -> bool:
        return self.kind != "oauth"

    @property
    def spoken(self) -> str:
        """The kind as `manage.py connect` calls it."""
        return {"private": "private", "key": "api1"}[self.kind]


CASES = [
    Case(kind, dialect, level)
    for kind in ("oauth", "private", "key")
    for dialect in ("v2", "v3")
    for level in ("location", "company")
]

# What each credential cannot do: a command, without its tenant, and the end of the line that an operator reads.
OTHER_KIND = "this operation takes another kind of credential"
OF_A_LOCATION = (("call", "companies.get-company", "--param", "companyId=c"), OTHER_KIND)
OF_A_COMPANY = (("call", "contacts.search-contacts-advanced", "--body", '{"pageLimit": 1}'), OTHER_KIND)
NOT_RENEWED = r"the {} of (Location|Company) \w+ cannot be refreshed: replace it on its admin page"
NO_KEY = (
    ("call", "GET /contacts/", "--version", "1.0"),
    r"has no API 1\.0 key, and its token for API 2\.0 opens nothing",
)
NOT_ENTERED = (
    ("disconnect",),
    r"no token was entered for .*: it has installed the app, so it disconnects by uninstall",
)
ONLY_API_1 = r"is connected by an API 1\.0 key, which opens nothing of API 2\.0"
REFUSED: dict[tuple[str, str], tuple[tuple[Words, str], ...]] = {
    ("oauth", "location"): (OF_A_LOCATION, NO_KEY, NOT_ENTERED),
    ("oauth", "company"): (OF_A_COMPANY, NO_KEY, NOT_ENTERED),
    ("private", "location"): (
        OF_A_LOCATION,
        NO_KEY,
        (("refresh",), NOT_RENEWED.format("private integration token")),
        (("call", "marketplace.uninstall-application", "--param", "appId=a"), "No integration found"),
    ),
    ("private", "company"): (
        OF_A_COMPANY,
        NO_KEY,
        (("refresh",), NOT_RENEWED.format("private integration token")),
        (("call", "oauth.get-installed-location", "--param", "appId=a"), OTHER_KIND),
    ),
    ("key", "location"): (
        (("refresh",), NOT_RENEWED.format(r"API 1\.0 key")),
        (("call", "contacts.search-contacts-advanced"), ONLY_API_1),
        (("call", "GET /locations/", "--version", "1.0"), "401 in words that do not blame the access token"),
    ),
    ("key", "company"): (
        (("refresh",), NOT_RENEWED.format(r"API 1\.0 key")),
        (("call", "locations.search-locations"), ONLY_API_1),
        (("call", "GET /contacts/", "--version", "1.0"), "401 in words that do not blame the access token"),
    ),
}


@pytest.fixture
def vendor(inbox: Receiver) -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds), webhook_url=inbox.url)


@pytest.fixture
def app(settings: Any, vendor: Vendor, db: None, clean_redis: Any) -> App:
    settings.HIGHLEVEL_API_1_URL = f"{vendor.url}/v1"
    settings.HIGHLEVEL_WEBHOOK_KEYS = [signing.public_key_pem(vendor.options.seed)]
    app = set_up(settings, vendor)
    settings.HIGHLEVEL_SCOPES = [*SCOPES.split(), "calendars.readonly", "companies.readonly"]
    marketplace.reset()
    return marketplace.default() or app


@dataclass
class Walk:
    """One credential on its way."""

    case: Case
    app: App
    vendor: Vendor
    browser: Client
    inbox: Receiver
    patch: pytest.MonkeyPatch

    @property
    def tenant(self) -> str:
        return self.vendor.company if self.case.level == "company" else self.vendor.locations[0]

    @property
    def row(self) -> Installation:
        return Installation.objects.select_related("app").get(resource_id=self.tenant)

    def connect(self, **of_the_token: Any) -> None:
        if not self.case.entered:
            Browser(self.browser, self.vendor).install(None if self.case.level == "company" else self.tenant)
            self.receive(["INSTALL"] if self.case.level == "location" else ["INSTALL", "INSTALL"])
            return
        made = {"kind": self.case.kind, "account": self.tenant, **of_the_token}
        token = self.vendor.post("/sandbox/tokens", made)["token"]
        if self.case.dialect == "v2":
            self.patch.setattr("sys.stdin", io.StringIO(token))
            assert "is connected by its" in self.command("connect", "--kind", self.case.spoken)
        else:
            fields = {"app": self.app.pk, "kind": self.case.kind, "user_type": self.case.level.title()}
            form = {**fields, "resource_id": self.tenant, "pasted": token}
            assert self.browser.post("/admin/tokens/credential/add/", form).status_code == 302

    def command(self, *words: str) -> str:
        """What a command about the tenant prints."""
        out = io.StringIO()
        call_command(*words, f"--{self.case.level}", self.tenant, stdout=out)
        return out.getvalue()

    def receive(self, types: list[str]) -> None:
        """Hand on what the vendor has sent since, which is of these types, and let a worker process it."""
        self.inbox.wait_for(len(types))
        assert self.inbox.types() == types
        for post in self.inbox.posts:
            headers = {signing.HEADER: post.headers[signing.HEADER.lower()]}
            answer = self.browser.post("/webhooks/", post.body, content_type="application/json", headers=headers)
            assert answer.status_code == 200
        self.inbox.posts.clear()
        for box in Mailbox.objects.all():
            mailbox.drain(box.pk)

    def page(self, path: str) -> str:
        return str(self.browser.get(path).content.decode())


@pytest.fixture
def walk(
    request: pytest.FixtureRequest,
    app: App,
    vendor: Vendor,
    client: Client,
    inbox: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> Walk:
    case: Case = request.param
    App.objects.filter(pk=app.pk).update(dialect=case.dialect)
    app.refresh_from_db()
    client.force_login(get_user_model().objects.create_superuser("root", password="a-long-password-1"))
    return Walk(case, app, vendor, client, inbox, monkeypatch)


def synced(row: Installation) -> None:
    """All resources of a location arrive, whichever API lists them."""
    assert plans.make(row.app_id, row.resource_id) == len(DEFAULTS)
    done = run_all()
    assert {name: (run.status, run.error) for name, run in done.items()} == dict.fromkeys(DEFAULTS, ("complete", ""))
    assert done["contacts"].seen == CONTACTS
    assert all(run.seen for run in done.values()), {name: run.seen for name, run in done.items()}


def minted_for_its_location(walk: Walk) -> None:
    """The app on an agency reaches its locations: a token is minted for each, and each is synced."""
    location = Installation.objects.locations().get(resource_id=walk.vendor.locations[0])
    reconcile.reconcile(location.pk)
    location.refresh_from_db()
    assert (location.status, location.kind) == ("installed", "oauth")
    synced(location)


def lists_its_locations(walk: Walk) -> None:
    """An entered token of an agency registers the locations, and connects none."""
    registered = Location.objects.filter(company_id=walk.tenant)
    assert set(registered.values_list("pk", flat=True)) == set(walk.vendor.locations)
    assert all(registered.values_list("name", flat=True))
    assert not Installation.objects.locations().exists()
    page = walk.page(f"/admin/tenants/installation/{walk.row.pk}/change/")
    assert f"{len(walk.vendor.locations)} known, 0 connected: each needs a token of its own" in page
    with pytest.raises(CommandError, match="is the app installed there, or a token of its own entered"):
        call_command("sync", "--location", walk.vendor.locations[0])


def look(run: JobRun) -> None:
    """A job that reads with the tenant's own credential: by the typed client, or by path in API 1.0."""
    if Installation.objects.get(resource_id=run.location or run.company).api_name == "1.0":
        with pytest.raises(BadRequest, match=ONLY_API_1):
            run.api.call("locations.search-locations")
        path, rows = ("/contacts/", "contacts") if run.location else ("/locations/", "locations")
        run.count("seen", len(run.api.call(f"GET {path}", version="1.0").json[rows]))
        return
    with pytest.raises(BadRequest, match=r"has no API 1\.0 key"):
        run.api.call("GET /contacts/", version="1.0")
    if run.location:
        for _ in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 100})):
            run.count("seen")
    else:
        assert run.api.companies.get_company(companyId=run.company).json["company"]
        run.count("seen")


def changed(walk: Walk) -> None:
    """A contact that is new at the vendor reaches the copy: by webhook, or without one by the next full run."""
    before = set(Record.objects.filter(resource="contacts").values_list("record_id", flat=True))
    assert len(before) == CONTACTS
    location = walk.vendor.locations[0]
    walk.vendor.post("/sandbox/changes", {"location": location, "kind": "create", "resource": "contacts", "count": 1})
    sent = [one["type"] for one in walk.vendor.get("/sandbox/deliveries")["deliveries"] if one["type"] != "INSTALL"]
    if walk.case.entered:
        assert sent == [], "the app is not installed there"
        plans.request_runs(walk.app.plans.filter(resource="contacts"), clock.now(), full=True)
        plans.start_due(clock.now())
        run_all()
    else:
        walk.receive(sent)
    after = set(Record.objects.filter(resource="contacts", deleted_at=None).values_list("record_id", flat=True))
    assert len(after - before) == 1


def refused(walk: Walk) -> None:
    """What the credential cannot do is said, and does it no harm."""
    for words, said in REFUSED[walk.case.kind, walk.case.level]:
        with pytest.raises(CommandError, match=said):
            walk.command(*words)
    assert Credential.objects.get(resource_id=walk.tenant).state == Credential.State.ACTIVE


def shown(walk: Walk) -> None:
    """Quota page, list of installations, the agency's page, and health."""
    row = walk.row
    key = row.tenant.quota_key(row.quota_app)
    assert row.resource_id in walk.page(f"/admin/quota/usage/resource/{key}/")
    assert row.get_kind_display() in walk.page("/admin/tenants/installation/")
    company = row.resource_id if row.user_type == UserType.COMPANY else ""
    location = row.resource_id if row.user_type == UserType.LOCATION else ""
    user = EmbeddedUser(row.app_id, company, location, "u", is_admin=True, is_agency=not location)
    state = tenant_state.state(user)
    assert (state["installed"], state["claimed"], state["connection"]) == (True, True, "connected")
    out = io.StringIO()
    call_command("status", "--json", stdout=out)
    assert json.loads(out.getvalue())["in_need"] == []


def disconnected(walk: Walk) -> None:
    row = walk.row
    if walk.case.entered:
        assert "At HighLevel the token stays valid" in walk.command("disconnect")
    else:
        place = "companies" if walk.case.level == "company" else "locations"
        walk.vendor.post(f"/sandbox/{place}/{walk.tenant}/uninstall")
        walk.receive(["UNINSTALL"])
    ended = Installation.objects.filter(app=walk.app)
    assert set(ended.values_list("status", flat=True)) == {Installation.Status.UNINSTALLED}
    assert set(Credential.objects.values_list("state", flat=True)) == {Credential.State.REVOKED}
    for location in walk.vendor.locations:
        plans.delete_plans(row.app_id, location)
    assert not Record.objects.exists()
    assert queries.progress(row.app.plans.all()) == []


@pytest.mark.parametrize("walk", CASES, ids=lambda case: case.name, indirect=True)
def test_each_credential_does_the_whole_job(walk: Walk, defined: Any) -> None:
    walk.connect()
    row, case = walk.row, walk.case
    assert (row.status, row.kind, row.api_name) == ("installed", case.kind, {"key": "1.0"}.get(case.kind, case.dialect))
    reconcile.reconcile(row.pk)
    if case.level == "location":
        synced(row)
    elif case.entered:
        lists_its_locations(walk)
    else:
        minted_for_its_location(walk)
    run = turn(ask(defined(look, level=UserType(row.user_type)), row.resource_id))
    assert (run.status, run.error) == ("complete", "")
    assert run.counts["seen"] > 0
    if case.level == "location" or not case.entered:
        changed(walk)
    refused(walk)
    shown(walk)
    disconnected(walk)


WITHOUT_A_SCOPE = [Case(kind, dialect, "location") for kind in ("oauth", "private") for dialect in ("v2", "v3")]
WHO_ADDS_IT = {
    "oauth": "add it to the app and let the account install again",
    "private": "add it to the private integration, in the account's settings at HighLevel",
}


@pytest.mark.parametrize("walk", WITHOUT_A_SCOPE, ids=lambda case: case.name, indirect=True)
def test_a_call_without_its_scope_says_who_adds_it(walk: Walk, settings: Any) -> None:
    granted = ["contacts.readonly", "locations/tags.readonly"]
    settings.HIGHLEVEL_SCOPES = granted
    marketplace.reset()
    walk.connect(**({"scopes": granted} if walk.case.entered else {}))
    said = f"calendars.get-calendars needs the scope calendars.readonly: {WHO_ADDS_IT[walk.case.kind]}"
    with pytest.raises(CommandError, match=said):
        walk.command("call", "calendars.get-calendars")
    if walk.case.entered:
        plans.make(walk.app.pk, walk.tenant)
        done = run_all()
        assert (done["contacts"].status, done["calendars"].status) == ("complete", "failed")
        assert done["calendars"].error.startswith(said)
    assert Credential.objects.get(resource_id=walk.tenant).state == Credential.State.ACTIVE
