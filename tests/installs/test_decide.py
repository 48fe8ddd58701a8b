"""The decision about a notice, row by row of the table in `installs.decide`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.installs.decide import SKEW, Decision, Facts, Kind, TimedNotice, decide, moves

T = datetime(2026, 4, 1, 12, tzinfo=UTC)
S = timedelta(seconds=1)
APPLY, IGNORE, ASK = Decision.APPLY, Decision.IGNORE, Decision.ASK
NOTHING, LIVE = Facts(), {"live": True, "status_at": T, "changed_at": T}
ENDED: dict[str, Any] = {"live": False, "status_at": T, "changed_at": T}


@pytest.mark.parametrize(
    ("facts", "notice", "expected"),
    [
        (NOTHING, TimedNotice(Kind.INSTALL, T), APPLY),
        (Facts(**LIVE), TimedNotice(Kind.INSTALL, T - 9 * SKEW), APPLY),
        (Facts(**ENDED), TimedNotice(Kind.INSTALL, T + S), APPLY),
        (Facts(**ENDED), TimedNotice(Kind.INSTALL, T - S), ASK),
        (Facts(**ENDED, removed_at=T), TimedNotice(Kind.INSTALL, T - S), IGNORE),
        (Facts(**ENDED), TimedNotice(Kind.INSTALL, T - SKEW), IGNORE),
        (Facts(company_ended_at=T), TimedNotice(Kind.INSTALL, T + S), APPLY),
        (Facts(company_ended_at=T), TimedNotice(Kind.INSTALL, T - SKEW), IGNORE),
        (NOTHING, TimedNotice(Kind.UNINSTALL, T), APPLY),
        (Facts(**ENDED), TimedNotice(Kind.UNINSTALL, T), APPLY),
        (Facts(**LIVE, announced_at=T), TimedNotice(Kind.UNINSTALL, T - S), IGNORE),
        (Facts(**LIVE, announced_at=T), TimedNotice(Kind.UNINSTALL, T), ASK),
        (Facts(**LIVE, announced_at=T), TimedNotice(Kind.UNINSTALL, T + S), APPLY),
        (Facts(**LIVE, announced_at=T), TimedNotice(Kind.UNINSTALL, T + S, dated=False), ASK),
        (Facts(**LIVE, announced_at=T - 6 * S, confirmed_at=T), TimedNotice(Kind.UNINSTALL, T - 3 * S), ASK),
        (Facts(**LIVE, confirmed_at=T), TimedNotice(Kind.UNINSTALL, T + S), APPLY),
        (Facts(**ENDED, removed_at=T), TimedNotice(Kind.GRANT, T), APPLY),
        (NOTHING, TimedNotice(Kind.LISTED, T), APPLY),
        (Facts(**LIVE), TimedNotice(Kind.LISTED, T - S), APPLY),
        (Facts(**ENDED), TimedNotice(Kind.LISTED, T), IGNORE),
        (Facts(**ENDED), TimedNotice(Kind.LISTED, T + S), APPLY),
        (Facts(**ENDED, removed_at=T), TimedNotice(Kind.LISTED, T + S), IGNORE),
        (Facts(**ENDED, removed_at=T), TimedNotice(Kind.LISTED, T + S, installed_at=T), IGNORE),
        (Facts(**ENDED, removed_at=T), TimedNotice(Kind.LISTED, T + S, installed_at=T + S), APPLY),
        (NOTHING, TimedNotice(Kind.UNLISTED, T), IGNORE),
        (Facts(**ENDED), TimedNotice(Kind.UNLISTED, T + S), IGNORE),
        (Facts(**LIVE), TimedNotice(Kind.UNLISTED, T), IGNORE),
        (Facts(**LIVE, confirmed_at=T + S), TimedNotice(Kind.UNLISTED, T + S), IGNORE),
        (Facts(**LIVE), TimedNotice(Kind.UNLISTED, T + S), ASK),
    ],
)
def test_a_notice_is_decided_by_the_facts(facts: Facts, notice: TimedNotice, expected: Decision) -> None:
    assert decide(facts, notice) is expected


@pytest.mark.parametrize(("stated_at", "expected"), [(None, True), (T - S, True), (T, True), (T + S, False)])
def test_a_location_follows_the_newest_event_or_grant(stated_at: datetime | None, expected: bool) -> None:
    assert moves(stated_at, T) is expected
