"""A worker killed with SIGKILL between the vendor's answer and the row: no row is sent twice, and none is lost."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django import Settings

from integrations.core import clock
from integrations.upserts import runs
from integrations.upserts.models import Run
from tests.support.processes import running
from tests.upserts.conftest import Loader, expire_lease, later, people, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_killed_between_answer_and_row(loader: Loader, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the worker has it, from its URL
    upsert = loader.start(people("a", "b", "c"))
    (run_id,) = runs.start_due(clock.now())
    with running("-m", "tests.upserts.worker", str(run_id)) as process:
        process.hear("answered 1", among_others=True)
        process.go_on()
        process.hear("answered 2", among_others=True)
        assert states(upsert) == ["done", "sent", "waiting"], "the intent is committed before the request leaves"
        process.die()
    assert Run.objects.get(pk=run_id).status == "running"
    expire_lease(upsert)
    later(monkeypatch)
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["done"] * 3)
    assert loader.sent() == 3, "the row of the killed worker was looked up, not sent again"
    assert loader.contact("b@bulk.example") is not None
