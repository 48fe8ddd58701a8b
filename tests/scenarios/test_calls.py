"""A call refused, from end to end: by the command, a job and a sync, in API 2.0, v3 and API 1.0."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock
from integrations.core.errors import RequestRejected
from integrations.gateway.models import Call
from integrations.gateway.stats import usage_counter
from integrations.installs.entered import connection
from integrations.jobs import define, schedules
from integrations.jobs import tasks as job_tasks
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run
from integrations.jobs.runs import advance as advance_job
from integrations.sync import plans
from integrations.sync import tasks as sync_tasks
from integrations.sync.models import Run as SyncRun
from integrations.sync.runs import advance as advance_sync
from integrations.tenants.models import App
from integrations.tokens import access_cache, store
from integrations.tokens.models import Credential
from tests.jobs.conftest import Defined, defined, location, no_other_jobs
from tests.plugin.vendor import SCOPES, Vendor, make_app, run_vendor
from tests.support.own_sleep import replace_sleep

__all__ = ["defined", "location", "no_other_jobs"]

SEND = "conversations.send-a-new-message"
DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v3"])
_seeds = itertools.count(11_000)
pytestmark = pytest.mark.django_db(transaction=True)
Shell = Callable[..., str]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=12, locations=1, seed=next(_seeds))


@pytest.fixture
def app(vendor: Vendor, db: None, clean_redis: Any) -> App:
    row = make_app(vendor)
    row.scopes = f"{SCOPES} conversations.write conversations/message.readonly conversations/message.write"
    row.save()
    return row


@pytest.fixture
def shell(app: App, location: str) -> Shell:
    """What a command prints, whether it ends with status 0 or 1; its tenant is our location."""

    def shell(*words: str) -> str:
        out = io.StringIO()
        where = ["--location", location, *(["--app", app.highlevel_id] if words[0] != "sync" else [])]
        with suppress(SystemExit):
            call_command(*words, *where, stdout=out)
        return out.getvalue()

    return shell


def speak(app: App, dialect: str) -> None:
    app.dialect = dialect
    app.save()


def reachable(shell: Shell) -> dict[str, Any]:
    """A contact with a telephone that takes messages."""
    body = {"firstName": "Ann", "phone": "+15557770001", "email": "ann.of.the.calls@example.com"}
    made: dict[str, Any] = json.loads(shell("call", "contacts.create-contact", "--body", json.dumps(body)))
    return made["contact"]


@contextmanager
def working(work: Callable[[], None]) -> Iterator[None]:
    """The worker is this test: it works while the command sleeps between two looks. Waits for a permit stay waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_tasks, "workers", lambda: [[*define.JOBS]])
        patch.setattr(sync_tasks, "workers", lambda: 1)
        replace_sleep(patch, lambda _: work())
        yield


def run_job(shell: Shell, name: str) -> dict[str, Any]:
    """`manage.py job run --wait --json`."""

    def work() -> None:
        schedules.start_due(clock.now())
        for pk in Run.objects.filter(status="running").values_list("pk", flat=True):
            advance_job(pk)

    with working(work):
        (row,) = json.loads(shell("job", "run", name, "--wait", "--json"))
    return dict(row)


def run_sync(shell: Shell, resource: str) -> dict[str, Any]:
    """`manage.py sync --wait --json` of one resource."""

    def work() -> None:
        plans.start_due(clock.now())
        for run in SyncRun.objects.filter(status="running"):
            SyncRun.objects.filter(pk=run.pk).update(due_at=clock.now())  # the waits between attempts are left out
            advance_sync(run.pk)

    with working(work):
        (row,) = json.loads(shell("sync", "--resource", resource, "--wait", "--json"))
    return dict(row)


REFUSED_MESSAGES: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"type": "Pigeon"}, 422, "type must be one of"),
    ({"message": ""}, 400, "There is no message or attachments"),
    ({"contactId": "nobody"}, 400, "nobody"),
)


@DIALECTS
def test_a_message_that_highlevel_refuses_is_an_error_with_all_it_said(
    app: App, location: str, shell: Shell, vendor: Vendor, dialect: str
) -> None:
    speak(app, dialect)
    body = {"type": "SMS", "contactId": reachable(shell)["id"], "message": "Hi"}
    for change, status, words in REFUSED_MESSAGES:
        said = json.loads(shell("call", SEND, "--body", json.dumps({**body, **change}), "--json"))
        assert (said["error"], said["status"]) == ("request_rejected", status), change
        assert words in said["vendor"]["message"], change
        assert said["trace_id"] == said["vendor"]["trace_id"] == said["vendor"]["body"]["traceId"]
        with pytest.raises(CommandError, match=rf"request_rejected: .*{words}.*\(status {status}, trace id [^ ]+\)$"):
            shell("call", SEND, "--body", json.dumps({**body, **change}))
    Credential.objects.filter(resource_id=location).update(scopes="contacts.readonly conversations.readonly")
    access_cache.discard(Credential.objects.get(resource_id=location).pk)
    vendor.fault("/conversations/messages", "unauthorized", message="The token is not authorized for this scope.")
    said = json.loads(shell("call", SEND, "--body", json.dumps(body), "--json"))
    assert (said["error"], said["missing"]) == ("scope_missing", ["conversations/message.write"])


@DIALECTS
def test_what_highlevel_said_is_on_the_call_the_job_run_and_the_sync_run(
    app: App, location: str, shell: Shell, defined: Defined, vendor: Vendor, dialect: str
) -> None:
    """A duplicate is refused with `meta.matchingField`, which a caller decides by."""
    speak(app, dialect)
    contact = reachable(shell)
    twin = {"firstName": "Other", "email": contact["email"]}

    printed = json.loads(shell("call", "contacts.create-contact", "--body", json.dumps(twin), "--json"))
    answer = printed["vendor"]
    assert (answer["status"], answer["message"]) == (
        400,
        "Bad Request; This location does not allow duplicated contacts.",
    )
    assert answer["body"]["meta"]["matchingField"] == "email"
    assert answer["headers"]["x-ratelimit-max"] == "100"
    usage_counter.flush()
    call = Call.objects.get(operation="contacts.create-contact")
    assert (call.status, call.code, call.trace_id) == (400, "request_rejected", answer["trace_id"])
    assert "does not allow duplicated contacts" in call.message
    assert call.response["meta"] == {
        "contactId": contact["id"],
        "contactName": "‹3 characters›",
        "matchingField": "email",
    }

    def add_twin(run: JobRun) -> None:
        """Create the contact again."""
        with pytest.raises(RequestRejected) as refused:
            run.api.contacts.create_contact(body=twin)
        assert refused.value.vendor.body["meta"]["contactId"] == contact["id"]
        raise refused.value

    outcome = run_job(shell, defined(add_twin).name)
    run = Run.objects.get(pk=outcome["run_id"])
    assert (outcome["status"], outcome["error_code"]) == ("failed", "request_rejected")
    assert "does not allow duplicated contacts" in outcome["error"]
    for kept in (outcome["vendor_answer"], run.vendor_answer):
        assert (kept["status"], kept["body"]["meta"]["matchingField"]) == (400, "email")
        assert kept["trace_id"] == outcome["trace_id"] == run.trace_id != ""

    plans.make(app.pk, location)
    body = {"statusCode": 422, "message": ["page is wrong"], "error": "Unprocessable Entity", "traceId": "trace-sync"}
    vendor.fault("/contacts/search", "status", times=None, status=422, body={**body, "meta": {"matchingField": "page"}})
    synced = run_sync(shell, "contacts")
    row = SyncRun.objects.get(pk=synced["run_id"])
    assert (synced["status"], synced["error_code"], synced["trace_id"]) == ("failed", "request_rejected", "trace-sync")
    assert "page is wrong" in synced["error"]
    for kept in (synced["vendor_answer"], row.vendor_answer):
        assert (kept["status"], kept["details"], kept["body"]["meta"]) == (
            422,
            ["Unprocessable Entity", "page is wrong"],
            {"matchingField": "page"},
        )


def test_api_1_pages_by_its_own_cursor(app: App, location: str, shell: Shell, vendor: Vendor, settings: Any) -> None:
    settings.HIGHLEVEL_API_1_URL = f"{vendor.url}/v1"
    settings.HIGHLEVEL_ALLOWED_HOSTS = ["127.0.0.1"]
    key = vendor.post("/sandbox/tokens", {"kind": "key", "account": location})["token"]
    connection.connect(store.location(app, location), key, kind="key", actor="operator op")
    how = ("--version", "1.0", "--all-pages", "--param", "limit=5", "--field", "id")
    assert len(set(shell("call", "GET /contacts/", *how).split())) == 12
    pipelines = json.loads(shell("call", "GET /pipelines/", "--version", "1.0"))["pipelines"]
    by_path = [shell("call", f"GET /pipelines/{row['id']}/opportunities", *how).split() for row in pipelines]
    by_name = [
        shell("call", "GET /pipelines/{pipelineId}/opportunities", "--param", f"pipelineId={row['id']}", *how).split()
        for row in pipelines
    ]
    assert by_path == by_name
    assert any(len(rows) > 5 for rows in by_path) or sum(map(len, by_path)) > 0
    with pytest.raises(CommandError, match=r"has no pages, call it: API 1\.0 is known to page contacts"):
        shell("call", "GET /users/", "--version", "1.0", "--all-pages")
    (refused,) = [json.loads(shell("call", "GET /contacts/nobody", "--version", "1.0", "--json"))]
    assert (refused["status"], refused["vendor"]["body"]) == (404, {"msg": "Contact not found"})
