"""Request preparation: from an operation and its arguments to a request; every mistake is reported before sending.

Parameters are checked fully, because HighLevel ignores unknown ones and answers nonsense for wrong ones. Bodies are
checked for missing names only: their schemas in the vendor's files are too often wrong, and a 422 names the field.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
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
    """Fill path, query, headers and body. Raises BadRequest that names the parameter and lists the valid ones.

    `tenant` (`locationId`, `companyId`) fills parameters and body properties of these names, `location_id` and the pair
    `altId`/`altType`, wherever the operation has them and the caller gave none; an explicit None omits one. In a
    multipart body, bytes and (name, bytes[, media type]) tuples are files.
    """
    plan = _plan(operation)
    own = _tenant_names(tenant) if tenant else {}
    values = {**{k: v for k, v in own.items() if k in plan.names}, **params} if params else own
    if params and not params.keys() <= plan.names:
        raise _unknown(operation, next(name for name in params if name not in plan.names))
    placed: dict[str, list[tuple[str, str]]] = {"query": [], "header": []}
    path = "".join(_segment(operation, part, values) if isinstance(part, Parameter) else part for part in plan.path)
    for parameter in plan.others:
        value = values.get(parameter.name)
        if value is not None:
            for text in texts(operation.key, parameter, value):
                placed[parameter.part].append((parameter.name, text))
        elif parameter.required:
            raise _missing(operation, parameter)
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


def _tenant_names(tenant: Mapping[str, str]) -> dict[str, str]:
    names = {name: value for name, value in tenant.items() if value}
    if "locationId" in names:
        location_id = names["locationId"]
        names |= {"location_id": location_id, "altId": location_id, "altType": "location"}
    return names


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
        if body is not None:
            raise BadRequest(f"{operation.key} takes no body")
        return {}
    if body is None and not wanted.required:
        return {}
    if wanted.is_array:
        if not isinstance(body, list | tuple):
            raise BadRequest(f"{operation.key}: the body has to be a list")
        return {"json": list(body)}
    if not isinstance(body, Mapping | None):
        raise BadRequest(f"{operation.key}: the body has to be an object with {_names(wanted)}")
    return _encoded(wanted, _completed(operation, wanted, body or {}, own))


def _completed(operation: Operation, wanted: Body, body: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    full = {**{name: value for name, value in own.items() if name in wanted.properties}, **body}
    full = {name: value for name, value in full.items() if value is not None or name not in own}
    missing = [name for name in wanted.needs if name not in full]
    if missing:
        raise BadRequest(
            f"{operation.key}: the body lacks {', '.join(missing)}; it takes {_names(wanted)}", missing=missing
        )
    return full


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
    return ", ".join(f"{n} ({t}{', required' if n in wanted.needs else ''})" for n, t in wanted.properties.items())


def _missing(operation: Operation, parameter: Parameter) -> BadRequest:
    return BadRequest(
        f"{operation.key} needs {described(parameter)}; {_valid(operation.params)}", parameter=parameter.name
    )


def _unknown(operation: Operation, name: str) -> BadRequest:
    near = difflib.get_close_matches(name, [p.name for p in operation.params], n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return BadRequest(f"{operation.key} has no parameter '{name}'{hint}; {_valid(operation.params)}", parameter=name)


def _valid(params: Sequence[Parameter]) -> str:
    return "it takes " + ("; ".join(described(p) for p in params) if params else "no parameters")
