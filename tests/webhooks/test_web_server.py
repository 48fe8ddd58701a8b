"""The endpoint under a real gunicorn, while a process holds a tenant's mailbox and does not go on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from hlapp import time_limits
from integrations.tenants.models import App
from integrations.webhooks.models import Answers, Event, Mailbox
from tests.support.processes import running
from tests.support.waiting import wait_until
from tests.support.web import Answer, Web, gunicorn
from tests.webhooks.conftest import VENDOR_PEM, contact, sign

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
THREADS = 8


@pytest.fixture
def web(app: App) -> Iterator[Web]:
    with gunicorn(HIGHLEVEL_WEBHOOK_KEYS=VENDOR_PEM) as web:
        yield web


def post(web: Web, payload: dict[str, Any]) -> Answer:
    raw = json.dumps(payload).encode()
    return web.post("/webhooks/", raw, {"X-GHL-Signature": sign(raw), "Content-Type": "application/json"})


def test_without_django_the_answers_are_the_same(web: Web, client: Client, vendor_key: None) -> None:
    """`wsgi_entry` takes most posts before Django; its view takes the rest, and every post in other tests."""
    raw = json.dumps(contact(1)).encode()
    signed = {"X-GHL-Signature": sign(raw), "Content-Type": "application/json"}
    other = json.dumps(contact(2, appId="anotherdevelopersapp")).encode()
    for path, body, headers in (
        ("/webhooks", raw, signed),
        ("/webhooks/", raw, signed),
        ("/webhooks/", raw, {}),
        ("/webhooks/", b"{", {"X-GHL-Signature": sign(b"{")}),
        ("/webhooks/nosuchapp", other, {"X-GHL-Signature": sign(other)}),
        ("/webhooks/no%20such%20app/", raw, {}),
    ):
        answer = web.post(path, body, headers)
        same = client.post(path, body, content_type="application/json", headers=headers)
        if path == "/webhooks":
            assert (answer.status, json.loads(answer.body)) == (200, {"status": "stored"})
            assert same.json() == {"status": "duplicate"}
        else:
            assert (answer.status, json.loads(answer.body)) == (same.status_code, same.json())
    assert web.get("/webhooks/").body == b"HighLevel posts its webhooks here.\n"


def test_a_locked_mailbox_costs_429_and_neither_other_tenants_nor_healthz(web: Web) -> None:
    assert post(web, contact(1)).status == 200
    with ThreadPoolExecutor(3 * THREADS) as pool:
        with transaction.atomic():
            Mailbox.objects.select_for_update().get(tenant="location:loc1")
            blocked = [pool.submit(post, web, contact(number)) for number in range(100, 100 + 3 * THREADS)]
            refused = [future.result() for future in blocked]
            # From now on one delivery at a time asks. All others are answered at once, so threads are free.
            until = monotonic() + 2 * time_limits.WEB.lock
            flood = [pool.submit(_post_until, web, until, number) for number in range(THREADS)]
            others = []
            while monotonic() < until:
                others += [post(web, contact(1_000 + len(others), locationId="loc2")), web.get("/healthz")]
            refused += [answer for future in flood for answer in future.result()]
        assert {answer.status for answer in refused} == {429}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert {answer.status for answer in others} == {200}
        assert max(answer.seconds for answer in others) < time_limits.WEB.lock
    wait_until(lambda: post(web, contact(2)).status == 200)
    # The counts are written together with those of a later answer.
    wait_until(lambda: post(web, contact(2)) and Answers.objects.filter(not_stored__gte=len(refused)).exists())
    assert Event.objects.filter(mailbox__tenant="location:loc1").count() == 2


def _post_until(web: Web, until: float, number: int) -> list[Answer]:
    answers = []
    while monotonic() < until:
        answers.append(post(web, contact(10_000 * (number + 1) + len(answers))))
    return answers


def test_a_worker_that_froze_inside_a_batch_holds_up_no_delivery(web: Web, stored: Callable[..., Event]) -> None:
    box = {stored(second).mailbox_id for second in (1, 2, 3)}.pop()
    with running("-m", "tests.webhooks.holder", str(box), "fenced") as worker:
        worker.hear("holding")
        worker.send_signal(signal.SIGSTOP)
        answers = [post(web, contact(number)) for number in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert _sessions_in_transaction() == 1, "the worker does hold its locks"


def test_a_session_that_is_idle_in_its_transaction_is_ended_and_its_rows_are_free(
    stored: Callable[..., Event],
) -> None:
    box = stored(1).mailbox_id
    with running("-m", "tests.webhooks.holder", str(box), "fenced", "limited") as worker:
        worker.hear("holding")
        worker.send_signal(signal.SIGSTOP)
        wait_until(lambda: not _sessions_in_transaction())
        with transaction.atomic():
            Mailbox.objects.select_for_update(nowait=True).get(pk=box)


def _sessions_in_transaction() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        return int(cursor.fetchone()[0])
