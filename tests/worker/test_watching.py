"""What one job leaves for those who watch: a trace in a collector, lines with its ids, and figures."""

import json
import logging
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from api.app import create_app
from store import keys, tracing
from store.database import Database
from store.logs import JsonFormatter, log_ids
from store.tracing import close_traces, configure_traces
from tests.worker.conftest import attempt, spec
from worker.attempt import WorkerContext
from worker.figures import REGISTRY, serve_figures

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.spans: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        spans = [span for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans]
        self.server.spans += spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    server = Collector()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    yield server
    close_traces()
    server.shutdown()
    server.server_close()


@on_one_database
def test_a_trace_goes_from_the_request_through_the_worker_to_the_phases_of_the_engine(
    database: Database, context: WorkerContext, collector: Collector
) -> None:
    with database.begin() as session:
        _, key = keys.create(session, tenant="default", name="k", scope="admin")
    configure_traces("retort-test")
    trace_id, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"Authorization": f"Bearer {key}", "traceparent": f"00-{trace_id}-{caller}-01"}
    with TestClient(create_app(context.settings, database, quiet=True), base_url="http://localhost") as api:
        job_id = api.post("/v1/jobs", json=spec(steps=2), headers=headers).json()["id"]
    attempt(context, job_id)
    close_traces()
    spans = {span.name: span for span in collector.spans if span.trace_id.hex() == trace_id}
    assert {"POST /v1/jobs", "attempt", "engine", "engine training"} <= set(spans)
    for name, parent in {"attempt": "POST /v1/jobs", "engine": "attempt", "engine training": "engine"}.items():
        assert spans[name].parent_span_id == spans[parent].span_id, name
    assert spans["POST /v1/jobs"].parent_span_id.hex() == caller
    values = {one.key: one.value for one in spans["attempt"].attributes}
    assert (values["job_id"].string_value, values["attempt"].int_value) == (job_id, 1)
    assert spans["engine training"].end_time_unix_nano >= spans["engine training"].start_time_unix_nano


def test_without_a_collector_there_are_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    configure_traces("retort-test")
    with tracing.span("x") as span:
        assert (span, tracing.current_traceparent()) == (None, None)


def test_a_missing_library_is_named() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.exporter'] = None\n"
        "from store.tracing import configure_traces\n"
        "configure_traces('x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "retort-service[traces]" in done.stderr


@on_one_database
def test_every_line_about_an_attempt_has_its_ids(context: WorkerContext, submit: Any, capsys: Any) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    try:
        job_id = submit(steps=2)
        attempt(context, job_id)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert {line["logger"] for line in lines} >= {"worker.attempt", "retort.engine"}
    assert {(line["job_id"], line["attempt"]) for line in lines if "worker" in line["logger"]} == {(job_id, 1)}
    assert any(line["message"] == "phase training" for line in lines)


def test_a_line_cannot_be_forged_and_tells_of_exceptions() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "a\nb %s", ("c",), sys.exc_info())
    with log_ids(request_id="r"), log_ids(job_id="j"):
        text = JsonFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text and (line["message"], line["request_id"], line["job_id"]) == ("a\nb c", "r", "j")
    assert "ValueError: first" in line["exception"]
    assert "job_id" not in json.loads(JsonFormatter().format(record))


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@on_one_database
def test_the_figures_of_a_worker_count_what_it_did(context: WorkerContext, submit: Any, look: Any) -> None:
    names = ("retort_worker_attempts_total", "retort_worker_uploaded_bytes_total")
    before = [sample(name) for name in names]
    phases = sample("retort_worker_phase_seconds_count", phase="training")
    attempt(context, submit(steps=2))
    assert [sample(name) - old > 0 for name, old in zip(names, before, strict=True)] == [True, True]
    assert sample("retort_worker_phase_seconds_count", phase="training") == phases + 1
    assert sample("retort_worker_attempts_running") == 0


def test_the_figures_are_served_on_a_port() -> None:
    probe = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = probe.server_address[1]
    probe.server_close()
    serve_figures(int(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"retort_worker_fence_refusals_total" in answer.read()
