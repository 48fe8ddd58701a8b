"""Granted against required scopes over all installations, for the dashboard, `doctor` and the installation's page."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.installs import consent_answer
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps
from integrations.tokens.admin_pages import consent_link


@dataclass(frozen=True, slots=True)
class Permissions:
    """The scopes of one installation: what is granted and missing, what that disables, and the link that asks again."""

    granted: tuple[str, ...]
    missing: tuple[str, ...]
    after_update: tuple[str, ...]
    disabled: tuple[str, ...]
    link: str
    answer: str


def of(row: Installation) -> Permissions:
    """The permissions of an installation. `link` is empty when nothing is missing."""
    gap = scope_gaps.of(row)
    answer = consent_answer.answer(row)
    return Permissions(
        granted=tuple(sorted(gap.granted)),
        missing=gap.missing,
        after_update=tuple(scope.name for scope in consent_answer.missing(row) if not scope.in_version),
        disabled=tuple(scope_gaps.disabled(row, gap)),
        link=consent_link.url(row) if gap.missing else "",
        answer=f"{answer.at:%Y-%m-%d %H:%M} UTC: {answer.text}" if answer else "",
    )


def gaps() -> list[tuple[App, int]]:
    """The apps with installations whose grant lacks a required scope, with how many those are."""
    counted = [(app, scope_gaps.with_gaps(app).count()) for app in App.objects.order_by("id")]
    return [(app, count) for app, count in counted if count]
