"""Prometheus figures of the whole service: attempts by outcome, and what is stored where."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from store.figures import BlobTotals


def service_figures(attempts: Mapping[str, int], stored: Sequence[BlobTotals]) -> bytes:
    """The figures in Prometheus' text format. They are gauges: they fall when jobs are deleted."""
    registry = CollectorRegistry()
    registry.register(_Totals(attempts, stored))
    return generate_latest(registry)


class _Totals(Collector):
    def __init__(self, attempts: Mapping[str, int], stored: Sequence[BlobTotals]) -> None:
        self._attempts = attempts
        self._stored = stored

    def collect(self) -> Iterator[GaugeMetricFamily]:
        outcomes = GaugeMetricFamily("retort_attempts", "Attempts at the jobs in the database", labels=["outcome"])
        for outcome, count in self._attempts.items():
            outcomes.add_metric([outcome], count)
        yield outcomes
        number = GaugeMetricFamily("retort_blobs", "Stored artifacts and checkpoints", labels=["place"])
        size = GaugeMetricFamily("retort_blob_bytes", "Bytes of artifacts and checkpoints", labels=["place"])
        for totals in self._stored:
            number.add_metric([totals.place], totals.count)
            size.add_metric([totals.place], totals.num_bytes)
        yield from (number, size)
