"""Sandboxes over real HTTP. Starting one takes a tenth of a second, so tests that change it get their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integrations.sandbox.options import Options
from integrations.sandbox.server.embedded import serve_in_thread
from tests.sandbox.journey import Journey, Receiver, receiver

Start = Callable[..., Journey]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a small sandbox with these options and ends it with the test."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Journey:
            small = {"port": 0, "companies": 1, "locations": 3, "contacts": 4, **options}
            journey = Journey.start(stack.enter_context(serve_in_thread(Options(**small))))
            stack.callback(journey.http.close)
            return journey

        yield begin


@pytest.fixture
def journey(start: Start) -> Journey:
    return start()


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    """A webhook receiver on a free port."""
    made = receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(60)
