"""The spool's entries in a backup: grants that were not committed when it was made (`tokens.spool`).

They are read before and after the tables: an entry that is committed meanwhile is in the tables or among these. One
that is in both is committed once, because its name is spent.
"""

from __future__ import annotations

import base64
from typing import Any

from integrations.core.errors import StoreUnavailable
from integrations.tokens.spool import spool
from integrations.tokens.spool.backends import BACKENDS, FAILURES

__all__ = ["FAILURES", "Entries", "as_note", "put_back", "read", "unreadable"]

Entries = dict[tuple[str, str, bool], bytes]  # text by backend, name, and whether it was set aside


def read() -> Entries:
    """All entries of Redis and of this machine's disk. Raises StoreUnavailable when one cannot be read."""
    found: Entries = {}
    for backend in BACKENDS:
        for aside in (False, True):
            try:
                texts = backend.look(aside=aside).texts
            except FAILURES as error:
                raise StoreUnavailable(
                    f"the spool on {backend.name} does not answer: {type(error).__name__}"
                ) from error
            found |= {(backend.name, name, aside): text for name, text in texts.items()}
    return found


def as_note(entries: Entries) -> list[dict[str, Any]]:
    """The entries as JSON."""
    return [
        {"backend": backend, "name": name, "aside": aside, "text": base64.b64encode(text).decode()}
        for (backend, name, aside), text in sorted(entries.items())
    ]


def put_back(note: list[dict[str, Any]]) -> None:
    """Put the entries of a backup into their backends. Workers commit them."""
    backends = {backend.name: backend for backend in BACKENDS}
    for entry in note:
        backends[entry["backend"]].put(entry["name"], base64.b64decode(entry["text"]), aside=entry["aside"])


def unreadable(note: list[dict[str, Any]]) -> list[str]:
    """The names of entries that are damaged."""
    return [entry["name"] for entry in note if not _parses(entry["name"], base64.b64decode(entry["text"]))]


def _parses(name: str, text: bytes) -> bool:
    try:
        spool.read(name, text)
    except ValueError:
        return False
    return True
