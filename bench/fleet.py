"""One worker process of `bench_governor`: some threads for each limiter, each calling as fast as its limiter lets it.

Reads what to do from its standard input, one JSON object; runs until its input closes, and then says of each
limiter how many calls it made and the seconds they took, from sending to receiving.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import django

from bench.limiters import LIMITERS, Limiter, Place


@dataclass(frozen=True)
class Errand:
    """One limiter's calls in this process. `back` is the span of the answers' way, in seconds."""

    limiter: str
    url: str
    path: str
    token: str
    place: Place
    back: tuple[float, float]
    threads: int


def call_for_ever(errand: Errand, limiter: Limiter, chance: random.Random, trips: list[float]) -> None:
    line = http.client.HTTPConnection(urlsplit(errand.url).netloc, timeout=10.0)
    headers = {"Authorization": f"Bearer {errand.token}", "Version": "2021-07-28"}
    while True:
        limiter.before()
        sent = time.monotonic()
        line.request("GET", errand.path, headers=headers)
        answer = line.getresponse()
        answer.read()
        time.sleep(chance.uniform(*errand.back))
        trips.append(time.monotonic() - sent)
        limiter.after(answer.status, answer.headers)


def main() -> None:
    django.setup()
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    trips: dict[str, list[float]] = {name: [] for name in LIMITERS}
    for one in told["errands"]:
        errand = Errand(**{**one, "place": Place(**one["place"])})
        for number in range(errand.threads):
            limiter = LIMITERS[errand.limiter](errand.place)
            chance = random.Random(f"{told['number']} {errand.path} {number}")
            threading.Thread(
                target=call_for_ever, args=(errand, limiter, chance, trips[errand.limiter]), daemon=True
            ).start()
    sys.stdin.read()
    sys.stdout.write(json.dumps({name: {"calls": len(each), "seconds": sum(each)} for name, each in trips.items()}))


if __name__ == "__main__":
    main()
