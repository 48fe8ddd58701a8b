"""Rows that somebody else wrote are one line of `doctor` and of the dashboard, with what to do about them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command

from integrations.console.doctor.findings import Level
from integrations.console.doctor.row_mac_check import examined_rows, signed_rows
from integrations.core import clock
from integrations.sync.models import Plan
from integrations.tenants.models import App
from integrations.vault import row_macs, tasks
from integrations.vault.models import RowMacKey
from tests.support.signed import transition

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan() -> Plan:
    app = App.objects.create(name="an app", client_id="c-1", client_secret_sealed=b"-", created_at=clock.now())
    return Plan.objects.create(app=app, location_id="l", resource="contacts", created_at=clock.now())


def test_what_does_not_fit_is_told_with_what_to_do_until_a_person_signs_it(plan: Plan) -> None:
    row_macs.mac(b"")
    tasks.sign_rows()
    (found,) = signed_rows()
    assert (found.level, found.found) == (Level.OK, "every row fits its MAC")
    Plan.objects.update(filters={"query": "a name"})
    (found,) = signed_rows()
    assert found.level is Level.OK, "nobody has looked again"
    (found,) = examined_rows()
    assert (found.level, found.found) == (Level.FAILED, "not written like this by this application: 1 plans")
    assert "manage.py vault sign" in found.fix
    RowMacKey.objects.update(misfits={})
    assert [one.level for one in examined_rows()] == [Level.FAILED], "doctor trusts no figure of the database"
    assert [one.level for one in signed_rows()] == [Level.FAILED]
    call_command("vault", "sign", reason="it is right")
    assert [one.level for one in signed_rows()] == [Level.OK]


def test_during_the_transition_rows_are_signed_and_not_counted(plan: Plan) -> None:
    transition(clock.now() + timedelta(hours=1))
    (found,) = examined_rows()
    assert (found.level, "are signed until" in found.found) == (Level.OK, True)
    tasks.sign_rows()
    transition(None)
    (found,) = examined_rows()
    assert found.level is Level.FAILED, "another key: nothing fits"


def test_when_nobody_looks_that_is_not_called_good(plan: Plan) -> None:
    row_macs.mac(b"")
    RowMacKey.objects.update(created_at=clock.now() - timedelta(hours=4))
    assert [one.level for one in signed_rows()] == [Level.UNKNOWN]
    tasks.sign_rows()
    assert [one.level for one in signed_rows()] == [Level.OK]
    RowMacKey.objects.all().delete()
    row_macs.reset()
    assert [one.found for one in signed_rows()] == ["there is none yet"]
