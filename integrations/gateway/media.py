"""Upload and download of files with constant memory use: streamed from disk and to disk.

`client.call` also takes files, but from memory and up to a size (`catalogue.fill.LARGEST_IN_MEMORY`), and responses up
to `highlevel.http.wire.Limits.body_bytes`. This module holds neither in memory. A download gets its name only when it
is complete.
"""

from __future__ import annotations

import mimetypes
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.highlevel import files

DEADLINE_SECONDS = 300.0  # seconds; half a gigabyte, the most the vendor takes of a video, at 14 Mbit/s
LARGEST = 1024 * 1024 * 1024  # bytes of a download, by default


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file. `size` is in bytes; `trace_id` is None for a file that did not come through the API."""

    path: Path
    size: int
    media_type: str
    trace_id: str | None


def upload(
    operation: str, file: Path, *, field: str = "file", body: Mapping[str, Any] | None = None, **how: Any
) -> Result:
    """Call a multipart operation with the file as its `field`, streamed from disk.

    `body` has the other fields. `how` is passed to `client.call`, with a longer deadline by default. Raises OSError
    when the file cannot be read, and what `client.call` raises.
    """
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    with file.open("rb") as content:
        part = (file.name, content, media_type)
        return client.call(operation, body={**(body or {}), field: part}, **{"deadline": DEADLINE_SECONDS, **how})


def download(operation: str, to: Path, *, largest: int = LARGEST, **how: Any) -> Downloaded:
    """Call an operation and stream its response body, of any type, to the file `to`.

    `how` is passed to `client.call`, with a longer deadline by default. Raises OSError when the file cannot be written,
    PayloadTooLarge for more than `largest` bytes, and what `client.call` raises; `to` is unchanged after an error.
    """
    with complete(to) as into:
        result = client.call(operation, into=into, largest=largest, **{"deadline": DEADLINE_SECONDS, **how})
        return Downloaded(to, into.tell(), result.content_type, result.trace_id)


def fetch(url: str, to: Path, *, deadline: float = DEADLINE_SECONDS, largest: int = LARGEST) -> Downloaded:
    """Download a public URL (a media file's `url`, an attachment, a recording) to the file `to`.

    The request carries no token and costs no permit, because it does not go to the API. Raises BadRequest for a URL
    that is not public https, Unreachable, ServerFault, RequestRejected, PayloadTooLarge for more than `largest` bytes,
    and OSError; `to` is unchanged after an error.
    """
    with complete(to) as into:
        media_type = files.fetch(url, into, largest=largest, timeout=deadline)
        return Downloaded(to, into.tell(), media_type, None)


@contextmanager
def complete(to: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `to`. It replaces `to` when the block succeeds and is deleted when the block fails.
    Its mode follows the umask, as for any new file.
    """
    beside = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        into = beside.open("xb")
    except OSError as error:
        error.filename = str(to)  # the caller's path, not the temporary one
        raise
    try:
        with into:
            yield into
        os.replace(beside, to)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
