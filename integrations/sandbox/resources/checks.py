"""Validation of requests as at the vendor: unknown fields and wrong types give a 422 with a list of sentences.

The vendor's texts are in `refusals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall
from integrations.sandbox.refusals import invalid, other_location
from integrations.sandbox.timestamps import parse

Rule = str | tuple[str, ...]  # a name of KINDS, with "?" after it if null is allowed; or the allowed values
Rules = Mapping[str, Rule]

KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "{} must be a string"),
    "text": (lambda value: isinstance(value, str) and bool(value.strip()), "{} should not be empty"),
    "number": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        "{} must be a number conforming to the specified constraints",
    ),
    "boolean": (lambda value: isinstance(value, bool), "{} must be a boolean value"),
    "date": (lambda value: parse(value) is not None, "{} must be a valid ISO 8601 date string"),
    "object": (lambda value: isinstance(value, dict), "{} must be an object"),
    "array": (lambda value: isinstance(value, list), "{} must be an array"),
    "strings": (
        lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
        "each value in {} must be a string",
    ),
    "objects": (
        lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
        "each value in nested property {} must be either object or array",
    ),
    "any": (lambda value: True, ""),
}


def own(call: ApiCall, location_id: object) -> Location:
    """The token's location, which `location_id` must name. Raises ApiError 403 where it names another."""
    if call.location is None or location_id != call.location.id:
        raise other_location()
    return call.location


def here(call: ApiCall) -> Location:
    """The token's location, for operations that name none."""
    if call.location is None:
        raise other_location()
    return call.location


NO_RULES: Rules = {}


def body(call: ApiCall, rules: Rules, *, required: Sequence[str] = (), v3: Rules = NO_RULES) -> dict[str, Any]:
    """The JSON body, checked; `v3` are the rules that v3 adds or changes. Raises ApiError 422."""
    given = {} if call.body is None else call.body
    if not isinstance(given, dict):
        raise invalid("body must be an object")
    _check(given, {**rules, **v3} if call.is_v3 else rules, required)
    return given


def query(call: ApiCall, rules: Rules, *, required: Sequence[str] = ()) -> dict[str, Any]:
    """The query string, checked, numbers and booleans read. Raises ApiError 422."""
    given = {name: _read(value, rules.get(name, "any")) for name, value in call.query.items()}
    _check(given, rules, required)
    return given


def succeeded(call: ApiCall, new_name: str) -> dict[str, Any]:
    """The answer of an operation that returns no row. API 2.0 misspells its field; v3 has it beside the new one."""
    return {"succeded": True, **({new_name: True} if call.is_v3 else {})}


def _read(text: str, rule: Rule) -> Any:
    if rule == "number":
        try:
            return int(text)
        except ValueError:
            return text
    if rule == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _check(given: Mapping[str, Any], rules: Rules, required: Sequence[str]) -> None:
    messages = [f"property {name} should not exist" for name in given if name not in rules]
    messages += [f"{name} should not be empty" for name in required if given.get(name) in (None, "")]
    messages += [
        message
        for name, rule in rules.items()
        if name in given and not (name in required and given[name] in (None, ""))
        if (message := _complaint(name, given[name], rule))
    ]
    if messages:
        raise invalid(*messages)


def _complaint(name: str, value: Any, rule: Rule) -> str:
    if isinstance(rule, tuple):
        return "" if value in rule else f"{name} must be one of the following values: {', '.join(rule)}"
    if rule.endswith("?") and value is None:
        return ""
    fits, message = KINDS[rule.removesuffix("?")]
    return "" if fits(value) else message.format(name)


def limit(given: Mapping[str, Any], *, default: int = 20, maximum: int = 100, name: str = "limit") -> int:
    """Rows per page. Raises ApiError 422 outside 1..maximum."""
    value = int(given.get(name, default))
    if value < 1:
        raise invalid(f"{name} must not be less than 1")
    if value > maximum:
        raise invalid(f"{name} must not be greater than {maximum}")
    return value
