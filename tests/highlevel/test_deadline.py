"""The deadline of an attempt, operation by operation."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore2
import pytest

from integrations.highlevel.http import deadline


class Recorder(httpcore2.NetworkStream):
    """Notes the time-out that each operation was given."""

    def __init__(self) -> None:
        self.given: list[float | None] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.given.append(timeout)
        return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.given.append(timeout)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> Recorder:
        self.given.append(timeout)
        return self


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def stream(recorder: Recorder) -> deadline.DeadlineStream:
    return deadline.DeadlineStream(recorder)


def use(stream: httpcore2.NetworkStream, timeout: float | None) -> None:
    stream.read(1, timeout)
    stream.write(b"x", timeout)
    stream.start_tls(ssl.create_default_context(), "host", timeout).read(1, timeout)


@pytest.mark.parametrize("timeout", [30.0, None])
def test_no_operation_gets_more_than_what_is_left(recorder, stream, timeout):
    with deadline.within(10):
        use(stream, timeout)
    assert len(recorder.given) == 4
    assert all(9 < given <= 10 for given in recorder.given)


def test_a_shorter_time_out_stays(recorder, stream):
    with deadline.within(10):
        use(stream, 2.0)
    assert recorder.given == [2.0] * 4


def test_outside_of_an_attempt_nothing_changes(recorder, stream):
    with deadline.within(10):
        pass
    use(stream, 30.0)
    assert recorder.given == [30.0] * 4


def test_once_it_has_passed_nothing_is_tried(recorder, stream):
    with deadline.within(0):
        with pytest.raises(httpcore2.ReadTimeout):
            stream.read(1)
        with pytest.raises(httpcore2.WriteTimeout):
            stream.write(b"x")
        with pytest.raises(httpcore2.ConnectTimeout):
            stream.start_tls(ssl.create_default_context())
        with pytest.raises(httpcore2.ConnectTimeout):
            deadline.DeadlineBackend().connect_tcp("127.0.0.1", 1)
    assert recorder.given == []
