"""System checks of the synced resources: what a resource names must exist before its first run asks the vendor."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core import checks

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.pagination.styles import style_of
from integrations.sync.resources import ALL, Resource


@checks.register("hlapp")
def resources(**_: Any) -> list[checks.CheckMessage]:
    """Names, operations and webhook types of all resources."""
    return [*_names_used_twice(), *_events_used_twice(), *(fault for resource in ALL for fault in _faults(resource))]


def _names_used_twice() -> list[checks.CheckMessage]:
    names = Counter(resource.name for resource in ALL)
    hint = "The later one would replace the earlier: rename one in integrations/sync/resources/."
    twice = (name for name, number in names.items() if number > 1)
    return [checks.Error(f"Two resources are called {name!r}.", hint=hint, id="sync.E001") for name in twice]


def _events_used_twice() -> list[checks.CheckMessage]:
    types = Counter(event_type for resource in ALL for event_type in resource.events)
    hint = "One event can change one record: leave the type to one of them."
    twice = (event_type for event_type, number in types.items() if number > 1)
    return [checks.Error(f"Two resources want {event_type} events.", hint=hint, id="sync.E002") for event_type in twice]


def _faults(resource: Resource) -> list[checks.CheckMessage]:
    try:
        operation = catalogue("v2").operation(resource.operation)
        if resource.single is not None:
            catalogue("v2").operation(resource.single.operation)
    except BadRequest as error:
        return [
            checks.Error(f"Resource {resource.name!r}: {error}.", hint="See manage.py catalogue list.", id="sync.E003")
        ]
    found: list[checks.CheckMessage] = []
    if (style_of(operation.key) is None) != bool(resource.whole):
        text = f"Resource {resource.name!r}: {operation.key} pages, or `whole` names its list; one of the two."
        found.append(checks.Error(text, hint="The page styles are in highlevel.pagination.styles.", id="sync.E004"))
    if bool(resource.page_size) == bool(resource.whole):
        text = f"Resource {resource.name!r}: a listing that pages names its `page_size`, and no other does."
        found.append(checks.Error(text, hint="The page styles are in highlevel.pagination.styles.", id="sync.E006"))
    if not any({resource.scope} >= scopes for scopes in operation.scopes("location")):
        text = f"Resource {resource.name!r}: the scope {resource.scope!r} does not allow {operation.key}."
        found.append(checks.Error(text, hint=f"See manage.py catalogue show {operation.key}.", id="sync.E005"))
    return found
