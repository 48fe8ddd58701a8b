"""Format of a backup's file: an encrypted file (`vault.encrypted_file`) of notes (JSON) and table data.

::

    note  manifest: format, made_at, database, migrations, keys, audit_head
    for each table: note {table, columns}, data in COPY's text format, note {rows}
    note  {sequences, spool}

Each piece is compressed by itself (zlib), so that memory stays flat.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any

from django.conf import settings

from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.vault import encrypted_file

FORMAT = 1
SUFFIX = ".backup"
_NOTE, _DATA = b"N", b"D"
_PIECE = 2**20
_LEVEL = 3

Note = dict[str, Any]


def key() -> Secret:
    """The key of backups. Raises BadRequest when BACKUP_KEY is not set."""
    if not settings.BACKUP_KEY:
        raise BadRequest("BACKUP_KEY is not set: openssl rand -base64 32 makes one; keep it apart from the backups")
    return Secret(settings.BACKUP_KEY)


class ArchiveWriter:
    """Writes a backup to `file`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._pieces = encrypted_file.EncryptedWriter(file, key())

    def note(self, note: Note, *, is_last: bool = False) -> None:
        """Append a note."""
        self._pieces.write(_NOTE + zlib.compress(json.dumps(note).encode(), _LEVEL), is_last=is_last)

    def data(self, blocks: Iterable[bytes | memoryview]) -> None:
        """Append the data of a table, in pieces of a megabyte."""
        waiting = bytearray()
        for block in blocks:
            waiting += block
            while len(waiting) >= _PIECE:
                self._write(bytes(waiting[:_PIECE]))
                del waiting[:_PIECE]
        if waiting:
            self._write(bytes(waiting))

    def _write(self, data: bytes) -> None:
        self._pieces.write(_DATA + zlib.compress(data, _LEVEL))


class ArchiveReader:
    """Reads a backup from `file`, in order. Raises BadRequest and SealBroken."""

    def __init__(self, file: IO[bytes]) -> None:
        self._pieces = encrypted_file.pieces(file, key())
        self._next: tuple[bytes, bytes] | None = None
        self.manifest = self.note()
        if self.manifest.get("format") != FORMAT:
            raise BadRequest("the backup has a format that this release does not know: use the release that made it")

    def note(self) -> Note:
        """The next note."""
        kind, payload = self._take()
        if kind != _NOTE:
            raise BadRequest("the backup is not one of ours: data where a note should be")
        found: Note = json.loads(payload)
        return found

    def data(self) -> Iterator[bytes]:
        """The data up to the next note."""
        while (taken := self._take())[0] == _DATA:
            yield taken[1]
        self._next = taken

    def end(self) -> None:
        """Read to the end without looking: every piece has to open. Raises SealBroken for a file that was changed, was
        cut off, or got longer.
        """
        for _ in self._pieces:
            pass

    def expect_end(self) -> None:
        """The last note was read. Raises BadRequest when something follows."""
        for _ in self._pieces:
            raise BadRequest("the backup is not one of ours: it goes on after its last note")

    def _take(self) -> tuple[bytes, bytes]:
        if self._next is not None:
            taken, self._next = self._next, None
            return taken
        piece = next(self._pieces, b"")
        return piece[:1], zlib.decompress(piece[1:])
