"""mypy's plugin for Django, for a plain `mypy`: it imports the settings, so it needs the development profile first."""

from __future__ import annotations

from mypy.plugin import Plugin
from mypy_django_plugin.main import plugin as django_plugin

from hlapp import development


def plugin(version: str) -> type[Plugin]:
    """Fill what the environment leaves unset, and hand over to django-stubs. mypy calls it."""
    development.prepare(services=False)
    return django_plugin(version)
