"""Traces and logs of a daemon as other programs get them: by OTLP, and as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from guest_agent.toolkit.processes import wait_until
from tests.support.daemons import Daemon
from tests.support.shell import Shell


class Collector(ThreadingHTTPServer):
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def test_an_apply_is_one_trace_and_its_log_names_run_commit_and_resource(
    tmp_path: Path, collector: Collector
) -> None:
    shell = Shell(tmp_path)
    shell.run("init", "shop")
    shell.use_simulated_cloud()
    shell.commit()
    port = collector.server_address[1]
    shell.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    daemon = Daemon(shell, "--log-format", "json")
    try:
        daemon.says("shop/orders is Healthy", 30)
    finally:
        assert daemon.end() == 0
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines()]
    done = next(line for line in lines if line.get("step") == "CreateServer")
    assert done["level"] == "info" and done["resource"].startswith("shop/")
    assert len(done["commit"]) == 40 and len(done["run"]) == 32

    assert wait_until(lambda: any(span.name == "apply" for span in collector.spans), 10)
    apply = next(span for span in collector.spans if span.name == "apply")
    children = {s.name for s in collector.spans if s.parent_span_id == apply.span_id}
    assert {"CreatePort", "CreateServer", "Prepare", "CreateUser"} <= children
    assert any(span.name == "round" for span in collector.spans)
    told = {each.key: each.value.string_value for each in apply.attributes}
    assert told == {"gitrove.run": done["run"], "gitrove.commit": done["commit"]}
