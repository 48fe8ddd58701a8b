"""Cost of a write that happens once, beside a bare call: `make bench NAME=once ARGS='--writes 300'`.

One run after the other writes notes at the sandbox, in interleaved rounds: through `run.repeatable`, which keeps no
row; through `run.api`, whose intent is committed before the request and settled with the answer; through `run.once`.
The sandbox answers at once, so the ratio is the worst there is: HighLevel takes some hundred milliseconds.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import replace  # noqa: E402

from integrations.core import clock  # noqa: E402
from integrations.gateway.client import Result  # noqa: E402
from integrations.jobs import define, runs, schedules  # noqa: E402
from integrations.jobs.job_run import JobRun  # noqa: E402
from integrations.jobs.models import Run  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402
from integrations.sandbox.server.embedded import serve_in_thread  # noqa: E402
from integrations.tenants.models import Installation  # noqa: E402
from tests.plugin.vendor import OPTIONS  # noqa: E402
from tests.write_chaos import rounds  # noqa: E402

BARE, PLAIN, ONCE = "run.repeatable (no row)", "run.api (intent, settled)", "run.once (with a key)"
ROUNDS, TEXT = 5, {"body": "hello"}
_taken: dict[str, list[float]] = {BARE: [], PLAIN: [], ONCE: []}
_per_round, _contact = 0, ""


@define.background_job("bench.once", lane=Lane.EVENTS)
def write(run: JobRun) -> None:
    """Write notes in the three ways."""

    def once(number: int) -> Result:
        key = f"{run.started_at} {number}"
        return run.once(key, "contacts.create-note", {"contactId": _contact}, TEXT)

    ways: dict[str, Callable[[int], Result]] = {
        BARE: lambda _: run.repeatable.contacts.create_note(contactId=_contact, body=TEXT),
        PLAIN: lambda _: run.api.contacts.create_note(contactId=_contact, body=TEXT),
        ONCE: once,
    }
    for number in range(_per_round):
        for name, way in ways.items():
            began = time.perf_counter()
            way(number)
            _taken[name].append(time.perf_counter() - began)


def main() -> int:
    """Measure, and print microseconds for each write."""
    global _per_round, _contact  # noqa: PLW0603 - the job has no other arguments
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=300)
    chosen = parser.parse_args()
    _per_round = chosen.writes // ROUNDS
    options = replace(OPTIONS, locations=ROUNDS, contacts=5, limit=1_000)
    with serve_in_thread(options) as sandbox:
        _app, contacts = rounds.install(sandbox)
        for location, found in contacts.items():
            _contact = found[0]
            schedules.request_runs(
                define.JOBS["bench.once"], Installation.objects.filter(resource_id=location), clock.now()
            )
            schedules.start_due(clock.now())
            runs.advance(Run.objects.latest("pk").pk)
            run = Run.objects.latest("pk")
            if run.status != Run.Status.COMPLETE:
                raise RuntimeError(f"the run is {run.status}: {run.error or 'it waits for a permit, write less'}")
    rows = [(name, statistics.median(taken) * 1e6, "µs a write") for name, taken in _taken.items()]
    table(f"{len(_taken[BARE])} writes of each kind, median", rows, base=BARE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
