"""Decides what a notice about an installation changes: a pure function, used by callback, events and reconciler.

Notices come in any order, twice, late or never, and from two clocks: events carry the vendor's time, while grants and
readings of the vendor's list have ours. Times of one clock are compared. Times of two clocks decide only where the
notice is newer; otherwise the answer is `ASK`, and the reconciler asks the vendor with one call.

::

    notice      its clock   here                                decision
    INSTALL     vendor's    nothing, or live                    APPLY
                            ended before it                     APPLY
                            ended after it, by little           ASK      the clocks may differ
                            ended after it                      IGNORE   it came late
    UNINSTALL   vendor's    nothing, or ended                   APPLY    leaves a tombstone
                            announced after it                  IGNORE   it came late
                            newer than all that is known        APPLY
                            granted or confirmed after it       ASK      the vendor's clock may be behind ours
                            without a time of its own           ASK      it may be old
    GRANT       ours        anything                            APPLY    a working token is the proof
    LISTED      ours        nothing, or live                    APPLY
                            ended since the reading began       IGNORE
                            removed by an operator              IGNORE   unless it was installed after that
                            ended before                        APPLY
    UNLISTED    ours        ended                               IGNORE
                            changed since the reading began     IGNORE
                            live                                ASK      a page may have missed it

"Live" is pending or installed. A location counts as ended, too, when its company's UNINSTALL is newer than the notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

SKEW = timedelta(minutes=5)  # further apart than this no two clocks are taken to be


class Kind(Enum):
    """What a notice says."""

    INSTALL = "INSTALL event"
    UNINSTALL = "UNINSTALL event"
    GRANT = "grant"
    LISTED = "in the vendor's list"
    UNLISTED = "not in the vendor's list"


class Decision(Enum):
    """What to do with a notice."""

    APPLY = "apply"
    IGNORE = "ignore"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class TimedNotice:
    """A notice and its time: the vendor's of an event, ours of a grant, ours of the moment when a reading began.

    `dated` is False for an event without a time: then `at` is when it came. `installed_at` is what the vendor's list
    says of a location, if it says so. `event_id` is the event's webhookId, for the history.
    """

    kind: Kind
    at: datetime
    dated: bool = True
    installed_at: datetime | None = None
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an installation. `live` is None when there is no row.

    `announced_at` (vendor's clock): newest INSTALL. `confirmed_at` (ours): newest grant, token or answer that showed it
    installed. `status_at`: newest notice, whatever its clock. `changed_at` (ours): when the status changed.
    `company_ended_at` (vendor's): UNINSTALL of its company.
    """

    live: bool | None = None
    announced_at: datetime | None = None
    confirmed_at: datetime | None = None
    status_at: datetime | None = None
    changed_at: datetime | None = None
    removed_at: datetime | None = None
    company_ended_at: datetime | None = None


def decide(facts: Facts, notice: TimedNotice) -> Decision:
    """The decision by the table above."""
    return _RULES[notice.kind](facts, notice)


def moves(stated_at: datetime | None, at: datetime) -> bool:
    """Whether an event or a grant at `at` decides to which company a location belongs: the newest does.

    `stated_at` is the time of the newest so far. A company's list decides only where neither ever did.
    """
    return stated_at is None or at >= stated_at


def _install(facts: Facts, notice: TimedNotice) -> Decision:
    if facts.live:
        return Decision.APPLY
    ended_at = _newest(facts.status_at if facts.live is False else None, facts.company_ended_at)
    if ended_at is None or notice.at > ended_at:
        return Decision.APPLY
    return Decision.ASK if ended_at - notice.at < SKEW and facts.removed_at is None else Decision.IGNORE


def _uninstall(facts: Facts, notice: TimedNotice) -> Decision:
    if not facts.live:
        return Decision.APPLY
    if facts.announced_at is not None and notice.at < facts.announced_at:
        return Decision.IGNORE
    known = _newest(facts.announced_at, facts.confirmed_at)
    newer = known is None or notice.at > known
    return Decision.APPLY if newer and notice.dated else Decision.ASK


def _grant(_: Facts, __: TimedNotice) -> Decision:
    return Decision.APPLY


def _listed(facts: Facts, notice: TimedNotice) -> Decision:
    if facts.live is not False:
        return Decision.APPLY
    if facts.changed_at is not None and notice.at <= facts.changed_at:
        return Decision.IGNORE
    if facts.removed_at is not None and (notice.installed_at is None or notice.installed_at <= facts.removed_at):
        return Decision.IGNORE
    return Decision.APPLY


def _unlisted(facts: Facts, notice: TimedNotice) -> Decision:
    if not facts.live:
        return Decision.IGNORE
    known = _newest(facts.status_at, facts.changed_at, facts.confirmed_at)
    return Decision.ASK if known is None or known < notice.at else Decision.IGNORE


def _newest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


_RULES = {
    Kind.INSTALL: _install,
    Kind.UNINSTALL: _uninstall,
    Kind.GRANT: _grant,
    Kind.LISTED: _listed,
    Kind.UNLISTED: _unlisted,
}
