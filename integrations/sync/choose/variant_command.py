"""`manage.py sync variant`: choose, change and remove variants of resources, or list them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict, replace
from typing import Any

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync.choose import choose_command, variant_choice, wanted
from integrations.sync.choose.variant_choice import Variant
from integrations.sync.resources import RESOURCES
from integrations.tenants import marketplace
from integrations.tenants.models import App


def add_arguments(parser: ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("resource", nargs="?", choices=sorted(RESOURCES), metavar="RESOURCE")
    parser.add_argument("name", nargs="?", help="of the variant: small letters, digits, _ and -")
    parser.add_argument("--filter", metavar="NAME=VALUE", action="append", help="list only what fits; may be repeated")
    parser.add_argument("--every", metavar="15m|6h|2d|own", help="the wait between two runs")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--on", action="store_true", help="run it")
    which.add_argument("--off", action="store_true", help="do not run it, at this location although the app does")
    which.add_argument("--remove", action="store_true", help="remove the choice; records stay")
    choose_command.add_tenant(parser)
    parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
    parser.add_argument("--count", action="store_true", help="ask HighLevel how many records fit: one call")
    parser.add_argument("--estimate", action="store_true", help="change nothing, and show what it would cost")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(options: dict[str, Any], *, actor: str) -> str:
    """Change a variant, or list them; what to print. Raises what `variant_choice` and `marketplace` raise."""
    app, tenant = marketplace.find(options["app"]), choose_command.tenant_of(options)
    if not options["resource"]:
        return _listed(app, tenant, as_json=options["json"])
    if not options["name"]:
        raise BadRequest("which variant? `manage.py sync variant contacts NAME --filter tags=vip`")
    if options["remove"]:
        variant_choice.remove(app, options["resource"], options["name"], clock.now(), actor=actor, tenant=tenant)
        return _listed(app, tenant, as_json=options["json"])
    asked = _asked(options, variant_choice.chosen(app, tenant))
    cost = variant_choice.estimate(app, asked, tenant=tenant, count=options["count"])
    if not options["estimate"]:
        variant_choice.choose(app, asked, clock.now(), actor=actor, tenant=tenant)
    if options["json"]:
        shown = {"changed": not options["estimate"], "variant": _fields(asked), "estimate": cost and asdict(cost)}
        return json.dumps(shown, indent=2, default=str)
    costs = "this API does not list it" if cost is None else f"at most {cost.calls_a_day:,} calls a day at a tenant"
    end = "Nothing was changed." if options["estimate"] else "Plans follow within seconds."
    return f"{_line(asked)}: {costs}.\n{end}"


def _listed(app: App, tenant: Tenant | None, *, as_json: bool) -> str:
    found = variant_choice.chosen(app, tenant)
    if as_json:
        return json.dumps([_fields(one) for one in found], indent=2, default=str)
    return "\n".join(map(_line, found)) or "No variant is chosen."


def _fields(one: Variant) -> dict[str, Any]:
    return {**asdict(one), "every": wanted.interval_text(one.every)}


def _line(one: Variant) -> str:
    state = f"every {wanted.interval_words(one.interval)}" if one.enabled else "off"
    whose = ", chosen here" if one.is_own else ""
    return f"{one.resource} {one.name}: {one.filters_text}, {state}{whose}"


def _asked(options: dict[str, Any], present: list[Variant]) -> Variant:
    """The variant as it is now, with what the options change."""
    new = Variant(options["resource"], options["name"], {})
    before = next((one for one in present if (one.resource, one.name) == (new.resource, new.name)), new)
    asked = replace(before, enabled=(before.enabled or options["on"]) and not options["off"])
    if options["every"]:
        asked = replace(asked, every=wanted.interval_of(options["every"]))
    return replace(asked, filters=choose_command.merged(options["filter"] or [], before.filters))
