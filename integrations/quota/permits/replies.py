"""Typed replies of the Lua scripts: the grants of `permit.lua`, and the state that `snapshot.lua` reads.

All moments and spans are microseconds of Redis; a moment counts from the birth of the state it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.quota.permits.lanes import Lane


@dataclass(frozen=True, slots=True)
class GrantedSlot:
    """A slot that may be used after `delay` and that another call may have from `deadline` on."""

    slot: int
    deadline: int
    delay: float


@dataclass(frozen=True, slots=True)
class PermitReply:
    """Reply of `permit.lua`.

    `epoch` is empty where there is no state. `reason` says what was exhausted ("burst" or "day", else empty), `wait`
    how long until it is worth asking again. `foreign` are calls of other clients that it learned of.
    """

    epoch: str
    foreign: float
    now: int = 0
    reason: str = ""
    wait: float = 0.0
    slots: tuple[GrantedSlot, ...] = ()

    @classmethod
    def read(cls, text: bytes | str) -> PermitReply:
        """From the script's JSON."""
        found = json.loads(text)
        slots = tuple(GrantedSlot(int(slot), int(deadline), delay) for slot, deadline, delay in found.get("grants", ()))
        reply = cls(found["epoch"], found["foreign"])
        if not reply.epoch:
            return reply
        return cls(reply.epoch, reply.foreign, int(found["now"]), found["reason"], found["wait"], slots)


@dataclass(frozen=True, slots=True)
class DayBudget:
    """A day under way: it ends at `ends`, in `ends_in`.

    `kept` are the calls that each lane leaves to those above it: a forecast from the last week (`has_forecast`), else a
    fixed share.
    """

    remaining: int
    ends: int
    ends_in: int
    has_forecast: bool
    kept: Mapping[Lane, float]


@dataclass(frozen=True, slots=True)
class StateReply:
    """Reply of `snapshot.lua`: slots free of `limit` in a `window` (None until a header reported it).

    Also the slots withheld for calls of other clients, the numbers of the day, None where no response has reported
    them, and its budget while it is under way.
    """

    epoch: str
    limit: int
    free: int
    withheld: int
    window: int | None
    day_limit: int | None
    day_remaining: int | None
    day_used: int
    day_foreign: int
    day: DayBudget | None

    @classmethod
    def read(cls, text: bytes | str) -> StateReply | None:
        """From the script's JSON; None for a resource without a state."""
        found: dict[str, Any] = json.loads(text)
        if not found:
            return None
        return cls(
            epoch=found["epoch"],
            limit=int(found["limit"]),
            free=int(found["free"]),
            withheld=int(found["withheld"]),
            window=_whole(found.get("window")),
            day_limit=_whole(found.get("day_limit")),
            day_remaining=_whole(found.get("day_remaining")),
            day_used=int(found.get("day_used", 0)),
            day_foreign=int(found.get("day_foreign", 0)),
            day=_day(found),
        )


def _day(found: dict[str, Any]) -> DayBudget | None:
    if "day_ends" not in found:
        return None
    kept = {Lane.INTERACTIVE: 0.0} | {Lane(lane): float(calls) for lane, calls in found["kept"].items()}
    remaining, ends, ends_in = (int(found[name]) for name in ("day_remaining", "day_ends", "day_ends_in"))
    return DayBudget(remaining, ends, ends_in, bool(found["has_forecast"]), kept)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
