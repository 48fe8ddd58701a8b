"""Operations that the catalogue does not list, from a method and a path such as `GET /contacts/{contactId}/badges`.

The vendor adds operations before it publishes them, and API 1.0 has no published files. Such an operation has no known
scopes and no known parameters. Names in braces are path parameters, all others go into the query, and a body is sent as
it is. The path stays below the API's base URL: dot segments, empty segments and whole URLs are refused, encoded or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue.operation import Body, Content, Operation, Parameter
from integrations.highlevel.catalogue.operation_lookup import DEFAULT_VERSION, Catalogue
from integrations.highlevel.catalogue.path_safety import has_dot_segment, has_hidden_slash
from integrations.highlevel.oauth.dialects import DialectName

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LONGEST_KEY = 120  # characters, as in the statistics of calls
_ROUTE = re.compile(r"\s*([A-Za-z]+)\s+(\S.*?)\s*", re.DOTALL)
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|\{[A-Za-z_]\w*\})+)+/?|/", re.ASCII)
_NAME = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_WORD = re.compile(r"(?=.{1,32}$)[a-z]+(?:[A-Z][a-z]+)*(?:[-_.][a-z]+(?:[A-Z][a-z]+)*)*|v?\d", re.ASCII)
_Shape = tuple[Content, bool] | None  # of a body: its content, and whether it is a list


def route(name: str) -> tuple[str, str] | None:
    """Method and path of a name such as `GET /contacts/`; None for the name of an operation."""
    found = _ROUTE.fullmatch(name)
    return (found[1].upper(), found[2]) if found else None


def unlisted(
    method: str, path: str, *, version: str, params: Iterable[str] = (), body: Any = None, prefix: str = ""
) -> Operation:
    """The operation with this method and path. `params` are the names that are given, `body` is what will be sent.

    Its key has neither ids nor values, because it stands in statistics; `prefix` comes first in it. Raises BadRequest
    for another method, and for a path that is none or could leave the API's base URL.
    """
    return _operation(method, path, version, tuple(sorted(params)), _shape(body), prefix)


def version_near(path: str, catalogue: Catalogue, dialect: DialectName) -> str:
    """The version that most listed operations beside this path want: a wrong one is answered 400 (FACTS 7.1)."""
    return _versions(catalogue).get(_first(path), DEFAULT_VERSION[dialect])


@lru_cache(maxsize=512)
def _operation(method: str, path: str, version: str, params: tuple[str, ...], shape: _Shape, prefix: str) -> Operation:
    shown = f"{prefix}{method} {path}"
    if method not in METHODS:
        raise BadRequest(f"{shown[:200]}: the method has to be one of {', '.join(METHODS)}")
    mistake = _mistake(path)
    if mistake:
        raise BadRequest(f"{shown[:200]}: {mistake}")
    in_path = dict.fromkeys(_NAME.findall(path))
    return Operation(
        key=f"{prefix}{method} {_without_ids(path)}"[:LONGEST_KEY],
        method=method,
        path=path,
        tag="",
        version=version,
        version_stated=False,
        deprecated=False,
        credentials=(),
        params=(
            *(Parameter(name, "path", required=True, type="string") for name in in_path),
            *(Parameter(name, "query", required=False, type="any") for name in params if name not in in_path),
        ),
        body=None if shape is None else Body(shape[0], required=False, is_array=shape[1]),
    )


def _mistake(path: str) -> str:
    """What is wrong with the path, in words; empty for a path below the base URL."""
    if "://" in path or path.startswith("//"):
        return "give the path alone, it is sent to the API's own host"
    if not path.startswith("/"):
        return "use a path that starts with a slash"
    if "?" in path or "#" in path:
        return "give the path alone, and each value of the query as a parameter"
    if has_dot_segment(path):
        return "the path must not have the segments . and .."
    if has_hidden_slash(path) or not _PATH.fullmatch(path):
        return "the path has a character that cannot stand there: give such a value as a parameter"
    return ""


def _shape(body: Any) -> _Shape:
    if body is None:
        return None
    files = isinstance(body, Mapping) and any(isinstance(value, bytes | tuple) for value in body.values())
    return ("multipart" if files else "json", isinstance(body, list | tuple))


def _without_ids(path: str) -> str:
    """`/contacts/{id}` for `/contacts/ocQHyuzHvysMo5N5VsXc`: words stay, everything else may be an id or a person's."""
    return "/".join(
        part if not part or _NAME.fullmatch(part) or _WORD.fullmatch(part) else "{id}" for part in path.split("/")
    )


@lru_cache(maxsize=4)
def _versions(catalogue: Catalogue) -> dict[str, str]:
    """By first segment of the path."""
    found: dict[str, dict[str, int]] = {}
    for operation in catalogue.operations():
        counts = found.setdefault(_first(operation.path), {})
        counts[operation.version] = counts.get(operation.version, 0) + 1
    return {first: max(counts, key=lambda version: counts[version]) for first, counts in found.items()}


def _first(path: str) -> str:
    return path.strip("/").partition("/")[0]
