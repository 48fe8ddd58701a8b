"""Discovery of own apps: the Django apps of a project beside those of hlapp. No list has to be edited.

1. HLAPP_APPS: dotted names, separated by commas.
2. Entry points of installed packages in the group `hlapp.apps`; the value is the dotted name.
3. Each package in the folder `apps/` of the project: `apps/welcome/` is the app `apps.welcome`.

A name that cannot be loaded stops start-up, because a process without the app would drop its jobs and its events in
silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from django.urls import URLPattern, URLResolver, include, path
from django.utils.module_loading import module_has_submodule

from hlapp.project import APPS_FOLDER
from integrations.core import own_apps

GROUP = "hlapp.apps"


def find(named: Iterable[str], project: Path) -> dict[str, str]:
    """All own apps: the dotted name of each, and where it was found, for messages. Imports nothing."""
    found = dict.fromkeys(named, "HLAPP_APPS")
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        found.setdefault(entry.value, f"the entry point {entry.name}")
    for package in sorted((project / APPS_FOLDER).glob("*/__init__.py")):
        folder = package.parent.name
        found.setdefault(f"{APPS_FOLDER}.{folder}", f"the folder {APPS_FOLDER}/{folder}")
    return found


def problems(found: Mapping[str, str], installed: Iterable[str]) -> list[str]:
    """Why these apps cannot be installed beside `installed`: one text for each that cannot, with what to do."""
    labels = Counter(map(_label, [*found, *installed]))
    reasons = {name: _reason(name, labels) for name in found}
    return [f"{found[name]} names {name!r}, {reason}" for name, reason in reasons.items() if reason]


def url_patterns() -> list[URLPattern | URLResolver]:
    """The `urls.py` of each own app, below `/<label>/`."""
    having = [config for config in own_apps.configs() if module_has_submodule(config.module, "urls")]
    return [path(f"{config.label}/", include(f"{config.name}.urls")) for config in having]


def _reason(name: str, labels: Mapping[str, int]) -> str:
    try:
        if find_spec(_module(name)) is None:
            return "which does not exist: give the dotted name of a package that can be imported, such as apps.welcome"
    except Exception as error:  # the package around it is imported, and may fail in any way
        return f"which cannot be imported: {type(error).__name__}: {error}"
    if labels[_label(name)] > 1:
        return f"and another app is called {_label(name)!r} too: rename the package"
    return ""


def _module(name: str) -> str:
    """The module of the app: an entry may name an AppConfig, whose name begins with a capital letter."""
    parent, _, last = name.rpartition(".")
    return parent if parent and last[:1].isupper() else name


def _label(name: str) -> str:
    """The label that Django gives the app, unless its AppConfig says otherwise."""
    return _module(name).removesuffix(".apps").rpartition(".")[2]
