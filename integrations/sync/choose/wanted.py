"""What somebody wants of the choice of resources: read from a form or a command, estimated, and made.

Every choice goes through `make`, which writes the audit trail.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction

from integrations.core import audit
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync import resource_choices
from integrations.sync.choose import dropping
from integrations.sync.choose.offers import Offer, Overlay
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App

ON, OFF, FOLLOW, OWN = "on", "off", "app", "own"
# Intervals that the page offers.
INTERVALS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 360, 720, 1_440, 10_080, 40_320))
_WORDS = {"m": "min", "h": "h", "d": "d"}
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class WantedChoice:
    """A change of the choice: what is to be synced, left out, or as for the app; and intervals, None for the own ones.

    `history`: whether each change of the records is to be kept. `fields`: which fields of the records are to be kept.
    `filters`: what the listings are to be narrowed by. `drop`: the records of what is left out are to go.
    """

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    follow: frozenset[str] = frozenset()
    every: Mapping[str, timedelta | None] = field(default_factory=dict)
    history: Mapping[str, bool] = field(default_factory=dict)
    fields: Mapping[str, FieldChoice] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drop: bool = False

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> list[str]:
        """All resources that it is about, in order."""
        changed = self.every.keys() | self.history.keys() | self.fields.keys() | self.filters.keys()
        return sorted(self.on | self.off | self.follow | changed)

    def whole(self, app: App, location_id: str) -> WantedChoice:
        """With the parents and children that come or go along (`resource_choices.included`)."""
        on = resource_choices.included(app, self.on, enabled=True, location_id=location_id) if self.on else []
        off = resource_choices.included(app, self.off, enabled=False, location_id=location_id) if self.off else []
        return replace(self, on=frozenset(on), off=frozenset(off) - frozenset(on))

    def overlay(self, totals: Mapping[str, int] | None = None) -> Overlay:
        """For `offers`: what it would be like."""
        return Overlay(
            self.on, self.off, self.follow, self.every, self.history, self.fields, self.filters, totals or {}
        )


def of_form(fields: Mapping[str, str], present: Collection[Offer], *, at_location: bool) -> WantedChoice:
    """What a form says beside what is chosen now.

    It has `state:NAME`, `every:NAME`, `history:NAME`, `fields:NAME` and `filter:NAME:PARAMETER`; what it lacks stays.
    Whoever changes one of them at a location that follows the app makes a choice of its own there.

    Raises BadRequest for values that the form does not offer.
    """
    states: dict[str, set[str]] = {ON: set(), OFF: set(), FOLLOW: set()}
    every: dict[str, timedelta | None] = {}
    history: dict[str, bool] = {}
    kept: dict[str, FieldChoice] = {}
    filters: dict[str, Mapping[str, str]] = {}
    for offer in present:
        now = FOLLOW if at_location and not offer.is_own else ON if offer.is_on else OFF
        state = _state(fields, offer, now, at_location=at_location)
        if state != now:
            states[state].add(offer.resource)
            if state == FOLLOW:
                continue
        interval = fields.get(f"every:{offer.resource}", interval_text(offer.every))
        if interval != interval_text(offer.every):
            every[offer.resource] = interval_of(interval)
        keeps = fields.get(f"history:{offer.resource}", ON if offer.keeps_history else OFF) == ON
        if keeps != offer.keeps_history:
            history[offer.resource] = keeps
        choice = FieldChoice.parse(fields.get(f"fields:{offer.resource}", offer.fields.text))
        if choice != offer.fields:
            kept[offer.resource] = choice
        narrowed = _filters(fields, offer)
        if narrowed != offer.filters:
            filters[offer.resource] = narrowed
    on, off, follow = (frozenset(states[state]) for state in (ON, OFF, FOLLOW))
    return WantedChoice(on, off, follow, every, history, kept, filters)


def _state(fields: Mapping[str, str], offer: Offer, now: str, *, at_location: bool) -> str:
    state = fields.get(f"state:{offer.resource}", now)
    if state not in (ON, OFF, *((FOLLOW,) if at_location else ())):
        raise BadRequest(f"{offer.title} cannot be {state!r}")
    return state


def _filters(fields: Mapping[str, str], offer: Offer) -> dict[str, str]:
    """The filters of a resource that a form says. An empty one is none."""
    names = {one.parameter for one in RESOURCES[offer.resource].filters} | offer.filters.keys()
    said = {name: fields.get(f"filter:{offer.resource}:{name}", offer.filters.get(name, "")).strip() for name in names}
    return {name: value for name, value in said.items() if value}


def make(app: App, wanted: WantedChoice, now: datetime, *, actor: str, location_id: str = "") -> list[str]:
    """Make the choice, in one transaction with its audit entries; the resources that changed.

    Raises what `resource_choices` raises, and BadRequest for all locations that are to follow the app: they do.
    """
    if wanted.follow and not location_id:
        raise BadRequest("only a location can follow the app's choice: name it")
    subject = _subject(app, location_id)
    done = wanted.every.keys() | wanted.history.keys() | wanted.fields.keys() | wanted.filters.keys()
    with transaction.atomic():
        for names, enabled in ((wanted.off, False), (wanted.on, True)):
            if names:
                changed = resource_choices.choose(app, names, now, enabled=enabled, location_id=location_id)
                audit.record("sync.chosen", actor=actor, subject=subject, resources=changed, enabled=enabled)
                done |= set(changed)
        _set_intervals_and_history(app, wanted, now, actor, location_id)
        _set_what_is_kept(app, wanted, now, actor, location_id)
        if wanted.follow:
            resource_choices.follow_app(app, wanted.follow, now, location_id=location_id)
            audit.record("sync.follows_app", actor=actor, subject=subject, resources=sorted(wanted.follow))
        if wanted.drop:
            left = (wanted.off | wanted.follow) - wanted.on
            count = dropping.ask(app, left, now, location_id=location_id)
            audit.record("sync.dropped", actor=actor, subject=subject, resources=sorted(left), plans=count)
    return sorted(done | wanted.follow)


def _set_intervals_and_history(app: App, wanted: WantedChoice, now: datetime, actor: str, location_id: str) -> None:
    subject = _subject(app, location_id)
    for every in sorted(set(wanted.every.values()), key=lambda one: one or timedelta(0)):
        names = frozenset(name for name, value in wanted.every.items() if value == every)
        resource_choices.set_interval(app, names, every, now, location_id=location_id)
        seconds = None if every is None else int(every.total_seconds())
        audit.record("sync.interval", actor=actor, subject=subject, resources=sorted(names), seconds=seconds)
    for keeps in sorted(set(wanted.history.values())):
        names = frozenset(name for name, value in wanted.history.items() if value == keeps)
        resource_choices.set_history(app, names, now, keeps=keeps, location_id=location_id)
        audit.record("sync.history", actor=actor, subject=subject, resources=sorted(names), keeps=keeps)


def _set_what_is_kept(app: App, wanted: WantedChoice, now: datetime, actor: str, location_id: str) -> None:
    subject = _subject(app, location_id)
    for name, choice in sorted(wanted.fields.items()):
        resource_choices.set_fields(app, [name], choice, now, location_id=location_id)
        audit.record("sync.fields", actor=actor, subject=subject, resource=name, fields=choice.text)
    for name, filters in sorted(wanted.filters.items()):
        resource_choices.set_filters(app, [name], filters, now, location_id=location_id)
        audit.record("sync.filters", actor=actor, subject=subject, resource=name, filters=dict(filters))


def _subject(app: App, location_id: str) -> str:
    return Tenant.location(location_id).audit_subject if location_id else f"App:{app.pk}"


def interval_of(text: str) -> timedelta | None:
    """`15m`, `6h` or `2d`; None for `own`. Raises BadRequest for other texts."""
    if text == OWN:
        return None
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or len(number) > 4 or unit not in _UNITS:
        raise BadRequest("an interval is a number of minutes, hours or days, such as 15m, 6h or 2d, or own")
    return int(number) * _UNITS[unit]


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
