"""Every operation of the vendor's API as data, generated from its OpenAPI files and committed.

`catalogue("v2").operation("contacts.get-contact")` says how to call it; `prepare` turns arguments into a
request. A key is `<file>.<operationId>` (`-v3` cut from the file's name), which is unique in both dialects.
No prose of the vendor is kept. Made anew by `manage.py catalogue build DIR`; `diff` shows what a newer copy
of the files changes, down to the names in bodies and answers (`fields`, of no use to a call and never loaded for one).
"""

from __future__ import annotations

from integrations.highlevel.catalogue.fill import PreparedRequest, prepare
from integrations.highlevel.catalogue.lookup import Catalogue, catalogue
from integrations.highlevel.catalogue.operation import Body, Credential, Operation, Parameter

__all__ = [
    "Body",
    "Catalogue",
    "Credential",
    "Operation",
    "Parameter",
    "PreparedRequest",
    "catalogue",
    "prepare",
]
