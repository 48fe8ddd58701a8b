"""Views and templates of an own app that only a test has, served beside hlapp's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.urls import path


def serve(
    address: str, view: Callable[..., Any], templates: Path, *, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve `view` at `address` (without the leading slash), and find templates in the folder, for this test."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [templates]}]
    routes = ModuleType("routes_of_an_own_app")
    routes.__dict__["urlpatterns"] = [path(address, view), *import_module("hlapp.urls").urlpatterns]
    monkeypatch.setitem(sys.modules, routes.__name__, routes)
    settings.ROOT_URLCONF = routes.__name__
