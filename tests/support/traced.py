"""Spans of a test: kept in memory, by the exporter's own class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from integrations.core.observing import spans

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hlapp.observing.otel import OpenTelemetryTracer


class Traced:
    """The spans that have ended, the earliest first."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = OpenTelemetryTracer("test", self._exporter)

    def spans(self) -> list[ReadableSpan]:
        self.tracer.provider.force_flush()
        return sorted(self._exporter.get_finished_spans(), key=lambda one: one.start_time or 0)

    def names(self) -> list[str]:
        return [one.name for one in self.spans()]

    def one(self, name: str) -> Any:
        [found] = [one for one in self.spans() if one.name == name]
        return found

    def chain(self, span: Any) -> list[str]:
        """Its name and those of the spans around it."""
        by_id = {one.context.span_id: one for one in self.spans()}  # type: ignore[union-attr]
        around = by_id.get(span.parent.span_id) if span.parent else None
        return [span.name, *(self.chain(around) if around else [])]


@contextmanager
def traced() -> Iterator[Traced]:
    """Inside, this process makes spans."""
    found = Traced()
    spans.set_tracer(found.tracer)
    try:
        yield found
    finally:
        spans.set_tracer(None)
        found.tracer.provider.shutdown()
