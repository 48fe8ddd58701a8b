"""Files to and from the vendor in constant memory: read from disk piece by piece, and written to it.

`client.call` takes files too, from memory and up to a size (`catalogue.fill.LARGEST_IN_MEMORY`), and answers up to
`highlevel.wire.Limits.body_bytes`. Here neither is held. A download appears under its name only when it is complete.
"""

from __future__ import annotations

import mimetypes
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from integrations.gateway import client
from integrations.gateway.address import address
from integrations.gateway.client import Result
from integrations.highlevel import files
from integrations.highlevel.catalogue import prepare
from integrations.quota.lanes import Lane
from integrations.tenants.models import App

DEADLINE = 300.0  # seconds; half a gigabyte, the most the vendor takes of a video, at 14 Mbit/s
LARGEST = 1024 * 1024 * 1024  # bytes of a download, unless the caller says otherwise


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file. `size` is in bytes; `trace_id` is None for what did not come through the API."""

    path: Path
    size: int
    media_type: str
    trace_id: str | None


def upload(
    operation: str, file: Path, *, field: str = "file", body: Mapping[str, Any] | None = None, **how: Any
) -> Result:
    """Call a multipart operation with the file as its `field`, streamed. `body` has the other fields; `how` is the rest
    of `client.call`'s, with a longer deadline. Raises OSError when the file cannot be read, and what `call` raises."""
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    with file.open("rb") as content:
        part = (file.name, content, media_type)
        return client.call(operation, body={**(body or {}), field: part}, **{"deadline": DEADLINE, **how})


def download(  # noqa: PLR0913 - as `client.call`
    operation: str,
    to: Path,
    *,
    app: App,
    location: str | None = None,
    company: str | None = None,
    params: Mapping[str, Any] | None = None,
    lane: Lane = Lane.BULK,
    deadline: float = DEADLINE,
    largest: int = LARGEST,
) -> Downloaded:
    """Call an operation and write its answer, whatever it is, to the file `to`. Raises OSError when it cannot be
    written, Unreachable for more than `largest` bytes, and what `client.call` raises; `to` is as it was then."""
    known = client.found(operation, app)
    target = address(known, app=app, location=location, company=company)
    request = prepare(known, params, tenant=target.tenant)
    with _complete(to) as into:
        filled = replace(request, into=into, largest=largest)
        response = client.perform(known, target, filled, lane=lane, deadline=deadline)
        return Downloaded(to, into.tell(), response.content_type, response.trace_id)


def fetch(url: str, to: Path, *, deadline: float = DEADLINE, largest: int = LARGEST) -> Downloaded:
    """Write what a public address holds (a media file's `url`, an attachment, a recording) to the file `to`.

    It gets no token and costs no permit: it is not the API. Raises BadRequest for an address that is not public https,
    Unreachable, ServerFault, RequestRejected and OSError; `to` is as it was then.
    """
    with _complete(to) as into:
        media_type = files.fetch(url, into, largest=largest, timeout=deadline)
        return Downloaded(to, into.tell(), media_type, None)


@contextmanager
def _complete(to: Path) -> Iterator[BinaryIO]:
    """A file beside `to` that takes its place when the block succeeds, and is gone when it does not."""
    handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.")
    try:
        with os.fdopen(handle, "wb") as into:
            yield into
        os.replace(name, to)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
