"""What a caller would give `gateway.client.call` for an operation, read from its OpenAPI file."""

from __future__ import annotations

import re
from typing import Any

from tests.gateway_operations.samples import flat, sample
from tests.gateway_operations.specification import Specified

# What the gateway fills in itself, by the kind of tenant.
TENANT = {
    "location": {"locationId", "location_id", "altId", "altType"},
    "company": {"companyId"},
}
UPLOAD = ("sample.csv", b"a,b\n1,2\n", "text/csv")


def params(operation: Specified, kind: str, *, whole: bool = True) -> dict[str, Any]:
    """Every parameter of path, query and headers but those of the tenant; without `whole` only the required ones."""
    given: dict[str, Any] = {name: f"{name} ä/?#" for name in re.findall(r"{([^}]+)}", operation.path)}
    for part in ("path", "query", "header"):
        for parameter in operation.parameters(part):
            if whole or parameter.get("required"):
                given[parameter["name"]] = sample(operation.schema_of(parameter), operation.document)
    hidden = TENANT[kind] | {name for name in given if name.lower() in ("version", "authorization")}
    return {name: value for name, value in given.items() if name not in hidden}


def body(operation: Specified, kind: str, *, whole: bool = True) -> Any:
    """The body, files as (name, bytes, media type); None where there is none.

    Without `whole` it has its required fields only, and is None where the whole body may be left out.
    """
    if operation.body is None or not (whole or operation.data["requestBody"].get("required")):
        return None
    media_type, schema = operation.body
    made = sample(schema, operation.document, whole=whole)
    if isinstance(made, dict):
        made = {name: value for name, value in made.items() if name not in TENANT[kind]}
    if media_type != "multipart/form-data":
        return made
    properties = flat(schema, operation.document).get("properties", {})
    files = {name: UPLOAD for name, part in properties.items() if part.get("format") == "binary" and name in made}
    return {**made, **files} if properties else {"file": UPLOAD}
