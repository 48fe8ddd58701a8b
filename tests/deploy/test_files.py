"""The files in deploy/ agree with the program: commands, variables, paths and ports, and with each other."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.urls import resolve

from hlapp.celery import app as celery
from hlapp.settings import env

yaml = pytest.importorskip("yaml")  # `make check` installs it

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OURS = ("migrate", "web", "worker-urgent", "worker", "beat")
# Variables that are not the program's: of Python, of the shell that starts it, of the files themselves.
FOREIGN = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PORT"}


@cache
def kubernetes() -> list[dict[str, Any]]:
    """The objects as they are written, before kustomize."""
    texts = [path.read_text() for path in sorted((DEPLOY / "kubernetes/base").glob("*.yaml"))]
    return [found for text in texts for found in yaml.safe_load_all(text)]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for found in kubernetes():
        for container in found.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            yield found["metadata"]["name"], container


def commands() -> dict[str, list[str]]:
    """Every command that starts something of ours, by where it stands."""
    found = {f"compose {name}": COMPOSE["services"][name]["command"] for name in OURS}
    found |= {f"kubernetes {name}": one["command"] for name, one in containers() if "command" in one}
    for line in (DEPLOY / "Procfile").read_text().splitlines():
        name, _, command = line.partition(": ")
        found[f"Procfile {name}"] = shlex.split(command)
    for unit in UNITS:
        for number, command in enumerate(re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)):
            found[f"{unit.name} {number}"] = shlex.split(command.removeprefix("/opt/hlapp/.venv/bin/"))
    (cmd,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    found["Dockerfile"] = json.loads(cmd)
    return found


@pytest.mark.parametrize(("place", "command"), commands().items(), ids=commands())
def test_commands_exist(place: str, command: list[str]) -> None:
    match command:
        case ["python", "manage.py", name, *_]:
            assert name in get_commands(), place
        case ["gunicorn", "hlapp.wsgi", "--bind", address, *_]:
            assert address in ("0.0.0.0:8000", "0.0.0.0:${PORT:-8000}")
        case ["celery", "-A", "hlapp", "-q", "worker", *options]:
            assert options[:2] == ["-P", "threads"], "the guard of a worker needs threads"
            assert set(options[options.index("-Q") + 1].split(",")) <= {queue.name for queue in celery.conf.task_queues}
        case ["celery", "-A", "hlapp", "-q", "beat", *options]:
            assert "-s" in options, "its file lies where it may be written"
        case _:
            pytest.fail(f"{place}: {command} is unknown")


def test_every_set_up_runs_all_four_programs() -> None:
    for place in ("compose ", "kubernetes hlapp-", "Procfile "):
        assert {name for name in OURS[1:] if place + name in commands()} == set(OURS[1:]), place
    beat = next(one for one in kubernetes() if one["metadata"]["name"] == "hlapp-beat")
    assert (beat["spec"]["replicas"], beat["spec"]["strategy"]["type"]) == (1, "Recreate"), "there is one beat"


def named_variables() -> dict[str, set[str]]:
    base = COMPOSE["x-hlapp"]["environment"].keys()
    (config,) = (one["configMapGenerator"] for one in kubernetes() if "configMapGenerator" in one)
    lines = [line for line in (DEPLOY / "environment.example").read_text().splitlines() if not line.startswith("#")]
    units = "\n".join(unit.read_text() for unit in UNITS)
    return {
        "compose": set(base),
        "environment.example": {line.partition("=")[0] for line in lines},
        "kubernetes": {literal.partition("=")[0] for literal in config[0]["literals"]},
        "systemd": set(re.findall(r"(\w+)=", " ".join(re.findall(r"^Environment=(.*)$", units, re.MULTILINE)))),
        "Dockerfile": set(
            re.findall(
                r"([A-Z_]+)=",
                " ".join(re.findall(r"^ENV (.*)$", DOCKERFILE.partition("FROM ${PYTHON_IMAGE}\n")[2], re.MULTILINE)),
            )
        ),
    }


@pytest.mark.parametrize(("place", "names"), named_variables().items(), ids=named_variables())
def test_variables_are_those_of_the_settings_page(place: str, names: set[str]) -> None:
    assert names, place
    assert names - FOREIGN <= env.names
    table = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in sorted(names - FOREIGN) if f"`{name}`" not in table] == []


def test_probes_and_ports_agree() -> None:
    web = next(one for name, one in containers() if name == "hlapp-web")
    (port,) = web["ports"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = web[probe]["httpGet"]
        assert asked["port"] == port["name"]
        assert resolve(asked["path"]).url_name in ("healthz", "readyz")
    service = next(one for one in kubernetes() if one["kind"] == "Service")
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    (check,) = re.findall(r"http://127.0.0.1:(\d+)(/\w+)", DOCKERFILE)
    assert resolve(check[1]).url_name == "healthz"
    assert {str(port["containerPort"]), check[0], *re.findall(r"^EXPOSE (\d+)", DOCKERFILE, re.MULTILINE)} == {"8000"}
    assert "web:8000" in (DEPLOY / "Caddyfile").read_text()


def test_what_ends_has_more_time_than_it_takes() -> None:
    """25 seconds; the web's pods also wait for the balancer."""
    assert COMPOSE["x-hlapp"]["stop_grace_period"] == "30s"
    patch = yaml.safe_load((DEPLOY / "kubernetes/base/pod.yaml").read_text())
    assert patch["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    unit = (DEPLOY / "systemd/hlapp.service").read_text()
    assert "TimeoutStopSec=30" in unit
    assert "KillMode=mixed" in unit, "only the supervisor gets SIGTERM; it ends the others"


def test_nothing_runs_as_root_or_writes_to_its_image() -> None:
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^(STOPSIGNAL \w+)", DOCKERFILE, re.MULTILINE) == ["STOPSIGNAL SIGTERM"]
    ours = COMPOSE["x-hlapp"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    patch = yaml.safe_load((DEPLOY / "kubernetes/base/pod.yaml").read_text())
    context = patch["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False


def test_the_images_context_has_what_the_build_copies() -> None:
    kept = [line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [name for name in kept if not (ROOT / name).exists()] == []
    assert {"hlapp", "integrations", "manage.py", "gunicorn.conf.py", "requirements/base.txt"} <= set(kept)
    assert "secrets.json" not in kept
    assert importlib.util.find_spec("gunicorn"), "base.txt has it"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", ["base", "keda"])
def test_kustomize_builds(folder: str) -> None:
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert built.returncode == 0, built.stderr
    pods = [one["spec"]["template"]["spec"] for one in yaml.safe_load_all(built.stdout) if one["kind"] == "Deployment"]
    assert len(pods) == 4
    for pod in pods:
        (container,) = pod["containers"]
        assert container["image"] == "registry.example.com/hlapp:0.1.0"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {"tmp", "state"}
        assert container["envFrom"][0]["configMapRef"]["name"].startswith("hlapp-"), "a new one for each change"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units() -> None:
    units = [str(path) for path in sorted((DEPLOY / "systemd").iterdir())]
    said = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False, timeout=60
    )
    lines = [line for line in said.stderr.splitlines() if any(Path(unit).name in line for unit in units)]
    assert [line for line in lines if "/opt/hlapp/.venv/bin/python is not executable" not in line] == []
