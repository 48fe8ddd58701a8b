"""Values and bodies that no endpoint expects, for `bench.fuzz.fuzz_requests`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DIGITS = "9" * 5_000  # more than `int` takes
TEXTS = (
    "",
    "0",
    "-1",
    "null",
    "%00",
    "\x00",
    "\ud800",
    "\U0001f9e8",
    "é" * 300,
    "a" * 5_000,
    "../../etc/passwd",
    "{{7*7}}",
    "<script>",
    "' OR 1=1 --",
    "9" * 400,
    "1e999",
    "2026-02-30T25:61:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59-23:59",
    "Bearer x",
    "Basic eDp5",
    "sessionid=x; csrftoken=y",
    "text/plain; charset=utf-7",
    "bytes=0-1,5-,-9",
    "\u202etxt",
)


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    endpoint: str = ""  # in the table, if not the path


def junk(dice: random.Random, depth: int = 0) -> Any:
    """A JSON value that a client may send in place of the right one."""
    scalars: tuple[Any, ...] = (None, True, 0, -1, 2**63, 10**40, 1e308, dice.choice(TEXTS), dice.choice(TEXTS))
    if depth > 3 or dice.random() < 0.75:
        return dice.choice(scalars)
    if dice.random() < 0.5:
        return [junk(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice((*TEXTS, "id", "type")): junk(dice, depth + 1) for _ in range(dice.randrange(4))}


def mutated(value: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The object with some of its values replaced, removed or added, also inside of it."""
    result = dict(value)
    for name in [*value, "webhookId", "timestamp", "extra"]:
        if isinstance(inner := result.get(name), dict) and dice.random() < 0.5:
            result[name] = mutated(inner, dice)
        elif dice.random() < 0.25:
            result[name] = junk(dice)
        elif dice.random() < 0.08:
            result.pop(name, None)
    return result


def text_of(value: dict[str, Any], dice: random.Random) -> bytes:
    """The object as JSON, sometimes with doubled names, deep nesting, other encodings, or cut off."""
    text = json.dumps(value, ensure_ascii=dice.random() < 0.9)
    data = text.encode("utf-8", "surrogatepass")
    spoil: tuple[Callable[[bytes], bytes], ...] = (
        lambda raw: raw[: dice.randrange(len(raw))],
        lambda raw: raw[:-1] + b', "type": "INSTALL"}',
        lambda raw: b'{"a":' * 2_000 + raw + b"}" * 2_000,
        lambda _: text.encode("utf-16", "replace"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda _: b"[" * 100_000,
        lambda _: b"NaN",
        lambda _: dice.randbytes(dice.randrange(2_000)),
    )
    return dice.choice(spoil)(data) if dice.random() < 0.15 else data
