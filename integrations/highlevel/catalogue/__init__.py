"""Catalogue of the vendor's API operations as data, generated from its OpenAPI files and committed.

`catalogue("v2").operation("contacts.get-contact")` says how to call it; `prepare` turns arguments into a request. A key
is `<file>.<operationId>` (`-v3` cut from the file's name), which is unique in both dialects. The vendor's prose is not
kept. `manage.py catalogue build DIR` rebuilds the files; `diff` shows what a newer copy of the vendor's files changes,
down to the names in bodies and responses (`fields`, which calls do not need and never load).
"""

from __future__ import annotations

from integrations.highlevel.catalogue.fill import PreparedRequest, prepare
from integrations.highlevel.catalogue.operation import AcceptedToken, Body, Operation, Parameter
from integrations.highlevel.catalogue.operation_lookup import Catalogue, catalogue

__all__ = [
    "AcceptedToken",
    "Body",
    "Catalogue",
    "Operation",
    "Parameter",
    "PreparedRequest",
    "catalogue",
    "prepare",
]
