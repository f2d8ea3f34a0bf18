"""Traces by OpenTelemetry: from the request through the worker's attempt to the phases of the engine.

They are on where OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) names a collector; the libraries
come with the extra `traces`. A job keeps the W3C traceparent of the request that made it, so that the worker goes on
with the same trace.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from store.errors import TracesUnusable

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PARENT = "traceparent"
_provider: Any = None
_tracer: Any = None


def configure_traces(service: str) -> None:
    """Send the spans of this process under the name `service`, if the environment names a collector. Raises
    TracesUnusable where it does and a library is missing."""
    global _provider, _tracer
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise TracesUnusable(error.name or "opentelemetry") from error
    _provider = TracerProvider(resource=Resource.create({"service.name": service}))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("retort")


def close_traces() -> None:
    """Send what is not sent yet; no span begins after this."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


@contextmanager
def span(
    name: str, *, parent: str | None = None, attributes: Mapping[str, str | int] | None = None, is_server: bool = False
) -> Iterator[Any]:
    """What happens meanwhile is this span, below `parent` (a traceparent) or else below the current one. Gives the
    span, or None where traces are off."""
    if _tracer is None:
        yield None
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    context = extract({_PARENT: parent}) if parent else None
    kind = SpanKind.SERVER if is_server else SpanKind.INTERNAL
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=dict(attributes or {})) as started:
        yield started


def record_span(name: str, start: datetime, end: datetime) -> None:
    """A span below the current one that is over already, as an engine reports its phases."""
    if _tracer is not None:
        _tracer.start_span(name, start_time=_nanoseconds(start)).end(_nanoseconds(end))


def current_traceparent() -> str | None:
    """The current span as a W3C traceparent; None where there is none."""
    if _tracer is None:
        return None
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get(_PARENT)


def is_tracing() -> bool:
    """Whether spans are sent."""
    return _tracer is not None


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e9)
