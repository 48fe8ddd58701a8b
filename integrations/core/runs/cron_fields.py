"""Reads the five fields of a cron expression with Celery's parser: `*`, lists, ranges, steps and names of days."""

from __future__ import annotations

from celery.schedules import ParseException, crontab_parser

from integrations.core.errors import BadRequest

# Minute, hour, day of the month, month, day of the week (0 is Sunday): how many values, and the least.
_FIELDS = ((60, 0), (24, 0), (31, 1), (12, 1), (7, 0))


def parse(expression: str) -> tuple[frozenset[int], ...]:
    """The values of each field, in their order. Raises BadRequest for what is no cron expression."""
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise BadRequest(f"cron={expression!r} needs five fields: minute, hour, day, month, day of the week")
    try:
        return tuple(
            frozenset(crontab_parser(count, least).parse(field))
            for field, (count, least) in zip(fields, _FIELDS, strict=True)
        )
    except (ParseException, ValueError) as error:
        raise BadRequest(f"cron={expression!r} cannot be read: {error}") from None
