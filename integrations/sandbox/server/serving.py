"""Serves the application on a port until a signal, and stops at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from integrations.sandbox.options import Options

SHUTDOWN_SECONDS = 0.1


class PortUnavailable(Exception):
    """The host and port cannot be bound; the message is one line with the reason."""


@asynccontextmanager
async def listening(app: web.Application, options: Options) -> AsyncIterator[str]:
    """Serve `app` inside the block; gives its URL. Raises PortUnavailable."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise PortUnavailable(f"cannot listen on {options.host}:{options.port}: {reason}") from None
        port = runner.addresses[0][1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def serve(app: web.Application, options: Options, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; calls `started(url)` once requests are answered. Raises PortUnavailable."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with listening(app, options) as url:
        started(url)
        await stop.wait()
