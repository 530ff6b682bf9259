"""Traces of rounds, applies and actions, by OpenTelemetry, where an exporter is configured."""

from __future__ import annotations

import logging
import os

from opentelemetry import trace

log = logging.getLogger("gitrove")

TRACER = trace.get_tracer("gitrove")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def begin() -> None:
    """Export traces by OTLP over HTTP, if one of OpenTelemetry's own variables says where to."""
    if not any(os.environ.get(each) for each in _ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("no traces are exported; install them with: pip install 'gitrove[tracing]'")
        return
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "gitrove"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
