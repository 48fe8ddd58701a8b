"""Decides whether this process makes traces, and loads what makes them. OpenTelemetry is imported only then."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

_WANTED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables name a collector, and do not turn traces off."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not is_off and any(environ.get(name) for name in _WANTED)


def start(process: str, environ: Mapping[str, str]) -> None:
    """Trace this process, if the environment wants it. `process` is what its spans are called after: web, worker.

    Without the packages a line says what to install, and the process works without traces.
    """
    if not is_wanted(environ):
        return
    try:
        otel = import_module("hlapp.observing.otel")
    except ImportError as error:
        sys.stderr.write(f"no traces, because {error.name} is missing: pip install 'hlapp[observability]'\n")
        return
    otel.start(process)
