"""`manage.py sync choose`: choose resources for an app or a tenant, and see what that costs before or after."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from integrations.core import clock
from integrations.core.ages import span
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync.choose import asked_totals, wanted
from integrations.sync.choose.offers import Offer, calls_a_day, installed_on, locations, offers
from integrations.sync.choose.wanted import WantedChoice
from integrations.sync.narrowing import what_is_kept
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.tenants import marketplace


def add_arguments(parser: ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("names", nargs="+", choices=sorted(RESOURCES), metavar="RESOURCE")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--on", action="store_true", help="sync them")
    which.add_argument("--off", action="store_true", help="do not; their records stay unless --drop says otherwise")
    which.add_argument("--as-app", action="store_true", help="at this location or company as the app's choice says")
    parser.add_argument("--history", choices=("on", "off"), help="keep each change of their records")
    parser.add_argument("--every", metavar="15m|6h|2d|own", help="the wait between two runs")
    parser.add_argument("--fields", metavar="TEXT", help="which fields are kept: all, 'only a b' or 'without a b'")
    parser.add_argument(
        "--filter", metavar="NAME=VALUE", action="append", help="list only what fits; NAME= ends it; may be repeated"
    )
    parser.add_argument(
        "--calls-per-day", metavar="N|own", help="of resources that are read record by record, at each location"
    )
    add_tenant(parser)
    parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
    parser.add_argument("--drop", action="store_true", help="with --off: delete their records, in the background")
    parser.add_argument("--count", action="store_true", help="ask HighLevel for numbers of records: a call for each")
    parser.add_argument("--estimate", action="store_true", help="change nothing, and show what it would cost")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def add_tenant(parser: ArgumentParser) -> None:
    """Define the options that name one tenant."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--location", metavar="ID", help="only at this location; without it at all of the app's")
    one.add_argument("--company", metavar="ID", help="only at this company")


def tenant_of(options: dict[str, Any]) -> Tenant | None:
    """The tenant that these options name."""
    if options["company"]:
        return Tenant.company(options["company"])
    return Tenant.location(options["location"]) if options["location"] else None


def run(options: dict[str, Any], *, actor: str) -> str:
    """Choose, unless only an estimate is wanted; what to print. Raises what `wanted.make` and `marketplace` raise."""
    app, tenant = marketplace.find(options["app"]), tenant_of(options)
    before = offers(app, tenant)
    asked = _wanted(options, before).whole(app, tenant)
    names = asked.names or options["names"]
    filters = {one.resource: one.filters for one in before} | dict(asked.filters)
    totals, refused = asked_totals.ask(app, tenant, names, filters) if options["count"] and tenant else ({}, {})
    after = offers(app, tenant, asked.overlay(totals))
    if asked and not options["estimate"]:
        wanted.make(app, asked, clock.now(), actor=actor, tenant=tenant)
    calls = [calls_a_day(found, whole_app=tenant is None) for found in (before, after)]
    chosen = [one for one in after if one.resource in names]
    if options["json"]:
        return json.dumps(
            {
                "changed": bool(asked) and not options["estimate"],
                "resources": [asdict(one) for one in chosen],
                "calls_a_day_before": calls[0],
                "calls_a_day": calls[1],
                "locations": 1 if tenant else locations(app),
            },
            indent=2,
            default=str,
        )
    lines = [text(chosen), *(f"{name}: HighLevel gave no number: {why}" for name, why in refused.items())]
    scope = f"this {tenant.kind}" if tenant else f"all {installed_on(app)}"
    lines.append(f"{calls[1]:,} calls a day for {scope}, {calls[0]:,} before.")
    lines.append("Nothing was changed." if options["estimate"] or not asked else "Plans follow within seconds.")
    return "\n".join(lines)


def text(found: Collection[Offer]) -> str:
    """The table for terminals. `>` marks a lower bound."""
    heads = f"{'calls':>10}{'a day':>10}{'share':>9}{'takes':>9}"
    lines = [f"{'resource':24}{'synced':10}{'every':8}{heads}  what stops it"]
    for offer in found:
        cost = offer.estimate
        mark = ">" if cost.is_bound else ""
        takes = span(max(1, round(cost.seconds)))
        numbers = f"{mark}{cost.calls:,}", f"{mark}{cost.calls_a_day:,}", f"{cost.share:.2%}"
        every = wanted.interval_words(offer.every or offer.own_interval) if offer.adapted is None else "adapts"
        shown = f"{numbers[0]:>10}{numbers[1]:>10}{numbers[2]:>9}{takes:>9}"
        lines.append(f"{offer.resource:24}{offer.state:10}{every:8}{shown}  {offer.hindrance}".rstrip())
        if offer.adapted is not None:
            lines.append(f"{'':24}every {wanted.adapted_words(offer)}, as busy as the location is")
        if offer.calls_per_day is not None:
            lines.append(f"{'':24}at most {offer.calls_per_day:,} calls a day")
        if offer.fields.json or offer.filters:
            narrowed = (f"fields: {offer.fields.text}", what_is_kept.filters_text(offer.filters))
            lines.append(f"{'':24}{'; filters: '.join(filter(None, narrowed))}")
    return "\n".join(lines)


def _wanted(options: dict[str, Any], present: Collection[Offer]) -> WantedChoice:
    names = frozenset(options["names"])
    every = {name: wanted.interval_of(options["every"]) for name in names} if options["every"] else {}
    return WantedChoice(
        on=names if options["on"] else frozenset(),
        off=names if options["off"] else frozenset(),
        follow=names if options["as_app"] else frozenset(),
        every=every,
        history=dict.fromkeys(names, options["history"] == "on") if options["history"] else {},
        fields=dict.fromkeys(names, FieldChoice.parse(options["fields"])) if options["fields"] else {},
        filters=_filters(options["filter"], names, present) if options["filter"] else {},
        calls=dict.fromkeys(names, wanted.calls_of(options["calls_per_day"])) if options["calls_per_day"] else {},
        drop=options["drop"] and options["off"],
    )


def _filters(said: Collection[str], names: Collection[str], present: Collection[Offer]) -> dict[str, dict[str, str]]:
    """The filters of each resource with those that the command changes. Raises BadRequest for other texts."""
    return {one.resource: merged(said, one.filters) for one in present if one.resource in names}


def merged(said: Collection[str], filters: Mapping[str, str]) -> dict[str, str]:
    """The filters with what options such as `status=open` change. Raises BadRequest for other texts."""
    pairs = [text.partition("=") for text in said]
    if not all(name and sign for name, sign, _ in pairs):
        raise BadRequest("--filter takes a name, = and a value, such as status=open; without a value it ends")
    changed = {**filters, **{name: value for name, _, value in pairs}}
    return {name: value for name, value in changed.items() if value}
