"""Comparison of two catalogues: what a newer copy of the vendor's files changes, before a rebuild."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.highlevel.catalogue import fields
from integrations.highlevel.catalogue.operation import Kind, Operation, written
from integrations.highlevel.catalogue.operation_lookup import Catalogue

FIELDS = ("method", "path", "version", "deprecated", "credentials", "params", "body")


@dataclass(frozen=True, slots=True)
class Difference:
    """Keys added and removed, and for each changed operation the fields as (before, after)."""

    added: list[str]
    removed: list[str]
    changed: dict[str, dict[str, tuple[Any, Any]]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def difference(
    before: Catalogue,
    after: Catalogue,
    *,
    files: frozenset[str] | None = None,
    inside: tuple[fields.Fields, fields.Fields] = ({}, {}),
) -> Difference:
    """Compare two catalogues, and the fields `inside` bodies and responses of each. `files` limits this to the
    operations of these files (the part before the key's dot).
    """
    old, new = _written(before, files), _written(after, files)
    changed = {key: _fields(old[key], new[key]) | fields.difference(*inside, key) for key in old if key in new}
    return Difference(
        added=[key for key in new if key not in old],
        removed=[key for key in old if key not in new],
        changed={key: found for key, found in changed.items() if found},
    )


def in_words(name: str, old: Any, new: Any) -> list[str]:
    """One change in words: what was removed, added or altered; names, never whole lists."""
    return list(_in_words(name, old, new)) or [f"{name}: in another order"]


def _in_words(name: str, old: Any, new: Any) -> Iterator[str]:
    if name in fields.SIDES:
        yield from _entries(name, old, new)
    elif name == "params":
        yield from _params(*({f"{param[0]} ({param[1]})": param[2:] for param in side} for side in (old, new)))
    elif name == "credentials":
        yield from _entries(name, *({_credential(*one): None for one in side} for side in (old, new)))
    elif name == "body":
        yield from _body(old or {}, new or {})
    else:
        yield f"{name}: {json.dumps(old)} -> {json.dumps(new)}"


def _credential(kind: str, only: bool, scopes: list[str]) -> str:
    return f"{kind} token{', OAuth only' if only else ''} [{' '.join(scopes)}]"


def _body(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Changes of the body. An operation without a body counts as one with an empty body."""
    yield from _entries("body", old.get("properties", {}), new.get("properties", {}))
    yield from _entries("body requires", *(dict.fromkeys(side.get("needs", ())) for side in (old, new)))
    for name in ("content", "required", "is_array"):
        if old.get(name) != new.get(name):
            yield f"body {name}: {json.dumps(old.get(name))} -> {json.dumps(new.get(name))}"


def _params(old: Mapping[str, list[Any]], new: Mapping[str, list[Any]]) -> Iterator[str]:
    """Parameters that came, went or changed; of a changed one each fact, and the allowed values that came and went."""
    yield from _came_and_went("params", old, new)
    for name in old:
        if name in new and old[name] != new[name]:
            yield f"params: {name} {', '.join(_of_param(*old[name], *new[name]))}"


def _of_param(  # noqa: PLR0913 - a parameter's facts, as they were and as they are
    was_required: bool, kind: str, enum: list[str], style: str,
    required: bool, new_kind: str, new_enum: list[str], new_style: str,
) -> Iterator[str]:  # fmt: skip
    if was_required != required:
        yield "is required now" if required else "is no longer required"
    if kind != new_kind:
        yield f"type {kind} -> {new_kind}"
    if style != new_style:
        yield f"list style {style or 'none'} -> {new_style or 'none'}"
    values = [*(f"-{one}" for one in enum if one not in new_enum), *(f"+{one}" for one in new_enum if one not in enum)]
    if values:
        yield f"values {' '.join(values)}"
    elif enum != new_enum:
        yield "values in another order"


def _came_and_went(title: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    names = [*(f"-{name}" for name in old if name not in new), *(f"+{name}" for name in new if name not in old)]
    if names:
        yield f"{title}: {' '.join(names)}"


def _entries(title: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from _came_and_went(title, old, new)
    for name in old:
        if name in new and old[name] != new[name]:
            yield f"{title}: {name} {json.dumps(old[name])} -> {json.dumps(new[name])}"


def scopes_needed(before: Catalogue, after: Catalogue, found: Difference) -> dict[str, list[str]]:
    """Scopes that changed and added operations require and did not before, by operation.

    For an added operation only the scopes that no operation named before, because an app may have the others already.
    """
    old, new = ({o.key: o for o in c.operations()} for c in (before, after))
    known = frozenset().union(*map(_named, old.values()))
    needed = {key: _more(old[key], new[key]) for key in found.changed}
    needed |= {key: _named(new[key]) - known for key in found.added}
    return {key: sorted(scopes) for key, scopes in needed.items() if scopes}


def _named(operation: Operation) -> frozenset[str]:
    return frozenset(scope for credential in operation.credentials for scope in credential.scopes)


def _more(old: Operation, new: Operation) -> frozenset[str]:
    return frozenset().union(*(_more_of(old, new, kind) for kind in new.kinds))


def _more_of(old: Operation, new: Operation, kind: Kind) -> frozenset[str]:
    """The missing scopes for the cheapest new alternative, with any of the old alternatives granted."""
    granted = old.scopes(kind) or (frozenset[str](),)
    lacking = [scopes - had for scopes in new.scopes(kind) for had in granted]
    return min(lacking, key=len) if lacking else frozenset()


def _written(catalogue: Catalogue, files: frozenset[str] | None) -> dict[str, dict[str, Any]]:
    kept = (o for o in catalogue.operations() if files is None or o.key.partition(".")[0] in files)
    return {operation.key: written(operation) for operation in kept}


def _fields(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (old.get(name), new.get(name)) for name in FIELDS if old.get(name) != new.get(name)}
