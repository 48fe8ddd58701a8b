"""The unit of time of a field, as far as its description and example say it: of a moment or of a span.

A number of milliseconds is a moment only where something says so: an example that is one, or a description that speaks
of a timestamp. `expiryIn` in milliseconds is a span.
"""

from __future__ import annotations

import re

_UNITS = {unit: unit for unit in ("milliseconds", "seconds", "minutes", "hours")}
_UNITS |= dict.fromkeys(("milli", "millis", "millisecond", "ms"), "milliseconds")
_UNIT = rf"\b({'|'.join(sorted(_UNITS, key=len, reverse=True))})\b"
_STATED = re.compile(rf"\b(?:in|number of) {_UNIT}|^{_UNIT} ", re.IGNORECASE)
_ANY = re.compile(_UNIT, re.IGNORECASE)
_MOMENT = re.compile(r"\b(time ?stamp|unix|epoch|1970)", re.IGNORECASE)
_NAME_OF_MOMENT = re.compile(r"(date|time|timestamp|At|On|From|Until|Since)$|^(start|end)(Date|Time)|^(date|from|to)$")
_SPAN = re.compile(r"duration|expir|wait|time ?out|delay|interval|idle|sleep|after|within|ttl", re.IGNORECASE)
_EXAMPLES = {10: "seconds", 13: "milliseconds"}  # by digits: from 2001 to 2286


def of_example(example: str) -> str:
    """The unit of a moment that the example is, since 1970; empty if it is none."""
    return _EXAMPLES.get(len(example), "") if re.fullmatch(r"1\d+", example) else ""


def note(name: str, said: str, example: str) -> str:
    """The note on a field with this description and example; empty when the description names no unit of time."""
    stated = _STATED.search(said)
    units = [stated[1] or stated[2]] if stated else _ANY.findall(said)
    found = list(dict.fromkeys(_UNITS[unit.lower()] for unit in units))
    if not found:
        return ""
    if len(found) == 1 and found[0] in _EXAMPLES.values() and _is_moment(name, said, example):
        return f"{found[0]} since 1970"
    *others, last = found
    return f"{', '.join(others)} or {last}" if others else last


def _is_moment(name: str, said: str, example: str) -> bool:
    if example and re.fullmatch(r"\d+", example):
        return bool(of_example(example))
    if _MOMENT.search(said):
        return True
    return bool(_NAME_OF_MOMENT.search(name)) and not _SPAN.search(f"{name} {said}")
