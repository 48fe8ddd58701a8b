"""Django app of the sandbox, a development tool: installed only with DEBUG."""

from __future__ import annotations

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """App config of the sandbox."""

    name = "integrations.sandbox"
    label = "sandbox"
