"""`permit.lua` itself, in the real server, on a clock that the test turns.

Redis' TIME cannot be set, so the one call of it is replaced by an argument; every other line is the one that runs in
production. Times are seconds here and microseconds there.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from typing import Any

import redis

from integrations.quota.permits import scripts, timings
from integrations.quota.permits.lanes import Lane

MICRO = 1_000_000
WINDOW, SLACK, MARGIN, TTL = 10.0, timings.SLACK, 0.002, 20.0
START = 25

_TIME = "redis.call('TIME')"
_names = itertools.count()


def terms(lane: Lane) -> dict[str, Any]:
    """What a question of this lane says, but for the time."""
    own = lane.terms
    return {
        "horizon": own.horizon,
        "credit": own.credit,
        "reserve": own.reserve,
        "day_share": own.day_share,
        "day_floor": own.day_floor,
        "interactive": lane is Lane.INTERACTIVE,
        "lane": lane.value,
    }


@dataclass(frozen=True)
class Granted:
    slot: int
    deadline: int
    start: float
    epoch: str


@dataclass
class Bucket:
    """One resource's quota. `epoch` is what this caller knows; `other()` is a process that knows nothing."""

    client: redis.Redis
    now: float = 1_700_000_000.0
    epoch: str = ""
    name: str = field(default_factory=lambda: f"bucket{next(_names)}")
    wait: float = 0.0
    reason: str = ""
    server: str = "a run of the server"
    skew: float = 0.0  # by which the server's clock was set, since
    last_answer: tuple[float, int] | None = None  # when this caller was answered last, and what that clock showed

    def __post_init__(self) -> None:
        script = scripts.text("permit")
        assert script.count(_TIME) == 1
        self.script = self.client.register_script(script.replace(_TIME, "{ARGV[3], ARGV[4]}"))

    @property
    def keys(self) -> list[str]:
        return scripts.keys(self.name)

    def other(self) -> Bucket:
        return replace(self, epoch="", last_answer=None)

    def run(self, **request: Any) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "want": 0,
            "epoch": self.epoch,
            "lost": False,
            "start": START,
            "window": WINDOW,
            "slack": SLACK,
            "margin": MARGIN,
            "ttl": TTL,
            "horizon": 0.0,
            "credit": 1000,
            "reserve": 0,
            "day_share": 0.0,
            "day_floor": 0.0,
            "interactive": False,
            "reports": [],
            "rate": {},
        }
        if self.last_answer is not None:
            defaults["expected_now"] = self.last_answer[1] + round((self.now - self.last_answer[0]) * MICRO)
        asked = {name: value for name, value in (defaults | request).items() if value is not None}
        for name in ("window", "slack", "margin", "ttl", "horizon"):
            asked[name] = int(asked[name] * MICRO)
        micros = round((self.now + self.skew) * MICRO)
        answer: dict[str, Any] = json.loads(
            self.script(keys=self.keys, args=[json.dumps(asked), self.server, micros // MICRO, micros % MICRO])
        )
        return answer

    def ask(self, want: int = 1, **terms: Any) -> list[Granted]:
        """Up to `want` permits; `wait` and `reason` say what the last answer said."""
        answer = self.run(want=want, **terms)
        self.epoch, self.wait, self.reason = answer["epoch"], answer["wait"] / MICRO, answer["reason"]
        self.last_answer = self.now, int(answer["now"])
        return [
            Granted(int(slot), int(deadline), self.now + delay / MICRO, self.epoch)
            for slot, deadline, delay in answer["grants"]
        ]

    def report(self, *permits: Granted, age: float | None = 0.0, epoch: str | None = None, **rate: Any) -> None:
        """The end of calls: `age` seconds since the response, None when the request never left."""
        aged = False if age is None else int(age * MICRO)
        self.run(
            reports=[[permit.slot, permit.deadline, aged] for permit in permits],
            rate=rate,
            epoch=epoch if epoch is not None else permits[0].epoch if permits else self.epoch,
        )

    def learn(self, **rate: Any) -> None:
        self.report(**rate)

    def open(self, limit: int = 100, **rate: Any) -> None:
        """Past the first call: the probe went out, and its headers reported an untouched window of `limit`."""
        (probe,) = self.ask()
        self.report(probe, max=limit, remaining=limit - 1, **rate)

    def free(self) -> int:
        """Slots that could be granted now."""
        born = int(self.client.hget(self.keys[1], "b") or 0)
        return int(self.client.zcount(self.keys[0], "-inf", round((self.now + self.skew) * MICRO) - born))

    def slots(self) -> int:
        return int(self.client.zcard(self.keys[0]))
