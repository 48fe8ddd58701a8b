"""Real processes, killed or stopped in the middle of a rotation; the rows are the state, so the next run goes on."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from integrations.core.models import AuditEntry
from integrations.tokens.models import Credential
from integrations.vault import sealed_counts
from tests.support.processes import Process
from tests.support.waiting import wait_until
from tests.vault.conftest import make_rows, spawn, tokens
from tests.vault.test_rotation import held, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

COUNT = 30
BOTH = 2 * COUNT + 2


@contextmanager
def rotator(ring: list[str], batch: int) -> Iterator[Process]:
    with spawn("-m", "tests.vault.rotator", str(batch), ring=ring) as process:
        try:
            yield process
        finally:
            process.kill()


def all_open(rows: list[Credential]) -> None:
    assert [tokens(row) for row in rows] == [(f"access-loc{n}", f"refresh-loc{n}") for n in range(len(rows))]


def test_killed_between_two_batches(app, ring) -> None:
    rows = make_rows(app, COUNT)
    with rotator(ring("k2", "k1"), batch=10) as process:
        for number in (1, 2):  # the app's two values, and both of the first ten credentials
            process.hear(f"batch {number}")
            process.go_on()
        process.hear("batch 3")
        process.die()
    assert sealed_counts.count().by_key == {"k2": 22, "k1": BOTH - 22}
    all_open(rows)
    assert run().resealed == BOTH - 22
    assert sealed_counts.count().by_key == {"k2": BOTH}
    all_open(rows)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["vault.rotation_started", "vault.rotation_started", "vault.rotation_finished"]


def test_killed_anywhere(app, ring) -> None:
    """It runs freely, and dies at random moments."""
    rows = make_rows(app, COUNT)
    entries = ring("k2", "k1")
    chance = random.Random(20261123)
    left = [BOTH]
    while left[-1] and len(left) < 4:
        with rotator(entries, batch=1) as process:
            process.hear("batch 1")
            process.go_on("\n" * 1000)  # run freely from here
            time.sleep(chance.uniform(0.0, 0.05))
            process.die()
        assert set(sealed_counts.count().by_key) <= {"k1", "k2"}
        all_open(rows)
        left.append(sealed_counts.count().by_key["k1"])
    assert left[1] > 0, "it was killed at work"
    assert run().broken == []
    assert sealed_counts.count().by_key == {"k2": BOTH}
    all_open(rows)


def test_undisturbed_it_ends(app, ring) -> None:
    """So that the tests above do not pass because it never does."""
    make_rows(app, COUNT)
    with rotator(ring("k2", "k1"), batch=100) as process:
        for number in (1, 2):
            process.hear(f"batch {number}")
            process.go_on()
        process.hear("done")
    assert sealed_counts.count().by_key == {"k2": BOTH}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_cleanly_and_says_how_to_go_on(app, ring, number: int) -> None:
    """A row that another transaction locks keeps it busy, so that the signal finds it at work."""
    rows = make_rows(app, COUNT)
    entries = ring("k2", "k1")
    with held(rows[0]), spawn("manage.py", "vault", "rotate", ring=entries) as process:
        wait_until(lambda: sealed_counts.count().by_key["k2"] == BOTH - 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{BOTH - 2} values re-sealed under 'k2', 2 left" in out
    assert "`manage.py vault rotate` goes on from here" in err
    assert "Traceback" not in err
    assert AuditEntry.objects.filter(action="vault.rotation_stopped").count() == 1
    assert run().resealed == 2
    all_open(rows)


def test_status_after_a_kill_counts_both_keys(app, ring) -> None:
    make_rows(app, COUNT)
    entries = ring("k2", "k1")
    with rotator(entries, batch=10) as process:
        for number in (1, 2):
            process.hear(f"batch {number}")
            process.go_on()
        process.hear("batch 3")
    with spawn("manage.py", "vault", "status", "--json", ring=entries) as process:
        out, _ = process.communicate(timeout=60)
    found = json.loads(out)
    assert {key["key_id"]: (key["role"], key["total"]) for key in found["keys"]} == {
        "k2": ("seals", 22),
        "k1": ("opens", BOTH - 22),
    }
