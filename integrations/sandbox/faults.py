"""Fault rules: which requests and webhooks fail, in which way and how often.

A rule matches on method, path prefix, location (or company) id and webhook event; it acts `times` times (for ever if
None) with a `probability` drawn from a seeded generator. The first matching rule acts; `latency` lets the next one act
as well. An answer that a rule makes up uses no quota and has no quota headers, except
`quota` itself, which is the 429 of an exhausted burst or, with `{"daily": true}`, of an exhausted day.

Kinds for requests and their params:

- `latency` `{"ms": 250}` or `{"min_ms": 50, "max_ms": 900}`: the answer is late;
- `status` `{"status": 503, "body": {...}}`: this answer, and nothing happens;
- `unauthorized` `{"message": "..."}`: a 401;
- `quota` `{"daily": false, "overdrawn": 0}`: a 429; an overdrawn day has so many calls less than none left;
- `close`: the connection closes, and nothing happens;
- `lost`: everything happens, then the connection closes without an answer;
- `garbage` `{"status": 200}`: everything happens, the answer is an HTML page;
- `truncated`: everything happens, the connection closes in the middle of the answer;
- `false-total` `{"add": -3}`: the total of a listing is wrong;
- `empty`: a listing is empty, its total 0;
- `silent` `{"share": 0.2}`: always the same share of the rows is missing, also from the total;
- `stale` `{"hold_ms": 3000}`: the same request is answered as it was up to so long ago.

Kinds for webhooks: `webhook-duplicate` `{"copies": 1}`, `webhook-reorder` (sent after the next one of its tenant, or
after `{"hold_ms": 1000}`), `webhook-delay` `{"ms": 500}`, `webhook-bad-signature`, `webhook-drop`.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import asdict, dataclass, field
from typing import Any

LISTING_KINDS = frozenset({"false-total", "empty", "silent", "stale"})
REQUEST_KINDS = LISTING_KINDS | {"latency", "status", "unauthorized", "quota", "close", "lost", "garbage", "truncated"}
WEBHOOK_KINDS = frozenset(
    {"webhook-duplicate", "webhook-reorder", "webhook-delay", "webhook-bad-signature", "webhook-drop"}
)
_MATCHERS = frozenset({"method", "path", "location", "event"})
_NUMBERS = frozenset({"status", "ms", "min_ms", "max_ms", "hold_ms", "copies", "overdrawn"})


@dataclass(slots=True)
class Rule:
    """One fault rule; the module docstring describes the fields."""

    id: int
    kind: str
    match: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    times: int | None = None
    probability: float = 1.0
    hits: int = 0

    @property
    def spent(self) -> bool:
        """Whether the rule has acted `times` times."""
        return self.times is not None and self.hits >= self.times

    def matches(self, facts: dict[str, str]) -> bool:
        """Whether all of `match` agree with a request's or a webhook's `facts`."""
        for name, wanted in self.match.items():
            found = facts.get(name, "")
            if not (found.startswith(wanted) if name == "path" else found.lower() == wanted.lower()):
                return False
        return True


class Faults:
    """The fault rules, in the order they were added."""

    def __init__(self, seed: int) -> None:
        self.rules: list[Rule] = []
        self.kept_answers: dict[tuple[str, bytes], tuple[float, bytes]] = {}  # of `stale`, with their times
        self.random = random.Random(seed)  # noqa: S311 - reproducible faults
        self._ids = itertools.count(1)

    def add(self, spec: dict[str, Any]) -> Rule:
        """One rule from JSON `{kind, match?, params?, times?, probability?}`. Raises ValueError."""
        rule = Rule(id=next(self._ids), **_checked(spec))
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        self.rules.clear()

    def listed(self) -> list[dict[str, Any]]:
        """The rules as JSON."""
        return [asdict(rule) for rule in self.rules]

    def active(self, kinds: frozenset[str]) -> bool:
        """Whether a rule of these kinds can still act."""
        return any(rule.kind in kinds and not rule.spent for rule in self.rules)

    def pick(self, kinds: frozenset[str], facts: dict[str, str]) -> list[Rule]:
        """The rules that act on this request or webhook, counted as used: any number of latencies, then one other."""
        acting: list[Rule] = []
        for rule in self.rules:
            if rule.kind not in kinds or rule.spent or not rule.matches(facts):
                continue
            if rule.probability < 1 and self.random.random() >= rule.probability:
                continue
            rule.hits += 1
            acting.append(rule)
            if rule.kind != "latency":
                break
        return acting

    def milliseconds(self, params: dict[str, Any], default: float) -> float:
        """The wait a rule asks for: `ms`, or between `min_ms` and `max_ms`."""
        if "min_ms" in params or "max_ms" in params:
            low = float(params.get("min_ms", 0))
            return self.random.uniform(low, float(params.get("max_ms", low)))
        return float(params.get("ms", default))


def _checked(spec: dict[str, Any]) -> dict[str, Any]:
    unknown = set(spec) - {"kind", "match", "params", "times", "probability"}
    if unknown:
        raise ValueError(f"unknown field: {', '.join(sorted(unknown))}")
    if spec.get("kind") not in REQUEST_KINDS | WEBHOOK_KINDS:
        raise ValueError(f"kind must be one of: {', '.join(sorted(REQUEST_KINDS | WEBHOOK_KINDS))}")
    match = {name: str(value) for name, value in dict(spec.get("match") or {}).items() if value}
    if not set(match) <= _MATCHERS:
        raise ValueError(f"match knows: {', '.join(sorted(_MATCHERS))}")
    times = spec.get("times")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise ValueError("times must be a whole number of at least 1, or null for ever")
    probability = float(spec.get("probability", 1.0))
    if not 0 <= probability <= 1:
        raise ValueError("probability lies between 0 and 1")
    params = dict(spec.get("params") or {})
    for name in _NUMBERS & params.keys():
        if not isinstance(params[name], int | float) or params[name] < 0:
            raise ValueError(f"{name} must be a number of at least 0")
    return {"kind": spec["kind"], "match": match, "params": params, "times": times, "probability": probability}
