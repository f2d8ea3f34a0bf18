"""Prometheus figures of one worker process, served on a port of its own where RETORT_METRICS_PORT says so."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

# From a quick phase of a small job to a day.
_SECONDS = (0.1, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)

REGISTRY = CollectorRegistry()
ATTEMPTS = Counter("retort_worker_attempts", "Attempts that this worker began", registry=REGISTRY)
RUNNING = Gauge("retort_worker_attempts_running", "Attempts that this worker has in hand", registry=REGISTRY)
LEASES_LOST = Counter("retort_worker_leases_lost", "Attempts whose lease went to another", registry=REGISTRY)
FENCE_REFUSALS = Counter(
    "retort_worker_fence_refusals", "Writes that the database refused because the lease was lost", registry=REGISTRY
)
PHASE_SECONDS = Histogram(
    "retort_worker_phase_seconds", "Phases of engines, whole", ["phase"], buckets=_SECONDS, registry=REGISTRY
)
DEVICE_SECONDS = Counter(
    "retort_worker_device_seconds",
    "Seconds for which engines had a device, by its kind",
    ["device"],
    registry=REGISTRY,
)
UPLOADED_BYTES = Counter(
    "retort_worker_uploaded_bytes", "Bytes of artifacts and checkpoints that were stored", registry=REGISTRY
)


def serve_figures(port: int | None) -> None:
    """Answer GET /metrics on all addresses; without a port, do nothing. Raises OSError where the port is taken."""
    if port is not None:
        start_http_server(port, registry=REGISTRY)
