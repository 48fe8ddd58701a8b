"""The state transitions of credentials, and the states that the database refuses."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from integrations.core import clock
from integrations.tokens.models import Credential

State = Credential.State


def rows(row: Credential) -> Any:
    return Credential.objects.filter(pk=row.pk)


def test_a_transition_counts_the_rows_it_changed(location: Credential) -> None:
    now = clock.now()
    assert rows(location).suspend(reason="closed", due_at=now) == 1
    assert rows(location).suspend(reason="closed", due_at=now) == 0, "only active ones are suspended"
    assert rows(location).activate(due_at=now) == 1
    assert rows(location).reactivate(company_id="") == 0, "it has not ended"
    assert rows(location).revoke(reason="uninstalled", now=now) == 1
    assert rows(location).revoke(reason="uninstalled", now=now) == 0
    assert rows(location).activate(due_at=now) == 0, "a revoked one has no token to use"
    assert rows(location).reactivate(company_id="com") == 1
    location.refresh_from_db()
    assert (location.state, location.company_id, location.access_sealed) == (State.ACTIVE, "com", None)


def test_revoking_outdates_what_a_refresh_under_way_holds(location: Credential) -> None:
    assert rows(location).revoke(reason="x" * 400, now=clock.now()) == 1
    assert Credential.objects.of_generation(location.pk, location.generation).count() == 0
    assert len(rows(location).get().reason) == 300


@pytest.mark.parametrize(
    "columns",
    [
        {"lease_owner": "worker-1", "lease_until": None},
        {"intent_generation": 1, "intent_at": None},
        {"intent_generation": None, "intent_at": clock.now()},
        {"state": State.REVOKED},
    ],
    ids=["lease without deadline", "intent without moment", "moment without intent", "revoked with tokens"],
)
def test_the_database_refuses_it_and_the_migration_mends_it(location: Credential, columns: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="credential_"), transaction.atomic():
        rows(location).update(**columns)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # the fixture's rows wait for their foreign keys
    migration = import_module("integrations.tokens.migrations.0004_credential_states")
    names = [operation.constraint for operation in migration.Migration.operations[1:]]
    with connection.schema_editor(atomic=False) as editor:
        for constraint in names:
            editor.remove_constraint(Credential, constraint)
    rows(location).update(**columns)
    with connection.cursor() as cursor:
        cursor.execute(migration.MEND)
    with connection.schema_editor(atomic=False) as editor:
        for constraint in names:
            editor.add_constraint(Credential, constraint)
