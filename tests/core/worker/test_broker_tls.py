"""A broker over TLS proves who it is, before it gets a password."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection

from hlapp import celery
from integrations.core.worker import broker_tls
from tests.support.false_server import false_server


def connect(url: str, use_ssl: Any) -> None:
    with Connection(url, ssl=use_ssl, connect_timeout=2) as link, pytest.raises(Exception):  # noqa: B017, PT011
        link.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_no_password_goes_to_a_broker_with_the_certificate_of_another(scheme: str, tmp_path: Path) -> None:
    with false_server(tmp_path) as server:
        url = f"{scheme}://user:password@127.0.0.1:{server.port}/0"
        options = broker_tls.options(url)
        assert isinstance(options, dict)
        # For the second one: an authority that is trusted, but for another host.
        more = {"ca_certs": str(server.certificate)} if scheme == "amqps" else {}
        connect(url, options | more)
        assert server.handshakes
        assert not any(server.handshakes)
        connect(url, more or False)
        assert any(server.handshakes), "kombu itself would have gone on"


def test_celery_connects_so() -> None:
    assert celery.app.conf.broker_use_ssl == broker_tls.options(settings.CELERY_BROKER_URL)
    assert broker_tls.options("redis://:p@h/0") is False
    assert broker_tls.options("rediss://h/0?ssl_ca_certs=x") == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
