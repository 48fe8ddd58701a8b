"""Sixty-four workers in four processes find one token expired at the same moment: the vendor is asked once."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor
from tests.support.processes import running
from tests.tokens.rows import expire

PROCESSES, THREADS = 4, 16


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_one_refresh_for_all(location: Credential, vendor: Vendor, app: App) -> None:
    command = ["-m", "tests.tokens.refresh.concurrent_refresh", app.client_id, location.resource_id, str(THREADS)]
    with ExitStack() as stack:
        processes = [stack.enter_context(running(*command, LOG_LEVEL="CRITICAL")) for _ in range(PROCESSES)]
        for process in processes:
            process.hear("ready")
        for latency_ms in (20, 1500):
            expire(location)
            vendor.fault("/oauth/token", "latency", times=1, ms=latency_ms)
            before = vendor.state()["token_requests"].get("refresh_token", 0)
            for process in processes:
                process.go_on("go")
            got = [token for process in processes for token in json.loads(process.stdout.readline())]
            assert len(got) == PROCESSES * THREADS
            assert len(set(got)) == 1, set(got)
            assert len(got[0]) == 64, "a token's digest, not an error"
            assert vendor.state()["token_requests"]["refresh_token"] == before + 1
