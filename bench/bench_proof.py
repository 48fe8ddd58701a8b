"""Simulation of the governor's script with a simulated clock: refused calls, and how much of the quota is used.

``--calls`` for each of the eighteen cells: 5,000 takes half a minute, 60,000 (a million in all) six minutes. Plain: no
window is learned. Lanes: besides the bulk work, one interactive call and half an event a second.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from itertools import product  # noqa: E402

from integrations.quota.permits import scripts  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402
from integrations.sandbox.quota import WINDOWS  # noqa: E402
from tests.quota.bucket import Bucket, terms  # noqa: E402
from tests.quota.simulator import PROFILES, simulation  # noqa: E402


def cells(calls: int) -> Iterator[int]:
    """Print a row for each cell; yields the number of refused calls."""
    for mode, profile, window in product(("plain", "learning", "lanes"), PROFILES, WINDOWS):
        learn = {"learn": mode != "plain"}
        bulk = {"horizon": 2.0, "credit": Lane.BULK.terms.credit}
        if mode == "lanes":
            bulk |= {name: value for name, value in terms(Lane.BULK).items() if name != "horizon"}
        world = simulation(Bucket(scripts.client()), window, profile, bulk | learn)
        if mode == "lanes":
            world.visits(1.0, terms(Lane.INTERACTIVE) | learn)
            world.visits(2.0, terms(Lane.EVENTS) | learn)
        used = world.run(calls)
        questions = world.questions / (world.counted + world.refused)
        line = f"  {mode:<10}{profile:<32}{window:<9}{used:>8.2%}{world.refused:>8}{questions:>8.2f}\n"
        sys.stdout.write(line)
        sys.stdout.flush()
        yield world.refused


def main() -> None:
    """Run all cells. Exits with an error when a call was refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5_000)
    arguments = parser.parse_args()
    sys.stdout.write(f"\n{arguments.calls:,} calls a cell: used, refused, questions to the store per call\n")
    refused = sum(cells(arguments.calls))
    if refused:
        raise SystemExit(f"{refused} calls were refused")


if __name__ == "__main__":
    main()
