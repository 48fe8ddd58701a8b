"""Chaos test of two hosts that a partition cuts off in turn: `python -m bench.chaos_hosts --deliveries 10000 --cuts 4`.

Each host is a network namespace with a real gunicorn and a Celery worker; the first one also has beat. Database and
broker are behind both. Webhooks come to both, as from a load balancer: a delivery without an answer goes to the other
host. Every `--every` seconds one host is cut off from everything for `--seconds`; its processes go on and know nothing.

Fails when a distinct event has not exactly one effect, when the copy differs from the truth in a field, when a later
event of a record was handled before an earlier one that was stored already, or when the other host did not do the work
of the one that was cut off. Needs root, because it makes network namespaces.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.chaos_hosts.namespaces import Host, linked
from bench.chaos_webhooks.deployment import (
    PORT,
    SENDERS,
    Sender,
    World,
    all_handled,
    asked,
    faults,
    make,
    noting,
    prepare_tenants,
    prepared,
    wait_for_web,
)
from hlapp.supervisor import programs

HOSTS = [Host("hlapp-a", 1), Host("hlapp-b", 2)]
TIMEOUT = 5.0  # seconds until a delivery without an answer goes to the other host
# A host that is cut off is found silent after some seconds; then another one does its work.
LONGEST_WAIT = 25.0
TENANTS = 100

Cut = tuple[float, float]  # a moment of the wall clock and another


@contextmanager
def running(directory: Path) -> Iterator[list[Any]]:
    """The processes of each host, each host under a supervisor of its own."""
    from hlapp.supervisor.outputs import LogFiles  # noqa: PLC0415 - after the environment is made
    from hlapp.supervisor.supervisor import Supervisor  # noqa: PLC0415

    supervisors = []
    for host in HOSTS:
        reached = {name: host.reach(os.environ[name]) for name in ("DATABASE_URL", "REDIS_URL")}
        spool = {"SPOOL_DIR": str(directory / host.name)}
        supervisor = Supervisor({**os.environ, **reached, **spool}, LogFiles(directory / f"logs-{host.name}"))
        supervisors.append(supervisor)
        supervisor.run(host.inside(programs.web(f"{host.address}:{PORT}")))
        supervisor.run(host.inside(noting(programs.worker(f"worker-{host.name}", "urgent,api", threads=8))))
    supervisors[0].run(HOSTS[0].inside(programs.beat(directory / "schedule")))
    try:
        yield supervisors
    finally:
        for supervisor in supervisors:
            supervisor.stop()


def cut_in_turn(given: argparse.Namespace, ended: threading.Event, done: list[Cut]) -> None:
    """Cut one host off after the other; `done` gets when each partition began and ended."""
    for number in range(given.cuts):
        if ended.wait(given.every):
            return
        host, began = HOSTS[number % len(HOSTS)], time.time()
        host.cut()
        ended.wait(given.seconds)
        host.mend()
        done.append((began, time.time()))


def look_until(supervisors: list[Any], reached: Callable[[], bool], timeout: float) -> float:
    """Start again what has ended, every second. Returns the seconds until `reached`, or `timeout`."""
    began = time.monotonic()
    while not reached() and time.monotonic() - began < timeout:
        time.sleep(1.0)
        for supervisor in supervisors:
            supervisor.look()
    return time.monotonic() - began


def delays(cuts: list[Cut]) -> tuple[list[float], list[float]]:
    """Seconds from receipt to the end of handling, sorted: of events received in a partition, and of all others."""
    rows = asked(
        "SELECT extract(epoch FROM received_at)::float, extract(epoch FROM processed_at - received_at)::float"
        " FROM webhooks_event WHERE status = 'done'"
    )
    during = [delay for at, delay in rows if any(began <= at <= ended for began, ended in cuts)]
    others = [delay for at, delay in rows if not any(began <= at <= ended for began, ended in cuts)]
    return sorted(during), sorted(others)


def words(found: list[float]) -> str:
    """How many delays there are, their median, 99th percentile and maximum."""
    if not found:
        return "none"
    late = found[int(0.99 * (len(found) - 1))]
    return (
        f"{len(found):,}, median {statistics.median(found):.2f} s, 99 % below {late:.1f} s, longest {found[-1]:.1f} s"
    )


def judge(world: World, during: list[float]) -> Iterator[str]:
    """What is wrong, in words."""
    yield from faults(world)
    if not during:
        yield "no event was received in a partition"
    elif during[-1] > LONGEST_WAIT:
        yield f"an event waited {during[-1]:.1f} s: the other host did not do the work of the one that was cut off"


def main() -> None:
    """Send, cut, wait, judge and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--cuts", type=int, default=4)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two partitions")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long a partition lasts")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("this makes network namespaces: run it as root")
    world = make(given.deliveries, TENANTS, random.Random(given.seed))
    pause = SENDERS * given.cuts * (given.every + given.seconds) / given.deliveries  # so that all cuts fit in
    ended, cuts = threading.Event(), list[Cut]()
    with (
        tempfile.TemporaryDirectory(prefix="hlapp-hosts-") as name,
        prepared(Path(name), *(host.address for host in HOSTS)),
        linked(HOSTS),
        running(Path(name)) as supervisors,
    ):
        prepare_tenants(world)
        for host in HOSTS:
            wait_for_web(host.address)
        sender = Sender(world, [host.address for host in HOSTS], timeout=TIMEOUT, pause=pause)
        cutter = threading.Thread(target=cut_in_turn, args=(given, ended, cuts))
        cutter.start()
        sender.start()
        sending = look_until(supervisors, lambda: sender.done, 900.0)
        draining = look_until(supervisors, lambda: all_handled(world.distinct), 300.0)
        ended.set()
        cutter.join()
        during, others = delays(cuts)
        found = list(judge(world, during))
    sys.stdout.write(
        f"{given.deliveries:,} deliveries in {sending:.0f} s to two hosts, answers {dict(sender.answers)};"
        f" all handled {draining:.0f} s later\n"
        f"{len(cuts)} partitions of {given.seconds:g} s; events received meanwhile: {words(during)}\n"
        f"events received at other times: {words(others)}\n"
    )
    for fault in found:
        sys.stdout.write(f"WRONG: {fault}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
