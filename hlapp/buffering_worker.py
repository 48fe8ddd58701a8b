"""Gunicorn's worker class of the web: a thread gets a request only when all of it has arrived.

With gunicorn's own `gthread` a thread waits for the rest of a request, so eight senders that stop halfway take all
eight threads, and no webhook gets in. Here the event loop collects each request, and threads never wait for a sender:

- A request must be complete `REQUEST_SECONDS` after its connection opened or, on a kept connection, its first byte.
  Otherwise the answer is 408 (RFC 9110, 15.5.9).
- At most `MAX_INCOMPLETE` connections and `MAX_BUFFERED` bytes wait at a time. Then the oldest incomplete request gives
  way, because a request of a client that means well is complete within milliseconds.
- A request that declares more than the largest permitted body, or a length that this module does not understand, goes
  to a thread at once, without the rest of its body, so that the application or gunicorn refuses it.
- The response goes to the kernel's send buffer, which is made large enough for most pages. A further request on the
  connection waits, without a thread, until the client has taken the response before it: else a few clients that send
  and never read would fill their buffers and then hold all threads. The event loop also closes the connections of
  clients that do not close them.

Requests over TLS that gunicorn itself terminates are not collected; a proxy does that in every described set-up.
"""

from __future__ import annotations

import contextlib
import fcntl
import selectors
import socket
import struct
import termios
from concurrent.futures import Future
from typing import Any

from django.conf import settings
from gunicorn.workers.gthread import TConn, ThreadWorker

from hlapp.request_buffer import RequestBuffer
from integrations.core import clock

REQUEST_SECONDS = 10.0
LINGER_SECONDS = 2.0  # for a client to close its side, or to send its first byte to a process that stops
MAX_INCOMPLETE = 512
MAX_BUFFERED = 64 * 2**20
_SEND_BUFFER = 2**20
_UNREAD = 16 * 1024  # bytes of a response that a client need not have taken before its next request is worked on
_PIECE = 256 * 1024
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Incomplete:
    """A connection whose request has not arrived whole, or has (`is_whole`) before the last response was taken."""

    __slots__ = ("began", "buffer", "is_whole")

    def __init__(self, largest: int) -> None:
        self.buffer = RequestBuffer(largest)
        self.began = clock.monotonic()
        self.is_whole = False

    def is_late(self, now: float, *, stopping: bool) -> bool:
        """Whether its time is over. A process that stops waits less long for a first byte, but waits: it may be on
        its way.
        """
        limit = LINGER_SECONDS if stopping and not self.buffer.data else REQUEST_SECONDS
        return now - self.began >= limit


class BufferingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`worker_class = "hlapp.buffering_worker.BufferingWorker"` in gunicorn.conf.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._incomplete: dict[TConn, _Incomplete] = {}  # in the order of their deadlines
        self._buffered = 0
        self._lingering: dict[TConn, float] = {}  # with their deadlines
        self._largest = 0

    def load_wsgi(self) -> None:
        """Load the application, and learn from its settings how large a body may be."""
        super().load_wsgi()
        self._largest = max(settings.WEBHOOK_MAX_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    def enqueue_req(self, conn: TConn) -> None:
        """Collect the request of a new or kept connection, then give it to a thread."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        self._incomplete[conn] = _Incomplete(self._largest)
        conn.sock.settimeout(0)
        pipelined = conn.parser.unreader.take_buffered() if conn.parser else b""
        if pipelined and self._add(conn, pipelined):
            return
        self._receive(conn)
        if conn in self._incomplete:
            self.poller.register(conn.sock, selectors.EVENT_READ, lambda _socket: self._receive(conn))
            self._make_room()

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep the connection, or close it without waiting for the client."""
        failed = fs.cancelled() or fs.exception() is not None
        if failed or not fs.result():
            self._linger(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """End what has reached its deadline. gunicorn calls this at least once a second."""
        super().murder_pending()
        now = clock.monotonic()
        for conn, incomplete in list(self._incomplete.items()):
            if incomplete.is_whole and _unread(conn.sock) <= _UNREAD:
                self._hand_over(conn)
            elif incomplete.is_late(now, stopping=not self.alive):
                self._refuse(conn)
        for conn, deadline in list(self._lingering.items()):
            if deadline <= now:
                self._end_linger(conn)

    def _receive(self, conn: TConn) -> None:
        """Read what has arrived. One read an event, so that a fast sender does not hold the event loop."""
        if conn not in self._incomplete:
            return  # it gave way to another connection of the same round of events
        try:
            piece = conn.sock.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if piece:
            self._add(conn, piece)
        else:
            self._forget(conn)
            self._close(conn)

    def _add(self, conn: TConn, piece: bytes) -> bool:
        """Add to the request. When it is complete, give it to a thread now or later, and return True."""
        incomplete = self._incomplete[conn]
        buffer = incomplete.buffer
        asked = buffer.expects_continue
        self._buffered += len(piece)
        if buffer.add(piece):
            if _unread(conn.sock) <= _UNREAD:
                self._hand_over(conn)
            else:
                incomplete.is_whole = True
                self._ignore(conn)
                self._make_room()
            return True
        if buffer.expects_continue and not asked:
            self._send(conn, b"HTTP/1.1 100 Continue\r\n\r\n")
        return False

    def _hand_over(self, conn: TConn) -> None:
        """Give the request to a thread."""
        buffer = self._incomplete[conn].buffer
        self._forget(conn)
        conn.init()
        conn.parser.unreader.unread(bytes(buffer.data))
        conn.data_ready = True
        with contextlib.suppress(OSError):  # the client is gone; the thread finds out
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            if buffer.too_large or buffer.is_unclear:
                conn.sock.shutdown(socket.SHUT_RD)  # a thread that reads on finds the end
        super().enqueue_req(conn)

    def _make_room(self) -> None:
        while len(self._incomplete) > MAX_INCOMPLETE or (self._buffered > MAX_BUFFERED and self._incomplete):
            self._refuse(next(iter(self._incomplete)))

    def _refuse(self, conn: TConn) -> None:
        """Answer 408 if the request had begun, and close."""
        begun = bool(self._incomplete[conn].buffer.data)
        self._forget(conn)
        if begun:
            self._send(conn, _TIMED_OUT)
        self._close(conn)

    def _forget(self, conn: TConn) -> None:
        self._buffered -= len(self._incomplete.pop(conn).buffer.data)
        self._ignore(conn)

    def _ignore(self, conn: TConn) -> None:
        """Read no more of the connection."""
        if conn.sock in self.poller.get_map():
            self.poller.unregister(conn.sock)

    def _linger(self, conn: TConn) -> None:
        """Close our side; close the rest when the client closes its own, or at the deadline (RFC 9112, 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.settimeout(0)
            self.poller.register(conn.sock, selectors.EVENT_READ, lambda _socket: self._drain(conn))
        except (OSError, ValueError):
            self._close(conn)
            return
        self._lingering[conn] = clock.monotonic() + LINGER_SECONDS

    def _drain(self, conn: TConn) -> None:
        if conn not in self._lingering:
            return
        try:
            if conn.sock.recv(_PIECE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._end_linger(conn)

    def _end_linger(self, conn: TConn) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    @staticmethod
    def _send(conn: TConn, line: bytes) -> None:
        with contextlib.suppress(OSError):  # the client is gone; the next read says so
            conn.sock.send(line)


def _unread(sock: socket.socket) -> int:
    """Bytes of responses that the client's machine has not taken; 0 where the system does not tell."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0])
    except (OSError, ValueError):  # the connection is closed
        return 0
