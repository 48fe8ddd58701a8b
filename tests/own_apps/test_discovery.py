"""Own apps are found by three rules, and a name that cannot be installed is told with its source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import checks as django_checks
from django.test import RequestFactory

from hlapp import app_discovery, app_imports, checks
from hlapp import project as places
from hlapp.project import PACKAGE
from integrations.console import navigation
from integrations.operators import roles
from integrations.operators.roles import Role
from integrations.webhooks import handlers
from integrations.webhooks.checks import handled_types
from tests.plugin.environment import FIXED

PROGRAM = """
import django, json
from hlapp import project
project.prepare()
django.setup()
from django.conf import settings
from django.core.checks import run_checks
from django.urls import reverse
from integrations.console.navigation import OWN_PAGES
from integrations.core import own_apps
from integrations.jobs.define import JOBS
from integrations.sync.resources import RESOURCES
from integrations.webhooks.handlers import HANDLERS
print(json.dumps({
    "apps": settings.OWN_APPS, "labels": sorted(own_apps.labels()), "jobs": sorted(JOBS), "url": reverse("shop"),
    "handlers": [one.__name__ for one in HANDLERS["CampaignStatusUpdate"]],
    "resource": sorted(RESOURCES["owners"].scopes),
    "pages": OWN_PAGES, "spool": settings.SPOOL_DIR, "errors": [str(one.id) for one in run_checks() if one.level >= 40],
}))
"""
FILES = {
    "apps/__init__.py": "",
    "apps/shop/__init__.py": "",
    "apps/shop/jobs.py": """
from hlapp.api import JobRun, background_job
@background_job("shop.count")
def count(run: JobRun) -> None: ...
""",
    "apps/shop/handlers.py": """
from hlapp.api import Event, on_event
@on_event("CampaignStatusUpdate")
def note(event: Event) -> None: ...
""",
    "apps/shop/synced.py": """
from dataclasses import replace
from hlapp.api import Resource, sync_resource
from integrations.sync.resources import RESOURCES
sync_resource(replace(RESOURCES["users"], name="owners", creates=frozenset(), updates=frozenset(), deletes=frozenset()))
""",
    "apps/shop/navigation.py": 'from hlapp.api import add_page\nadd_page("shop", "Front", "shop")\n',
    "apps/shop/urls.py": """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse(), name="shop")]
""",
    "elsewhere/__init__.py": "",
    "elsewhere/jobs.py": "from hlapp.api import background_job\nbackground_job('elsewhere.job')(lambda run: None)\n",
    "settings.py": "from hlapp.settings import *\n",
    # What pip leaves of an installed package.
    "installed/bakery/__init__.py": "",
    "installed/bakery/jobs.py": "from hlapp.api import background_job\nbackground_job('bakery.bake')(print)\n",
    "installed/bakery-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: bakery\nVersion: 1.0\n",
    "installed/bakery-1.0.dist-info/entry_points.txt": "[hlapp.apps]\nbread = bakery\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(project: Path, program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    servers = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere", "REDIS_URL": "redis://127.0.0.1:1/0"}
    fixed = {name: value for name, value in FIXED.items() if name not in ("SPOOL_DIR", "DJANGO_SETTINGS_MODULE")}
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {**paths, **fixed, **servers, "HLAPP_PROJECT": str(project), **environ}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=project.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_project_of_its_own_has_all_that_its_apps_define(project: Path) -> None:
    done = run(project, PROGRAM, HLAPP_APPS="elsewhere")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["apps"] == {"elsewhere": "HLAPP_APPS", "apps.shop": "the folder apps/shop"}
    assert found["labels"] == ["elsewhere", "shop"]
    assert found["jobs"] == ["elsewhere.job", "shop.count"]
    assert found["url"] == "/shop/"
    assert (found["handlers"], found["resource"]) == (["note"], ["users.readonly"])
    assert found["pages"] == {"shop": [["Front", "web", "shop", []]]}
    assert found["spool"] == str(project / ".hlapp/spool"), "beside the project, and not beside the package"
    assert found["errors"] == ["hlapp.E004"], "its synced.py imports what is not public"


@pytest.mark.slow
def test_the_apps_of_installed_packages_are_found_by_their_entry_points(project: Path) -> None:
    installed = os.pathsep.join((str(PACKAGE.parent), str(project / "installed")))
    done = run(project, PROGRAM, PYTHONPATH=installed, HLAPP_APPS="elsewhere")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["apps"]["bakery"] == "the entry point bread"
    assert {"bakery.bake", "elsewhere.job", "shop.count"} <= set(found["jobs"])

    (project / "installed/bakery/__init__.py").unlink()
    (project / "installed/bakery/jobs.py").unlink()
    (project / "installed/bakery").rmdir()
    gone = run(project, "import hlapp.settings", PYTHONPATH=installed)
    assert "the entry point bread names 'bakery', which does not exist" in gone.stderr.splitlines()[-1]


@pytest.mark.parametrize(("there", "is_on_path"), [("json.py", False), ("settings.py", True), ("apps/json.py", True)])
def test_a_directory_without_a_project_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, is_on_path: bool
) -> None:
    """A command of the installed package runs in a directory of others."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HLAPP_PROJECT", raising=False)
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site-packages" / "hlapp")
    monkeypatch.setattr(sys, "path", [*sys.path])
    places.prepare()
    assert (str(tmp_path) in sys.path) is is_on_path


@pytest.mark.slow
def test_a_name_that_cannot_be_loaded_stops_start_up(project: Path) -> None:
    done = run(project, "import hlapp.settings", HLAPP_APPS="nowhere.at_all")
    assert done.returncode != 0
    assert "HLAPP_APPS names 'nowhere.at_all', which cannot be imported" in done.stderr.splitlines()[-1]


def test_each_problem_says_where_the_name_came_from(tmp_path: Path) -> None:
    for folder in ("sync", "fine"):
        (tmp_path / "apps" / folder).mkdir(parents=True)
        (tmp_path / "apps" / folder / "__init__.py").touch()
    (tmp_path / "apps/no_package").mkdir()

    found = app_discovery.find(["json", "json.absent", "hlapp.apps.ProjectConfig"], tmp_path)

    assert list(found) == ["json", "json.absent", "hlapp.apps.ProjectConfig", "apps.fine", "apps.sync"]
    json_absent, fine, sync = app_discovery.problems(found, ["integrations.sync"])
    assert json_absent.startswith("HLAPP_APPS names 'json.absent', which does not exist: give the dotted name")
    assert "the folder apps/fine names 'apps.fine', which does not exist" in fine, "it is not below this process's path"
    assert "apps/sync" in sync
    assert app_discovery.problems({"json": "HLAPP_APPS"}, ["other.json"]) == [
        "HLAPP_APPS names 'json', and another app is called 'json' too: rename the package"
    ]


def test_only_the_public_surface_may_be_imported(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "fine.py").write_text("import hlapplike\nfrom hlapp.api import Lane\nfrom hlapp import api, testing\n")
    (tmp_path / "wrong.py").write_text(
        "import hlapp.settings\nfrom hlapp import env\nfrom integrations.core import clock\nfrom . import fine\n"
    )
    assert [(place.partition("/")[2], name) for place, name in app_imports.beyond_public(tmp_path)] == [
        ("wrong.py:1", "hlapp.settings"),
        ("wrong.py:2", "hlapp.env"),
        ("wrong.py:3", "integrations.core"),
    ]
    assert checks.imports_of_own_apps() == []
    settings.OWN_APPS = {"integrations.vault": "the test"}
    error = checks.imports_of_own_apps()[0]
    assert (error.id, error.level) == ("hlapp.E004", django_checks.ERROR)
    assert "hlapp.api" in str(error.hint)


def test_a_handler_of_a_mistyped_event_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in ("DECORATED", "HANDLERS"):
        monkeypatch.setattr(handlers, registry, {})
    monkeypatch.setattr("integrations.webhooks.checks.DECORATED", handlers.DECORATED)

    @handlers.on_event("ContactCraete", "ContactCreate")
    def mistyped(event: Any) -> None: ...

    (warning,) = handled_types()
    assert "mistyped waits for 'ContactCraete'" in warning.msg
    assert "ContactCreate" in str(warning.hint)
    assert handlers.HANDLERS["ContactCreate"] == (mistyped,)


@pytest.mark.django_db
def test_operators_see_and_change_what_own_apps_keep(settings: Any) -> None:
    settings.OWN_APPS = {"integrations.sync": "the test"}
    roles.write()

    has = {role: roles.of(role).permissions.filter(codename="add_record").exists() for role in Role}

    assert has == {Role.VIEWER: False, Role.SUPPORT: False, Role.OPERATOR: True, Role.OWNER: True}


@pytest.mark.django_db
def test_the_sidebar_has_a_group_for_each_own_app(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OWN_APPS = {"integrations.sync": "the test"}
    monkeypatch.setattr(navigation, "OWN_PAGES", {})
    for permissions in ((), ("nobody.has_this",)):
        navigation.add_page("sync", "Front", "console:landing", permissions=permissions)
    request = RequestFactory().get("/admin/")
    request.user = User(username="ann", is_staff=True, is_active=True, is_superuser=True)

    *_, own = navigation.sidebar(request)

    assert own["title"] == "Data", "the name of the app"
    assert [item["title"] for item in own["items"]][-2:] == ["Front", "Front"], "a superuser may see all"
    assert {"title": "Front", "icon": "web", "link": "/", "active": False} in own["items"]
