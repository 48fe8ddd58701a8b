"""Saves, shows and deletes filters of admin lists (`SavedFilter`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

from integrations.core import audit, clock, masking
from integrations.core.errors import BadRequest
from integrations.core.models import SavedFilter
from integrations.core.pages import list_query

SHARE = "core.change_savedfilter"  # the permission to share filters, and to delete those that are shared
MOST = 50  # of one operator for one list
_NAME = 60


@dataclass(frozen=True, slots=True)
class NewFilter:
    """What an operator wants to save. An own filter of this name is replaced."""

    name: str
    query: str
    columns: Sequence[str]
    form: str
    is_shared: bool


def visible(request: HttpRequest, model: type[Model]) -> list[SavedFilter]:
    """The filters of a list that the operator may see. One that may name a person is not shared with those who see
    personal data masked.
    """
    found = SavedFilter.objects.of_list(model, request.user)
    hides = masking.applies(request)
    return [
        one for one in found if not hides or one.owner_id == request.user.pk or not list_query.is_personal(one.query)
    ]


def save(request: HttpRequest, model: type[Model], new: NewFilter, *, actor: str) -> SavedFilter:
    """Save a filter of the operator. Raises BadRequest with what to do for a name, a length or a number of filters
    that cannot be. Sharing without the permission is not done.
    """
    label, name, query = model._meta.label_lower, " ".join(new.name.split()), list_query.cleaned(new.query)  # noqa: SLF001
    if not name or len(name) > _NAME or not name.isprintable():
        raise BadRequest(f"a filter needs a name of at most {_NAME} characters: enter one")
    if len(query) > list_query.LONGEST:
        raise BadRequest(f"the filters have more than {list_query.LONGEST:,} characters: choose fewer")
    user: Any = request.user
    mine = SavedFilter.objects.filter(model=label, owner=user.pk)
    if mine.exclude(name=name).count() >= MOST:
        raise BadRequest(f"you have {MOST} filters of this list: delete one of them first")
    shared = new.is_shared and user.has_perm(SHARE)
    values = {
        "query": query,
        "columns": list(new.columns),
        "form": new.form,
        "is_shared": shared,
        "saved_at": clock.now(),
    }
    with transaction.atomic():
        row, _ = SavedFilter.objects.update_or_create(model=label, owner_id=user.pk, name=name, defaults=values)
        _record("saved", row, actor)
    return row


def forget(request: HttpRequest, model: type[Model], pk: str, *, actor: str) -> SavedFilter | None:
    """Delete a filter: an own one, or with the permission a shared one. None if there is none that may be deleted."""
    found = [one for one in visible(request, model) if str(one.pk) == pk and may_forget(request, one)]
    for row in found:
        with transaction.atomic():
            _record("deleted", row, actor)
            SavedFilter.objects.filter(pk=row.pk).delete()
    return found[0] if found else None


def may_forget(request: HttpRequest, row: SavedFilter) -> bool:
    """Whether the operator may delete it."""
    return row.owner_id == request.user.pk or (row.is_shared and request.user.has_perm(SHARE))


def _record(what: str, row: SavedFilter, actor: str) -> None:
    detail = list_query.for_audit(row.query) | {"list": row.model, "shared": row.is_shared}
    audit.record(f"filter.{what}", actor=actor, subject=f"filter:{row.name}", **detail)
