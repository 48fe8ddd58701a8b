"""What operators see: the queries behind the pages, and the admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations.core.tenant import UserType
from integrations.jobs.models import Trigger
from integrations.sync.models import Record
from integrations.tenants.models import App, Installation
from integrations.webhooks import mailbox, queries
from integrations.webhooks.models import Event, Mailbox
from tests.support import audit_trail
from tests.webhooks.conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
Stored = Callable[..., Event]


@pytest.fixture
def traffic(stored: Stored) -> None:
    """Two done and one pending today, one ignored and one poisoned three days ago; two mailboxes, one due."""
    stored(1, status="done")
    stored(2, status="done")
    stored(3, received_at=NOW - timedelta(minutes=5))
    old = {"tenant": "location:loc2", "received_at": NOW - timedelta(days=3)}
    stored(4, status="ignored", **old)
    stored(5, status="poisoned", error_code="handler_bug", error="KeyError", **old)
    Mailbox.objects.filter(tenant="location:loc2").update(due_at=None)


def test_the_inbox_at_a_glance(traffic: None) -> None:
    assert queries.inbox(NOW) == queries.Inbox(
        recent={"pending": 1, "done": 2, "ignored": 0, "poisoned": 0},
        pending=1,
        oldest_pending=NOW - timedelta(minutes=5),
        poisoned=1,
        behind=1,
        unknown={"Tested": 3},
    )


def test_events_of_unknown_types_are_counted(stored: Stored) -> None:
    for name in ("ThingCreate", "ContactCreate", "ThingCreate", "", "INSTALL"):
        stored(type=name, status="ignored")
    stored(type="ThingDelete", received_at=NOW - timedelta(days=2))
    assert queries.unknown_types(since=NOW - timedelta(days=1)) == {"ThingCreate": 2, "": 1}


def test_an_empty_inbox(app: App) -> None:
    glance = queries.inbox(NOW)
    assert (glance.pending, glance.oldest_pending, glance.poisoned, glance.behind) == (0, None, 0, 0)


def test_delays_are_shown_by_tenant(stored: Stored, operator: Client) -> None:
    for minutes, tenant in ((1, "quick"), (4, "middle"), (30, "slow")):
        stored(tenant=f"location:{tenant}", received_at=NOW - timedelta(minutes=minutes))
        stored(-1, tenant=f"location:{tenant}", received_at=NOW)  # comes late, and goes first
    stored(status="done", tenant="location:idle", received_at=NOW - timedelta(days=1))
    found = queries.delays(NOW, shown=2)
    assert (found.tenants, found.median, found.longest) == (3, 240.0, 1_800.0)
    assert [(delay.tenant, delay.seconds) for delay in found.slowest] == [
        ("location:slow", 1_800.0),
        ("location:middle", 240.0),
    ]
    assert b"30 min" in operator.get("/admin/webhooks/mailbox/").content
    assert queries.delays(NOW - timedelta(days=1)).median == 0.0, "a clock that is behind makes no delay negative"


def test_tenants_that_are_not_installed_here_are_counted_and_shown(app: App, stored: Stored, operator: Client) -> None:
    """Events of such a tenant change nothing: there is no plan, no job and no installation for it."""
    for number, status in enumerate(Installation.Status):
        Installation.objects.create(
            app=app,
            user_type=UserType.LOCATION if number else UserType.COMPANY,
            resource_id=f"id{number}",
            status=status,
            origin=Installation.Origin.EVENT,
            status_at=NOW,
            created_at=NOW,
        )
    for tenant in ("company:id0", "location:id0", "location:id1", "location:id2", "location:no:such", "app"):
        box = stored(tenant=tenant, type="ContactUpdate", payload={"id": "c", "locationId": tenant.partition(":")[2]})
        mailbox.drain(box.mailbox_id)
    stored(tenant="location:long ago", status="done", received_at=NOW - timedelta(days=2))
    unknown = ["location:id0", "location:id2", "location:no:such"]
    assert queries.not_installed(NOW) == len(unknown)
    shown = operator.get("/admin/webhooks/mailbox/?installed=no").context["cl"].result_list
    assert sorted(box.tenant for box in shown) == sorted([*unknown, "location:long ago"])
    shown = operator.get("/admin/webhooks/mailbox/?installed=yes").context["cl"].result_list
    assert sorted(box.tenant for box in shown) == ["company:id0", "location:id1"]
    assert not Record.objects.exists()
    assert not Trigger.objects.exists()


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("olga"))
    return client


@pytest.fixture
def onlooker(client: Client) -> Client:
    user = User.objects.create_user("otto", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_event", "view_mailbox"]))
    client.force_login(user)
    return client


def test_the_event_list_shows_and_filters(traffic: None, operator: Client) -> None:
    page = operator.get("/admin/webhooks/event/")
    assert page.status_code == 200
    assert page.context["cl"].result_count == 5
    assert b"loc2" in page.content
    assert b"stepped aside after its retries" in page.content
    poisoned = operator.get("/admin/webhooks/event/?status__exact=poisoned")
    assert [event.error for event in poisoned.context["cl"].result_list] == ["KeyError"]


@pytest.mark.parametrize(
    ("term", "number"),
    [("loc2", 2), ("location:loc1", 3), ("location:loc2-5-4", 1), (" loc2 ", 2), ("loc", 0), ("", 5)],
)
def test_events_are_found_by_whole_ids(traffic: None, operator: Client, term: str, number: int) -> None:
    page = operator.get("/admin/webhooks/event/", {"q": term})
    assert page.context["cl"].result_count == number


def test_an_event_is_shown_with_its_payload_and_cannot_be_edited(
    traffic: None, operator: Client, stored: Stored
) -> None:
    event = stored(9, payload={"name": "<script>alert(1)</script>", "deep": {"z": 1}})
    url = f"/admin/webhooks/event/{event.pk}/change/"
    page = operator.get(url)
    assert page.status_code == 200
    assert b"&lt;script&gt;alert(1)" in page.content
    assert b"<script>alert" not in page.content
    assert b"&quot;deep&quot;: {\n    &quot;z&quot;: 1" in page.content
    assert operator.post(url, {"type": "Forged"}).status_code == 403
    assert operator.post(f"/admin/webhooks/event/{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert operator.get("/admin/webhooks/event/add/").status_code == 403


def test_process_again_puts_events_back_and_names_the_operator(traffic: None, operator: Client) -> None:
    poisoned = Event.objects.get(status="poisoned")
    chosen = {"action": "process_again", "_selected_action": [poisoned.pk]}
    page = operator.post("/admin/webhooks/event/", chosen, follow=True)
    assert b"1 events will be processed again." in page.content
    poisoned.refresh_from_db()
    assert (poisoned.status, poisoned.mailbox.due_at) == ("pending", NOW)
    entry = audit_trail.entries().get()
    assert (entry.actor, entry.detail) == ("operator olga", {"ids": [poisoned.webhook_id]})


def test_who_may_only_look_cannot_process_again(traffic: None, onlooker: Client) -> None:
    poisoned = Event.objects.get(status="poisoned")
    assert onlooker.get("/admin/webhooks/event/").status_code == 200
    onlooker.post("/admin/webhooks/event/", {"action": "process_again", "_selected_action": [poisoned.pk]}, follow=True)
    poisoned.refresh_from_db()
    assert poisoned.status == "poisoned"
    assert not audit_trail.entries().exclude(action="vault.key_proven").exists()


def test_the_mailbox_list_shows_the_backlog(traffic: None, operator: Client) -> None:
    page = operator.get("/admin/webhooks/mailbox/")
    assert page.status_code == 200
    assert [box.tenant for box in page.context["cl"].result_list] == ["location:loc1", "location:loc2"]
    assert b"pending events" in page.content.lower()
    assert operator.get("/admin/webhooks/mailbox/", {"q": "loc2"}).context["cl"].result_count == 1
    box = Mailbox.objects.get(tenant="location:loc1")
    assert operator.get(f"/admin/webhooks/mailbox/{box.pk}/change/").status_code == 200
