"""An action over many rows asks with the true count first, runs in the background, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from integrations.console import bulk_run, tasks
from integrations.core import clock, masking
from integrations.core.models import AuditEntry, BulkAction
from integrations.core.pages import bulk_actions, bulk_mark, list_query
from integrations.core.secret import Secret
from integrations.operators import accounts
from integrations.operators.roles import Role
from integrations.tenants.models import Installation
from integrations.webhooks.models import Event, Mailbox
from tests.console.conftest import LOCATION

EVENTS = "/admin/webhooks/event/"
POISONED = f"{EVENTS}?status__exact=poisoned"


@pytest.fixture
def box(agency: Installation) -> Mailbox:
    return Mailbox.objects.create(app=agency.app, tenant=f"location:{LOCATION}")


def poison(box: Mailbox, count: int, prefix: str = "w") -> None:
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_event (app_id, mailbox_id, webhook_id, type, occurred_at, received_at, payload,"
            " status, attempts, due_at, error_code, error) SELECT %s, %s, %s || n, 'ContactCreate', %s, %s, '{}',"
            " 'poisoned', 0, %s, '', '' FROM generate_series(1, %s) n",
            [box.app_id, box.pk, prefix, now, now, now, count],
        )


def post(client: Client, url: str = POISONED, **fields: Any) -> Any:
    form = {"action": "process_again", "select_across": "1", "_selected_action": [""]}
    return client.post(url, form | fields)


def replayed() -> int:
    return Event.objects.filter(status=Event.Status.PENDING).count()


def confirm(client: Client, number: int) -> BulkAction:
    answer = post(client, confirmed="yes", number=f"{number:,}")
    row = BulkAction.objects.latest("pk")
    assert answer.headers["Location"] == f"/admin/core/bulkaction/{row.pk}/change/"
    return row


def test_all_means_the_true_count_and_nothing_happens_before_it_was_typed(
    operator_client: Client, box: Mailbox
) -> None:
    poison(box, 12_000)
    page = operator_client.get(POISONED).content.decode()
    assert "they are counted before anything happens" in page
    asked = post(operator_client)
    text = asked.content.decode()
    assert asked.context["chosen"].count == 12_000
    for words in ("12,000", "Replay the selected events", "ContactCreate w1<", "and 11,990 more", "Type the number"):
        assert words in text, words
    wrong = post(operator_client, confirmed="yes", number="10000")
    assert "Nothing was changed" in wrong.content.decode()
    assert (replayed(), BulkAction.objects.count()) == (0, 0)


def test_a_worker_goes_through_them_in_batches_and_leaves_later_ones(
    operator_client: Client, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(box, 130)
    row = confirm(operator_client, 130)
    assert replayed() == 0, "the request changed nothing"
    poison(box, 5, prefix="later")
    assert tasks.SOURCE.take(5, clock.now()) == [row.pk]
    monkeypatch.setattr(bulk_run, "TURN_SECONDS", 0.0)
    tasks.bulk_action(bulk_id=row.pk)
    row.refresh_from_db()
    assert (row.done, row.status, replayed()) == (50, "running", 50)
    page = operator_client.get(f"/admin/core/bulkaction/{row.pk}/change/")
    assert "data-live" in page.content.decode()
    assert "50 of 130" in page.content.decode()
    for _ in range(3):
        tasks.bulk_action(bulk_id=row.pk)
    row.refresh_from_db()
    assert (row.done, row.status, row.due_at, replayed()) == (130, "complete", None, 130)
    kinds = list(AuditEntry.objects.filter(action__startswith="bulk.").order_by("id").values_list("action", "actor"))
    assert kinds == [("bulk.started", "operator op"), ("bulk.complete", "operator op")]
    assert AuditEntry.objects.filter(action="webhooks.replay", actor="operator op").count() == 3


def test_it_can_be_cancelled_and_what_is_done_stays_done(
    operator_client: Client, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(box, 130)
    row = confirm(operator_client, 130)
    monkeypatch.setattr(bulk_run, "TURN_SECONDS", 0.0)
    tasks.bulk_action(bulk_id=row.pk)
    another = Client()
    another.force_login(accounts.create("zoe", Role.OPERATOR, password=Secret("a password of another")))
    another.post("/admin/core/bulkaction/", {"action": "cancel", "_selected_action": [row.pk]})
    tasks.bulk_action(bulk_id=row.pk)
    row.refresh_from_db()
    assert (row.status, row.done, replayed()) == ("cancelled", 50, 50)
    assert AuditEntry.objects.get(action="bulk.cancelled").actor == "operator zoe", "who did it, not who began it"
    assert bulk_actions.cancel([row], by="operator zoe") == 0


def test_one_of_two_workers_goes_on(operator_client: Client, box: Mailbox) -> None:
    poison(box, 130)
    row = confirm(operator_client, 130)
    other = BulkAction.objects.get(pk=row.pk)
    assert bulk_run._claim(row, clock.now())
    assert not bulk_run._claim(other, clock.now())


def test_who_lost_the_right_goes_no_further(operator_client: Client, operator: User, box: Mailbox) -> None:
    poison(box, 130)
    row = confirm(operator_client, 130)
    User.objects.filter(pk=operator.pk).update(is_active=False)
    tasks.bulk_action(bulk_id=row.pk)
    row.refresh_from_db()
    assert (row.status, row.note, replayed()) == ("failed", "op may not do this any more", 0)


def written_for(row: BulkAction, user: User) -> None:
    """Another operator's action: what the row says of its operator is written into the database."""
    BulkAction.objects.filter(pk=row.pk).update(user_id=user.pk, operator=user.username)


def made_superuser(row: BulkAction, user: User) -> None:
    """An account without any right is made one with all, past its seal, and asks."""
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    row.user_id = user.pk
    BulkAction.objects.filter(pk=row.pk).update(user_id=user.pk, mark=bulk_mark.make(row))


def begun_again(row: BulkAction, user: User) -> None:
    """What was done long ago is to be done once more."""
    row.created_at -= bulk_mark.LONGEST + timedelta(hours=1)
    BulkAction.objects.filter(pk=row.pk).update(created_at=row.created_at, mark=bulk_mark.make(row))


def of_other_rows(row: BulkAction, user: User) -> None:
    """The mark of a true question stands at another one."""
    BulkAction.objects.filter(pk=row.pk).update(query="", newest="999999999")


@pytest.mark.parametrize("attack", [written_for, made_superuser, begun_again, of_other_rows])
def test_what_is_written_into_the_database_does_nothing(
    operator_client: Client, box: Mailbox, attack: Callable[[BulkAction, User], None]
) -> None:
    poison(box, 130)
    row = confirm(operator_client, 130)
    attack(row, User.objects.create_user("mallory"))
    tasks.bulk_action(bulk_id=row.pk)
    row.refresh_from_db()
    assert (row.status, replayed()) == ("failed", 0)


def test_what_ended_is_not_done_again(operator_client: Client, box: Mailbox) -> None:
    poison(box, 130)
    done, stopped = confirm(operator_client, 130), confirm(operator_client, 130)
    bulk_actions.cancel([stopped], by="operator ann")
    tasks.bulk_action(bulk_id=done.pk)
    assert replayed() == 130
    Event.objects.update(status="poisoned")
    for row in (done, stopped):
        BulkAction.objects.filter(pk=row.pk).update(status="running", cursor="", due_at=clock.now(), finished_at=None)
        tasks.bulk_action(bulk_id=row.pk)
        row.refresh_from_db()
        assert (row.status, "ended before" in row.note, replayed()) == ("failed", True, 0)


def test_what_was_searched_for_is_shown_to_those_who_may_see_people(operator_client: Client, box: Mailbox) -> None:
    poison(box, 130)
    row = confirm(operator_client, 130)
    row.query += "&q=Jane+Doe"
    bulk_actions.record(row, "searched")
    entry = AuditEntry.objects.get(action="bulk.searched")
    assert entry.detail["filter"] == {"status__exact": "poisoned"}
    assert masking.details(entry.detail)["search"] == masking.MASK
    shown = list_query.masked("status__exact=x&q=Jane+Doe&id=jane%40example.com")
    assert shown == f"status__exact=x&q={masking.MASK}&id={masking.MASK}"
    assert masking.text("GET /contacts/?query=jane%40example.com") == f"GET /contacts/?query={masking.MASK}"


def test_a_few_chosen_rows_are_changed_at_once(operator_client: Client, box: Mailbox) -> None:
    poison(box, 20)
    chosen = list(Event.objects.values_list("pk", flat=True)[:3])
    answer = post(operator_client, select_across="0", _selected_action=chosen)
    assert answer.status_code == 302
    assert (replayed(), BulkAction.objects.count()) == (3, 0)
    assert post(operator_client, url=EVENTS).status_code == 302, "all of twenty"
    assert replayed() == 20


def test_chosen_rows_beyond_a_page_are_asked_for_by_their_number(operator_client: Client, box: Mailbox) -> None:
    poison(box, 60)
    chosen = list(Event.objects.order_by("pk").values_list("pk", flat=True)[:40])
    fields = {"select_across": "0", "_selected_action": chosen}
    assert "Type the number" not in post(operator_client, **fields).content.decode(), (
        "up to a hundred a click is enough"
    )
    post(operator_client, confirmed="yes", **fields)
    row = BulkAction.objects.get()
    tasks.bulk_action(bulk_id=row.pk)
    assert set(Event.objects.filter(status="pending").values_list("pk", flat=True)) == set(chosen)


def test_what_cannot_be_undone_asks_even_for_one(operator_client: Client, agency: Installation) -> None:
    page = operator_client.post(
        "/admin/quota/parked/", {"action": "drop", "_selected_action": ["1"], "back": "/admin/"}
    )
    assert page.status_code == 200
    assert page.context["title"] == "Drop?"
    assert 'href="/admin/">Change nothing' in page.content.decode()
