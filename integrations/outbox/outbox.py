"""`put`: a call to HighLevel that is made if, and only if, the app's own transaction commits.

::

    with transaction.atomic():
        booking.confirm()
        outbox.put("contacts.create-note", app=app, location=location_id, entity=contact, key=f"booking {booking.pk}",
                   params={"contactId": contact}, body={"body": "Confirmed"})

The worker sends the entries of one `entity` in the order of their `put`, each once: `key` names what is to happen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.runs import current_run
from integrations.core.texts import storable_json
from integrations.gateway import call_checks, target
from integrations.gateway.fingerprint import fingerprint
from integrations.outbox import entity_lock, entry_seal, entry_states, expected_values, outbox_pauses
from integrations.outbox.models import LONGEST, Entry, TenantOutbox
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

LARGEST = 256 * 1024  # bytes of a body as JSON
_OPERATION, _VERSION = 200, 20
log = structlog.get_logger(__name__)


def put(  # noqa: PLR0913 - a call with its place; all but the operation are keywords
    operation: str,
    *,
    app: App,
    entity: str,
    key: str,
    location: str | None = None,
    company: str | None = None,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    expected: Mapping[str, Any] | None = None,
    version: str | None = None,
    lane: Lane = Lane.EVENTS,
) -> Entry:
    """Put a call into the outbox of a location or company, in the transaction of the caller.

    A key that is there already with the same call is that entry: nothing is added. With another call it is a conflict:
    an entry of this state is added and never sent by itself, and operators see both. Transactions that put for the same
    entity wait for each other. Raises BadRequest for what could never be sent. The entry is sealed (`entry_seal`).

    `expected` are fields of the record as the app knows them. They are compared with the vendor's right before the
    call, which costs one read. If one differs, the entry is a conflict and holds its entity: an operator sees both
    values and decides, or the app puts another call under the same key, which replaces it. A change in the moment
    between the read and the write is not seen (`expected_values`).
    """
    wanted = target.find(operation, app, version=version, params=params, body=body)
    tenant = call_checks.credential_key(
        wanted.operation, app=app, location=location, company=company, api=wanted.api
    ).tenant
    given = _checked(wanted, {name: value for name, value in (params or {}).items() if value is not None}, body)
    wanted.request(given["params"], given["body"], tenant.request_fields)
    given["expected"] = expected_values.checked(wanted, expected, given["params"])
    for name, text in (("key", key), ("entity", entity)):
        if not 0 < len(text) <= LONGEST or "\0" in text:
            raise BadRequest(f"the {name} of an outbox entry has 1 to {LONGEST} characters: {text[:80]!r}")
    now = clock.now()
    content = [version, given["body"], *([given["expected"]] if given["expected"] else [])]
    mark = fingerprint(wanted.operation.key, given["params"], content)
    with transaction.atomic():
        box = outbox_pauses.of_tenant(app, tenant, now)
        entity_lock.take(box, entity)
        there = _entry_of(box, key, mark)
        if there is not None and there.fingerprint == mark:
            return there
        state = Entry.State.WAITING if there is None else Entry.State.CONFLICT
        columns = {"operation": operation, "version": version or "", "lane": lane.value, "fingerprint": mark}
        columns |= {"entity": entity, "key": key, "put_in": current_run.name()}
        entry = Entry(outbox=box, state=state, created_at=now, **columns, **given)
        entry.sealed = entry_seal.sealed(entry, may_be_sent=there is None)
        entry.save(force_insert=True)
        if there is None:
            transaction.on_commit(partial(entry_states.wake, box.pk))
        else:
            log.warning("outbox.conflict", operation=operation, entry=entry.pk, first=there.pk)
    return entry


def _entry_of(box: TenantOutbox, key: str, mark: str) -> Entry | None:
    """The entry that has this key. One whose record has changed gives way to another call of the app."""
    same = Entry.objects.filter(outbox=box, key=key)
    rows = same.of_changed_records().select_for_update(of=("self",)).select_related("outbox")
    changed: Entry | None = rows.first()
    if changed is not None and changed.fingerprint == mark:
        return changed
    if changed is not None:
        entry_states.replace(changed, by="the app")
    return same.exclude(state=Entry.State.CONFLICT).first()


def _checked(wanted: target.Target, params: dict[str, Any], body: Any) -> dict[str, Any]:
    """Parameters and body as they are stored."""
    try:
        size = len(json.dumps([params, body]))
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{wanted.operation.key}: an outbox takes JSON only, no files ({error})") from error
    if size > LARGEST or len(wanted.operation.key) > _OPERATION or len(wanted.version.header or "") > _VERSION:
        raise BadRequest(f"{wanted.operation.key}: an entry of an outbox has at most {LARGEST // 1024} kB")
    return {"params": storable_json(params), "body": storable_json(body)}
