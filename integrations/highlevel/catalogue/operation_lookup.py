"""Lookup of operations by key, by a unique operationId, or by method and path."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue.operation import Operation, read
from integrations.highlevel.oauth.dialects import DialectName

# 29 operations of API 2.0 and 30 of v3 name no version; they get the version of nearly all others.
DEFAULT_VERSION: dict[DialectName, str] = {"v2": "2021-07-28", "v3": "v3"}
SUGGESTIONS = 5


class Catalogue:
    """The operations of one dialect."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._by_key = dict(operations)
        self._by_route = {_route(o.method, o.path): o for o in self._by_key.values()}
        self._by_id: dict[str, list[Operation]] = {}
        for operation in self._by_key.values():
            self._by_id.setdefault(operation.operation_id, []).append(operation)

    def find(self, name: str) -> Operation | None:
        """The operation called `contacts.get-contact`, `get-contact` or `GET /contacts/{contactId}`, if there is one.

        Raises BadRequest with all their keys when an operationId is not unique.
        """
        found = self._by_key.get(name) or self._by_route.get(_route(*name.partition(" ")[::2]))
        same_id = self._by_id.get(name, [])
        if found is None and len(same_id) > 1:
            raise BadRequest(
                f"'{name}' is the name of several operations: {', '.join(o.key for o in same_id)}", operation=name
            )
        return found or next(iter(same_id), None)

    def operation(self, name: str) -> Operation:
        """As `find`. Raises BadRequest with the closest names when there is none."""
        found = self.find(name)
        if found is None:
            near = self._near(name)
            hint = f"; close to it: {', '.join(near)}" if near else ""
            raise BadRequest(f"there is no operation '{name}'{hint}", operation=name)
        return found

    def operations(self) -> Iterator[Operation]:
        """All operations, in the order of their keys."""
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def _near(self, name: str) -> list[str]:
        """Keys whose key, operationId or route looks like the name, best first."""
        keys = {**{o.operation_id: o.key for o in self.operations()}, **{key: key for key in self._by_key}}
        if " " in name:
            keys = {_route(o.method, o.path): f"{o.method} {o.path}" for o in self.operations()}
        near = difflib.get_close_matches(name, keys, n=SUGGESTIONS, cutoff=0.4)
        return list(dict.fromkeys(keys[match] for match in near))


@lru_cache(maxsize=2)
def catalogue(dialect: DialectName) -> Catalogue:
    """The committed catalogue of a dialect, read on first use."""
    text = resources.files(__package__).joinpath(f"{dialect}.json").read_text(encoding="utf-8")
    return parsed(json.loads(text), dialect)


def parsed(document: Mapping[str, Any], dialect: DialectName) -> Catalogue:
    """A catalogue from the content of its file."""
    default = DEFAULT_VERSION[dialect]
    return Catalogue({key: read(key, data, default) for key, data in document["operations"].items()})


def _route(method: str, path: str) -> str:
    return f"{method.upper()} {path.rstrip('/')}"
