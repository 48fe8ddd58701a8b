"""A real gunicorn as operators start it, attacked by clients that send or read slowly."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from time import monotonic, sleep

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from hlapp import buffering_worker, web_server
from tests.support.web import Web, gunicorn

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
HALF_BODY = b"POST /webhooks/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
HALF_HEAD = b"POST /webhooks/ HTTP/1.1\r\nHost: local"
LONG_HEAD = HALF_HEAD + b"\r\nX: " + b"a" * 70_000
HALF_FORM = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 99000000\r\n\r\n--b\r\n"
)
POST = b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
# Lengths that gunicorn reads as 100 and 9: a thread would wait for the rest.
ZEROS, CHUNK_ZEROS = (
    POST + b"Content-Length: " + b"0" * 20 + b"100\r\n\r\n",
    b"POST /webhooks/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 20 + b"9\r\n",
)
ODD_LENGTH, ODD_CHUNK = POST + b"Content-Length: " + b"9" * 19 + b"\r\n\r\n", CHUNK_ZEROS[:-23] + b"f" * 17 + b"\r\n"
REFUSED = (HALF_FORM, ODD_LENGTH, ODD_CHUNK)
KINDS = (HALF_BODY, HALF_HEAD, HALF_FORM, LONG_HEAD, b"", ZEROS, CHUNK_ZEROS, ODD_LENGTH, ODD_CHUNK)
CLOSES = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def web() -> Iterator[Web]:
    with gunicorn() as web:
        yield web


def connect(web: Web, data: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", web.port), timeout=30)
    line.sendall(data)
    return line


def answer(line: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):  # it had bytes left that nobody read
        while piece := line.recv(65536):
            received += piece
    return received


def until(line: socket.socket, end: bytes, times: int = 1) -> bytes:
    received = b""
    while received.count(end) < times:
        piece = line.recv(65536)
        assert piece, received
        received += piece
    return received


def test_slow_senders_hold_no_thread_and_end_at_their_deadline(web: Web) -> None:
    with ExitStack() as stack:
        began = monotonic()
        slow = [stack.enter_context(connect(web, data)) for data in KINDS * 10]
        # These have their answer and never close the connection.
        held = [stack.enter_context(connect(web, CLOSES)) for _ in range(10)]
        while monotonic() < began + 4:
            assert web.get("/healthz").seconds < 1
            for line in slow[:: len(KINDS)]:
                line.send(b" ")
            sleep(0.1)
        assert all(b" 200 " in line.recv(65536) for line in held)
        for line, data in zip(slow, KINDS * 10, strict=True):
            said = answer(line)
            if data in REFUSED:
                assert re.match(rb"HTTP/1.1 4\d\d ", said), said
            elif data == LONG_HEAD:
                assert b" 200 " not in said
            else:
                assert said.startswith(b"HTTP/1.1 408 ") if data else not said
        assert monotonic() - began < buffering_worker.REQUEST_SECONDS + 5


def test_no_client_moves_a_path_by_a_header_for_proxies() -> None:
    config = Config()
    for name in config.settings.keys() & vars(web_server).keys():
        config.set(name, getattr(web_server, name))
    lines = b"GET /a/metrics HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /a\r\nPATH_INFO: /metrics\r\n\r\n"
    request = next(RequestParser(config, iter([lines]), ("127.0.0.1", 5000)))
    assert [name for name, _ in request.headers] == ["HOST"]


def test_more_slow_senders_than_connections_leave_room_for_others(web: Web) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(web, HALF_BODY)) for _ in range(buffering_worker.MAX_INCOMPLETE + 100)]
        assert web.get("/healthz").seconds < 1
        # The oldest gave way.
        assert answer(slow[0]).startswith(b"HTTP/1.1 408 ")
        # The next ones send something as they give way. A process that ended would close all connections.
        for number in range(100, 300):
            with suppress(OSError):
                slow[number].send(b" ")
            slow.append(stack.enter_context(connect(web, HALF_BODY)))
        slow[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            slow[-1].recv(1)


def test_clients_that_ask_again_and_read_nothing_hold_no_thread(web: Web) -> None:
    page = b"GET /static/unfold/css/styles.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
    size = len(web.get("/static/unfold/css/styles.css").body)
    with ExitStack() as stack:
        for _ in range(20):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            line.connect(("127.0.0.1", web.port))
            line.sendall(page * 30)
        began = monotonic()
        while monotonic() < began + 3:
            assert web.get("/healthz").seconds < 1
            sleep(0.2)
    with connect(web, page * 3) as line:  # who reads gets all of it
        received = 0
        while received < 3 * size:
            received += len(line.recv(65536))


def test_pieces_pipelining_and_100_continue(web: Web) -> None:
    body = b'{"type": "X"}'
    with connect(web, b"POST /webhooks/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n") as line:
        line.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
        assert line.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        for byte in body:
            line.send(bytes([byte]))
            sleep(0.01)
        assert b" 401 " in until(line, b'"}'), "the signature is missing"
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(web, one + one + one[:20]) as line:
        sleep(0.3)
        line.sendall(one[20:-2])
        sleep(0.1)
        line.sendall(b"\r\n")
        assert until(line, b'"}', times=3).count(b"HTTP/1.1 200 OK") == 3
