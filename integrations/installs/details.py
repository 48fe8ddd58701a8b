"""What the vendor says of an installation beside that it exists: version, plan, trial, white label, external account.

`of_event` reads it from a webhook (FACTS 3.4), `describe` sets the columns of the row, and `changes` makes the rows of
its history: one for each value that was known before and is another now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.tenants import versions
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation

What = InstallationChange.What
News = dict[str, Any]  # the former values of changed columns, by name

# Columns that change together are one entry of the history.
_KINDS: dict[What, tuple[str, ...]] = {
    What.UPDATED: ("version_id",),
    What.PLAN: ("plan_id",),
    What.TRIAL: ("on_trial", "trial_days", "trial_started_at"),
    What.WHITE_LABEL: ("white_label", "white_label_domain", "white_label_logo"),
    What.PAYMENT: ("payment_status",),
}
_LONGEST = 64  # of an id
_LONGEST_TRIAL = 3_660  # days
_UNKNOWN = (None, "")
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
TIMES = ("details_at", "detail_times")


def of_event(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that an INSTALL or UPDATE states, by name. What it does not say is empty and changes nothing."""
    trial, white_label = (_object(payload, name) for name in ("trial", "whitelabelDetails"))
    return {
        "version_id": text(payload, "versionId"),
        "plan_id": text(payload, "planId"),
        "installer_id": text(payload, "userId"),
        "on_trial": _flag(trial, "onTrial"),
        "trial_days": _days(trial.get("trialDuration")),
        "trial_started_at": moment(trial.get("trialStartDate")),
        "white_label": _flag(payload, "isWhitelabelCompany"),
        "white_label_domain": text(white_label, "domain", 200),
        "white_label_logo": text(white_label, "logoUrl", 500),
    }


def describe(row: Installation, details: Mapping[str, Any], *, at: datetime) -> News:
    """Set columns of the row from a notice, without saving. Empty values change nothing, nor do older notices.

    Each kind of detail has its own time: a late UPDATE brings its version, although a newer event brought the plan.
    Save `TIMES` with the columns.
    """
    before: News = {}
    for name, value in details.items():
        kind = _kind(name)
        if value in _UNKNOWN or at < (_stated_at(row, kind) or at):
            continue
        row.detail_times = {**row.detail_times, kind: max(at, _stated_at(row, kind) or at).isoformat()}
        row.details_at = max(at, row.details_at or at)
        if getattr(row, name) != value:
            before[name] = getattr(row, name)
            setattr(row, name, value)
    if "version_id" in before:
        versions.entered(row, at)
    return before


def changes(row: Installation, before: News, *, at: datetime, event_id: str = "") -> list[InstallationChange]:
    """The entries of the history for what `describe` changed. A value that was unknown before is no change."""
    return [
        row.change(what, at, old=_value(names, before, row), new=_value(names, {}, row), event_id=event_id)
        for what, names in _KINDS.items()
        if any(name in before and before[name] not in _UNKNOWN for name in names)
    ]


def forget(row: Installation) -> None:
    """A new install begins: what was said of the one before does not hold. Does not save."""
    for name in ("version_id", "plan_id", "white_label_domain", "white_label_logo", "external_auth", "payment_status"):
        setattr(row, name, "")
    for name in ("on_trial", "trial_days", "trial_started_at", "white_label", "external_auth_at"):
        setattr(row, name, None)
    row.installer, row.installer_asked_at = {}, None


def installed(row: Installation, *, at: datetime, event_id: str = "") -> InstallationChange:
    """The entry of the history that it works from now on, with all that is known of it."""
    return row.change(What.INSTALLED, at, new=_known(row), event_id=event_id)


def _known(row: Installation) -> dict[str, Any]:
    names = ("origin", *(name for names in _KINDS.values() for name in names))
    return {name: _json(getattr(row, name)) for name in names if getattr(row, name) not in _UNKNOWN}


def _kind(name: str) -> str:
    return next((what.value for what, names in _KINDS.items() if name in names), name)


def _stated_at(row: Installation, kind: str) -> datetime | None:
    """When this kind of detail was stated last. Rows of an earlier release have one time for all kinds."""
    return moment(row.detail_times.get(kind)) if row.detail_times else row.details_at


def trial_ends_at(row: Installation) -> datetime | None:
    """The end of the trial by the vendor's numbers; no event announces it (FACTS 12)."""
    if not row.on_trial or row.trial_started_at is None or row.trial_days is None:
        return None
    return row.trial_started_at + timedelta(days=row.trial_days)


def text(payload: Mapping[str, Any], name: str, longest: int = _LONGEST) -> str:
    """A text of a payload, cut to the column's length; empty when it is missing or no text."""
    value = payload.get(name)
    return value[:longest] if isinstance(value, str) else ""


def moment(value: Any) -> datetime | None:
    """A time of the vendor: ISO 8601, UTC unless it says otherwise. None for anything else, and for one that is absurd.

    PostgreSQL keeps a moment before the year 1 or after the year 9999, but no row that has one can be read again.
    """
    try:
        found = datetime.fromisoformat(value)
        moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def _value(names: tuple[str, ...], before: News, row: Installation) -> Any:
    values = {name: _json(before.get(name, getattr(row, name))) for name in names}
    return next(iter(values.values())) if len(names) == 1 else values


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _object(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def _flag(payload: Mapping[str, Any], name: str) -> bool | None:
    value = payload.get(name)
    return value if isinstance(value, bool) else None


def _days(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_TRIAL:
        return None
    return int(value)
