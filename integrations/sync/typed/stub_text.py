"""The text of `synced.pyi`: a TypedDict for the records of each of our resources, and `records` with all of them.

A test compares it with the committed file. Resources of own apps are reached by the same attribute, untyped.
"""

from __future__ import annotations

from pathlib import Path

from integrations.sync.resources import ALL, Resource
from integrations.sync.typed import described_fields

FILE = Path(__file__).with_name("synced.pyi")
_HEAD = """\
# Generated from the catalogue by `manage.py records stub`: do not edit.
from typing import Any, TypedDict

from django.db.models import QuerySet

from integrations.sync.models import Record
from integrations.sync.typed.record_selection import RecordSelection
from integrations.tenants.models import App
"""
_TAIL = """\
    def __call__(self, app: App, location_id: str, resource: str) -> QuerySet[Record]: ...
    def __getattr__(self, name: str) -> RecordSelection[Any]: ...

records: Synced
"""
_COPY = "  # another object's, as old as this copy of it"
Fields = dict[str, str]  # kinds by name


def text() -> str:
    """The whole file."""
    described = {resource.name: _named(resource) for resource in ALL if resource.name.isidentifier()}
    copies = {resource.name: resource.copies for resource in ALL}
    classes = "".join(f"\n{_class(name, fields, copies[name])}" for name, fields in described.items() if fields)
    lines = "".join(f"    {name}: RecordSelection[{_title(name, fields)}]\n" for name, fields in described.items())
    return f"{_HEAD}{classes}\nclass Synced:\n{lines}{_TAIL}"


def _named(resource: Resource) -> Fields:
    return {name: kind for name, kind in described_fields.of(resource).items() if described_fields.is_name(name)}


def _class(resource: str, fields: Fields, copies: frozenset[str]) -> str:
    lines = "".join(f"    {name}: {_annotation(kind)}{_COPY * (name in copies)}\n" for name, kind in fields.items())
    return f"class {_title(resource, fields)}(TypedDict, total=False):\n{lines}"


def _title(resource: str, fields: Fields) -> str:
    """The name of the class; a plain dictionary where the vendor's files describe no field."""
    if not fields:
        return "dict[str, Any]"
    return "".join(part.capitalize() for part in resource.split("_")) + "Fields"


def _annotation(kind: str) -> str:
    """The vendor sends null for every field without a value."""
    python = described_fields.python_type(kind)
    return python if python == "Any" else f"{python} | None"
