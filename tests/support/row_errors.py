"""Errors of PostgreSQL that quote a person's data: the row, the statement with its values, a value by itself."""

from __future__ import annotations

from collections.abc import Iterator

import django.db
from django.db import connection, transaction

PERSON = "Zebedee\nPlantedperson"
WORDS = ("Zebedee", "Plantedperson")
_TABLE = "CREATE TEMPORARY TABLE person (name text CHECK (name = ''), born date, number int UNIQUE)"
_STATEMENTS = (
    "INSERT INTO person (name) VALUES (%s)",  # DETAIL: Failing row contains …
    "SELECT born_on, %s FROM person",  # LINE 1: the statement
    "INSERT INTO person (born) VALUES (%s)",  # the message itself
    "INSERT INTO person (number) SELECT %s::text::int",
)


def raised() -> Iterator[django.db.Error]:
    """Each of the errors, as Django raises it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TABLE)
        for statement in _STATEMENTS:
            try:
                with transaction.atomic():
                    cursor.execute(statement, [PERSON])
            except django.db.Error as error:
                yield error
        transaction.set_rollback(True)
