"""Traces for OpenTelemetry: the one module that imports it. Started when the environment asks for it (`tracing`).

The SDK reads the standard variables: endpoint, headers, sampler, service name, limits. Spans leave in batches in a
thread of their own, by OTLP over HTTP; when the collector is away, they are lost and nothing waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from integrations.core.observing import log_scope, spans
from integrations.core.observing.spans import PARENT, Kind, Value
from integrations.core.redaction import redact_log_value, without_row_values

_KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
_w3c = TraceContextTextMapPropagator()


class OpenTelemetryTracer:
    """Implements `core.observing.spans.Tracer`."""

    def __init__(self, process: str, exporter: SpanExporter | None = None) -> None:
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
        resource = Resource({SERVICE_NAME: f"hlapp-{process}"}).merge(_environment_resource())
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self.provider.get_tracer("hlapp")

    @contextmanager
    def span(
        self, name: str, kind: Kind, parents: Iterable[str], attributes: Mapping[str, Value | None]
    ) -> Iterator[None]:
        """See `Tracer`. The log lines inside have the id of its trace."""
        contexts = [_w3c.extract({PARENT: parent}) for parent in parents if parent]
        links = [Link(trace.get_current_span(other).get_span_context()) for other in contexts[1:]]
        with (
            self._tracer.start_as_current_span(
                name,
                context=contexts[0] if contexts else None,
                links=links,
                kind=_KINDS[kind],
                attributes=_clean(attributes),
                record_exception=False,
                set_status_on_exception=False,
            ) as current,
            log_scope.scope(trace=trace.format_trace_id(current.get_span_context().trace_id)),
        ):
            try:
                yield
            except Exception as error:
                current.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {_said(error)}"))
                raise

    def note(self, name: str, attributes: Mapping[str, Value | None]) -> None:
        """See `Tracer`."""
        current = trace.get_current_span()
        current.set_attributes(_clean(attributes))
        if name:
            current.update_name(name)

    def parent(self) -> str:
        """See `Tracer`."""
        if not trace.get_current_span().is_recording():
            return ""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get(PARENT, "")


def start(process: str) -> None:
    """Trace this process from now on."""
    spans.set_tracer(OpenTelemetryTracer(process))


def _environment_resource() -> Resource:
    """What the environment says of this service; without a name of the SDK's own making."""
    found = Resource.create()
    is_made_up = str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return Resource({key: value for key, value in found.attributes.items() if not (is_made_up and key == SERVICE_NAME)})


def _said(error: Exception) -> str:
    return str(redact_log_value(without_row_values(str(error), error)))


def _clean(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: redact_log_value(value, name) for name, value in attributes.items() if value is not None}
