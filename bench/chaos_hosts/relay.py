"""Relay of TCP connections: forwards each port to the same port of 127.0.0.1.

`python -m bench.chaos_hosts.relay ADDRESS PORT…`
"""

from __future__ import annotations

import asyncio
import functools
import sys
from contextlib import suppress


async def main(address: str, *ports: str) -> None:
    """Relay until killed."""
    servers = [await asyncio.start_server(functools.partial(_relay, int(port)), address, int(port)) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _relay(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:  # the server is restarted
        writer.close()
        return
    await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
