"""Kills refreshing processes at every step, lets the real sweep repair what they leave, and judges what became of it.

Used by the test, for a handful, and by `bench.chaos_refresh`, for a thousand.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.db import close_old_connections, connection

from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.core.models import AuditEntry
from integrations.highlevel.oauth import client as oauth
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tokens import seals, store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import FIRST_REDIRECT, Vendor, company_grant, make_app, run_vendor
from tests.support.processes import spawn
from tests.tokens.refresh.steps import STEPS
from tests.tokens.refresh.victims import IN_FLIGHT

ROTATIONS = ("strict", "grace", "lenient")
KILLS = (*STEPS[:2], IN_FLIGHT, *STEPS[2:])
LONGEST_FLIGHT = 0.05  # seconds; enough for some to be answered
SWEEP_EVERY = 2.0  # as beat does
BETWEEN = ("answered", IN_FLIGHT)  # the vendor may have rotated, and we have not committed


@dataclass
class Death:
    """One killed refresh. `repaired` is how many seconds after it the row was whole again."""

    rotation: str
    step: str
    minted: bool  # whether its company can give it a new pair
    credential_id: int
    generation: int
    ended: str = ""
    died_at: float = 0.0
    repaired: float | None = None
    verdict: str = ""


@dataclass
class Chaos:
    deaths: list[Death] = field(default_factory=list)

    def waiting(self) -> list[Death]:
        return [death for death in self.deaths if death.repaired is None]


@contextmanager
def installed(rotation: str, count: int) -> Iterator[list[Credential]]:
    """A vendor of this rotation, and `count` locations there; every second one lives without its company."""
    options: dict[str, Any] = {"rotation": rotation, "locations": count, "limit": 1000, "client_id": f"{rotation}-app"}
    options["redirect_uris"] = (f"{FIRST_REDIRECT}?app={rotation}", FIRST_REDIRECT)
    for vendor in run_vendor(**options, contacts=1):
        yield _connected(vendor, count)


def _connected(vendor: Vendor, count: int) -> list[Credential]:
    app = make_app(vendor)
    grant = company_grant(vendor, app)
    company = store.save_grant(store.company(app, str(grant.company_id)), grant, now=clock.now())
    identity, access = marketplace.identity(app), seals.access_token(company)
    rows = []
    for number, location_id in enumerate(vendor.locations[:count]):
        token = oauth.mint_location(identity, access, company_id=company.resource_id, location_id=location_id)
        row = store.save_grant(store.location(app, location_id), token, now=clock.now())
        if number % 2:
            Credential.objects.filter(pk=row.pk).update(company_id="")
        rows.append(Credential.objects.get(pk=row.pk))
    return rows


def planned(rotation: str, rows: list[Credential]) -> list[Death]:
    """Every step in turn, with and without a company behind it."""
    return [
        Death(rotation, KILLS[number // 2 % len(KILLS)], bool(row.company_id), row.pk, row.generation)
        for number, row in enumerate(rows)
    ]


@contextmanager
def killer() -> Iterator[Any]:
    """Carries out a death: a function that returns when the process is dead."""
    with spawn("-m", "tests.tokens.refresh.victims", stderr=subprocess.DEVNULL, LOG_LEVEL="CRITICAL") as process:
        assert process.stdin is not None
        output = process.stdout
        assert output is not None

        def kill(death: Death, dice: random.Random) -> None:
            order = [death.credential_id, death.step, dice.uniform(0, LONGEST_FLIGHT)]
            process.go_on(json.dumps(order))
            _, death.ended, death.died_at = json.loads(output.readline())

        yield kill
        process.stdin.close()


def sweep_until_repaired(chaos: Chaos, *, timeout: float) -> None:
    """Beat's part and the workers': a sweep every two seconds, what it enqueues on a few threads."""
    until = time.monotonic() + timeout
    with ThreadPoolExecutor(4) as pool:
        while True:
            began = time.monotonic()
            sweep_once(pool)
            _look(chaos)
            if not chaos.waiting() or time.monotonic() > until:
                return
            time.sleep(max(0.0, SWEEP_EVERY - (time.monotonic() - began)))


def sweep_once(pool: ThreadPoolExecutor) -> None:
    messages: list[tuple[str, dict[str, Any]]] = []
    with mock.patch.object(tasks, "enqueue", lambda task, **kwargs: messages.append((task, kwargs))):
        tasks.sweep()
    list(pool.map(_work, messages))


def _work(message: tuple[str, dict[str, Any]]) -> None:
    name, kwargs = message
    run = {"tokens.repair": tasks.repair_one, "tokens.refresh": tasks.refresh_one}[name]
    try:
        with suppress(IntegrationError):
            run(**kwargs)
    finally:
        connection.close()


def _look(chaos: Chaos) -> None:
    close_old_connections()
    whole = Credential.objects.filter(lease_until__isnull=True, intent_generation__isnull=True)
    done = set(whole.values_list("pk", flat=True))
    for death in chaos.waiting():
        if death.died_at and death.credential_id in done:
            death.repaired = time.time() - death.died_at


def judge(death: Death) -> str:
    """`works`: a call's worth of token, and the next refresh succeeds. `reported`: needs reconnect, and says so."""
    row = Credential.objects.select_related("app").get(pk=death.credential_id)
    if row.state == Credential.State.NEEDS_RECONNECT:
        reported = AuditEntry.objects.filter(action="token.needs_reconnect", subject=row.tenant.audit_subject).exists()
        return "reported" if row.reason and reported else "silent"
    try:
        access_token.get(store.location(row.app, row.resource_id), lane=Lane.BULK)
        return "works" if refresh(row.pk).generation > death.generation else "silent"
    except IntegrationError as error:
        return f"silent: {error.code}"


def may_be_lost(death: Death) -> bool:
    """Only a strict vendor loses a grant, only between its commit and ours, and only without a company to mint from."""
    return death.rotation == "strict" and death.step in BETWEEN and not death.minted
