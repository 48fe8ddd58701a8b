"""The API client on the wire: what is sent, what is read, and what it refuses to do."""

from __future__ import annotations

import gc
import gzip
import json
import logging
import os
import socket
import threading
from urllib.parse import quote, urlencode

import httpx2
import pytest

from integrations.core import errors
from integrations.core.secret import Secret
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.transport import Request, Transport
from integrations.highlevel.http.wire import Limits
from tests.highlevel.conftest import request_of

LIVE_HEADERS = {
    "X-RateLimit-Limit-Daily": "200000",
    "X-RateLimit-Daily-Remaining": "199987",
    "X-RateLimit-Interval-Milliseconds": "10000",
    "X-RateLimit-Max": "100",
    "X-RateLimit-Remaining": "98",
    "X-RateLimit-Daily-Reset": "86316123",
}


@pytest.fixture
def connect():
    opened: list[Transport] = []

    def make(url: str, limits: Limits | None = None) -> Transport:
        opened.append(Transport(url, limits))
        return opened[-1]

    yield make
    for transport in opened:
        transport.close()


@pytest.fixture
def api(api_url, connect):
    return connect(api_url)


def answering(body: bytes, *, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"):
    def script(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head + body)

    return script


def test_a_call_carries_version_token_query_and_body(httpserver, api):
    httpserver.expect_oneshot_request("/contacts/search", method="POST").respond_with_json(
        {"contacts": [], "traceId": "t-1"}, headers=LIVE_HEADERS
    )
    response = api.send(
        Request(
            method="POST",
            path="/contacts/search",
            query=[("a", "1 & 2+3"), ("tag", "x"), ("tag", "ü/y")],
            version="2021-07-28",
            token=Secret("the-token"),
            json={"pageLimit": 100},
        )
    )
    sent, _ = httpserver.log[-1]
    assert sent.query_string == b"a=1%20%26%202%2B3&tag=x&tag=%C3%BC%2Fy"
    assert sent.headers["Authorization"] == "Bearer the-token"
    assert sent.headers["Version"] == "2021-07-28"
    assert sent.headers["Accept"] == "application/json"
    assert sent.get_json() == {"pageLimit": 100}
    assert response.status == 200
    assert response.json == {"contacts": [], "traceId": "t-1"}
    assert response.trace_id == "t-1"
    assert response.rate == RateSnapshot(100, 98, 10000, 200000, 199987, 86316123)
    assert 0 < response.elapsed == response.received_at - response.sent_at


def test_forms_and_files_go_out_as_what_they_are(httpserver, api):
    httpserver.expect_request("/upload").respond_with_json({})
    api.send(Request("POST", "/upload", form={"companyId": "a&b"}))
    form, _ = httpserver.log[-1]
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form.form["companyId"] == "a&b"
    api.send(Request("POST", "/upload", form={"name": "n"}, files={"file": ("a.csv", b"1,2", "text/csv")}))
    upload, _ = httpserver.log[-1]
    assert upload.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert (upload.files["file"].read(), upload.form["name"]) == (b"1,2", "n")
    upload.close()


def test_a_multipart_body_without_parts_is_a_body(httpserver, api):
    httpserver.expect_request("/upload").respond_with_json({})
    api.send(Request("POST", "/upload", form={}, files={}))
    upload, _ = httpserver.log[-1]
    kind, _, boundary = upload.headers["Content-Type"].partition("; boundary=")
    assert (kind, upload.get_data()) == ("multipart/form-data", f"--{boundary}--\r\n".encode())


def test_an_encoded_path_is_sent_as_it_is(httpserver, api):
    httpserver.expect_request("/contacts/a/b c").respond_with_json({})
    api.send(Request("GET", "/contacts/a%2Fb%20c"))
    sent, _ = httpserver.log[-1]
    assert sent.environ["REQUEST_URI"] == "/contacts/a%2Fb%20c"


@pytest.mark.parametrize(
    "path",
    [
        "/contacts/ocQHyuzHvysMo5N5VsXc",
        "/a~b_c-d.e/!$&'()*+,;=:@",
        "/a%2Fb%20c%zz%",
        "/ü/ß?#",
        "/a/./b/../c/.well-known",
        '/a b{c}|^`\\<>"',
        "/" + "a" * 5000,
    ],
)
@pytest.mark.parametrize("query", [(), [("a", "1 & 2+3ü"), ("b", "")]])
@pytest.mark.parametrize("base", ["http://127.0.0.1:8000", "https://Höst.example/v1"])
def test_the_url_is_the_one_that_httpx2_would_send(path, query, base):
    built = Transport(base)._build(Request("GET", path, query=query))
    expected = httpx2.URL(base + path + ("?" + urlencode(query, quote_via=quote, safe="") if query else ""))
    assert (built.url.scheme, built.url.host, built.url.port) == (
        expected.raw_scheme,
        expected.raw_host,
        expected.port,
    )
    assert built.url.target == expected.raw_path


def test_headers_are_sent_once_each_and_those_of_the_call_win(httpserver, api):
    httpserver.expect_request("/x").respond_with_json({})
    api.send(Request("POST", "/x", headers={"accept": "text/csv", "X-A": "1"}, json={}))
    sent, _ = httpserver.log[-1]
    names = [name.lower() for name, _ in sent.headers]
    assert len(names) == len(set(names))
    assert set(names) >= {"host", "user-agent", "accept-encoding", "connection", "content-length", "content-type"}
    assert (sent.headers["Accept"], sent.headers["X-A"]) == ("text/csv", "1")


def test_a_header_that_was_sent_twice_has_both_values(raw_server, connect):
    head = b"X-Trace-Id: a\r\nx-trace-id: \xc3\xbc\r\nX-Odd: \xff\r\n"
    response = connect(raw_server(answering(head + b"Content-Length: 2\r\n\r\n{}"))).send(Request("GET", "/x"))
    assert (response.headers["x-trace-id"], response.headers["x-odd"]) == ("a, ü", "ÿ")
    assert response.trace_id == "a, ü"


@pytest.mark.parametrize("status", [400, 401, 422, 429, 500, 503])
def test_any_status_is_an_answer_with_its_quota(httpserver, api, status):
    httpserver.expect_oneshot_request("/x").respond_with_json({"message": "no"}, status=status, headers=LIVE_HEADERS)
    response = api.send(Request("GET", "/x"))
    assert response.status == status
    assert response.rate.remaining == 98


def test_a_redirect_is_an_answer_too(httpserver, api):
    httpserver.expect_request("/x").respond_with_data("", status=302, headers={"Location": "/y"})
    assert api.send(Request("GET", "/x", token=Secret("t"))).status == 302
    assert len(httpserver.log) == 1


def test_connections_are_kept_and_shared_by_threads(raw_server, connect):
    connections: list[int] = []
    requests: list[int] = []

    def keep_alive(connection: socket.socket) -> None:
        connections.append(1)
        while request_of(connection):
            requests.append(1)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    api = connect(raw_server(keep_alive))
    for _ in range(5):
        assert api.send(Request("GET", "/x")).json == {}
    assert (len(connections), len(requests)) == (1, 5)
    api.close()
    api.send(Request("GET", "/x"))
    assert len(connections) == 2


@pytest.mark.slow
def test_a_transport_that_is_dropped_closes_its_connections(raw_server):
    ended = threading.Event()

    def script(connection: socket.socket) -> None:
        answering(b"{}", head=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")(connection)
        if not connection.recv(1):
            ended.set()

    transport = Transport(raw_server(script))
    assert transport.send(Request("GET", "/")).status == 200
    del transport
    gc.collect()
    assert ended.wait(5)


def test_a_failed_attempt_is_not_repeated(raw_server, connect):
    attempts: list[int] = []

    def hang_up(connection: socket.socket) -> None:
        request_of(connection)
        attempts.append(1)

    with pytest.raises(errors.Unreachable) as caught:
        connect(raw_server(hang_up)).send(Request("GET", "/x", operation="contacts.get-contact"))
    assert attempts == [1]
    assert caught.value.context == {
        "sent": True,
        "cause": "RemoteProtocolError",
        "operation": "contacts.get-contact",
    }


@pytest.mark.parametrize(
    "script",
    [
        answering(b'Content-Length: 50\r\n\r\n{"a": '),
        answering(b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"),
        answering(b"", head=b"SSH-2.0-OpenSSH_9.2\r\n"),
        answering(b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
        answering(b"", head=b"HTTP/1.1 200 OK\r\n"),
    ],
    ids=["short body", "broken chunk", "not HTTP", "not gzip", "half a head"],
)
def test_garbage_and_torn_answers_are_unreachable_after_sending(raw_server, script, connect):
    with pytest.raises(errors.Unreachable) as caught:
        connect(raw_server(script)).send(Request("POST", "/x", json={}))
    assert caught.value.context["sent"] is True


def test_nobody_listening_is_unreachable_before_sending(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.Unreachable) as caught:
        connect(f"http://127.0.0.1:{port}").send(Request("GET", "/x"))
    assert (caught.value.context["sent"], caught.value.context["cause"]) == (False, "ConnectError")
    assert caught.value.context["operation"] == "GET /x"


def test_no_free_connection_is_unreachable_before_sending(raw_server, connect):
    release, held = threading.Event(), threading.Event()

    def hold(connection: socket.socket) -> None:
        request_of(connection)
        held.set()
        release.wait(60)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    api = connect(raw_server(hold), Limits(connections=1, connect_seconds=0.3))
    first = threading.Thread(target=api.send, args=(Request("GET", "/x"),))
    first.start()
    assert held.wait(60)
    with pytest.raises(errors.Unreachable) as caught:
        api.send(Request("GET", "/x"))
    release.set()
    first.join()
    assert (caught.value.context["sent"], caught.value.context["cause"]) == (False, "PoolTimeout")


def test_a_dripping_body_ends_with_the_deadline(raw_server, connect):
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.02):
            connection.sendall(b" ")

    api = connect(raw_server(drip), Limits(read_seconds=30))
    try:
        with pytest.raises(errors.Unreachable) as caught:
            api.send(Request("GET", "/x", timeout=0.6))
    finally:
        stop.set()
    assert caught.value.context["cause"] == "ReadTimeout"


def test_a_silent_server_ends_with_the_read_time_out(raw_server, connect):
    release = threading.Event()

    def silent(connection: socket.socket) -> None:
        request_of(connection)
        release.wait(60)

    api = connect(raw_server(silent), Limits(read_seconds=0.1))
    try:
        with pytest.raises(errors.Unreachable):
            api.send(Request("GET", "/x"))
    finally:
        release.set()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_a_body_beyond_the_cap_is_not_read_on(raw_server, packed, connect):
    body = json.dumps({"a": "x" * 200_000}).encode()
    extra = b""
    if packed:
        body, extra = gzip.compress(body), b"Content-Encoding: gzip\r\n"
    script = answering(extra + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with pytest.raises(errors.PayloadTooLarge) as caught:
        connect(raw_server(script), Limits(body_bytes=100_000)).send(Request("GET", "/x"))
    assert caught.value.context["limit_bytes"] == 100_000
    assert connect(raw_server(script)).send(Request("GET", "/x")).json == {"a": "x" * 200_000}


def test_cookies_of_one_tenant_do_not_travel_with_the_next(httpserver, api):
    httpserver.expect_request("/x").respond_with_json({}, headers={"Set-Cookie": "__cf_bm=abc; Path=/"})
    api.send(Request("GET", "/x"))
    api.send(Request("GET", "/x"))
    sent, _ = httpserver.log[-1]
    assert "Cookie" not in sent.headers


def test_the_environments_proxy_is_used_unless_it_is_excepted(raw_server, monkeypatch, connect):
    lines: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        lines.append(request_of(connection).split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    url = raw_server(proxy)
    monkeypatch.setenv("http_proxy", url)
    connect("http://highlevel.test").send(Request("GET", "/x"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connect(url).send(Request("GET", "/y"))
    assert lines == [b"GET http://highlevel.test/x HTTP/1.1", b"GET /y HTTP/1.1"]


@pytest.mark.parametrize(
    "call",
    [
        Request("GET", "/x", token=Secret("to\r\nken-with-a-break")),
        Request("GET", "/x", token=Secret("töken-with-a-break")),
        Request("GET", "/x", token=Secret("to ken-with-a-break")),
        Request("GET", "/x", token=Secret("")),
        Request("GET", "//evil.example/x"),
        Request("GET", "x"),
        Request("POST", "/x", json={"a": {1, 2}}),
        Request("POST", "/x", json={"a": float("nan")}),
        Request("GET", "/x", headers={"X-A": "b\r\nX-C: d"}),
        Request("GET", "/\x00x"),
        Request("GET", "/x", query=[("a", "\ud800")]),
        Request("POST", "/x", json={"a": "\ud800"}),
        Request("POST", "/x", form={"a": "\ud800"}, files={}),
    ],
    ids=[
        "line break",
        "umlaut",
        "space",
        "empty",
        "other host",
        "relative",
        "a set",
        "nan",
        "header break",
        "null byte",
        "half a pair in the query",
        "half a pair in the body",
        "half a pair in a form",
    ],
)
def test_what_cannot_be_sent_is_the_callers_mistake(httpserver, api, call):
    with pytest.raises(errors.BadRequest) as caught:
        api.send(call)
    assert httpserver.log == []
    assert "ken-with-a-break" not in f"{caught.value!r} {caught.value.context} {caught.value.__context__!r}"


def test_errors_carry_no_request_and_no_cause(raw_server, connect):
    with pytest.raises(errors.Unreachable) as caught:
        connect(raw_server(request_of)).send(Request("GET", "/x", token=Secret("the-token")))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_no_log_line_holds_the_token(httpserver, api, caplog):
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/x").respond_with_json({})
    request = Request("GET", "/x", token=Secret("the-token"))
    response = api.send(request)
    assert "the-token" not in caplog.text + repr(request) + repr(response)
    assert "GET" in caplog.text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RateSnapshot()),
        ({"X-RateLimit-Max": "0", "X-RateLimit-Remaining": "--3"}, RateSnapshot()),
        ({"X-RateLimit-Max": "-5", "X-RateLimit-Daily-Reset": "-5"}, RateSnapshot()),
        (
            {"X-RateLimit-Remaining": "-3", "X-RateLimit-Daily-Remaining": "-1"},
            RateSnapshot(remaining=0, daily_remaining=0),
        ),
        ({"X-RateLimit-Max": "many", "X-RateLimit-Remaining": ""}, RateSnapshot()),
        ({"X-RateLimit-Max": "25", "X-RateLimit-Remaining": "0"}, RateSnapshot(max=25, remaining=0)),
        ({"X-RateLimit-Daily-Reset": "1763900000000"}, RateSnapshot()),
        ({"X-RateLimit-Daily-Reset": "1763900000"}, RateSnapshot()),
        ({"X-RateLimit-Daily-Reset": "86400000"}, RateSnapshot(daily_reset_ms=86_400_000)),
        ({"X-RateLimit-Interval-Milliseconds": "99999999"}, RateSnapshot()),
        ({"X-RateLimit-Daily-Remaining": "0"}, RateSnapshot(daily_remaining=0)),
        ({"X-RateLimit-Max": "9" * 30}, RateSnapshot()),
    ],
)
def test_absurd_quota_headers_are_not_believed(httpserver, api, headers, expected):
    httpserver.expect_request("/x").respond_with_json({}, headers=headers)
    assert api.send(Request("GET", "/x")).rate == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_opens_connections_of_its_own(raw_server, connect):
    connections: list[int] = []
    served: list[threading.Thread] = []

    def keep_alive(connection: socket.socket) -> None:
        connections.append(1)
        with connection:
            while request_of(connection):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def serve_beside(connection: socket.socket) -> None:
        served.append(threading.Thread(target=keep_alive, args=(connection.dup(),)))
        served[-1].start()

    api = connect(raw_server(serve_beside))
    api.send(Request("GET", "/x"))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        answered = api.send(Request("GET", "/x", timeout=60)).json == {}
        os.write(write_end, b"1" if answered else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 1) == b"1"
    os.close(read_end)
    os.close(write_end)
    assert len(connections) == 2
    assert api.send(Request("GET", "/x")).json == {}
    assert len(connections) == 2
    api.close()
    for thread in served:
        thread.join(60)
