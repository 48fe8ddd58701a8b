"""When a request counts as complete, however its bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlapp.buffering_worker import LINGER_SECONDS, REQUEST_SECONDS, _Incomplete
from hlapp.request_buffer import MAX_HEAD, RequestBuffer

LARGEST = 1000
WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a declared length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab\r\nc",
    "a header in other letters": b"POST / HTTP/1.1\r\nHOST: a\r\ncontent-LENGTH:5 \r\n\r\nabcde",
    "zeros before a length": b"POST / HTTP/1.1\r\nContent-Length: %s5\r\n\r\nabcde" % (b"0" * 30),
    "zeros before a size": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s3\r\nabc\r\n0\r\n\r\n"
    % (b"0" * 30),
    "chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "chunks and trailers": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n",
}


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
@given(cuts=st.sets(st.integers(1, 100), max_size=6))
def test_a_request_is_complete_with_its_last_byte(whole: bytes, cuts: set[int]) -> None:
    buffer = RequestBuffer(LARGEST)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    answers = [buffer.add(whole[start:end]) for start, end in pairwise(bounds)]
    assert answers == [False] * (len(answers) - 1) + [True]
    assert bytes(buffer.data) == whole
    assert not buffer.too_large


def test_what_is_too_large_or_not_http_is_not_waited_for() -> None:
    too_large = {
        "head": b"a" * (MAX_HEAD + 1),
        "size of a chunk": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * (MAX_HEAD + 1),
        "declared": b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        "in chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + b"a" * 1001,
    }
    for name, data in too_large.items():
        buffer = RequestBuffer(LARGEST if name.startswith(("declared", "in ")) else 2 * MAX_HEAD)
        assert buffer.add(data), name
        assert buffer.too_large, name


def test_of_a_length_that_is_not_understood_nothing_more_is_read() -> None:
    chunked, declared = b"Transfer-Encoding: chunked\r\n\r\n%s\r\n", b"Content-Length: %s\r\n\r\n"
    sizes = (b"not hex", b"", b"+5", b"5_5", b"0x5", b"-c;aaaaa", b"f" * 17)  # the last but one led back to itself
    lengths = (b"+5", b"5, 5", b"", b"-5", b"0x5", b"9" * 19)
    for ending in (*(chunked % size for size in sizes), *(declared % length for length in lengths)):
        buffer = RequestBuffer(LARGEST)
        assert buffer.add(b"POST / HTTP/1.1\r\n" + ending), ending
        assert buffer.is_unclear, ending


def test_a_client_that_waits_for_100_continue_is_noticed() -> None:
    buffer = RequestBuffer(LARGEST)
    assert not buffer.add(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert buffer.expects_continue
    assert buffer.add(b"abc")


def test_a_process_that_stops_waits_a_moment_for_the_first_byte_of_a_new_connection() -> None:
    new = _Incomplete(1000)
    assert not new.is_late(new.began + LINGER_SECONDS - 0.1, stopping=True), "it may be on its way"
    assert new.is_late(new.began + LINGER_SECONDS, stopping=True)
    assert not new.is_late(new.began + LINGER_SECONDS, stopping=False)
    new.buffer.add(b"GET / HTTP/1.1\r\n")
    assert not new.is_late(new.began + LINGER_SECONDS, stopping=True), "its request has begun"
    assert new.is_late(new.began + REQUEST_SECONDS, stopping=False)
