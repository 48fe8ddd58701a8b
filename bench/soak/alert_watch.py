"""Prometheus with the alerting rules of `deploy/`, on the soak's `/metrics`. What fired is asked of it at the end.

The rules wait for minutes and look back over minutes. In a soak of less than an hour these durations are scaled down;
the thresholds stay as they are, and so does what the metrics themselves look back over.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from bench.soak.running import Soak
from hlapp import project
from tests.support.processes import free_port

RULES = project.directory() / "deploy/prometheus/alerts.yaml"
SCRAPE_SECONDS = 5
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(for: |\[|offset )(\d+)([smh])")
_CONFIGURATION = """
global: {{scrape_interval: {seconds}s, scrape_timeout: {seconds}s, evaluation_interval: {seconds}s}}
scrape_configs:
  - job_name: hlapp
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
rule_files: [rules.yaml]
"""


@dataclass(frozen=True)
class Firing:
    """One alert, from when to when it fired, in seconds since 1970."""

    alert: str
    began: float
    ended: float


def scaled(rules: str, scale: float) -> str:
    """The rules with their durations times `scale`, two scrapes at least."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * _SECONDS[found[3]]
        return f"{found[1]}{max(2 * SCRAPE_SECONDS, round(seconds * scale))}s"

    return _DURATION.sub(shorter, rules)


class Watch:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = time.time()

    def fired(self) -> list[Firing]:
        """Every firing since the begin, the earliest first."""
        found = []
        for series in self._range('ALERTS{alertstate="firing"}'):
            times = [float(at) for at, _ in series["values"]]
            began = last = times[0]
            for at in times[1:]:
                if at - last > 2 * SCRAPE_SECONDS:
                    found.append(Firing(series["metric"]["alertname"], began, last))
                    began = at
                last = at
            found.append(Firing(series["metric"]["alertname"], began, last))
        return sorted(found, key=lambda one: one.began)

    def scrapes(self) -> tuple[int, int]:
        """How many scrapes there were, and how many of them failed."""
        [series] = self._range('up{job="hlapp"}')
        answers = [value for _, value in series["values"]]
        return len(answers), answers.count("0")

    def _range(self, query: str) -> list[dict[str, Any]]:
        times = {"start": self._began, "end": time.time(), "step": SCRAPE_SECONDS}
        answer = httpx2.get(f"{self._url}/api/v1/query_range", params={"query": query, **times}, timeout=60)
        result: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
        return result


def program(given: str) -> str:
    """The path of Prometheus. SystemExit when it is not installed."""
    found = shutil.which(given)
    if found is None:
        raise SystemExit(
            f"{given} is not there: install Prometheus (of Debian: apt-get install prometheus), or name it"
        )
    return found


@contextmanager
def watching(soak: Soak, prometheus: str, scale: float) -> Iterator[Watch]:
    """Scrape and evaluate until the block ends."""
    folder = soak.directory / "prometheus"
    folder.mkdir()
    target = soak.web.removeprefix("http://")
    configuration = _CONFIGURATION.format(seconds=SCRAPE_SECONDS, token=json.dumps(soak.token), target=target)
    (folder / "prometheus.yaml").write_text(configuration)
    (folder / "rules.yaml").write_text(scaled(RULES.read_text(), scale))
    address = f"127.0.0.1:{free_port()}"
    command = [prometheus, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        _wait_for(f"http://{address}/-/ready", folder)
        yield Watch(f"http://{address}")
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx2.TransportError):
            if httpx2.get(url, timeout=5).status_code == httpx2.codes.OK:
                return
        time.sleep(0.5)
    raise SystemExit(f"Prometheus does not start: {(folder / 'log').read_text()[-2000:]}")
