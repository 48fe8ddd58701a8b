"""One worker process of `bench_governor`: some threads for each limiter, each calling as fast as its limiter lets it.

It reads its errands from standard input as one JSON object and runs until that closes. Then it prints for each limiter
the number of calls and their total seconds, from request to response.
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

from bench.bench_governor.limiters import LIMITERS, Limiter, Place


@dataclass(frozen=True)
class Errand:
    """One limiter's calls in this process. `back` is the range of the responses' delay, in seconds."""

    limiter: str
    url: str
    path: str
    token: str
    place: Place
    back: tuple[float, float]
    threads: int


def call_for_ever(errand: Errand, limiter: Limiter, chance: random.Random, trips: list[float]) -> None:
    """Call as fast as the limiter allows; append the seconds of each round trip to `trips`."""
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
    """Run the errands until standard input closes."""
    django.setup()
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    trips: dict[str, list[float]] = {name: [] for name in LIMITERS}
    for one in given["errands"]:
        errand = Errand(**{**one, "place": Place(**one["place"])})
        for number in range(errand.threads):
            limiter = LIMITERS[errand.limiter](errand.place)
            chance = random.Random(f"{given['number']} {errand.path} {number}")
            threading.Thread(
                target=call_for_ever, args=(errand, limiter, chance, trips[errand.limiter]), daemon=True
            ).start()
    sys.stdin.read()
    sys.stdout.write(json.dumps({name: {"calls": len(each), "seconds": sum(each)} for name, each in trips.items()}))


if __name__ == "__main__":
    main()
