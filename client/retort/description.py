"""What people are told about a job or a plan: pairs of a name and a text, and parts of them."""

from collections.abc import Sequence
from typing import Any

from retort import units
from retort.models import JobView, NetworkView, PlanView

Facts = list[tuple[str, Any]]
# Of a long list of class names, so many are shown.
SHOWN_CLASSES = 12


def job_facts(job: JobView) -> Facts:
    """The facts of `retort show`."""
    spec, error = job["spec"], job["error"]
    return [
        ("job", job["id"]),
        ("name", job["name"]),
        ("labels", ", ".join(f"{key}={value}" for key, value in job["labels"].items())),
        ("state", stage_of(job)),
        ("queue position", queue_of(job)),
        ("error", error and f"{error['message']} [{error['code']}]"),
        ("hint", error and error["hint"]),
        ("teacher", _teacher(spec.get("teacher") or {})),
        ("more teachers", ", ".join(_teacher(each) for each in spec.get("more_teachers") or ())),
        ("dataset", spec["dataset"]["uri"]),
        ("target domain", spec["dataset"].get("target_uri")),
        ("method", method_of(spec)),
        ("student", job["student"] and f"{job['student']['architecture']} ({size_of(job['student'])})"),
        ("test/top1", top1_of(measured(job, "test"))),
        ("target/top1", top1_of(measured(job, "target"))),
        ("attempts", len(job["attempts"])),
        ("created", units.local_time(job["created_at"])),
        ("started", job["started_at"] and units.local_time(job["started_at"])),
        ("finished", job["finished_at"] and units.local_time(job["finished_at"])),
        ("runtime", units.duration(job["runtime_seconds"])),
    ]


def plan_facts(plan: PlanView) -> Facts:
    """The facts of `retort plan`."""
    data, student, estimate = plan["dataset"], plan["student"], plan["estimate"]
    images = f"{data['num_train']} train, {data['num_validation']} validation, {data['num_test']} test"
    seconds, memory, teacher_top1 = (
        estimate.get("training_seconds"),
        estimate.get("memory_bytes"),
        plan["teacher_validation_top1"],
    )
    return [
        ("dataset", f"{data['uri']} ({data['format']}): {images}"),
        ("classes", classes_of(data["classes"])),
        ("method", method_of(plan["spec"])),
        ("student", f"{student['architecture']} ({size_of(student)}) at {student['input_size']} pixels"),
        ("it begins with", _initial_weights(plan["spec"]["student"].get("weights"))),
        ("teacher", plan["teacher"] and f"{plan['teacher']['architecture']} ({size_of(plan['teacher'])})"),
        ("teacher val/top1", None if teacher_top1 is None else units.percent(teacher_top1)),
        ("steps", estimate["steps"]),
        ("training", None if seconds is None else f"about {units.duration(seconds)}"),
        ("memory", None if memory is None else f"about {units.size(memory)}"),
        ("because", estimate.get("reason")),
    ]


def stage_of(job: JobView) -> str:
    """The state; of a running job its phase and how far it is."""
    if job["state"] != "running":
        return job["state"]
    return f"{job['phase'] or 'running'} {units.percent(job['progress'] and job['progress']['fraction'])}"


def queue_of(job: JobView) -> str | None:
    """The position of a queued job, and the reason where it does more than wait for its turn."""
    queue = job["queue"]
    if queue is None:
        return None
    return f"{queue['position']}" + (f"; {queue['reason']}" if queue["reason"] else "")


def student_of(job: JobView) -> str:
    """The architecture of the student; before it is known, what was asked for."""
    if job["student"]:
        return job["student"]["architecture"]
    return job["summary"]["student"]


def method_of(spec: dict[str, Any]) -> str:
    """The method of a job: kd, or kd + skd where terms are added up."""
    method = spec["method"]
    terms = method if isinstance(method, list) else method.get("terms") or [method]
    return " + ".join(term["name"] if isinstance(term, dict) else str(term) for term in terms)


def measured(job: JobView, split: str) -> dict[str, Any]:
    """What the student reached on a split; {} where that was not measured."""
    return ((job["result"] or {}).get("metrics") or {}).get(split) or {}


def top1_of(measures: dict[str, Any]) -> str | None:
    """An accuracy with its 95% interval."""
    if not measures:
        return None
    low, high = measures["top1_interval"]
    return f"{units.percent(measures['top1'])} ({units.percent(low)} to {units.percent(high)})"


def size_of(network: NetworkView) -> str:
    """Parameters, multiply-accumulates and bytes of a network."""
    params, macs = units.count(network["num_params"]), units.count(network["macs"])
    return f"{params} params, {macs} MACs, {units.size(network['bytes'])}"


def classes_of(names: Sequence[str]) -> str:
    """Class names, with their number where there are many."""
    if len(names) <= SHOWN_CLASSES:
        return ", ".join(names)
    return f"{len(names)}: {', '.join(names[:SHOWN_CLASSES])}, and {len(names) - SHOWN_CLASSES} more"


def _teacher(teacher: dict[str, Any]) -> str:
    return " ".join(filter(None, (teacher.get("architecture"), teacher.get("weights"))))


def _initial_weights(weights: str | None) -> str:
    if weights is None:
        return "random weights"
    named = {
        "teacher": "weights of its teacher",
        "published": "published weights",
        "relative": "channels of a wider network with published weights",
    }
    return named.get(weights, weights)
