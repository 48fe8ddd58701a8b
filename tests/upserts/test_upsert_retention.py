"""What becomes of upserts with time, and when the vault's key is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.upserts import bulk_upsert, queries, upsert_key
from integrations.upserts.models import Run, Upsert, UpsertRow
from integrations.vault import columns, rotation
from integrations.vault import keys as vault_keys
from tests.upserts.conftest import Loader, people, states

pytestmark = pytest.mark.django_db


def test_old_ones_are_deleted_with_their_rows_and_never_what_runs(loader: Loader) -> None:
    old, recent, running, draft = (loader.prepare(people("a")) for _ in range(4))
    past, now = clock.now() - timedelta(days=31), clock.now()
    ended = {"status": "complete", "due_at": past, "started_at": past}
    Run.objects.create(upsert_id=old, finished_at=past, **ended)
    Run.objects.create(upsert_id=recent, finished_at=now, **ended)
    Run.objects.create(upsert_id=running, due_at=now, started_at=past)
    assert queries.delete_old(now) == 0
    Upsert.objects.update(created_at=past)
    assert queries.delete_old(now) == 2
    assert set(Upsert.objects.values_list("pk", flat=True)) == {recent, running}
    assert not UpsertRow.objects.filter(upsert__in=[old, draft]).exists()


def test_keys_are_rotated_and_a_lost_one_stops_the_upsert(loader: Loader, settings: Any) -> None:
    upsert = loader.start(people("a", "b"))
    UpsertRow.objects.filter(number=2).update(state="unknown", sent_at=clock.now(), settled_at=clock.now())
    settings.VAULT_KEYS = ["next:0Wm8kR4mGgB8xC5h8c1mYx0m0F9cG5o6yqS2mUO3b1s=", *settings.VAULT_KEYS]
    rotation.rotate(vault_keys.ring(), watcher=rotation.Watcher())
    assert columns.sealed_by(Upsert, "next").count() == 1
    upsert_key.cipher(Upsert.objects.get()).content(UpsertRow.objects.get(number=1))
    assert upsert_key._UpsertsOfALostKey().forget("next", actor="test") == {"upserts stopped": 1}
    assert states(upsert) == ["refused", "unknown"]
    assert not UpsertRow.objects.exclude(body="").exists()
    assert (bulk_upsert.progress(upsert).status, bulk_upsert.progress(upsert).error) == ("stopped", upsert_key.KEY_LOST)
    with pytest.raises(BadRequest, match="prepare the upsert again"):
        bulk_upsert.resume(upsert)
