"""The refresh lease of a credential: one conditional UPDATE decides which worker may call the vendor.

No database lock is held during the call to the vendor. The HTTP deadline is well below the lease, so an owner that is
alive has always finished before another worker may begin. The sweep finds orphans (rows whose lease ran out before the
intent was cleared) every two seconds, which leaves time for the second attempt inside HighLevel's 30 seconds.

All times come from the database's clock: a worker that dies with its own clock an hour ahead leaves no lease of an
hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.db.models.functions import Now

from integrations.tenants.models import App
from integrations.tokens.models import Credential

LEASE_TERM = timedelta(seconds=9)
DEADLINE_SECONDS = 6.0  # seconds for the vendor's response
_ORPHANS_AT_ONCE = 500


def claim(
    credential_id: int,
    *,
    owner: str,
    expected_generation: int | None = None,
    due_before: datetime | None = None,
    halted_before: datetime | None = None,
) -> Credential | None:
    """Claim the lease, record the intent and read the row with its app, in one statement. None when it cannot.

    Then another worker has the lease, the row cannot be refreshed, its generation is not `expected_generation`, it is
    not due by `due_before`, or its app was halted after `halted_before`. The time of the first intent for a generation
    is kept, because HighLevel's 30 seconds count from it.
    """
    wanted: dict[str, str | int | float | datetime | None] = {
        "id": credential_id,
        "owner": owner,
        "term": LEASE_TERM.total_seconds(),
        "generation": expected_generation,
        "due": due_before,
        "halted": halted_before,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, wanted)
        found = cursor.fetchone()
    if found is None:
        return None
    split = len(_CREDENTIAL)
    row = Credential.from_db(DEFAULT_DB_ALIAS, _CREDENTIAL, found[:split])
    row.app = App.from_db(DEFAULT_DB_ALIAS, _APP, found[split:])
    return row


def _columns(model: type[Model], alias: str) -> str:
    fields = model._meta.concrete_fields  # noqa: SLF001 - documented by Django
    return ", ".join(f"{alias}.{connection.ops.quote_name(str(field.column))}" for field in fields)


_CREDENTIAL = [field.attname for field in Credential._meta.concrete_fields]  # noqa: SLF001
_APP = [field.attname for field in App._meta.concrete_fields]  # noqa: SLF001
# The columns' names come from the models; everything else is a parameter.
_CLAIM = f"""
    UPDATE tokens_credential c SET
        lease_owner = %(owner)s, lease_until = statement_timestamp() + %(term)s * interval '1 second',
        intent_generation = c.generation,
        intent_at = coalesce(CASE WHEN c.intent_generation = c.generation THEN c.intent_at END, statement_timestamp())
    FROM tenants_app a
    WHERE c.id = %(id)s AND a.id = c.app_id AND c.kind = 'oauth' AND c.state <> 'revoked'
        AND (c.lease_until IS NULL OR c.lease_until < statement_timestamp())
        AND (%(generation)s::bigint IS NULL OR c.generation = %(generation)s::bigint)
        AND (%(due)s::timestamptz IS NULL OR c.refresh_due_at <= %(due)s::timestamptz)
        AND (%(halted)s::timestamptz IS NULL OR a.halted_at IS NULL OR a.halted_at < %(halted)s::timestamptz)
    RETURNING {_columns(Credential, "c")}, {_columns(App, "a")}
"""  # noqa: S608


def renew(row: Credential) -> bool:
    """Extend the lease before a second call. False when another worker has it by now."""
    return Credential.objects.leased_to(row).update(lease_until=Now() + LEASE_TERM) == 1


def claimed_at(row: Credential) -> datetime:
    """When `claim` took this row, by the database's clock."""
    assert row.lease_until is not None
    return row.lease_until - LEASE_TERM


def is_repeat(row: Credential) -> bool:
    """Whether an earlier claim of this generation left its intent: the vendor may have rotated the token then."""
    return row.refresh_sealed is not None and row.intent_at is not None and row.intent_at < claimed_at(row)


def orphans() -> list[int]:
    """Ids of the credentials of `orphaned`: the owner died in the middle of a call, or lost the answer."""
    return list(orphaned().order_by("lease_until").values_list("pk", flat=True)[:_ORPHANS_AT_ONCE])


def orphaned() -> QuerySet[Credential]:
    """Credentials whose lease ran out while a call was under way."""
    return Credential.objects.filter(lease_until__lt=Now())
