"""Catalogue of the vendor's webhook events: each `type` with the fields of its payload, as a committed file.

The vendor publishes a page for each event, with a schema and samples. `of_publication` reads them from one JSON file
(`webhook-events.json`, page by page) or from a folder of Markdown pages (`webhook events`). The name of a page is not
always the `type`, and the samples of some pages carry another page's (FACTS 3.5). Only names and kinds of fields are
kept. A type that is missing here is stored and acknowledged like any other.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import fields
from integrations.highlevel.catalogue.fields import Kinds

FILE = "events.json"
SOURCE = "webhook-events.json"
# FACTS 3.5: pages whose name is not the type of their event.
TYPES = {
    "AppInstall": "INSTALL",
    "AppUninstall": "UNINSTALL",
    "AppUpdate": "UPDATE",
    "PlanChange": "PLAN_CHANGE",
    "AppPaymentStatus": "APP_PAYMENT_STATUS",
    "ExternalAuthConnected": "EXTERNAL_AUTH_CONNECTED",
    "ConversationUnreadWebhook": "ConversationUnreadUpdate",
    "SaaSPlanCreate": "SaasPlanCreate",
}
# FACTS 13: the delivery of a module, whose `type` is a channel.
NO_EVENTS = frozenset({"ProviderOutboundMessage"})
_KNOWLEDGE = "locationId knowledgeBaseId id assetType status action deleted:boolean"
_TRIAL = "trial:object trial.onTrial:boolean trial.trialDuration:number trial.trialStartDate"
# FACTS 3.4, 3.5, 10, 13: documented on the vendor's pages, missing in its repository. Only the fields that are known.
DOCUMENTED = {
    "APP_PAYMENT_STATUS": "appId companyId locationId",
    "ConversationUpdate": "locationId companyId newConversationId oldConversationId contactId",
    "EXTERNAL_AUTH_CONNECTED": "appId locationId companyId authType scopes:any isAutoRefreshTokenEnabled:boolean",
    "KnowledgeBaseCreate": "locationId",
    "KnowledgeBaseDelete": "locationId",
    "KnowledgeBaseFaqChange": _KNOWLEDGE,
    "KnowledgeBaseFileChange": _KNOWLEDGE,
    "KnowledgeBaseRichTextChange": _KNOWLEDGE,
    "KnowledgeBaseTableFileChange": _KNOWLEDGE,
    "KnowledgeBaseTrainedUrlChange": _KNOWLEDGE,
    "KnowledgeBaseUpdate": "locationId",
    "SaasPlanCreate": "companyId planId",
    "SupportTicketCreate": "ticketId appId companyId locationId versionId",
    "SupportTicketDelete": "ticketId appId companyId locationId versionId",
    "SupportTicketUpdate": "ticketId appId companyId locationId versionId",
    "UPDATE": "appId companyId locationId userId planId previousVersionId companyName isWhitelabelCompany:boolean "
    f"{_TRIAL} whitelabelDetails:object whitelabelDetails.domain whitelabelDetails.logoUrl",
    "UserDelete": "locationId companyId id",
    "UserUpdate": "locationId companyId id",
    "VoiceAiCallEnd": "locationId",
}


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event. `fields` are the payload's, by path (`appointment.users`), with their kinds.

    `published`: it is in the vendor's files; else it is known from the vendor's documentation alone, not completely.
    """

    type: str
    fields: Kinds
    published: bool = True


EventTypes = Mapping[str, EventType]


@cache
def event_types() -> EventTypes:
    """The committed catalogue, by type."""
    return read(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def find(name: str) -> EventType:
    """The type of this name. Raises BadRequest with the closest names."""
    found = event_types().get(name)
    if found is None:
        near = difflib.get_close_matches(name, event_types(), n=5, cutoff=0.4)
        raise BadRequest(f"there is no event type '{name}'" + (f"; close to it: {', '.join(near)}" if near else ""))
    return found


def read(text: str) -> EventTypes:
    """The event types in the text of a committed file."""
    rows = json.loads(text)
    return {
        name: EventType(name, fields.read_rows(row["fields"]), row.get("published", True)) for name, row in rows.items()
    }


def text_of(types: EventTypes) -> str:
    """The text of the committed file: one type per line."""
    lines = []
    for one in types.values():
        row = {**({} if one.published else {"published": False}), "fields": fields.rows_of(one.fields)}
        lines.append(f"{json.dumps(one.type)}: {json.dumps(row, separators=(',', ':'))}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def source_in(folder: Path) -> Path | None:
    """The file or folder inside this one that has the pages of events, if there is one."""
    files = sorted(folder.rglob(SOURCE))
    folders = sorted(path for path in folder.rglob("webhook*events") if path.is_dir() and any(path.glob("*.md")))
    return next(iter([*files, *folders]), None)


def of_publication(source: Path) -> EventTypes:
    """The event types of the vendor's pages, with the documented ones that these lack.

    Raises BadRequest that names the page that cannot be understood.
    """
    found: dict[str, EventType] = {}
    for page, schema, samples in _pages(source):
        if page in NO_EVENTS:
            continue
        name = TYPES.get(page, page)
        try:
            found[name] = EventType(name, _fields(schema, samples))
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadRequest(f"{source.name}: the page {page} is not understood: {fault!r}", page=page) from fault
    if not found:
        raise BadRequest(f"{source} has no pages of events")
    for name, known in DOCUMENTED.items():
        pairs = (entry.partition(":") for entry in known.split())
        kinds = {path: kind or fields.USUAL for path, _, kind in pairs}
        found.setdefault(name, EventType(name, {"type": fields.USUAL, **kinds}, published=False))
    return dict(sorted(found.items()))


def difference(before: EventTypes, after: EventTypes) -> dict[str, tuple[Kinds, Kinds]]:
    """For each type that came, went or changed: the fields that differ, as they were and as they are."""
    found = {}
    for name in sorted({*before, *after}):
        old, new = (types[name].fields if name in types else {} for types in (before, after))
        if old != new or (name in before) != (name in after):
            found[name] = (fields.only(old, new), fields.only(new, old))
    return found


def _pages(source: Path) -> Iterator[tuple[str, Mapping[str, Any], list[Any]]]:
    """Name, schema and samples of each page."""
    if source.is_dir():
        for file in sorted(source.glob("*.md")):
            blocks = re.findall(r"```(?:json)?\s*\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)
            parsed = [value for block in blocks if isinstance(value := _json(block), dict)]
            schemas = [value for value in parsed if isinstance(value.get("properties"), dict)]
            if parsed:
                yield file.stem, schemas[0] if schemas else {}, [value for value in parsed if value not in schemas]
        return
    document = _json(source.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or not all(isinstance(page, dict) for page in document.values()):
        raise BadRequest(
            f"{source.name} is no list of events: it has an object with `schema` and `examples` for each page"
        )
    for name, page in document.items():
        yield name, page.get("schema") or {}, list(page.get("examples") or ())


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _fields(schema: Mapping[str, Any], samples: list[Any]) -> Kinds:
    """The schema's fields. The samples have more of them, and kinds that the schema leaves open."""
    found = dict(fields.of_schema(schema))
    for sample in samples:
        for path, kind in _sampled(sample, ""):
            if found.get(path, "any") in ("any", "any[]"):
                found[path] = kind
    return dict(sorted(found.items()))


def _sampled(value: Any, parent: str, level: int = 0) -> Iterator[tuple[str, str]]:
    if level >= fields.LEVELS or not isinstance(value, dict):
        return
    for name, inner in value.items():
        path = f"{parent}.{name}" if parent else name
        yield path, _kind(inner)
        first = next(iter(inner), None) if isinstance(inner, list) else None
        yield from _sampled(inner, path, level + 1)
        yield from _sampled(first, f"{path}[]", level + 1)


def _kind(value: Any) -> str:
    if isinstance(value, list):
        kinds = {_kind(item) for item in value}
        return f"{kinds.pop() if len(kinds) == 1 else 'any'}[]"
    names = {bool: "boolean", str: "string", int: "number", float: "number", dict: "object"}
    return names.get(type(value), "any")
