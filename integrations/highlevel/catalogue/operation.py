"""Data classes of one API operation, and their form in the committed file (one line each, for readable diffs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

Kind = Literal["location", "company"]
RequestPart = Literal["path", "query", "header"]
Content = Literal["json", "form", "multipart"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `type` is OpenAPI's, or `any`. `style` of an array: `repeat` (a=1&a=2) or `csv` (a=1,2)."""

    name: str
    part: RequestPart
    required: bool
    type: str
    enum: tuple[str, ...] = ()
    style: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedToken:
    """One accepted kind of token. `oauth_only`: private integration tokens are refused. No scopes: unstated."""

    kind: Kind
    oauth_only: bool
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """The body's fields. `properties` maps the top-level names to types; empty: the vendor does not describe them."""

    content: Content
    required: bool
    is_array: bool
    properties: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method and path. `version` is the header to send, the dialect's own when `version_stated` is False.

    `credentials` are alternatives; none means that the vendor's files state none. `kinds` are the kinds of token that
    may call the operation; empty when unstated. What follows from `credentials` is made once, because calls ask for it.
    """

    key: str
    method: str
    path: str
    tag: str
    version: str
    version_stated: bool
    deprecated: bool
    credentials: tuple[AcceptedToken, ...]
    params: tuple[Parameter, ...]
    body: Body | None
    kinds: frozenset[Kind] = field(init=False, repr=False)
    _scopes: Mapping[Kind, tuple[frozenset[str], ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        scopes: dict[Kind, tuple[frozenset[str], ...]] = {}
        for token in self.credentials:
            scopes[token.kind] = (*scopes.get(token.kind, ()), _scope_set(token.scopes))
        object.__setattr__(self, "kinds", frozenset(scopes))
        object.__setattr__(self, "_scopes", scopes)

    @property
    def operation_id(self) -> str:
        """The vendor's operationId: the key without its file."""
        return self.key.partition(".")[2]

    def scopes(self, kind: Kind) -> tuple[frozenset[str], ...]:
        """Alternative scope sets for this kind of token; one of them has to be granted as a whole."""
        return self._scopes.get(kind, ())

    def oauth_only(self, kind: Kind) -> bool:
        """Whether no private integration token of this kind may call the operation."""
        same = [credential for credential in self.credentials if credential.kind == kind]
        return bool(same) and all(credential.oauth_only for credential in same)


def written(operation: Operation) -> dict[str, Any]:
    """The operation as JSON for the committed file, without empty fields and without its key."""
    body = operation.body
    return {
        "method": operation.method,
        "path": operation.path,
        "tag": operation.tag,
        **({"version": operation.version} if operation.version_stated else {}),
        **({"deprecated": True} if operation.deprecated else {}),
        "credentials": [[c.kind, c.oauth_only, list(c.scopes)] for c in operation.credentials],
        "params": [[p.name, p.part, p.required, p.type, list(p.enum), p.style] for p in operation.params],
        **({} if body is None else {"body": _written_body(body)}),
    }


def read(key: str, data: Mapping[str, Any], default_version: str) -> Operation:
    """The inverse of `written`. Equal parameters, credentials and texts are shared between operations."""
    version, body = data.get("version"), data.get("body")
    return Operation(
        key=key,
        method=data["method"],
        path=data["path"],
        tag=data["tag"],
        version=version or default_version,
        version_stated=version is not None,
        deprecated=data.get("deprecated", False),
        credentials=tuple(_credential(kind, only, tuple(scopes)) for kind, only, scopes in data["credentials"]),
        params=tuple(_parameter(*fields[:4], tuple(fields[4]), fields[5]) for fields in data["params"]),
        body=None if body is None else _read_body(body),
    )


def _written_body(body: Body) -> dict[str, Any]:
    return {
        "content": body.content,
        "required": body.required,
        "is_array": body.is_array,
        "properties": dict(body.properties),
        "needs": list(body.needs),
    }


def _read_body(data: Mapping[str, Any]) -> Body:
    return Body(data["content"], data["required"], data["is_array"], data["properties"], tuple(data["needs"]))


_parameter = cache(Parameter)
_credential = cache(AcceptedToken)
_scope_set: Callable[[tuple[str, ...]], frozenset[str]] = cache(frozenset)
