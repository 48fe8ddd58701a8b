"""After a purge nothing of people is left anywhere: database, Redis, spool, files, their names, and log files at DEBUG.

The search of the product is not used here: it could be blind at the same place as the purge.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
import structlog
from django.conf import settings as configuration
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from gunicorn.config import Config
from pytest_django import Settings

from hlapp.observing import log_format
from hlapp.observing.gunicorn_log import GunicornLog
from hlapp.supervisor.outputs import LogFiles
from integrations.console import audit_export
from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.gateway import client as gateway
from integrations.outbox import outbox
from integrations.privacy import purge_requests
from integrations.sync import records
from integrations.tenants.models import App, Installation
from integrations.upserts import bulk_upsert
from integrations.webhooks import handlers, mailbox
from integrations.webhooks.models import Event
from tests.privacy.conftest import AGENCY, ANN, ANN_PLACE, BOB_PLACE, EVE, work
from tests.support.row_errors import raised
from tests.test_canary import database, hexed, store_of
from tests.webhooks.conftest import VENDOR_PEM, sign

ZED = {
    "id": "zedContact2Pw7sH4vQe",
    "firstName": "Zebedee",
    "email": "zebedee@planted.example",
    "phone": "+15125550147",
    "companyName": "plantedbakery",
    "tags": ["plantedtag"],
    "customFields": [{"id": "f1", "value": "plantedanswer"}],
}
PEOPLE = ("Zebedee", "zebedee@planted", "5125550147", "plantedbakery", "plantedtag", "plantedanswer", "Plantedperson")
WORDS = (*PEOPLE, "ann@planted", "5550199", "Ann Planted", "eve@planted", "5550111", "Eve Planted", "owner@planted")
CONTACTS = (ZED["id"], ANN["id"], EVE["id"])
TENANTS = (AGENCY, ANN_PLACE, BOB_PLACE)
NAMES = ("Planted Agency", *(f"Place {place}" for place in TENANTS))
# The ids of tenants stay in these, as docs/personal-data.md says.
_RECEIPTS = {"core_auditentry", "privacy_purge"}
pytestmark = pytest.mark.django_db


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """What a supervised process writes at DEBUG, as JSON of production, in a file of the supervisor."""
    log_format.configure({"level": "DEBUG", "pretty": False})
    [handler] = logging.getLogger().handlers[-1:]
    assert isinstance(handler, logging.StreamHandler)
    with os.fdopen(LogFiles(tmp_path / "logs").open("worker"), "w") as stream:
        handler.stream = stream
        yield tmp_path / "logs" / "worker.log"
    structlog.reset_defaults()
    log_format.configure(configuration.LOGGING)


@pytest.fixture
def web_log(log_file: Path) -> Iterator[GunicornLog]:
    """gunicorn's lines of requests, in the same file."""
    config = Config()
    config.set("accesslog", "-")
    log = GunicornLog(config)
    [root] = logging.getLogger().handlers[-1:]
    with log_file.open("a") as stream:
        root.stream = stream  # type: ignore[attr-defined]
        for handler in (*log.error_log.handlers, *log.access_log.handlers):
            handler.stream = stream
        yield log
    for logger in (log.error_log, log.access_log):
        logger.handlers.clear()
        logger.propagate = True


def refused_by_the_database(event: Event) -> None:
    """A handler that writes a row which the database does not take."""
    errors = [*raised()]  # all of them, so that the transaction in the generator ends
    raise errors[0]


def receive(client: Client, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks about a person: good, changed, malformed; handled, and failed by a row that the database refuses."""
    monkeypatch.setattr(handlers, "HANDLERS", dict(handlers.HANDLERS))
    handlers.on("NoteCreate", refused_by_the_database)
    for number, kind in enumerate(("ContactCreate", "NoteCreate", "PlantedUnknown")):
        body = json.dumps({"type": kind, "locationId": ANN_PLACE, "webhookId": f"w{number}", **ZED}).encode()
        headers = {"X-GHL-Signature": sign(body)}
        assert client.post("/webhooks/", body, "application/json", headers=headers).status_code == 200
        assert client.post("/webhooks/", body + b" ", "application/json", headers=headers).status_code == 401
    torn = json.dumps(ZED).encode()[:-9]
    headers = {"X-GHL-Signature": sign(torn)}
    assert client.post("/webhooks/", torn, "application/json", headers=headers).status_code == 400
    for box in {*Event.objects.exclude(status="done").values_list("mailbox_id", flat=True)}:
        mailbox.drain(box)
    assert Event.objects.filter(type="NoteCreate", error_code="handler_bug").exists(), "the database refused the row"


def use(app: App) -> None:
    """The copy, calls, the outbox and a bulk upsert."""
    Installation.objects.update(status="installed")
    listed = [{**ZED, "dateUpdated": "not a date: Zebedee"}, {"id": "", "name": "Zebedee"}]
    records.merge(app.pk, ANN_PLACE, "contacts", listed)
    outbox.put(
        "contacts.create-contact", app=app, location=ANN_PLACE, entity=str(ZED["id"]), key="zed", params={}, body=ZED
    )
    bulk_upsert.prepare("contacts.upsert-contact", [{"email": ZED["email"]}], app=app, location=ANN_PLACE)
    for operation in ("contacts.create-contact", "contacts.no-such-operation"):
        with pytest.raises(IntegrationError):
            gateway.call(operation, app=app, location=ANN_PLACE, body=ZED)


def look_for(client: Client, log: GunicornLog) -> None:
    """An operator searches for the person, on the search page and in a list, and makes the page fail."""
    client.force_login(get_user_model().objects.create_superuser("root", password="a-password-1"))
    for path in ("/admin/search/", "/admin/sync/record/", "/admin/webhooks/event/"):
        answer = client.get(path, {"q": ZED["email"], "resource": "contacts"})
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": f"q={ZED['email']}",
            "REMOTE_ADDR": "192.0.2.7",
        }
        log.access(SimpleNamespace(status=f"{answer.status_code} x", sent=1), None, environ, timedelta(milliseconds=1))
    for error in raised():
        structlog.get_logger("integrations.some.room").error("some.crash", exc_info=error)


def objects_of_the_database() -> str:
    """The names of tables, columns, indexes, types, functions and roles, and all comments."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(name, ' ') FROM (SELECT relname::text AS name FROM pg_class UNION ALL"
            " SELECT attname FROM pg_attribute UNION ALL SELECT typname FROM pg_type UNION ALL"
            " SELECT proname FROM pg_proc UNION ALL SELECT description FROM pg_description UNION ALL"
            " SELECT rolname FROM pg_roles UNION ALL SELECT nspname FROM pg_namespace) n"
        )
        return str(cursor.fetchone()[0])


def files(*folders: Path) -> Iterator[tuple[str, str]]:
    """The name of each file, and its content; bytes as they are and in hexadecimal."""
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        yield path.name, raw.decode(errors="replace") + raw.hex()


def found(text: str, *words: str) -> list[str]:
    return [word for word in words if word.lower() in text.lower() or hexed(word) in text]


def rows_but_receipts() -> Iterator[str]:
    """Every row of every other table."""
    with connection.cursor() as cursor:
        for table in {*connection.introspection.table_names(cursor)} - _RECEIPTS:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield from (row[0] for row in cursor.fetchall())


@pytest.mark.slow
def test_no_word_of_a_person_is_left_anywhere(
    planted: App,
    client: Client,
    clean_redis: redis.Redis,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log_file: Path,
    web_log: GunicornLog,
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    settings.AUDIT_HEAD_FILE = str(tmp_path / "heads.jsonl")
    settings.HIGHLEVEL_WEBHOOK_KEYS = [VENDOR_PEM]
    receive(client, planted, monkeypatch)
    use(planted)
    look_for(client, web_log)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE sync_staging")  # temporary, and empty after a commit, which this test has none of
    before = "\n".join([*database(), *store_of(clean_redis)])
    assert set(found(before, *WORDS[:6], *CONTACTS, *TENANTS)) == {*WORDS[:6], *CONTACTS, *TENANTS}, "they were there"
    assert found("".join(content for _, content in files(Path(settings.SPOOL_DIR))), *TENANTS) != []
    Installation.objects.update(status="uninstalled")
    assert work(purge_requests.request(Tenant.company(AGENCY), actor="operator ann")).status == "complete"
    audit_export.export(clock.now())
    left = {
        "database": "\n".join(database()),
        "Redis": "\n".join(store_of(clean_redis)),
        "names in the database": objects_of_the_database(),
        "files": "\n".join(f"{name} {content}" for name, content in files(tmp_path)),
    }
    leaks = [(place, word) for place, text in left.items() for word in found(text, *WORDS, *NAMES, *CONTACTS)]
    assert leaks == []
    assert found("\n".join([*rows_but_receipts(), left["Redis"], left["names in the database"]]), *TENANTS) == []
    names = " ".join(name for name, _ in files(tmp_path))
    assert found(names, *TENANTS) == [], "nor is a tenant's id in a file's name"
    assert found("".join(content for _, content in files(Path(settings.SPOOL_DIR))), *TENANTS) == []
    logged = log_file.read_text()
    said = {json.loads(line)["event"] for line in logged.splitlines()}
    assert {"web.request", "webhook.refused", "webhook.postponed", "some.crash"} <= said
