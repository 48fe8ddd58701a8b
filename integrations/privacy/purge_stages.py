"""The stages of a purge: one for each kind of data. A stage counts, and deletes a bounded number of rows at a time.

The stages of a tenant come from the inventory, and those of a contact from `contact_rows`. Two kinds are outside of the
database: states of quotas in Redis, and the spool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from django.db import transaction
from django.db.models import Model, QuerySet

from integrations.core.errors import StoreUnavailable
from integrations.privacy import contact_rows, inventory
from integrations.privacy.contact_rows import ContactRows
from integrations.privacy.holding import Holding
from integrations.privacy.purge_scope import Scope
from integrations.quota import stored_keys
from integrations.tokens.spool import tenant_entries

BATCH = 2_000  # rows of one transaction


class PurgeStage(Protocol):
    """One kind of data."""

    @property
    def name(self) -> str:
        """The key of its count."""

    @property
    def title(self) -> str:
        """What pages call it."""

    @property
    def in_database(self) -> bool:
        """Whether it is deleted in the transaction that notes its count."""

    def count(self, scope: Scope) -> int:
        """How much of it there is."""

    def left(self, scope: Scope) -> bool:
        """Whether there is any."""

    def remove(self, scope: Scope) -> int:
        """Delete up to `BATCH`; how many. Rows that another transaction has locked wait for the next pass."""


@dataclass(frozen=True, slots=True)
class TenantStage:
    """The rows of one model that belong to a tenant."""

    holding: Holding
    in_database: bool = True

    @property
    def name(self) -> str:
        """The model's label."""
        return self.holding.model

    @property
    def title(self) -> str:
        """What pages call it."""
        return self.holding.title

    def count(self, scope: Scope) -> int:
        """See `PurgeStage`."""
        return (self.holding.counted or self._rows)(scope).count()

    def left(self, scope: Scope) -> bool:
        """See `PurgeStage`."""
        return self._rows(scope).exists()

    def remove(self, scope: Scope) -> int:
        """See `PurgeStage`. Rows that have to stay are emptied, and count too."""
        emptied = self.holding.blank(scope) if self.holding.blank else 0
        return emptied + _delete(self._rows(scope))

    def _rows(self, scope: Scope) -> QuerySet[Any]:
        assert self.holding.rows is not None
        return self.holding.rows(scope)


@dataclass(frozen=True, slots=True)
class ContactStage:
    """What one table has about a contact: rows that are deleted, or emptied."""

    about: ContactRows
    in_database: bool = True

    @property
    def name(self) -> str:
        """The model's label."""
        return self.about.name

    @property
    def title(self) -> str:
        """What pages call it."""
        return self.about.title

    def count(self, scope: Scope) -> int:
        """See `PurgeStage`."""
        return self.about.rows(scope).count()

    def left(self, scope: Scope) -> bool:
        """See `PurgeStage`."""
        return self.about.rows(scope).exists()

    def remove(self, scope: Scope) -> int:
        """See `PurgeStage`."""
        rows, act = self.about.rows(scope), self.about.empty
        if self.about.ready is not None:
            rows = rows.filter(self.about.ready)
        return _delete(rows) if act is None else _chosen(rows, act)


@dataclass(frozen=True, slots=True)
class OutsideStage:
    """Data in Redis or on the disk. `find` counts it, `delete` deletes all of it."""

    name: str
    title: str
    find: Callable[[Scope], int]
    delete: Callable[[Scope], int]
    in_database: bool = False

    def count(self, scope: Scope) -> int:
        """See `PurgeStage`."""
        return self.find(scope)

    def left(self, scope: Scope) -> bool:
        """See `PurgeStage`."""
        return self.find(scope) > 0

    def remove(self, scope: Scope) -> int:
        """See `PurgeStage`."""
        return self.delete(scope)


OUTSIDE = (
    OutsideStage(
        "spool",
        "tokens in the spool",
        lambda scope: len(tenant_entries.names(scope.tenants)),
        lambda scope: tenant_entries.remove(scope.tenants),
    ),
    OutsideStage(
        "redis",
        "keys in Redis",
        lambda scope: stored_keys.count(scope.quota_keys),
        lambda scope: stored_keys.delete(scope.quota_keys),
    ),
)


def of(scope: Scope) -> tuple[PurgeStage, ...]:
    """The stages of a purge, in their order. The list of a release does not change while its processes run."""
    if scope.contact:
        return tuple(ContactStage(about) for about in contact_rows.ALL)
    return (*OUTSIDE, *(TenantStage(one) for one in inventory.holdings() if one.rows is not None))


def counts(scope: Scope) -> dict[str, int | None]:
    """How much of each kind there is, by the names of the stages. None while Redis or the spool does not answer."""
    found: dict[str, int | None] = {}
    for stage in of(scope):
        try:
            found[stage.name] = stage.count(scope)
        except StoreUnavailable:
            found[stage.name] = None
    return found


def titles(of_contact: bool) -> dict[str, str]:
    """What pages call the stages, by name."""
    stages: tuple[PurgeStage, ...] = tuple(map(ContactStage, contact_rows.ALL))
    if not of_contact:
        stages = (*OUTSIDE, *(TenantStage(one) for one in inventory.holdings() if one.rows is not None))
    return {stage.name: stage.title for stage in stages}


def _delete(rows: QuerySet[Any]) -> int:
    return _chosen(rows, partial(_delete_ids, rows.model))


def _delete_ids(model: type[Model], ids: list[Any]) -> None:
    model._base_manager.filter(pk__in=ids).only("pk").delete()  # noqa: SLF001 - documented by Django


def _chosen(rows: QuerySet[Any], act: Callable[[list[Any]], object]) -> int:
    """Act on the first rows, in the order of their keys; those that are locked are left."""
    with transaction.atomic():
        free = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",))
        ids = list(free.values_list("pk", flat=True)[:BATCH])
        if ids:
            act(ids)
    return len(ids)
