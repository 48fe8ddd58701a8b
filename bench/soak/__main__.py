"""Soak: `python -m bench.soak --minutes 60 --seed 1`.

`serve --all` runs on PostgreSQL and Redis against the sandbox, under steady load, while a seeded timetable lets the
vendor fail and kills and freezes processes and servers. Prometheus evaluates the rules of `deploy/`. Fails when an
alert did not fire that should, or one fired that should not; when an event or a write is lost or made twice; when the
copy differs from the vendor's data; when a console page failed, or memory grew, without a reason; or when SIGTERM took
more than 25 seconds.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from bench.soak.running import running


def main() -> None:
    """Run, judge and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=4.0, help="changes at the vendor a second")
    parser.add_argument("--prometheus", default="prometheus", help="name or path of the program")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hlapp-soak-") as name, running(Path(name)) as soak:
        from bench.soak import alert_watch, endurance  # noqa: PLC0415 - settings read the environment of `running`
        from bench.soak.timetable import Timetable  # noqa: PLC0415

        prometheus, dice = alert_watch.program(given.prometheus), random.Random(given.seed)
        table = Timetable.draw(given.minutes, dice)
        endurance.say(f"durations of the alerting rules times {table.scale:.2f}; {len(table.planned)} harms")
        endurance.install(soak)
        with alert_watch.watching(soak, prometheus, table.scale) as watch:
            run = endurance.Endurance(soak, table, rate=given.rate, dice=dice)
            run.endure(given.minutes * 60)
            run.drain()
            fired, scrapes = watch.fired(), watch.scrapes()
        found = list(run.judge(fired))
        run.report(fired, scrapes)
    for fault in found:
        sys.stdout.write(f"WRONG: {fault}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
