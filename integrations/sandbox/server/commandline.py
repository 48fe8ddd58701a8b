"""The sandbox's command line, shared by `python -m integrations.sandbox` and `manage.py sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from typing import Any, get_args

from aiohttp import web

from integrations.sandbox.context import PLATFORM
from integrations.sandbox.controls import environment
from integrations.sandbox.openapi.played_by_schema import NoOpenApiFiles
from integrations.sandbox.options import Options, RetryPolicy, Rotation, Window
from integrations.sandbox.server.application import build
from integrations.sandbox.server.serving import PortUnavailable, serve

DEFAULTS = Options()
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sandbox's options to `parser`."""
    _add_port_and_size(parser)
    _add_app(parser)
    _add_behaviour(parser)


def options_from(given: dict[str, Any]) -> Options:
    """Options from parsed arguments; other keys (Django's own) are ignored."""
    known = {name: value for name, value in given.items() if name in Options.__dataclass_fields__}
    known["redirect_uris"] = tuple(given.get("redirect_uris") or DEFAULTS.redirect_uris)
    return Options(**known)


def run(options: Options) -> int:
    """Serve until a signal and return the exit status: 1, with one line on stderr, if the port is not available."""
    try:
        app = build(options)  # before the loop, so that a signal ends a long seeding at once
        asyncio.run(serve(app, options, partial(_announce, app)))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (PortUnavailable, NoOpenApiFiles) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Parse `arguments` and serve; returns the exit status."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Serve a simulated HighLevel.")
    add_arguments(parser)
    return run(options_from(vars(parser.parse_args(arguments))))


def _announce(app: web.Application, url: str) -> None:
    platform = app[PLATFORM]
    sys.stdout.write(
        f"Sandbox ready at {url}/sandbox/\n"
        f"{len(platform.world.companies)} companies, {len(platform.world.locations)} locations. "
        "Settings for an app (none of them is a real secret):\n\n"
        f"{environment.exports(platform.app, platform.options.seed, url)}\n"
    )
    sys.stdout.flush()


def _add_port_and_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default=DEFAULTS.host, help="host name or IP address to listen on (%(default)s)")
    parser.add_argument("--port", type=_count, default=DEFAULTS.port, help="0 chooses one (%(default)s)")
    parser.add_argument("--companies", type=_positive, default=DEFAULTS.companies, help="agencies (%(default)s)")
    parser.add_argument("--locations", type=_positive, default=DEFAULTS.locations, help="per agency (%(default)s)")
    parser.add_argument("--contacts", type=_count, default=DEFAULTS.contacts, help="per location (%(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed, help="of all data and keys (%(default)s)")


def _add_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--client-id", default=DEFAULTS.client_id)
    parser.add_argument("--client-secret", default=DEFAULTS.client_secret)
    parser.add_argument("--shared-secret", default=DEFAULTS.shared_secret)
    parser.add_argument(
        "--redirect-uri", action="extend", nargs="+", dest="redirect_uris", metavar="URL", help="may be repeated"
    )
    parser.add_argument("--webhook-url", default="", metavar="URL", help="where webhooks go (nowhere)")
    parser.add_argument("--webhook-policy", choices=get_args(RetryPolicy), default=DEFAULTS.webhook_policy)
    parser.add_argument(
        "--webhook-time-scale",
        type=float,
        default=DEFAULTS.webhook_time_scale,
        help="times the vendor's waits between retries (%(default)s)",
    )


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rotation", choices=get_args(Rotation), default=DEFAULTS.rotation, help="of refresh tokens (%(default)s)"
    )
    parser.add_argument(
        "--window", choices=get_args(Window), default=DEFAULTS.window, help="kind of burst window (%(default)s)"
    )
    parser.add_argument(
        "--openapi",
        default=DEFAULTS.openapi,
        metavar="DIR",
        help="answer what no code plays from the schemas of the OpenAPI files here, *.json and v3/*.json (501 without)",
    )
    parser.add_argument("--limit", type=_positive, default=DEFAULTS.limit, help="calls a window (%(default)s)")
    parser.add_argument("--interval-ms", type=_positive, default=DEFAULTS.interval_ms, help="(%(default)s)")
    parser.add_argument("--daily", type=_positive, default=DEFAULTS.daily, help="calls a day (%(default)s)")
    parser.add_argument(
        "--access-token-ttl", type=_positive, default=DEFAULTS.access_token_ttl, help="seconds (%(default)s)"
    )
    parser.add_argument(
        "--latency-ms",
        type=_span,
        default=DEFAULTS.latency_ms,
        metavar="MIN-MAX",
        help="added to every API call (none)",
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        span = (float(low), float(high or low))
    except ValueError:
        raise argparse.ArgumentTypeError("must be MIN-MAX, as in 20-400") from None
    if not 0 <= span[0] <= span[1]:
        raise argparse.ArgumentTypeError("MIN must not be above MAX")
    return span
