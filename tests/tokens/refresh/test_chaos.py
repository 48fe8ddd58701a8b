"""SIGKILL at every step of a refresh, against every rotation: no grant is lost that could be kept, none in silence."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

import pytest

from tests.tokens.refresh import chaos
from tests.tokens.refresh.chaos import KILLS, ROTATIONS, Chaos

EACH = 2 * len(KILLS)  # with and without a company
PROMISED = 15.0  # seconds from a death to its repair, while the sweep runs


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_anywhere_in_a_refresh_loses_nothing(clean_redis: object) -> None:
    world, dice = Chaos(), random.Random(7)
    with ExitStack() as vendors:
        for rotation in ROTATIONS:
            rows = vendors.enter_context(chaos.installed(rotation, EACH))
            world.deaths += chaos.planned(rotation, rows)
        with chaos.killer() as kill:
            for death in world.deaths:
                kill(death, dice)
        sweeping = time.time()
        chaos.sweep_until_repaired(world, timeout=30)
        for death in world.deaths:
            death.verdict = chaos.judge(death)

    assert {death.ended for death in world.deaths if death.step != chaos.IN_FLIGHT} == {"SIGKILL"}
    for death in world.deaths:
        assert death.repaired is not None, death
        unswept = max(0.0, sweeping - death.died_at)  # here no sweep runs until the last one is dead
        assert death.repaired - unswept < PROMISED, death
        assert death.verdict in (("works", "reported") if chaos.may_be_lost(death) else ("works",)), death
    lost = [death for death in world.deaths if death.step == "answered" and chaos.may_be_lost(death)]
    assert [death.verdict for death in lost] == ["reported"], "a strict vendor, or the test shows nothing"
