"""The endpoint as the vendor meets it: one answer for each kind of post, and never a 500."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import Client
from gunicorn.http.errors import InvalidChunkSize
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kombu import Connection, pools
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from integrations.tenants.models import App
from integrations.vault import row_macs
from integrations.webhooks.models import Event, Mailbox
from tests.plugin.dispatch import send_due
from tests.webhooks.conftest import Post, contact, sign

LARGEST = 100_000
Sent = Callable[[], list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections for as long as the test runs: bound, but without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.django_db
def test_an_event_is_stored_and_its_mailbox_made_due(post: Post, app: App) -> None:
    answer = post(contact())
    assert (answer.status_code, answer.json()) == (200, {"status": "stored"})
    event = Event.objects.get()
    assert (event.app, event.type, event.status, event.payload) == (app, "ContactUpdate", "pending", contact())
    assert event.occurred_at.isoformat() == "2026-03-30T05:57:15+00:00"
    assert event.mailbox.tenant == "location:loc1"
    assert event.mailbox.due_at == event.received_at


@pytest.mark.django_db(transaction=True)
def test_a_mailbox_gets_one_message_however_many_events_it_holds(post: Post, sent: Sent) -> None:
    for number in range(3):
        post(contact(number))
    post(contact(9, locationId="loc2"))
    boxes = dict(Mailbox.objects.values_list("tenant", "id"))
    assert (sent(), send_due(), send_due()) == ([], 2, 0)
    post(contact(10))
    assert send_due() == 0, "its message is on the way"
    assert sent() == [
        ("webhooks.drain", {"mailbox_id": boxes["location:loc1"]}),
        ("webhooks.drain", {"mailbox_id": boxes["location:loc2"]}),
    ]


@pytest.mark.django_db
def test_a_duplicate_is_answered_200_and_changes_nothing(
    post: Post, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    post(contact())
    Mailbox.objects.update(due_at=None)
    with django_capture_on_commit_callbacks() as callbacks:
        answer = post(contact(firstName="changed on its way"))
    assert (answer.status_code, answer.json()) == (200, {"status": "duplicate"})
    assert Event.objects.get().payload == contact()
    assert Mailbox.objects.get().due_at is None
    assert callbacks == []


@pytest.mark.django_db
def test_finding_the_app_storing_and_waking_take_one_statement(
    post: Post, app: App, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row_macs.mac(b"")  # a process reads its key once a minute
    with django_assert_num_queries(1):
        post(contact(appId=app.highlevel_id), url=f"/webhooks/{app.highlevel_id}/")


@pytest.mark.django_db
def test_an_unknown_type_is_stored_and_answered_200(post: Post) -> None:
    assert post(contact(type="SomethingNew")).status_code == 200
    assert Event.objects.get().type == "SomethingNew"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-GHL-Signature": "N/A"},
        {"X-GHL-Signature": ""},
        {"X-GHL-Signature": "not base64!"},
        {"X-GHL-Signature": sign(b"other bytes")},
        {"X-GHL-Signature": "A" * 100_000},
        {"X-WH-Signature": sign(json.dumps(contact()).encode())},
        {"X-GHL-Signature": "A" * 88, "X-WH-Signature": "A" * 684},
    ],
)
def test_what_nobody_we_trust_has_signed_is_401(post: Post, headers: dict[str, str]) -> None:
    answer = post(contact(), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "signature_invalid")
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_one_changed_byte_breaks_the_signature(post: Post) -> None:
    raw = json.dumps(contact()).encode()
    assert post(raw + b" ", headers={"X-GHL-Signature": sign(raw)}).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"type": 7}', b'{"locationId": {"$ne": 1}}'])
def test_what_is_signed_but_malformed_is_400(post: Post, raw: bytes) -> None:
    answer = post(raw)
    assert (answer.status_code, answer.json()["error"]) == (400, "payload_anomalous")
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_text_the_database_cannot_hold_does_not_lose_the_event(post: Post) -> None:
    assert post(contact(firstName="a\x00b \ud800")).status_code == 200
    assert Event.objects.get().payload["firstName"] == "a\ufffdb \ufffd"


@pytest.mark.django_db
@pytest.mark.parametrize("number", [b"1e-16383", b"0e16383", b"1E308", b"1e-99999999999999999999"])
def test_numbers_that_postgresql_writes_out_close_the_door_for_nobody(post: Post, number: bytes) -> None:
    many = b'{"type": "ContactUpdate", "locationId": "loc1", "numbers": [%s]}'
    assert post(many % b",".join([number] * 70_000)).status_code == 400
    assert post(contact()).status_code == 200


@pytest.mark.django_db
def test_some_small_and_large_numbers_are_stored(post: Post) -> None:
    assert post(b'{"type": "ContactUpdate", "numbers": [%s]}' % b",".join([b"1e-300"] * 3_000)).status_code == 200


@pytest.mark.slow
@pytest.mark.django_db
@hypothesis_settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["type", "webhookId", "locationId", "companyId", "timestamp", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec=None, categories=None), max_size=120)
        | st.lists(st.text(max_size=5), max_size=3),
    )
)
def test_any_signed_object_is_stored_or_refused(post: Post, payload: dict[str, Any]) -> None:
    answer = post(payload)
    assert answer.status_code in (200, 400)


@pytest.fixture
def limit(settings: Settings) -> None:
    settings.WEBHOOK_MAX_BYTES = LARGEST


@pytest.mark.django_db
def test_an_email_of_more_than_a_megabyte_is_stored(post: Post) -> None:
    """After a public report: messages carry whole e-mails."""
    html = "<p>é</p>" * 170_000
    assert post(contact(type="InboundMessage", body=html)).json() == {"status": "stored"}
    assert Event.objects.get().payload["body"] == html


@pytest.mark.usefixtures("limit")
@pytest.mark.django_db
def test_too_large_by_its_own_word_is_413_and_not_read(app: App, client: Client) -> None:
    class Untouched(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise AssertionError("the body was read")

    answer = _raw(client, {"CONTENT_LENGTH": str(LARGEST + 1), "wsgi.input": Untouched()})
    assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")


@pytest.mark.slow
@pytest.mark.usefixtures("limit")
@pytest.mark.django_db
def test_the_largest_body_is_taken_and_one_byte_more_is_not(post: Post) -> None:
    room = LARGEST - len(json.dumps(contact(text="")))
    assert post(contact(text="x" * room)).status_code == 200
    assert post(contact(2, text="x" * (room + 1))).status_code == 413
    assert Event.objects.count() == 1


@pytest.mark.usefixtures("limit")
@pytest.mark.django_db
@pytest.mark.parametrize(("extra", "status"), [(0, 200), (LARGEST, 413)])
def test_a_chunked_body_is_read_to_its_end_and_no_further_than_the_limit(
    app: App, client: Client, extra: int, status: int
) -> None:
    raw = json.dumps(contact(text="x" * extra)).encode()
    stream = io.BytesIO(raw)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": stream}
    answer = _raw(client, chunked | {"HTTP_X_GHL_SIGNATURE": sign(raw)})
    assert answer.status_code == status
    assert stream.tell() <= LARGEST + 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "declared"),
    [
        (ConnectionResetError(), {"CONTENT_LENGTH": "100"}),
        (InvalidChunkSize(b"zz"), {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}),
    ],
    ids=["broken off", "no chunk"],
)
def test_a_body_that_breaks_off_is_400(app: App, client: Client, error: Exception, declared: dict[str, Any]) -> None:
    class BrokenOff(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise error

    assert _raw(client, {**declared, "wsgi.input": BrokenOff()}).status_code == 400


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_other_methods_are_405(client: Client, method: str) -> None:
    answer = getattr(client, method)("/webhooks/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_a_browser_gets_a_line(client: Client) -> None:
    answer = client.get("/webhooks/")
    assert (answer.status_code, answer.content) == (200, b"HighLevel posts its webhooks here.\n")
    assert client.head("/webhooks/some-app/").status_code == 200


@pytest.mark.django_db
def test_the_event_goes_to_the_app_it_names(post: Post, other_app: App) -> None:
    post(contact(appId=other_app.highlevel_id))
    assert Event.objects.get().app == other_app


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["highlevel_id", "client_id"])
def test_the_event_goes_to_the_app_of_the_url(post: Post, other_app: App, name: str) -> None:
    assert post(contact(), url=f"/webhooks/{getattr(other_app, name)}/").status_code == 200
    assert Event.objects.get().app == other_app


@pytest.mark.django_db
def test_the_app_that_a_signed_event_names_counts_more_than_the_url(post: Post, app: App, other_app: App) -> None:
    """The portal of one app may have the URL of another: nothing is lost, and no app gets another's events."""
    answer = post(contact(appId=app.highlevel_id), url=f"/webhooks/{other_app.highlevel_id}/")
    assert answer.json() == {"status": "stored"}
    assert Event.objects.get().app == app


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "url"), [({"appId": "anotherdevelopersapp"}, "/webhooks/"), ({}, "/webhooks/nosuchapp/")]
)
def test_a_signed_event_of_an_app_that_is_not_here_is_200_and_kept_nowhere(
    post: Post, app: App, fields: dict[str, str], url: str
) -> None:
    """The vendor signs for all apps with one key, and judges a URL by its answers: others must not pause our events."""
    answer = post(contact(**fields), url=url)
    assert (answer.status_code, answer.json()) == (200, {"status": "not_here"})
    assert not Event.objects.exists()
    assert not Mailbox.objects.exists()


@pytest.mark.django_db
def test_the_statement_is_prepared(post: Post, app: App) -> None:
    post(contact())
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%INSERT INTO webhooks_event%'"
        )
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_each_app_has_its_own_webhook_ids_and_mailboxes(post: Post, app: App, other_app: App) -> None:
    for one in (app, other_app):
        assert post(contact(), url=f"/webhooks/{one.client_id}/").json() == {"status": "stored"}
    assert Event.objects.count() == Mailbox.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_with_the_database_away_the_vendor_shall_come_again(post: Post, closed_port: int) -> None:
    away = connections["default"].settings_dict | {"HOST": "127.0.0.1", "PORT": closed_port, "OPTIONS": {}}
    here, connections["default"] = connections["default"], DatabaseWrapper(away, "default")
    try:
        answer = post(contact())
    finally:
        connections["default"] = here
    assert (answer.status_code, answer.json()["error"]) == (429, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert post(contact()).json() == {"status": "stored"}


@pytest.mark.django_db(transaction=True)
def test_with_a_read_only_database_the_vendor_shall_come_again(post: Post) -> None:
    """What a fail-over to a replica looks like."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            assert post(contact()).status_code == 429
        finally:
            cursor.execute("SET default_transaction_read_only = off")


@pytest.mark.django_db(transaction=True)
def test_with_the_broker_away_the_event_is_stored_and_sent_when_it_is_back(
    post: Post, sent: Sent, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = pools.producers[Connection(f"redis://127.0.0.1:{closed_port}/0")]
    monkeypatch.setattr(current_app.amqp, "_producer_pool", away)
    assert post(contact()).json() == {"status": "stored"}
    assert send_due() == 0
    monkeypatch.undo()
    assert sent() == []
    assert send_due() == 1
    assert sent() == [("webhooks.drain", {"mailbox_id": Mailbox.objects.get().id})]


def _raw(client: Client, environ: dict[str, Any]) -> Any:
    """A request with a body and headers that no well-behaved client would make."""
    return client.request(REQUEST_METHOD="POST", PATH_INFO="/webhooks/", **environ)
