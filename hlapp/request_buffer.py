"""The bytes of one HTTP/1.1 request as they arrive, and whether it is complete (RFC 9112).

Only the end of the request is looked for. The server's own parser reads the request afterwards and judges it. A length
that this module does not understand counts as the end (`is_unclear`), and nothing more of the request is read: whatever
the parser makes of it, no thread waits for its sender.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_ANY_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
# No sign, which int() would take: with a negative size the search would go back, and never end.
_CHUNK_SIZE = re.compile(rb"0*([0-9a-fA-F]{1,16})[ \t]*(?:;|$)")
MAX_HEAD = 64 * 1024  # bytes of the request line and the headers


@dataclass(slots=True)
class RequestBuffer:
    """What has arrived of a request. `largest` is the number of bytes of body above which no more is waited for."""

    largest: int
    data: bytearray = field(default_factory=bytearray)
    expects_continue: bool = False  # the client sends the body only after "100 Continue"
    too_large: bool = False  # its head or its body: nothing more of it is to be read
    is_unclear: bool = False  # where its body ends: nothing more of it is to be read
    _body: int | None = None  # where the body begins
    _length: int | None = None  # its declared length
    _chunk: int = 0  # where the next chunk begins

    def add(self, piece: bytes) -> bool:
        """Take what arrived. True when the request is complete, too large, or nothing that the parser accepts."""
        searched = max(0, len(self.data) - len(_HEAD_END))
        self.data += piece
        if self._body is None and not self._read_head(searched):
            self.too_large = len(self.data) > MAX_HEAD
            return self.too_large
        assert self._body is not None
        if self._length is not None:
            self.too_large = self._length > self.largest
            return self.too_large or len(self.data) - self._body >= self._length
        arrived = self._last_chunk_arrived()
        self.too_large = self.too_large or len(self.data) - self._body > self.largest
        return self.too_large or arrived

    def _read_head(self, searched: int) -> bool:
        end = self.data.find(_HEAD_END, searched)
        if end < 0:
            return False
        head = bytes(self.data[: end + 2])
        self._body = self._chunk = end + len(_HEAD_END)
        if not _CHUNKED.search(head):
            length = _LENGTH.search(head)
            self._length = int(length[1]) if length else 0
            self.is_unclear = length is None and _ANY_LENGTH.search(head) is not None
        self.expects_continue = _EXPECT.search(head) is not None
        return True

    def _last_chunk_arrived(self) -> bool:
        while (end := self.data.find(b"\r\n", self._chunk)) >= 0:
            digits = _CHUNK_SIZE.match(self.data, self._chunk, end)
            if digits is None:
                self.is_unclear = True
                return True
            size = int(digits[1], 16)
            if size == 0:  # an empty line follows, after trailers if there are any
                return self.data.startswith(b"\r\n", end + 2) or self.data.find(_HEAD_END, end) >= 0
            following = end + 2 + size + 2
            if len(self.data) < following:
                return False
            self._chunk = following
        self.too_large = len(self.data) - self._chunk > MAX_HEAD
        return self.too_large
