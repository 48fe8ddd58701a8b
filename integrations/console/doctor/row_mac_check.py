"""The check of rows that make workers act: those that do not fit their MAC, as another program wrote to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.apps import apps

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.vault import row_macs, signed_tables
from integrations.vault.models import RowMacKey

_NAME = "signed rows"
_LATE = timedelta(hours=3)  # beat asks for a look every hour


def signed_rows() -> Iterator[Finding]:
    """What the last look at all signed rows found."""
    row = RowMacKey.objects.first()
    if row is None:
        yield Finding(_NAME, Level.OK, "there is none yet")
        return
    until = row_macs.trusted_until()
    if until is not None:
        yield Finding(_NAME, Level.OK, f"rows of the release before are signed until {until:%Y-%m-%d %H:%M} UTC")
    elif row.misfits:
        words = ", ".join(f"{count:,} {_title(label)}" for label, count in sorted(row.misfits.items()))
        fix = (
            "nothing is done for them. Find out who writes to the database; then discard them on their pages or with"
            " manage.py vault discard (vault misfits lists them), or, if they are right, run manage.py vault sign"
            " --reason TEXT"
        )
        yield Finding(_NAME, Level.FAILED, f"not written like this by this application: {words}", fix)
    elif (row.examined_at or row.created_at) < clock.now() - _LATE:
        yield Finding(_NAME, Level.UNKNOWN, "no worker has looked for three hours", "start beat and a worker")
    else:
        yield Finding(_NAME, Level.OK, "every row fits its MAC")


def examined_rows() -> Iterator[Finding]:
    """The same, after a look of its own: `doctor` does not trust a figure that is in the database."""
    signed_tables.examine()
    yield from signed_rows()


def _title(label: str) -> str:
    return str(apps.get_model(label)._meta.verbose_name_plural)  # noqa: SLF001 - documented by Django
