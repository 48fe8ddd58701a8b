"""What an operator wants of the choice of resources: read from a form or a command, estimated, and made.

Every choice goes through `make`, which writes the audit trail.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction

from integrations.core import texts
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync import pace, resource_choices
from integrations.sync.choose import dropping
from integrations.sync.choose.choice_trail import ChoiceTrail
from integrations.sync.choose.offers import Offer, Overlay
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App

T = TypeVar("T")
ON, OFF, FOLLOW, OWN = "on", "off", "app", "own"
# Intervals that the page offers.
INTERVALS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 360, 720, 1_440, 10_080, 40_320))
_WORDS = {"m": "min", "h": "h", "d": "d"}
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class WantedChoice:
    """A change of the choice: what is to be synced, left out, or as for the app; and intervals, None for the own ones.

    `history`: whether each change of the records is to be kept. `fields`: which fields of the records are to be kept.
    `filters`: what the listings are to be narrowed by. `calls`: how many calls of a day resources below single records
    may make, None for the usual number. `drop`: the records of what is left out are to go.
    """

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    follow: frozenset[str] = frozenset()
    every: Mapping[str, timedelta | None] = field(default_factory=dict)
    history: Mapping[str, bool] = field(default_factory=dict)
    fields: Mapping[str, FieldChoice] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    calls: Mapping[str, int | None] = field(default_factory=dict)
    drop: bool = False

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> list[str]:
        """All resources that it is about, in order."""
        changed = self.every.keys() | self.history.keys() | self.fields.keys() | self.filters.keys() | self.calls.keys()
        return sorted(self.on | self.off | self.follow | changed)

    def whole(self, app: App, tenant: Tenant | None) -> WantedChoice:
        """With the parents and children that come or go along (`resource_choices.included`)."""
        on = resource_choices.included(app, self.on, enabled=True, tenant=tenant) if self.on else []
        off = resource_choices.included(app, self.off, enabled=False, tenant=tenant) if self.off else []
        return replace(self, on=frozenset(on), off=frozenset(off) - frozenset(on))

    def overlay(self, totals: Mapping[str, int] | None = None) -> Overlay:
        """For `offers`: what it would be like."""
        return Overlay(
            on=self.on,
            off=self.off,
            follow=self.follow,
            every=self.every,
            history=self.history,
            fields=self.fields,
            filters=self.filters,
            calls=self.calls,
            totals=totals or {},
        )


def of_form(fields: Mapping[str, str], present: Collection[Offer], *, of_tenant: bool) -> WantedChoice:
    """What a form says beside what is chosen now.

    It has `state:NAME`, `every:NAME`, `history:NAME`, `fields:NAME`, `filter:NAME:PARAMETER` and `calls:NAME`; what it
    lacks stays.
    To change one of them for a tenant that follows the app makes a choice of its own there.

    Raises BadRequest for values that the form does not offer.
    """
    states: dict[str, set[str]] = {ON: set(), OFF: set(), FOLLOW: set()}
    for offer in present:
        now = FOLLOW if of_tenant and not offer.is_own else ON if offer.is_on else OFF
        state = _state(fields, offer, now, of_tenant=of_tenant)
        if state != now:
            states[state].add(offer.resource)
    on, off, follow = (frozenset(states[state]) for state in (ON, OFF, FOLLOW))
    rest = [offer for offer in present if offer.resource not in follow]

    def said(
        prefix: str, now: Callable[[Offer], T], write: Callable[[T], str], read: Callable[[str], T]
    ) -> dict[str, T]:
        texts = {one.resource: fields.get(f"{prefix}:{one.resource}", write(now(one))) for one in rest}
        return {one.resource: value for one in rest if (value := read(texts[one.resource])) != now(one)}

    return WantedChoice(
        on,
        off,
        follow,
        every=said("every", lambda one: one.every, interval_text, interval_of),
        history=said("history", lambda one: one.keeps_history, lambda keeps: ON if keeps else OFF, ON.__eq__),
        fields=said("fields", lambda one: one.fields, lambda choice: choice.text, FieldChoice.parse),
        filters={one.resource: chosen for one in rest if (chosen := _filters(fields, one)) != one.filters},
        calls=said("calls", lambda one: one.calls_per_day, calls_text, calls_of),
    )


def _state(fields: Mapping[str, str], offer: Offer, now: str, *, of_tenant: bool) -> str:
    state = fields.get(f"state:{offer.resource}", now)
    if state not in (ON, OFF, *((FOLLOW,) if of_tenant else ())):
        raise BadRequest(f"{offer.title} cannot be {state!r}")
    return state


def _filters(fields: Mapping[str, str], offer: Offer) -> dict[str, str]:
    """The filters of a resource that a form says. An empty one is none."""
    names = {one.parameter for one in RESOURCES[offer.resource].filters} | offer.filters.keys()
    said = {name: fields.get(f"filter:{offer.resource}:{name}", offer.filters.get(name, "")).strip() for name in names}
    return {name: value for name, value in said.items() if value}


def make(app: App, wanted: WantedChoice, now: datetime, *, actor: str, tenant: Tenant | None = None) -> list[str]:
    """Make the choice, in one transaction with its audit entries; the resources that changed.

    Raises what `resource_choices` raises, and BadRequest for all tenants that are to follow the app: they do.
    """
    if wanted.follow and not tenant:
        raise BadRequest("only a location or company can follow the app's choice: name it")
    done = set(wanted.names) - wanted.on - wanted.off - wanted.follow
    with transaction.atomic():
        trail = ChoiceTrail(app, tenant, actor)
        for names, enabled in ((wanted.off, False), (wanted.on, True)):
            if names:
                changed = resource_choices.choose(app, names, now, enabled=enabled, tenant=tenant)
                trail.note("sync.chosen", resources=changed, enabled=enabled)
                done |= set(changed)
        _set_intervals_and_history(app, wanted, now, tenant, trail)
        _set_what_is_kept(app, wanted, now, tenant, trail)
        if wanted.follow and tenant:
            resource_choices.follow_app(app, wanted.follow, now, tenant=tenant)
            trail.note("sync.follows_app", resources=sorted(wanted.follow))
        if wanted.drop:
            left = (wanted.off | wanted.follow) - wanted.on
            count = dropping.ask(app, left, now, tenant=tenant)
            trail.note("sync.dropped", resources=sorted(left), plans=count)
    return sorted(done | wanted.follow)


def _set_intervals_and_history(
    app: App, wanted: WantedChoice, now: datetime, tenant: Tenant | None, trail: ChoiceTrail
) -> None:
    for every in sorted(set(wanted.every.values()), key=lambda one: one or timedelta(0)):
        names = frozenset(name for name, value in wanted.every.items() if value == every)
        resource_choices.set_interval(app, names, every, now, tenant=tenant)
        seconds = None if every is None else int(every.total_seconds())
        trail.note("sync.interval", resources=sorted(names), seconds=seconds)
    for keeps in sorted(set(wanted.history.values())):
        names = frozenset(name for name, value in wanted.history.items() if value == keeps)
        resource_choices.set_history(app, names, now, keeps=keeps, tenant=tenant)
        trail.note("sync.history", resources=sorted(names), keeps=keeps)
    for name, calls in sorted(wanted.calls.items()):
        count = resource_choices.limit_calls(app, [name], calls, tenant=tenant)
        trail.note("sync.calls", resource=name, calls_per_day=calls, plans=count)


def _set_what_is_kept(app: App, wanted: WantedChoice, now: datetime, tenant: Tenant | None, trail: ChoiceTrail) -> None:
    for name, choice in sorted(wanted.fields.items()):
        resource_choices.set_fields(app, [name], choice, now, tenant=tenant)
        trail.note("sync.fields", resource=name, fields=choice.text)
    for name, filters in sorted(wanted.filters.items()):
        resource_choices.set_filters(app, [name], filters, now, tenant=tenant)
        trail.note("sync.filters", resource=name, filters=dict(filters))


def calls_of(text: str) -> int | None:
    """A number of calls of a day; None for an empty text or `own`. Raises BadRequest for other texts."""
    written = text.strip().replace(",", "")
    if written in ("", OWN):
        return None
    if (number := texts.whole(written, pace.CALLS_A_DAY)) is None:
        raise BadRequest(f"the calls of a day are a number from 0 to {pace.CALLS_A_DAY:,}, or {OWN}")
    return number


def calls_text(calls: int | None) -> str:
    """As `calls_of` takes it; empty for the usual number."""
    return "" if calls is None else str(calls)


def interval_of(text: str) -> timedelta | None:
    """`15m`, `6h` or `2d`; None for `own`. Raises BadRequest for other texts."""
    if text == OWN:
        return None
    number, unit = texts.whole(text[:-1], 9_999), text[-1:]
    if number is None or unit not in _UNITS:
        raise BadRequest("an interval is a number of minutes, hours or days, such as 15m, 6h or 2d, or own")
    return number * _UNITS[unit]


def interval_text(every: timedelta | None) -> str:
    """As `interval_of` takes it."""
    if every is None:
        return OWN
    unit = next((name for name in "dhm" if every >= _UNITS[name] and not every % _UNITS[name]), "m")
    return f"{every // _UNITS[unit]}{unit}"


def adapted_words(offer: Offer) -> str:
    """The intervals of a resource that adapt, for people: `5 min to 6 h`. Empty where they do not."""
    if offer.adapted is None:
        return ""
    least, most = (interval_words(every) for every in offer.adapted)
    return least if least == most else f"{least} to {most}"


def interval_words(every: timedelta) -> str:
    """For people: `6 h`."""
    text = interval_text(every)
    return f"{text[:-1]} {_WORDS[text[-1]]}"
