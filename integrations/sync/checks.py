"""System checks of the synced resources: what a resource names must exist before its first run asks the vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core import checks

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import Operation, catalogue
from integrations.highlevel.catalogue.fill import tenant_names
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.highlevel.pagination import api1_styles, styles
from integrations.sync.resources import ALL, Resource
from integrations.tenants.credential_kinds import API_1


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
    types = Counter((event_type, resource.level) for resource in ALL for event_type in resource.events)
    hint = "One event can change one record of a location and one of its company: leave the type to one of them."
    twice = (event_type for (event_type, _), number in types.items() if number > 1)
    return [checks.Error(f"Two resources want {event_type} events.", hint=hint, id="sync.E002") for event_type in twice]


def _faults(resource: Resource) -> Iterator[checks.CheckMessage]:
    for dialect in DIALECTS:
        here = resource.on(dialect)
        if here is not None:
            yield from _faults_in(here, dialect)
    here = resource.on(API_1)
    if here is not None and (here.operation in api1_styles.STYLES_BY_ROUTE) == bool(here.whole):
        yield _paging(f"{resource.name!r} in API 1.0", here, api1_styles.__name__)


def _faults_in(resource: Resource, dialect: DialectName) -> list[checks.CheckMessage]:
    name = f"{resource.name!r} in {dialect}"
    try:
        operation = catalogue(dialect).operation(resource.operation)
        if resource.single is not None:
            catalogue(dialect).operation(resource.single.operation)
    except BadRequest as error:
        return [checks.Error(f"Resource {name}: {error}.", hint="See manage.py catalogue list.", id="sync.E003")]
    found: list[checks.CheckMessage] = []
    if (styles.style_of(operation.key, dialect) is None) != bool(resource.whole):
        found.append(_paging(name, resource, styles.__name__))
    if operation.kinds and resource.kind not in operation.kinds:
        text = f"Resource {name}: {operation.key} takes no {resource.kind}'s token."
        found.append(checks.Error(text, hint=f"See manage.py catalogue show {operation.key}.", id="sync.E005"))
    if resource.below is not None and resource.below.resource.level is not resource.level:
        text = f"Resource {name}: it is a {resource.kind}'s, and {resource.below.resource.name} is not."
        found.append(checks.Error(text, hint="Both have to be of one level.", id="sync.E007"))
    if lacking := sorted(_required(operation) - _given(resource)):
        text = f"Resource {name}: {operation.key} needs {', '.join(lacking)}."
        found.append(checks.Error(text, hint="Name it in `params`, `body`, `below` or `windows`.", id="sync.E006"))
    return found


def _required(operation: Operation) -> set[str]:
    """The names that the vendor's file demands."""
    named = {parameter.name for parameter in operation.params if parameter.required}
    return named | set(operation.body.needs if operation.body else ())


def _given(resource: Resource) -> set[str]:
    """The names that a request of the resource has: the gateway's, those of the page, and its own."""
    request = resource.request("id", None)
    given = {*tenant_names(resource.tenant("id").request_fields), *(request.params or {}), *(request.body or {})}
    for part in resource.parts(clock.now())[:1]:
        given |= set(part)
    if resource.below is not None:
        given.add(resource.below.parameter)
    if resource.needs_company:
        given.add("companyId")
    style = resource.style
    return given if style is None else given | set(style.first()) | set(style.cursor)


def _paging(name: str, resource: Resource, where: str) -> checks.CheckMessage:
    fault = "both a page style and `whole`" if resource.whole else "neither a page style nor `whole`"
    text = f"Resource {name}: {resource.operation} has {fault}."
    return checks.Error(text, hint=f"See {where}; `whole` names the list of an answer without pages.", id="sync.E004")
