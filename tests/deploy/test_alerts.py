"""Alerts and dashboards name metrics that exist, and each alert has its section in the runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from integrations.console.metrics import registry

yaml = pytest.importorskip("yaml")  # `make check` installs it

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
ALERTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"][0]["rules"]
OF_PROMETHEUS = {"up"}
_WORDS = {"sum", "max", "min", "by", "rate", "increase", "time", "offset", "or"}


def metrics_in(expression: str) -> set[str]:
    """The names that stand where a metric may: no function, label, value or duration."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|\"[^\"]*\"", " ", expression)
    return {word for word in re.findall(r"\b[a-z_]\w*\b", bare) if word not in _WORDS}


@pytest.fixture
def exposed(db: object) -> set[str]:
    families = text_string_to_metric_families(registry.render().decode())
    return {name for family in families for name in (family.name, f"{family.name}_total")}


def test_alerts_name_metrics_that_exist(exposed: set[str]) -> None:
    assert len(ALERTS) >= 15
    assert {rule["alert"]: metrics_in(rule["expr"]) - exposed - OF_PROMETHEUS for rule in ALERTS} == {
        rule["alert"]: set() for rule in ALERTS
    }


def test_dashboards_name_metrics_that_exist(exposed: set[str]) -> None:
    for path in (ROOT / "deploy/grafana").glob("*.json"):
        panels = [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]
        unknown = {
            panel["title"]: metrics_in(panel["targets"][0]["expr"]) - exposed - OF_PROMETHEUS for panel in panels
        }
        assert {title: names for title, names in unknown.items() if names} == {}
        assert len({panel["id"] for panel in panels}) == len(panels) > 20


def test_scalers_name_metrics_that_exist(exposed: set[str]) -> None:
    objects = yaml.safe_load_all((ROOT / "deploy/kubernetes/keda/scaled-objects.yaml").read_text())
    queries = [trigger["metadata"]["query"] for one in objects for trigger in one["spec"]["triggers"]]
    assert len(queries) == 2
    assert set.union(*map(metrics_in, queries)) <= exposed


def test_each_alert_has_its_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", runbook, re.MULTILINE | re.DOTALL))
    assert list(sections) == [rule["alert"] for rule in ALERTS]
    for rule in ALERTS:
        text = sections[rule["alert"]]
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert f"{rule['annotations']['summary']} ({rule['labels']['severity']})" in text
        assert all(part in text for part in ("**Means.**", "**Look.**", "**Do.**"))


def test_the_rules_tests_ask_about_every_alert() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts-test.yaml").read_text())["tests"]
    quiet = {test["alertname"] for test in cases[0]["alert_rule_test"]}
    assert quiet == {rule["alert"] for rule in ALERTS}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (of the package prometheus) is not installed")
def test_promtool_agrees() -> None:
    for what in (("check", "alerts.yaml"), ("test", "alerts-test.yaml")):
        command = ["promtool", what[0], "rules", what[1]]
        said = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=60)
        assert said.returncode == 0, said.stdout + said.stderr
