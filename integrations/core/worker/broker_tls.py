"""How Celery connects to a broker over TLS: only to one whose certificate is valid, and for its host.

kombu by itself takes any certificate at a `rediss://` address, and one for any host at `amqps://`.
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

_OPTIONS: dict[str, dict[str, Any]] = {
    "rediss": {"ssl_cert_reqs": ssl.CERT_REQUIRED},
    "amqps": {"server_hostname": None},  # None stands for the host of the address
}


def options(url: str) -> dict[str, Any] | bool:
    """Celery's `broker_use_ssl` for this address; False where it is not one of TLS. Its own options count more."""
    found = _OPTIONS.get(urlsplit(url).scheme)
    return dict(found) if found else False
