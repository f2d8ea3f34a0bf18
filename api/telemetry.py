"""Prometheus figures of one API process: requests as they end, jobs and workers as the database has them when asked."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from store.growth import Figures
from store.webhook_values import WebhookFigures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# From a 304 on an idle machine to the longest long poll.
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class Telemetry:
    """Counts and times requests by method, route template and status."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "retort_http_requests_total", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "retort_http_request_seconds",
            "From the request line to the last byte of the answer",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._webhook_tries = Counter(
            "retort_webhook_tries_total", "Messages of webhooks that were sent", ["outcome"], registry=self.registry
        )
        self.in_flight = Gauge("retort_http_requests_in_flight", "Requests being answered", registry=self.registry)

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def webhook_tried(self, delivered: bool) -> None:
        """A message of a webhook was sent, and taken or not."""
        self._webhook_tries.labels("delivered" if delivered else "failed").inc()

    def text(
        self,
        *,
        jobs_by_state: dict[str, int],
        oldest_queued_seconds: float,
        workers_alive: int,
        workers_quarantined: int,
        webhooks: WebhookFigures,
        with_requests: bool,
        grown: Sequence[Figures] = (),
    ) -> bytes:
        """The figures in Prometheus' text format; `with_requests`: also those of all requests of this process."""
        database = CollectorRegistry()
        database.register(_Snapshot(jobs_by_state, oldest_queued_seconds, workers_alive, workers_quarantined, webhooks))
        database.register(_Growth(grown))
        requests = generate_latest(self.registry) if with_requests else b""
        return requests + generate_latest(database)


class _Snapshot(Collector):
    def __init__(
        self,
        jobs_by_state: dict[str, int],
        oldest_queued_seconds: float,
        workers_alive: int,
        workers_quarantined: int,
        webhooks: WebhookFigures,
    ) -> None:
        self._counts: tuple[tuple[str, str, dict[str, int]], ...] = (
            ("retort_jobs", "Jobs in the database", jobs_by_state),
            (
                "retort_webhook_messages",
                "Messages of webhooks in the database",
                {str(state): count for state, count in webhooks.messages.items()},
            ),
            (
                "retort_webhooks",
                "Endpoints of webhooks",
                {"enabled": webhooks.num_enabled, "disabled": webhooks.num_disabled},
            ),
        )
        self._single = {
            "retort_queue_oldest_seconds": ("Age of the job that has waited longest", oldest_queued_seconds),
            "retort_workers_alive": ("Workers seen lately", workers_alive),
            "retort_workers_quarantined": ("Of those, workers whose hosts cannot run jobs now", workers_quarantined),
            "retort_webhook_oldest_due_seconds": (
                "How long the message of a webhook has been due that waits longest",
                webhooks.oldest_due_seconds,
            ),
        }

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, text, by_state in self._counts:
            family = GaugeMetricFamily(name, text, labels=["state"])
            for state, count in by_state.items():
                family.add_metric([state], count)
            yield family
        for name, (text, value) in self._single.items():
            yield GaugeMetricFamily(name, text, value=value)


class _Growth(Collector):
    """What sweeps keep and remove, by place and kind."""

    def __init__(self, grown: Sequence[Figures]) -> None:
        self._grown = grown

    def collect(self) -> Iterator[Metric]:
        labels = ["place", "kind"]
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            "kept_bytes": GaugeMetricFamily("retort_kept_bytes", "Kept after the latest sweep", labels=labels),
            "kept_count": GaugeMetricFamily("retort_kept", "Things kept after the latest sweep", labels=labels),
            "removed_bytes": CounterMetricFamily("retort_removed_bytes", "Removed by sweeps", labels=labels),
            "removed_count": CounterMetricFamily("retort_removed", "Things removed by sweeps", labels=labels),
        }
        for name, family in families.items():
            for one in self._grown:
                family.add_metric([one.place, one.kind], getattr(one, name))
            yield family
