"""Expressions for an UPDATE whose value differs from row to row, such as a MAC. One statement writes many rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import BinaryField, DateTimeField, F, Func, JSONField, TextField, Value
from django.db.models.functions import Cast

from integrations.vault.row_macs import Mac


def macs_of(macs: Mapping[int, Mac]) -> Func:
    """The MAC of each row, by its primary key."""
    texts = {pk: None if mac is None else bytes(mac).hex() for pk, mac in macs.items()}
    return _each(texts, "decode(%s, 'hex')", BinaryField())


def moments_of(moments: Mapping[int, datetime | None]) -> Func:
    """The moment of each row, by its primary key."""
    texts = {pk: None if at is None else at.isoformat() for pk, at in moments.items()}
    return _each(texts, "(%s)::timestamptz", DateTimeField())


def _each(texts: Mapping[int, str | None], template: str, field: Any) -> Func:
    """`jsonb ->> key` finds a row's value in the time of a binary search, where CASE would try one after the other."""
    given = Value({str(pk): text for pk, text in texts.items()}, JSONField())
    found = template % "%(expressions)s"
    return Func(given, Cast(F("pk"), TextField()), template=found, arg_joiner=" ->> ", output_field=field)
