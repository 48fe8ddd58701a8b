"""Rows of the page on which resources are chosen: each offer with what its fields may be, and its numbers in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

from integrations.core.ages import span
from integrations.sync.choose import wanted
from integrations.sync.choose.offers import Offer
from integrations.sync.choose.wanted import FOLLOW, OFF, ON, WantedChoice
from integrations.sync.narrowing import what_is_kept
from integrations.sync.resources import RESOURCES
from integrations.sync.resources.listing_filters import ListingFilter

Option = tuple[str, str, bool]  # value, words, whether it is chosen


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """One resource of the table."""

    offer: Offer
    states: list[Option]
    intervals: list[Option]

    @property
    def is_narrowed(self) -> bool:
        """Whether some fields or records are left out."""
        return bool(self.offer.fields.json or self.offer.filters)

    @property
    def kept(self) -> str:
        """Which fields and records, in words."""
        return kept_words(self.offer) or "all fields"

    @property
    def filters(self) -> list[tuple[str, str, list[Option]]]:
        """The filters that the listing has: parameter, chosen value, and the values to choose from, if they are few."""
        chosen = self.offer.filters
        return [
            (one.parameter, chosen.get(one.parameter, ""), _values(one, chosen.get(one.parameter, "")))
            for one in RESOURCES[self.offer.resource].filters
        ]

    @property
    def takes(self) -> str:
        """The least time of one listing."""
        return span(max(1, round(self.offer.estimate.seconds)))

    @property
    def share(self) -> str:
        """The share of the vendor's day."""
        return share_words(self.offer.estimate.share)


@dataclass(frozen=True, slots=True)
class ChoiceChange:
    """One resource of the preview: what it is now and what it would be. `fields` are those of the form."""

    title: str
    before: str
    after: Offer
    words: str
    fields: list[tuple[str, str]]
    note: str

    @property
    def row(self) -> ChoiceRow:
        """Its numbers."""
        return ChoiceRow(self.after, [], [])


def groups(found: Collection[Offer], *, of_tenant: bool) -> list[tuple[str, list[ChoiceRow]]]:
    """The rows of what is chosen, and of the others."""
    rows = [ChoiceRow(one, _states(one, of_tenant=of_tenant), _intervals(one)) for one in found]
    chosen = [row for row in rows if row.offer.is_on]
    return [("Synced", chosen), ("Not synced", [row for row in rows if not row.offer.is_on])]


def changes(
    before: Collection[Offer], after: Collection[Offer], asked: WantedChoice, *, of_tenant: bool
) -> list[ChoiceChange]:
    """What the change would do, in the order of the table."""
    now = {one.resource: one for one in before}
    found = [one for one in after if one.resource in asked.names]
    return [
        ChoiceChange(
            one.title, _words(now[one.resource]), one, _words(one), list(_fields(one, asked)), _note(one, asked)
        )
        for one in found
        if of_tenant or one.resource not in asked.follow
    ]


def kept_words(offer: Offer) -> str:
    """Which fields and records are kept; empty for all."""
    fields = f"fields: {offer.fields.text}" if offer.fields.json else ""
    return "; ".join(filter(None, (fields, what_is_kept.filters_text(offer.filters))))


def share_words(share: float) -> str:
    """A part of a whole, in percent."""
    return "under 0.01 %" if 0 < share < 0.0001 else f"{share:.2%}".replace("%", " %")


def _states(offer: Offer, *, of_tenant: bool) -> list[Option]:
    now = FOLLOW if of_tenant and not offer.is_own else ON if offer.is_on else OFF
    as_app = [(FOLLOW, f"as the app: {ON if offer.is_on else OFF}" if now == FOLLOW else "as the app")]
    options = [*(as_app if of_tenant else []), (ON, ON), (OFF, OFF)]
    return [(value, words, value == now) for value, words in options]


def _intervals(offer: Offer) -> list[Option]:
    chosen = [offer.every] if offer.every is not None and offer.every not in wanted.INTERVALS else []
    own = (
        wanted.OWN,
        f"adapts: {wanted.adapted_words(offer)}" if offer.adapted else _usual(offer),
        offer.every is None,
    )
    listed: list[timedelta] = sorted([*wanted.INTERVALS, *chosen])
    return [
        own,
        *((wanted.interval_text(one), wanted.interval_words(one), one == offer.every) for one in listed),
    ]


def _usual(offer: Offer) -> str:
    return f"usual: {wanted.interval_words(offer.own_interval)}"


def _words(offer: Offer) -> str:
    if not offer.is_on:
        return "not synced"
    every = wanted.adapted_words(offer) or wanted.interval_words(offer.every or offer.own_interval)
    kept = kept_words(offer)
    calls = "" if offer.calls_per_day is None else f", at most {offer.calls_per_day:,} calls a day"
    return f"every {every}{calls}{', with history' if offer.keeps_history else ''}{f'; {kept}' if kept else ''}"


def _values(one: ListingFilter, chosen: str) -> list[Option]:
    return [(value, value or "any", value == chosen) for value in ("", *one.values)] if one.values else []


def _fields(offer: Offer, asked: WantedChoice) -> Iterator[tuple[str, str]]:
    """The form's fields that say this change again."""
    name = offer.resource
    states = {ON: asked.on, OFF: asked.off, FOLLOW: asked.follow}
    yield from ((f"state:{name}", state) for state, names in states.items() if name in names)
    if name in asked.every:
        yield f"every:{name}", wanted.interval_text(asked.every[name])
    if name in asked.history:
        yield f"history:{name}", ON if asked.history[name] else OFF
    if name in asked.fields:
        yield f"fields:{name}", asked.fields[name].text
    if name in asked.calls:
        yield f"calls:{name}", wanted.calls_text(asked.calls[name])
    filters = RESOURCES[name].filters if name in asked.filters else ()
    yield from ((f"filter:{name}:{one.parameter}", asked.filters[name].get(one.parameter, "")) for one in filters)


def _note(offer: Offer, asked: WantedChoice) -> str:
    """What the numbers do not say."""
    if offer.hindrance and offer.is_on:
        return f"It cannot run: {offer.hindrance}."
    if offer.is_on and asked.fields.keys() & {offer.resource}:
        return "What is left out is deleted from the copy and its history. What comes back is read anew: one listing."
    if offer.is_on and asked.filters.keys() & {offer.resource}:
        return (
            "Everything that fits is listed once more. Records that do not fit stay as they are and are not looked "
            "for. The numbers are those of all records where HighLevel does not count what fits."
        )
    if offer.is_on and offer.estimate.is_bound:
        return "The number of records is not known yet, so this is the least that it costs."
    return ""
