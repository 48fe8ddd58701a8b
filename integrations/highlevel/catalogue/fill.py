"""Request preparation: from an operation and its arguments to a request.

Only what makes a request impossible is refused, before anything is sent: a missing path parameter, a value that cannot
be written into a path, query or form. Names, types and choices in the vendor's files are too often wrong to forbid
anything: the vendor's answer names the field, and `remarks` says beforehand what the files have against a call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import quote

from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.highlevel.catalogue.operation import Body, Operation, Parameter
from integrations.highlevel.catalogue.path_safety import has_dot_segment
from integrations.highlevel.catalogue.values import described, texts
from integrations.highlevel.http.transport import File, Request

LARGEST_IN_MEMORY = 16 * 1024 * 1024  # bytes of a file that is not streamed


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request without its token. Exactly one of `json` and `form` is set when there is a body.

    With `files`, even empty, the form is multipart.
    """

    operation: str
    method: str
    path: str
    version: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    json: Any = field(default=None, repr=False)
    form: dict[str, str | list[str]] | None = field(default=None, repr=False)
    files: dict[str, File] | None = field(default=None, repr=False)
    into: BinaryIO | None = field(default=None, repr=False)  # receives the body of a success, up to `largest` bytes
    largest: int = 0

    def request(self, token: Secret | None, *, timeout: float | None = None) -> Request:
        """The transport's request; `timeout` bounds the whole attempt, in seconds."""
        return Request(
            method=self.method,
            path=self.path,
            query=self.query,
            version=self.version,
            token=token,
            json=self.json,
            form=self.form,
            files=self.files,
            headers=self.headers,
            timeout=timeout,
            operation=self.operation,
            into=self.into,
            largest=self.largest,
        )


def prepare(
    operation: Operation,
    params: Mapping[str, object] | None = None,
    body: object = None,
    *,
    tenant: Mapping[str, str] | None = None,
) -> PreparedRequest:
    """Fill path, query, headers and body. A parameter that the operation does not list goes into the query.

    Raises BadRequest that names the parameter when the request cannot be written.

    `tenant` (`locationId`, `companyId`) fills parameters and body properties of these names, `location_id` and the pair
    `altId`/`altType`, wherever the operation has them and the caller gave none; an explicit None omits one. In a
    multipart body, bytes and (name, bytes[, media type]) tuples are files.
    """
    plan = _plan(operation)
    own = tenant_names(tenant) if tenant else {}
    values = {**{k: v for k, v in own.items() if k in plan.names}, **params} if params else own
    placed: dict[str, list[tuple[str, str]]] = {"query": [], "header": []}
    path = "".join(_segment(operation, part, values) if isinstance(part, Parameter) else part for part in plan.path)
    for parameter in plan.others:
        value = values.get(parameter.name)
        if value is not None:
            for text in texts(operation.key, parameter, value):
                placed[parameter.part].append((parameter.name, text))
    if params and not params.keys() <= plan.names:
        placed["query"] += _undocumented(operation, plan, params)
    return PreparedRequest(
        operation=operation.key,
        method=operation.method,
        path=path,
        version=operation.version,
        query=placed["query"],
        headers=dict(placed["header"]),
        **_body(operation, body, own),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    path: tuple[str | Parameter, ...]
    others: tuple[Parameter, ...]
    names: frozenset[str]


@lru_cache(maxsize=4096)  # more than both dialects have; those that the catalogue does not list come and go
def _plan(operation: Operation) -> _Plan:
    """The path split into parts once per operation, so that a call only joins them."""
    by_name = {p.name: p for p in operation.params if p.part == "path"}
    parts: list[str | Parameter] = []
    for n, piece in enumerate(operation.path.replace("}", "{").split("{")):
        parts.append(by_name[piece] if n % 2 else piece)
    others = tuple(p for p in operation.params if p.part != "path")
    return _Plan(tuple(parts), others, frozenset(p.name for p in operation.params))


def tenant_names(tenant: Mapping[str, str]) -> dict[str, str]:
    """Every name that stands for the tenant in a request, with its id."""
    names = {name: value for name, value in tenant.items() if value}
    if "locationId" in names:
        location_id = names["locationId"]
        names |= {"location_id": location_id, "altId": location_id, "altType": "location"}
    return names


def _undocumented(operation: Operation, plan: _Plan, params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The parameters that the operation does not list, for the query."""
    for name, value in params.items():
        if name not in plan.names and value is not None:
            for text in texts(operation.key, Parameter(name, "query", required=False, type="any"), value):
                yield name, text


def _segment(operation: Operation, parameter: Parameter, values: Mapping[str, object]) -> str:
    """One path parameter, encoded. A value that could change the path's shape (empty, dot segments) is refused."""
    value = values.get(parameter.name)
    if value is None:
        raise _missing(operation, parameter)
    text = ",".join(texts(operation.key, parameter, value))
    if not text or has_dot_segment(text):
        raise BadRequest(f"{operation.key}: {text!r} cannot be {described(parameter)}", parameter=parameter.name)
    return quote(text, safe="")


def _body(operation: Operation, body: object, own: Mapping[str, str]) -> dict[str, Any]:
    wanted = operation.body
    if wanted is None:
        return {} if body is None else {"json": body}
    if body is None:
        return _encoded(wanted, _completed(wanted, {}, own)) if wanted.required and not wanted.is_array else {}
    if isinstance(body, Mapping):
        return _encoded(wanted, body if wanted.is_array else _completed(wanted, body, own))
    if wanted.content == "json":
        return {"json": list(body) if isinstance(body, tuple) else body}
    raise BadRequest(f"{operation.key}: a form has to be an object with {_names(wanted)}")


def _completed(wanted: Body, body: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    full = {**filled(wanted, own), **body}
    return {name: value for name, value in full.items() if value is not None or name not in own}


def filled(wanted: Body, own: Mapping[str, str]) -> dict[str, str]:
    """The tenant's own names that the body has. `altId` alone is none: in a message it is the id at its provider."""
    named = wanted.properties.keys() - (() if "altType" in wanted.properties else ("altId",))
    return {name: value for name, value in own.items() if name in named}


def _encoded(wanted: Body, body: Mapping[str, Any]) -> dict[str, Any]:
    if wanted.content == "json":
        return {"json": body}
    files = {name: _file(name, value) for name, value in body.items() if isinstance(value, bytes | tuple)}
    form = {name: _field(value) for name, value in body.items() if name not in files and value is not None}
    return {"form": form, "files": files if wanted.content == "multipart" else None}


def _file(name: str, value: bytes | tuple[Any, ...]) -> File:
    parts = (name, value) if isinstance(value, bytes) else value
    media_type = str(parts[2]) if len(parts) > 2 else "application/octet-stream"
    content = parts[1]
    if not isinstance(content, bytes):  # an open file: the transport reads it piece by piece
        return str(parts[0]), content, media_type
    if len(content) > LARGEST_IN_MEMORY:
        raise BadRequest(f"'{name}' has {len(content)} bytes: hand over an open file, which is sent in pieces")
    return str(parts[0]), content, media_type


def _field(value: Any) -> str | list[str]:
    """A form field's text. A list repeats its name; an object is sent as JSON."""
    if isinstance(value, list):
        return [str(_field(item)) for item in value]
    if isinstance(value, dict):
        return json.dumps(value)
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _names(wanted: Body) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in wanted.properties.items()) or "its fields"


def _missing(operation: Operation, parameter: Parameter) -> BadRequest:
    return BadRequest(
        f"{operation.key} needs {described(parameter)}; {_valid(operation.params)}", parameter=parameter.name
    )


def _valid(params: Sequence[Parameter]) -> str:
    return "it takes " + ("; ".join(described(p) for p in params) if params else "no parameters")
