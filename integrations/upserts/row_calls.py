"""From a row of a file to the call that writes its record: which column fills which field, and as what type.

A field is a name of the operation's parameters or of its body; `address.city` is a field of an object, and
`customFields.<id>` a custom field. An empty cell of a CSV leaves its field as it is at the vendor. A cell that does not
have the documented type is sent as its text: the vendor's files are too often wrong to forbid it (`catalogue.remarks`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.core.texts import storable_json
from integrations.gateway import call_checks, target
from integrations.gateway.target import Target
from integrations.tenants.models import App
from integrations.upserts.row_sources import SourceRow
from integrations.upserts.upsert_key import RowContent

LARGEST = 64 * 1024  # bytes of one row as JSON
LONGEST_FIELD = 200
_METHODS = ("POST", "PUT", "PATCH")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
_CUSTOM = "customFields"


class UnusableRow(Exception):
    """The row cannot be sent. The text says why, without values of the row: it is counted and shown."""


@dataclass(frozen=True, slots=True)
class RowMapping:
    """How the rows of one upsert become calls. `columns` maps fields to columns; empty: a column fills the field of its
    name. `fixed` has fields that are the same in every row. `version` is that of the call, empty for the app's dialect.
    """

    target: Target
    tenant: Tenant
    columns: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""

    def content(self, row: SourceRow) -> RowContent:
        """The arguments of the row's call. Raises UnusableRow."""
        if row.trouble:
            raise UnusableRow(row.trouble)
        given = dict(self.fixed)
        for name, column in (self.columns or {one: one for one in row.cells if one}).items():
            if column not in row.cells:
                continue
            value = row.cells[column]
            if not row.is_text:
                given[name] = value
            elif text := str(value).strip():
                given[name] = self._typed(name, text)
        try:
            content = self._placed(given)
            self._check(content)
        except RecursionError:
            raise UnusableRow("it is nested too deeply") from None
        return content

    def fields_of(self, names: Mapping[str, Any]) -> list[str]:
        """The fields that rows with these columns set."""
        return sorted({*self.fixed, *(self.columns or names)})

    def _placed(self, given: Mapping[str, Any]) -> RowContent:
        named = {one.name for one in self.target.operation.params}
        params: dict[str, Any] = {}
        body: dict[str, Any] = {}
        for name, value in given.items():
            if name in named:
                params[name] = value
            elif name.startswith(f"{_CUSTOM}."):
                word = "fieldValue" if self.target.version.dialect == "v3" else "field_value"
                body.setdefault(_CUSTOM, []).append({"id": name.partition(".")[2], word: value})
            else:
                _put(body, name, value)
        return RowContent(storable_json(params), storable_json(body))

    def _check(self, content: RowContent) -> None:
        if not content.body and not content.params:
            raise UnusableRow("it is empty")
        try:
            if len(json.dumps([content.params, content.body])) > LARGEST:
                raise UnusableRow(f"it is larger than {LARGEST // 1024} kB")
            self.target.request(content.params, content.body, self.tenant.request_fields)
        except (BadRequest, TypeError, ValueError) as error:
            raise UnusableRow(f"it cannot be written as a request: {error}") from error

    def _typed(self, name: str, text: str) -> Any:
        """The text of a cell as the type that the field is documented with, if it can be that."""
        operation = self.target.operation
        kinds = {one.name: one.type for one in operation.params} | dict(
            operation.body.properties if operation.body else {}
        )
        kind = kinds.get(name, "")
        if kind in ("number", "integer"):
            return _number(text)
        if kind == "boolean":
            return text.lower() in _YES if text.lower() in (*_YES, *_NO) else text
        if kind == "array":
            return _list(text)
        return _json_or_text(text) if kind in ("object", "any") else text


def mapping_of(  # noqa: PLR0913 - what a caller of `prepare` gives
    operation: str,
    app: App,
    *,
    location: str | None = None,
    company: str | None = None,
    version: str | None = None,
    columns: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> RowMapping:
    """The mapping of an upsert. Raises BadRequest for an operation that reads or deletes."""
    wanted = target.find(operation, app, version=version, params={**(fixed or {}), **(columns or {})}, body={})
    known = wanted.operation
    tenant = call_checks.credential_key(known, app=app, location=location, company=company, api=wanted.api).tenant
    if wanted.reads or known.method not in _METHODS:
        raise BadRequest(f"{known.key} does not write one record: name an operation such as an upsert or update")
    for name in (*(columns or {}), *(fixed or {})):
        if not 0 < len(name) <= LONGEST_FIELD:
            raise BadRequest(f"the name of a field has 1 to {LONGEST_FIELD} characters: {name[:80]!r}")
    return RowMapping(wanted, tenant, dict(columns or {}), dict(fixed or {}), version or "")


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        inner = body.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UnusableRow(f"{part} is given as a value and as an object")
        body = inner
    body[last] = value


def _number(text: str) -> int | float | str:
    try:
        found = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return text
    return found if isfinite(found) else text


def _list(text: str) -> Any:
    """JSON, or texts with semicolons between them."""
    if text.startswith("["):
        return _json_or_text(text)
    return [part.strip() for part in text.split(";") if part.strip()]


def _json_or_text(text: str) -> Any:
    """The vendor's files call dates and amounts objects, too (`monetaryValue`), so a text stays one."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
