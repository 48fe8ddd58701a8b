"""`manage.py sync adaptive`: let intervals adapt to how busy each location is, with an estimate before."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.sync.choose import adaptive_intervals, wanted
from integrations.sync.choose.adaptive_intervals import Bounds, OfResource
from integrations.tenants import marketplace


def add_arguments(parser: ArgumentParser) -> None:
    """Define the options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--on", action="store_true", help="intervals adapt that no operator chose")
    which.add_argument("--off", action="store_true", help="each resource has its own interval again")
    parser.add_argument("--shortest", metavar="5m", help="no interval is shorter")
    parser.add_argument("--longest", metavar="1d", help="no interval is longer")
    parser.add_argument("--calls-per-day", type=int, metavar="N", help="of all locations together")
    parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
    parser.add_argument("--estimate", action="store_true", help="change nothing, and show what it would give")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(options: dict[str, Any], *, actor: str) -> str:
    """Choose, unless only an estimate is wanted; what to print. Raises BadRequest for bounds that cannot be."""
    app = marketplace.find(options["app"])
    before = adaptive_intervals.bounds(app)
    asked = _asked(options, before)
    found, rows = adaptive_intervals.estimate(app, asked, clock.now())
    is_changed = not options["estimate"] and _says_something(options)
    if is_changed:
        adaptive_intervals.choose(app, asked, clock.now(), actor=actor)
    if options["json"]:
        shown = {**asdict(asked), "changed": is_changed, "calls_a_day": found.calls, "is_within": found.is_within}
        return json.dumps({**shown, "resources": [asdict(one) for one in rows]}, indent=2, default=str)
    lines = [_bounds_text(asked), *map(text, rows), f"About {found.calls:,} calls a day."]
    if not found.is_within:
        lines.append("The longest intervals already cost more than the calls of a day: allow more, or longer ones.")
    lines.append("Workers set the intervals within seconds." if is_changed else "Nothing was changed.")
    return "\n".join(lines)


def text(one: OfResource) -> str:
    """A line for terminals."""
    least, most = wanted.interval_words(one.least), wanted.interval_words(one.most)
    return f"{one.resource:24}{one.plans:>9,} plans  every {least if least == most else f'{least} to {most}'}"


def _bounds_text(asked: Bounds) -> str:
    least, most = wanted.interval_words(asked.shortest), wanted.interval_words(asked.longest)
    state = "on" if asked.enabled else "off"
    return f"Adaptive intervals are {state}: {least} to {most}, within {asked.calls_per_day:,} calls a day."


def _says_something(options: dict[str, Any]) -> bool:
    given = (options["shortest"], options["longest"], options["calls_per_day"] is not None)
    return options["on"] or options["off"] or any(given)


def _interval(options: dict[str, Any], name: str) -> timedelta | None:
    """An option that is an interval; None if it is not given."""
    if not options[name]:
        return None
    every = wanted.interval_of(options[name])
    if every is None:
        raise BadRequest(f"--{name} takes a number of minutes, hours or days, such as 15m, 6h or 2d")
    return every


def _asked(options: dict[str, Any], before: Bounds) -> Bounds:
    asked = replace(before, enabled=(before.enabled or options["on"]) and not options["off"])
    shortest, longest = (_interval(options, name) for name in ("shortest", "longest"))
    asked = replace(asked, shortest=shortest or asked.shortest, longest=longest or asked.longest)
    return asked if options["calls_per_day"] is None else replace(asked, calls_per_day=options["calls_per_day"])
