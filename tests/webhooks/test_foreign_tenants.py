"""Events that the vendor has signed, of tenants and apps that are not here: 200, counted, shown, in nobody's data."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.jobs.models import Trigger
from integrations.sync.models import Plan, Record
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks import mailbox, queries, response_counts
from integrations.webhooks.models import Answers, Event, Mailbox
from tests.webhooks.conftest import Post, contact
from tests.webhooks.test_samples import ABSENT, IN_CI, _samples

pytestmark = pytest.mark.django_db
HOME, AGENCY, STRANGER, THEIR_AGENCY = "home", "agency", "stranger", "theiragency"
ABOUT_THE_APP = {"INSTALL", "UNINSTALL", "UPDATE", "PLAN_CHANGE"}  # they say that a tenant is here now, or not


@pytest.fixture
def home(app: App) -> App:
    """An agency and its location with everything synced, and a record of every published event's id."""
    now = clock.now()
    company = Company.objects.create(id=AGENCY, created_at=now)
    location = Location.objects.create(id=HOME, company=company, created_at=now)
    tenants: tuple[tuple[UserType, str, Location | None], ...] = (
        (UserType.COMPANY, AGENCY, None),
        (UserType.LOCATION, HOME, location),
    )
    for level, tenant, place in tenants:
        Installation.objects.create(
            app=app,
            user_type=level,
            resource_id=tenant,
            company=company,
            location=place,
            status=Installation.Status.INSTALLED,
            origin=Installation.Origin.APP,
            status_at=now,
            created_at=now,
        )
    for resource in RESOURCES.values():
        tenant = HOME if resource.level is UserType.LOCATION else AGENCY
        Plan.objects.create(app=app, location_id=tenant, resource=resource.name, created_at=now)
    return app


def of_strangers(sample: dict[str, Any]) -> dict[str, Any]:
    """The sample, about another agency and its location. The ids of its records are those of our tenant's."""
    said = copy.deepcopy(sample)
    said.pop("appId", None)
    for name, value in {"locationId": STRANGER, "altId": STRANGER, "companyId": THEIR_AGENCY}.items():
        if name in said:
            said[name] = value
    if said.get("altType") == "company":
        said["altId"] = THEIR_AGENCY
    if "locations" in said:
        said["locations"] = [STRANGER]
    return said


def record_everything(app: App, sample: dict[str, Any]) -> None:
    """The record that the event would change, if it were our tenant's."""
    now = clock.now()
    for resource in RESOURCES.values():
        change = resource.change(sample.get("type", ""), sample, now, now)
        if change is not None:
            Record.objects.get_or_create(
                app=app,
                location_id=HOME if resource.level is UserType.LOCATION else AGENCY,
                resource=resource.name,
                record_id=change.record_id,
                defaults={"payload": {"ours": True}, "version_at": now, "updated_at": now},
            )


@pytest.mark.slow
def test_no_published_event_of_a_stranger_reaches_data_of_anybody(
    home: App, post: Post, client: Client, clean_redis: object
) -> None:
    samples = _samples()
    if not samples and not IN_CI:
        pytest.skip(ABSENT)
    assert len(samples) >= 60, ABSENT
    told = [of_strangers(one) for one in samples.values() if one.get("type") not in ABOUT_THE_APP]
    for sample in told:
        record_everything(home, sample)
    before = list(Record.objects.order_by("pk").values())
    assert len({row["resource"] for row in before}) >= 8
    plans = list(Plan.objects.order_by("pk").values())
    for sample in told:
        assert post(sample).status_code == 200, sample
    stored = Event.objects.count()
    types = {one.get("type", "") for one in told}
    assert len(types) > 30
    renamed = types - set(Event.objects.values_list("type", flat=True))
    assert renamed == {"Email", "SMS"}, "channels of messages that a conversation provider is to send"
    boxes = list(Mailbox.objects.values_list("pk", "tenant"))
    assert {tenant for _, tenant in boxes} <= {f"location:{STRANGER}", f"company:{THEIR_AGENCY}"}
    for pk, _ in boxes:
        mailbox.drain(pk)
    assert not Event.objects.exclude(status__in=("done", "ignored")).exists()
    assert list(Record.objects.order_by("pk").values()) == before
    assert list(Plan.objects.order_by("pk").values()) == plans
    assert not Trigger.objects.exists()
    assert not Credential.objects.exists()
    assert set(Location.objects.values_list("pk", flat=True)) == {HOME}
    assert set(Company.objects.values_list("pk", flat=True)) == {AGENCY}

    response_counts.counter.flush()
    line = Answers.objects.get(app=home)
    assert (line.stored, line.stored + line.duplicate) == (stored, len(told)), "some samples are one event"
    assert queries.not_installed(clock.now()) == len(boxes)
    client.force_login(User.objects.create_superuser("olga"))
    shown = client.get("/admin/webhooks/mailbox/?installed=no").context["cl"].result_list
    assert {box.pk for box in shown} == {pk for pk, _ in boxes}


def test_an_event_of_an_app_that_is_not_here_is_counted_and_shown(home: App, post: Post, client: Client) -> None:
    """It names a tenant of ours, whose data the other app of the vendor's has no say in."""
    record_everything(home, contact(locationId=HOME))
    before = list(Record.objects.values())
    for number in range(3):
        answer = post(contact(number, locationId=HOME, appId="anotherdevelopersapp"))
        assert (answer.status_code, answer.json()) == (200, {"status": "not_here"})
    assert not Event.objects.exists()
    assert not Mailbox.objects.exists()
    assert list(Record.objects.values()) == before
    response_counts.counter.flush()
    line = Answers.objects.get()
    assert (line.app, line.not_here, line.stored) == (None, 3, 0)
    client.force_login(User.objects.create_superuser("olga"))
    [shown] = client.get("/admin/webhooks/answers/").context["cl"].result_list
    assert (shown.pk, shown.not_here) == (line.pk, 3)
