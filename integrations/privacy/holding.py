"""A holding: what one model keeps of tenants and of people, column by column, and how a tenant's rows are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from integrations.privacy.purge_scope import Scope

Rows = Callable[[Scope], QuerySet[Any]]
_TEXTS = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.FileField, ArrayField)
_OPEN = frozenset({"resource_id", "tenant_id", "location_id", "company_id", "tenant", "location", "company"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one model holds. Every text, JSON, array or binary column without choices is in one of the four groups.

    `personal`: data of people, or text from outside that may contain some. `tenant`: the vendor's ids of tenants and of
    their objects. `sealed`: secrets, which no export contains. `other`: words and ids of our own.

    `rows` are those that a purge of the scope deletes; None if the model has none of a tenant. `counted` are those that
    it is going to delete, where rows of others have to go first. `blank` empties columns
    of rows that have to stay and says how many it changed. `kept` says why rows with a tenant's id stay after a purge.
    """

    model: str
    title: str
    rows: Rows | None = None
    counted: Rows | None = None
    blank: Callable[[Scope], int] | None = None
    personal: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    kept: str = ""

    @property
    def columns(self) -> list[str]:
        """All columns that are declared."""
        return [*self.personal, *self.tenant, *self.sealed, *self.other]

    def problems(self) -> list[str]:
        """What is missing or wrong in the declaration, one sentence each."""
        model = apps.get_model(self.model)
        texts, declared = text_columns(model), self.columns
        found = [f"its column {name} is not declared" for name in texts if name not in declared]
        found += [f"it has no text column {name}" for name in declared if name not in texts]
        found += [f"its column {name} is declared twice" for name in sorted(set(declared)) if declared.count(name) > 1]
        if self.rows is None and not self.kept and (named := _OPEN & {field.name for field in model._meta.fields}):  # noqa: SLF001 - documented by Django
            found.append(f"it names a tenant ({', '.join(sorted(named))}), and no rows are declared for its purge")
        return found


def text_columns(model: type[models.Model]) -> list[str]:
    """The columns that may hold text of any kind: all but numbers, times, relations and columns with choices."""
    fields = model._meta.concrete_fields  # noqa: SLF001 - documented by Django
    return [field.name for field in fields if isinstance(field, _TEXTS) and not field.choices]


def mentioning(rows: QuerySet[Any], texts: Sequence[str], *columns: str) -> QuerySet[Any]:
    """The rows that contain one of `texts` in one of the columns, which are read as text. It reads all of `rows`."""
    return as_texts(rows, *columns).filter(contains(texts, *columns))


def as_texts(rows: QuerySet[Any], *columns: str) -> QuerySet[Any]:
    """The rows, with an alias of each column as text, for `contains`."""
    named: QuerySet[Any] = rows.alias(**{f"{column}_as_text": Cast(column, TextField()) for column in columns})
    return named


def contains(texts: Sequence[str], *columns: str) -> Q:
    """Whether one of the columns contains one of `texts`, in upper and lower case as given."""
    found = Q(pk__in=[])
    for column in columns:
        for text in texts:
            found |= Q(**{f"{column}_as_text__contains": text})
    return found
