"""Chaos test of refreshes, SIGKILL at every step: `python -m bench.chaos_refresh --rounds 1000 --seed 1`.

Rounds are shared between the three ways in which the vendor may rotate refresh tokens. Each round is a separate process
(forked from a prepared one), killed at one of the steps in turn, with or without a company to mint from. The real sweep
runs every two seconds meanwhile. Fails when a grant was lost that could have been kept, or one was lost silently.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import random  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from contextlib import ExitStack  # noqa: E402

from django.db import connection  # noqa: E402

from tests.tokens.refresh import chaos  # noqa: E402
from tests.tokens.refresh.chaos import KILLS, ROTATIONS, Chaos, Death  # noqa: E402

PROMISED = 15.0  # seconds from a death to its repair


def kill_all(world: Chaos, seed: int) -> float:
    """Kill in random order while the sweep runs. Returns the seconds until the last row was repaired."""
    dice, began = random.Random(seed), time.monotonic()
    order = list(world.deaths)
    dice.shuffle(order)
    killed = threading.Event()
    sweeper = threading.Thread(target=sweep, args=(world, killed))
    with chaos.killer() as kill:
        sweeper.start()
        for death in order:
            kill(death, dice)
    killed.set()
    sweeper.join()
    return time.monotonic() - began


def sweep(world: Chaos, killed: threading.Event) -> None:
    """Run the sweep until all are killed, then until all rows are repaired."""
    try:
        while not killed.is_set():
            chaos.sweep_until_repaired(world, timeout=0)
            killed.wait(chaos.SWEEP_EVERY)
        chaos.sweep_until_repaired(world, timeout=60)
    finally:
        connection.close()


def report(deaths: list[Death]) -> bool:
    """Print the table. False when a death broke the promise of `kept`."""
    verdicts: dict[tuple[str, str], Counter[str]] = {}
    for death in deaths:
        verdicts.setdefault((death.rotation, death.step), Counter())[death.verdict] += 1
    sys.stdout.write(
        f"\n{'rotation':<10}{'killed at':<12}{'rounds':>8}{'works':>8}{'reported':>10}{'other':>8}{'repaired in':>14}\n"
    )
    for rotation in ROTATIONS:
        for step in KILLS:
            here = verdicts.get((rotation, step), Counter())
            slowest = max((d.repaired or 99.9 for d in deaths if (d.rotation, d.step) == (rotation, step)), default=0.0)
            other = here.total() - here["works"] - here["reported"]
            sys.stdout.write(
                f"{rotation:<10}{step:<12}{here.total():>8}{here['works']:>8}{here['reported']:>10}{other:>8}"
                f"{f'<= {slowest:.1f} s':>14}\n"
            )
    broken = [death for death in deaths if not kept(death)]
    for death in broken:
        sys.stdout.write(f"BROKEN {death}\n")
    return not broken


def kept(death: Death) -> bool:
    """Whether the credential works, or its loss was unavoidable and reported, within `PROMISED` seconds."""
    allowed = ("works", "reported") if chaos.may_be_lost(death) else ("works",)
    return death.verdict in allowed and death.repaired is not None and death.repaired < PROMISED


def main() -> None:
    """Prepare the credentials, kill, judge and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    world = Chaos()
    with ExitStack() as vendors:
        for rotation in ROTATIONS:
            rows = vendors.enter_context(chaos.installed(rotation, -(-asked.rounds // len(ROTATIONS))))
            world.deaths += chaos.planned(rotation, rows)
        world.deaths = world.deaths[: asked.rounds]
        seconds = kill_all(world, asked.seed)
        for death in world.deaths:
            death.verdict = chaos.judge(death)
    ended = Counter(death.ended for death in world.deaths)
    sys.stdout.write(
        f"{asked.rounds} rounds in {seconds:.0f} s, seed {asked.seed}; the processes ended: {dict(ended)}\n"
    )
    sys.exit(0 if report(world.deaths) else 1)


if __name__ == "__main__":
    main()
