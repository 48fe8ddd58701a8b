"""The own apps of a project, once Django is set up: those that `hlapp.app_discovery` found and settings installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings

from integrations.core.errors import BadRequest


def configs() -> list[AppConfig]:
    """Their app configs, in the order of their installation."""
    names = set(settings.OWN_APPS)
    return [config for config in apps.get_app_configs() if {config.name, _dotted(config)} & names]


def labels() -> frozenset[str]:
    """Their labels, which begin the names of their tables and permissions."""
    return frozenset(config.label for config in configs())


def check_runs_when_called(function: Callable[..., Any], what: str) -> None:
    """Raise BadRequest for a generator or an async function: its call would do nothing, and count as a success."""
    called = inspect.unwrap(function)
    if inspect.isgeneratorfunction(called) or inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise BadRequest(f"{what} is a generator or an async function, which a call does not run: make it a plain one")


def _dotted(config: AppConfig) -> str:
    return f"{type(config).__module__}.{type(config).__qualname__}"
