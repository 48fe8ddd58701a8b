"""Options of the sandbox with their defaults, for the command line, the tests and the demo.

The credentials are no secrets: they are printed at start-up and give access to this process only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rotation = Literal["strict", "grace", "lenient"]
Window = Literal["fixed", "first", "sliding"]
RetryPolicy = Literal["new", "old"]

APP_ID = "5a4db0c05a4db0c05a4db0c0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`access_token_ttl` and `webhook_timeout` are seconds; `daily` is calls in 24 hours; `latency_ms` is from, to.

    With `openapi`, a folder of the vendor's OpenAPI files, operations that no code plays are answered from their
    schemas; without it, they are answered 501. `webhook_time_scale` multiplies the vendor's waits between two attempts
    of a webhook, which are minutes to hours.
    """

    host: str = "127.0.0.1"
    port: int = 9100

    companies: int = 1
    locations: int = 5
    contacts: int = 200
    seed: int = 1

    client_id: str = f"{APP_ID}-sandbox1"
    client_secret: str = "sandbox-client-secret-not-real"  # noqa: S105 - printed at start-up
    shared_secret: str = "sandbox-shared-secret-not-real"  # noqa: S105 - printed at start-up
    redirect_uris: tuple[str, ...] = (
        "http://127.0.0.1:8000/oauth/callback",
        "http://localhost:8000/oauth/callback",
    )
    webhook_url: str = ""

    rotation: Rotation = "grace"
    window: Window = "first"
    limit: int = 100
    interval_ms: int = 10_000
    daily: int = 200_000
    access_token_ttl: int = 86_399
    latency_ms: tuple[float, float] = (0.0, 0.0)

    openapi: str = ""

    webhook_policy: RetryPolicy = "new"
    webhook_time_scale: float = 0.01
    webhook_timeout: float = 10.0
