"""A lost answer is repeated in time although every thread of the worker waits for something slow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.db import connection
from pytest_django import Settings

from integrations.core import clock
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor, location_grant, make_app
from tests.quota.workers import workers
from tests.tokens.rows import orphan

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
THREADS = 4


def test_a_lost_answer_is_repeated_beside_them(
    tmp_path: Path, vendor: Vendor, clean_redis: redis.Redis, settings: Settings
) -> None:
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the worker has it, from its URL
    app = make_app(vendor)
    place = vendor.locations[0]
    row = store.save_grant(store.location(app, place), location_grant(vendor, app, place), now=clock.now())
    with workers(tmp_path, 1, limit=100, threads=THREADS, SPOOL_DIR=str(tmp_path / "spool")) as group:
        group.leader()
        prefix = f"{settings.NAMESPACE}:celery:"
        queued = f"{prefix}urgent"
        with Celery(broker=os.environ["REDIS_URL"], set_as_current=False) as sender:
            sender.conf.broker_transport_options = {"global_keyprefix": prefix}
            for _ in range(3 * THREADS):
                sender.send_task("tests.hang", queue="urgent")
        group.wait_for(lambda: clean_redis.llen(queued) <= 2 * THREADS)
        orphan(row)
        group.wait_for(lambda: Credential.objects.get(pk=row.pk).generation == row.generation + 1)
        assert clean_redis.llen(queued) > 0, "the threads are all busy still"
