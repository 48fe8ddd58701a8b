"""Runs the sandbox in a thread of another process, for tests and benchmarks.

::

    with serve_in_thread(Options(port=0)) as sandbox:
        httpx2.get(f"{sandbox.url}/sandbox/state")
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.data.world import World
from integrations.sandbox.options import Options
from integrations.sandbox.server.application import build
from integrations.sandbox.server.serving import listening

STOP_SECONDS = 10.0


class Embedded:
    """A sandbox in a thread. `platform` is its state, for tests to read; change it by HTTP requests only."""

    def __init__(self, options: Options, world: World | None) -> None:
        self.url = ""
        self.platform: Platform | None = None
        self._options = options
        self._world = world
        self._ready: Future[str] = Future()
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def start(self) -> None:
        """Returns when requests are answered. Raises PortUnavailable."""
        self._thread.start()
        self.url = self._ready.result()

    def stop(self) -> None:
        """Returns when the thread has ended; calling it again does nothing."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # for the thread that waits for the start
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        app = build(self._options, self._world)
        self.platform = app[PLATFORM]
        async with listening(app, self._options) as url:
            self._ready.set_result(url)
            await self._stopping.wait()


@contextmanager
def serve_in_thread(options: Options, world: World | None = None) -> Iterator[Embedded]:
    """A running sandbox; `port=0` in the options chooses a free port. Raises PortUnavailable."""
    sandbox = Embedded(options, world)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
