"""Rows of the page on which resources are chosen: each offer with what its fields may be, and its numbers in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

from integrations.core.ages import span
from integrations.sync.choose import wanted
from integrations.sync.choose.offers import Offer
from integrations.sync.choose.wanted import FOLLOW, OFF, ON, WantedChoice

Option = tuple[str, str, bool]  # value, words, whether it is chosen


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """One resource of the table."""

    offer: Offer
    states: list[Option]
    intervals: list[Option]

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


def groups(found: Collection[Offer], *, at_location: bool) -> list[tuple[str, list[ChoiceRow]]]:
    """The rows of what is chosen, and of the others."""
    rows = [ChoiceRow(one, _states(one, at_location=at_location), _intervals(one)) for one in found]
    chosen = [row for row in rows if row.offer.is_on]
    return [("Synced", chosen), ("Not synced", [row for row in rows if not row.offer.is_on])]


def changes(
    before: Collection[Offer], after: Collection[Offer], asked: WantedChoice, *, at_location: bool
) -> list[ChoiceChange]:
    """What the change would do, in the order of the table."""
    now = {one.resource: one for one in before}
    found = [one for one in after if one.resource in asked.names]
    return [
        ChoiceChange(one.title, _words(now[one.resource]), one, _words(one), list(_fields(one, asked)), _note(one))
        for one in found
        if at_location or one.resource not in asked.follow
    ]


def share_words(share: float) -> str:
    """A part of a whole, in percent."""
    return "under 0.01 %" if 0 < share < 0.0001 else f"{share:.2%}".replace("%", " %")


def _states(offer: Offer, *, at_location: bool) -> list[Option]:
    now = FOLLOW if at_location and not offer.is_own else ON if offer.is_on else OFF
    as_app = [(FOLLOW, f"as the app: {ON if offer.is_on else OFF}" if now == FOLLOW else "as the app")]
    options = [*(as_app if at_location else []), (ON, ON), (OFF, OFF)]
    return [(value, words, value == now) for value, words in options]


def _intervals(offer: Offer) -> list[Option]:
    chosen = [offer.every] if offer.every is not None and offer.every not in wanted.INTERVALS else []
    own = (wanted.OWN, f"usual: {wanted.interval_words(offer.own_interval)}", offer.every is None)
    listed: list[timedelta] = sorted([*wanted.INTERVALS, *chosen])
    return [
        own,
        *((wanted.interval_text(one), wanted.interval_words(one), one == offer.every) for one in listed),
    ]


def _words(offer: Offer) -> str:
    if not offer.is_on:
        return "not synced"
    every = wanted.interval_words(offer.every or offer.own_interval)
    return f"every {every}{', with history' if offer.keeps_history else ''}"


def _fields(offer: Offer, asked: WantedChoice) -> Iterator[tuple[str, str]]:
    """The form's fields that say this change again."""
    name = offer.resource
    for state, names in ((ON, asked.on), (OFF, asked.off), (FOLLOW, asked.follow)):
        if name in names:
            yield f"state:{name}", state
    if name in asked.every:
        yield f"every:{name}", wanted.interval_text(asked.every[name])
    if name in asked.history:
        yield f"history:{name}", ON if asked.history[name] else OFF


def _note(offer: Offer) -> str:
    """What the numbers do not say."""
    if offer.hindrance and offer.is_on:
        return f"It cannot run: {offer.hindrance}."
    if offer.is_on and offer.estimate.is_bound:
        return "Nobody knows the number of records yet, so this is the least that it costs."
    return ""
