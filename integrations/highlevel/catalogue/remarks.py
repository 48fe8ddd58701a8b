"""Warnings about a call: parameters and fields that the vendor's OpenAPI files do not know or miss. They stop nothing.

The files are wrong too often to forbid anything (`proven_fields`): a call is refused only when it cannot be written as
a request. The call explorer, `manage.py call` and the error of a refused call show these remarks instead. They hold
names, never values, because errors are logged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from integrations.highlevel.catalogue import fields, proven_fields
from integrations.highlevel.catalogue.fill import filled, tenant_names
from integrations.highlevel.catalogue.operation import Body, Operation
from integrations.highlevel.catalogue.values import described, fits
from integrations.highlevel.oauth.dialects import DialectName

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": (list, tuple),
    "object": Mapping,
}


def remarks(
    operation: Operation,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    *,
    tenant: Mapping[str, str] | None = None,
    dialect: DialectName | None = None,
) -> list[str]:
    """The remarks on a call with the arguments of `prepare`, for people. With `dialect` also on values of the body."""
    own = tenant_names(tenant or {})
    kinds = {} if dialect is None else _kinds(dialect).get(operation.key, {})
    return [*_on_params(operation, {**own, **(params or {})}, own), *_on_body(operation, body, own, kinds)]


def _on_params(operation: Operation, given: Mapping[str, Any], own: Mapping[str, str]) -> Iterator[str]:
    known = {parameter.name for parameter in operation.params}
    for parameter in operation.params:
        value = given.get(parameter.name)
        if value is None:
            if parameter.required and parameter.part != "path":
                yield f"documented as required, and missing: {described(parameter)}"
        elif not fits(parameter, value):
            yield f"the value does not fit what is documented: {described(parameter)}"
    for name in given:
        if name not in known and name not in own:
            yield f"not documented, sent in the query: {name}{_near(name, known)}"


def _on_body(operation: Operation, body: Any, own: Mapping[str, str], kinds: Mapping[str, str]) -> Iterator[str]:
    wanted = operation.body
    if wanted is None:
        if body is not None:
            yield "no body is documented for this operation"
        return
    if body is not None and not isinstance(body, (list, tuple) if wanted.is_array else Mapping):
        yield f"the body is documented as {'a list' if wanted.is_array else 'an object'}"
    elif body is None and wanted.is_array and wanted.required:
        yield "the body, a list, is documented as required"
    elif not wanted.is_array and (body is not None or wanted.required):
        given = body if isinstance(body, Mapping) else {}
        yield from _on_fields(operation, wanted, {**filled(wanted, own), **given}, kinds)


def _on_fields(operation: Operation, wanted: Body, body: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[str]:
    proven = proven_fields.of(operation)
    missing = [name for name in proven.required if name not in body]
    if missing:
        yield f"the body needs {', '.join(missing)}"
    for group in proven.one_of:
        if not any(body.get(name) for name in group):
            yield f"the body needs one of {', '.join(group)}"
    said = [name for name in wanted.needs if name not in body and name not in proven.required]
    if said:
        yield f"documented as required, and missing in the body: {', '.join(said)}"
    for name, value in body.items():
        if wanted.properties and name not in wanted.properties:
            yield f"not documented in the body: {name}{_near(name, wanted.properties)}"
        elif value is not None:
            yield from _on_value(name, value, wanted.properties.get(name, "any"), kinds.get(name, ""))


def _on_value(name: str, value: Any, kind: str, documented: str) -> Iterator[str]:
    if isinstance(value, bytes | tuple):
        return  # a file
    expected = _TYPES.get(kind)
    if expected is not None and (not isinstance(value, expected) or (kind != "boolean" and isinstance(value, bool))):
        yield f"documented as {kind} in the body: {name}"
        return
    choices = documented.removesuffix("!").split("|")
    if len(choices) > 1 and isinstance(value, str) and value not in choices:
        yield f"documented as one of {', '.join(choices)} in the body: {name}"


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


@lru_cache(maxsize=2)
def _kinds(dialect: DialectName) -> dict[str, Mapping[str, str]]:
    """The documented kinds of each operation's body, by path (`catalogue.fields`)."""
    return {key: sides.get(fields.SIDES[0], {}) for key, sides in fields.committed(dialect).items()}
