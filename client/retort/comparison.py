"""The networks of finished jobs beside each other: what each reached on the test split, and what it costs."""

from typing import Any, TypedDict

from retort import units
from retort.description import Facts, method_of
from retort.models import JobView


class Network(TypedDict):
    """A network of a job: its student, its teacher or a baseline. Accuracies are fractions, None where not measured."""

    job: str
    network: str
    architecture: str
    top1: float | None
    top1_interval: list[float] | None
    num_images: int | None
    num_params: int
    macs: int
    bytes: int
    latency_ms: float | None


def networks(job: JobView) -> list[Network]:
    """The networks of a job that has succeeded, its student first."""
    result: dict[str, Any] = job["result"] or {}
    found = {f"student ({method_of(job['spec'])})": result["metrics"]}
    found |= {"teacher": result["teacher"]} if result.get("teacher") else {}
    found |= result.get("baselines") or {}
    return [_network(job["id"], name, facts) for name, facts in found.items()]


def comparison_facts(job: JobView, student: Network) -> Facts:
    """The facts that students of several jobs are compared by."""
    metrics = (job["result"] or {})["metrics"]
    return [
        ("name", job["name"]),
        ("dataset", job["spec"]["dataset"]["uri"]),
        ("method", method_of(job["spec"])),
        ("student", student["architecture"]),
        ("test/top1", units.percent(student["top1"])),
        ("95% interval", units.interval(student["top1_interval"])),
        ("test images", student["num_images"]),
        ("params", units.count(student["num_params"])),
        ("MACs", units.count(student["macs"])),
        ("bytes", units.size(student["bytes"])),
        ("latency", units.milliseconds(student["latency_ms"])),
        ("steps", metrics.get("steps")),
        ("training", units.duration(metrics.get("seconds"))),
    ]


def _network(job_id: str, name: str, facts: dict[str, Any]) -> Network:
    test = facts.get("test") or {}
    return {
        "job": job_id,
        "network": name,
        "architecture": facts["architecture"],
        "top1": test.get("top1"),
        "top1_interval": test.get("top1_interval"),
        "num_images": test.get("num_images"),
        "num_params": facts["num_params"],
        "macs": facts["macs"],
        "bytes": facts["bytes"],
        "latency_ms": (facts.get("latency") or {}).get("p50_ms"),
    }
