"""Chaos test of writes: `python -m bench.chaos_writes --rounds 1000 --seed 1`.

Every round wants three texts at the vendor by one path: notes by a page of a listing, an event, `run.once` with or
without look-up, the outbox, rows of a bulk upsert or a page inside HighLevel; tags by `run.repeatable`; contacts by a
bulk upsert. Answers are lost, workers get SIGKILL before the request, after the answer, and after it was settled,
messages come twice. A person decides about what is unknown by looking at the vendor, or leaves it (a fifth of the
rounds). Fails when the vendor holds a text twice, or lacks one and no row says that its fate is unknown (of a page: no
user saw an error).
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import json  # noqa: E402
import logging  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import replace  # noqa: E402

import httpx2  # noqa: E402

from integrations.sandbox.server.embedded import Embedded, serve_in_thread  # noqa: E402
from tests.plugin.vendor import OPTIONS  # noqa: E402
from tests.support.processes import spawn  # noqa: E402
from tests.write_chaos import paths, rounds  # noqa: E402
from tests.write_chaos.paths import What  # noqa: E402
from tests.write_chaos.rounds import PATHS, STEPS, Advance, Round, WriteChaos  # noqa: E402

LOCATIONS, CONTACTS = 10, 400


@contextmanager
def victims() -> Iterator[tuple[Advance, Counter[str]]]:
    """A function that takes a turn, in a forked process if it is to die; and how the turns ended."""
    ended: Counter[str] = Counter()
    with spawn("-m", "tests.write_chaos.victims", stderr=subprocess.DEVNULL, LOG_LEVEL="CRITICAL") as process:
        assert process.stdin is not None
        output = process.stdout
        assert output is not None

        def take(room: str, what: What, step: str) -> None:
            if step == "none":
                paths.advance(room, what, step)
                ended["here"] += 1
                return
            process.go_on(json.dumps([room, what, step]))
            ended[output.readline().strip()] += 1

        yield take, ended
        process.stdin.close()


def play(sandbox: Embedded, take: Advance, *, number: int, seed: int) -> list[Round]:
    """All rounds, one after the other over the locations."""
    app, contacts = rounds.install(sandbox)
    paths.define_jobs()

    def fault(kind: str, path: str) -> None:
        rule = {"kind": kind, "match": {"path": path, "method": "POST"}, "times": 1}
        httpx2.post(f"{sandbox.url}/sandbox/faults", json=rule).raise_for_status()

    def held(this: Round, text: str) -> int:
        assert sandbox.platform is not None
        location = sandbox.platform.world.locations[this.location]
        if this.path == "repeatable":
            return location.contacts[this.contact].tags.count(text)
        if this.path == "bulk upsert":
            return sum(contact.email == text for contact in location.contacts.values())
        return sum(note.body == text for note in location.notes.where("contact_id", this.contact))

    chaos = WriteChaos(app, fault=fault, held=held, take=take, seed=seed)
    places = list(contacts)
    played = []
    for one in range(number):
        location = places[one % len(places)]
        played.append(chaos.play(one, location, contacts[location][one // len(places) % CONTACTS]))
        httpx2.delete(f"{sandbox.url}/sandbox/faults").raise_for_status()
    return played


def report(played: list[Round]) -> bool:
    """Print the table by path and by step of death; True when every round ended as it must."""
    bad = [one for one in played if one.verdict not in ("once", "says unknown")]
    print(f"\n{'path':<12}{'rounds':>8}{'once':>8}{'says unknown':>14}{'decided':>9}{'twice':>7}{'silently none':>15}")
    for path in PATHS:
        here = [one for one in played if one.path == path]
        found = Counter(one.verdict for one in here)
        decided = sum(one.decided for one in here)
        figures = f"{len(here):>8}{found['once']:>8}{found['says unknown']:>14}{decided:>9}"
        print(f"{path:<12}{figures}{found['twice']:>7}{found['silently none']:>15}")
    deaths = Counter(one.step for one in played)
    faults = Counter(one.fault for one in played)
    print("deaths at:", ", ".join(f"{step} {deaths[step]}" for step in STEPS))
    print("faults:", ", ".join(f"{fault} {count}" for fault, count in sorted(faults.items())))
    for one in bad[:10]:
        print(f"BROKEN {one}")
    return not bad


def main() -> int:
    """Play the rounds and judge them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    began = time.monotonic()
    logging.disable(logging.CRITICAL)  # each loss is an error in the log
    options = replace(OPTIONS, locations=LOCATIONS, contacts=CONTACTS, limit=1_000)
    with serve_in_thread(options) as sandbox, victims() as (take, ended):
        played = play(sandbox, take, number=chosen.rounds, seed=chosen.seed)
    turns = f"{ended.total():,} turns, {ended['SIGKILL']:,} of them killed, in {time.monotonic() - began:.0f} s"
    print(f"{chosen.rounds:,} rounds with seed {chosen.seed}: {turns}")
    return 0 if report(played) else 1


if __name__ == "__main__":
    sys.exit(main())
