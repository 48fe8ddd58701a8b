"""The tests' environment: that of the test kit, with our own settings."""

from __future__ import annotations

from collections.abc import MutableMapping

from hlapp.testing import variables
from hlapp.testing.variables import KEPT

__all__ = ["FIXED", "KEPT", "isolate"]

FIXED = {"DJANGO_SETTINGS_MODULE": "hlapp.settings", **variables.FIXED}


def isolate(environ: MutableMapping[str, str]) -> None:
    """Forget the developer's variables and set the fixed ones."""
    variables.isolate(environ)
    environ.update(FIXED)
