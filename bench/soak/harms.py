"""The harms of a soak: what each does, how long it lasts, and which alerts have to, and which may, fire for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from bench.soak import operator_acts
from bench.soak.running import Soak, thaw
from integrations.sandbox.events import signing

MINUTE = 60.0
LEAST_SCALE = 0.08
Undo = Callable[[], None]


@dataclass(frozen=True)
class Harm:
    """`fixed` seconds plus `scaled` seconds times the scale of the rules' durations.

    `after`: how long after its end an alert may still begin to fire, in seconds: what the metrics look back over.
    `for_an_hour`: alerts that may fire for an hour, because their rules compare with an hour ago.
    """

    name: str
    begin: Callable[[Soak], Undo]
    fixed: float
    scaled: float = 0.0
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    after: float = 0.0
    for_an_hour: frozenset[str] = frozenset()
    breaks_pages: bool = False
    needs_operator_away: bool = False

    def seconds(self, scale: float) -> float:
        """How long it lasts."""
        return self.fixed + self.scaled * scale


def _kill(program: str) -> Callable[[Soak], Undo]:
    def begin(soak: Soak) -> Undo:
        soak.kill(program)
        return _nothing

    return begin


def _freeze(*programs: str) -> Callable[[Soak], Undo]:
    def begin(soak: Soak) -> Undo:
        pids = soak.freeze(*programs)
        return lambda: thaw(pids)

    return begin


def _freeze_redis(soak: Soak) -> Undo:
    pids = soak.freeze_redis()
    return lambda: thaw(pids)


def _restart_redis(soak: Soak) -> Undo:
    soak.restart_redis()
    return _nothing


def _restart_postgres(soak: Soak) -> Undo:
    soak.restart_postgres()
    return _nothing


def _vendor(*rules: dict[str, Any]) -> Callable[[Soak], Undo]:
    """The vendor's API fails by these rules until the end of the harm."""

    def begin(soak: Soak) -> Undo:
        return _rules(soak, [{"match": {"path": path}, **rule} for rule in rules for path in API])

    return begin


def _rules(soak: Soak, rules: list[dict[str, Any]]) -> Undo:
    ids = httpx2.post(f"{soak.sandbox.url}/sandbox/faults", json=rules).raise_for_status().json()["ids"]

    def end() -> None:
        kept = soak.platform.faults.rules
        kept[:] = [rule for rule in kept if rule.id not in ids]

    return end


def _lose_answers(soak: Soak) -> Undo:
    """Lose the answer of a write of the job, until one is unknown; in the end an operator decides."""
    ended = threading.Event()
    match = {"path": "/contacts/", "method": "POST", "location": soak.locations[0]}

    def lose() -> None:
        while not operator_acts.unknown_writes() and not ended.is_set():
            end = _rules(soak, [{"kind": "lost", "match": match, "times": 1}])
            ended.wait(3.0)
            end()
        operator_acts.reconnect()

    thread = threading.Thread(target=lose)
    thread.start()

    def decide() -> None:
        ended.set()
        thread.join()
        operator_acts.decide_unknown(soak)

    return decide


def _crash_job(soak: Soak) -> Undo:
    soak.crash_file.touch()

    def end() -> None:
        soak.crash_file.unlink()
        operator_acts.resume_job()

    return end


def _malformed(soak: Soak) -> Undo:
    """Signed bodies that are no event, all within a few scrapes."""
    ended, key = threading.Event(), signing.private_key(soak.platform.options.seed)

    def send() -> None:
        for number in range(30):
            if ended.wait(1.0):
                return
            body = f'["no event", {number}]'.encode()
            headers = {signing.HEADER: signing.signature(key, body), "Content-Type": "application/json"}
            with suppress(httpx2.TransportError):
                httpx2.post(f"{soak.web}/webhooks/", content=body, headers=headers, timeout=30)

    threading.Thread(target=send).start()
    return ended.set


def _nothing() -> None:
    pass


API = ("/contacts", "/opportunities", "/calendars", "/conversations", "/users", "/locations")
FIVE_MINUTES = 5 * MINUTE  # what `hlapp_api_calls` looks back over
_PROBLEMS = frozenset({"HlappProblemsNew"})
_DOWN, _STORED = frozenset({"HlappDown"}), frozenset({"HlappWebhooksNotStored"})
_OVERDUE = frozenset({"HlappWorkOverdue", "HlappWebhooksWait"})

KILLS = (
    Harm("worker killed", _kill("worker"), 1.0),
    Harm("urgent worker killed", _kill("worker-urgent"), 1.0),
    Harm("beat killed", _kill("beat"), 1.0),
)
# These run at the same time.
BESIDE = (
    Harm(
        "vendor answers 503 and 429",
        _vendor(
            {"kind": "status", "params": {"status": 503, "body": {"message": "unavailable"}}, "probability": 0.5},
            {"kind": "quota", "probability": 0.05},
            {"kind": "latency", "params": {"min_ms": 50, "max_ms": 400}},
        ),
        60.0,
        15 * MINUTE,
        must=frozenset({"HlappCallsFail", "HlappThrottled"}),
        for_an_hour=_PROBLEMS,
        after=FIVE_MINUTES,
    ),
    Harm(
        "job's answer lost",
        _lose_answers,
        90.0,
        10 * MINUTE,
        must=frozenset({"HlappWritesUnknown"}),
        needs_operator_away=True,
    ),
    Harm("job crashes", _crash_job, 90.0, 5 * MINUTE, must=frozenset({"HlappJobPaused"}), for_an_hour=_PROBLEMS),
)
# These run one after the other, in an order that the seed decides.
ALONE = (
    Harm("signed garbage", _malformed, 40.0, MINUTE, must=frozenset({"HlappWebhooksMalformed"})),
    Harm("PostgreSQL restarted", _restart_postgres, 30.0, MINUTE, may=_STORED, after=60.0, breaks_pages=True),
    Harm("Redis restarted", _restart_redis, 20.0, breaks_pages=True),
    Harm("web killed", _kill("web"), 20.0, breaks_pages=True),
    Harm("web frozen", _freeze("web"), 30.0, 2 * MINUTE, must=_DOWN, may=_STORED, breaks_pages=True),
    Harm(
        "Redis frozen",
        _freeze_redis,
        40.0,
        MINUTE,
        must=frozenset({"HlappQuotaStoreDown"}),
        may=_OVERDUE,
        breaks_pages=True,
    ),
    Harm(
        "workers and beat frozen",
        _freeze("worker", "worker-urgent", "beat"),
        165.0,
        5 * MINUTE,
        must=_OVERDUE,
        may=frozenset({"HlappThreadsHang"}),
        after=60.0,
    ),
)
