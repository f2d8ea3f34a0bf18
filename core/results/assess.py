"""What each network of a job is worth: accuracy on validation and test split, size, latency."""

import platform
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.data.dataset import Split
from core.evaluation.latency import SECONDS_EACH
from core.evaluation.metrics import compare, measure
from core.evaluation.predict import predict
from core.events import NetworkFacts
from core.job import PreparedRun
from core.networks.facts import measure_network
from core.results.latencies import Latencies
from core.spec import name_of
from core.statistics.paired import PairedCounts
from core.training.inputs import PreparedJob
from core.training.runs import Trained


@dataclass(frozen=True)
class Assessment:
    """What one trained network is worth."""

    figures: dict[str, Any]
    """As they stand in metrics.json."""
    test_logits: Tensor
    """(N, K) float32 on the CPU, of the test split: what the figures on it are of."""


def assess(job: PreparedJob, run: PreparedRun, trained: Trained, latencies: Latencies) -> Assessment:
    """Measure one trained network on all splits that have labels; `with_latencies` adds how fast it is."""
    device = job.arithmetic.device
    network = trained.network.to(device)
    splits = _all_splits(job, run)
    logits = {}
    for name, split in splits.items():
        logits[name] = predict(network, split.images, views=run.augmenter.test_views, device=device)
    network = network.cpu()
    latencies.add(network)
    figures = {
        **measure_network(network).model_dump(),
        **{
            name: measure(logits[name], split.labels, run.dataset.classes, job.teacher_logits(run, split))
            for name, split in splits.items()
        },
        "method": name_of(run.spec.method),
        "seed": run.run.seed,
        "steps": trained.steps,
        "seconds": trained.seconds,
        "images_per_second": trained.steps * run.training.batch_size / trained.seconds if trained.seconds else None,
    }
    return Assessment(figures, logits["test"])


def assess_teacher(job: PreparedJob, latencies: Latencies) -> dict[str, Any] | None:
    """The teacher's measurements over the customer's classes; its splits are null where it does not cover them."""
    if job.teachers.network is None:
        return None
    run = job.student
    splits: dict[str, Any] = dict.fromkeys(_all_splits(job, run))
    if job.teachers.class_indices is not None:
        for name, split in _all_splits(job, run).items():
            if (logits := job.teacher_logits(run, split)) is not None:
                splits[name] = measure(logits, split.labels, run.dataset.classes)
    network = job.teachers.network.cpu()
    latencies.add_teacher(network)
    return {
        **measure_network(network).model_dump(),
        **splits,
        "covers_classes": job.teachers.class_indices is not None,
        "adapted": run.spec.teacher.adapt if run.spec.teacher is not None else "none",
    }


def with_latencies(
    assessments: dict[str, Assessment],
    teacher: dict[str, Any] | None,
    latencies: Latencies,
    seconds_each: float = SECONDS_EACH,
) -> tuple[dict[str, Assessment], dict[str, Any] | None]:
    """The same with `latency`: all networks that were added, measured in turns now, each for `seconds_each`; null where
    one could not be.
    """
    known = latencies.measured(seconds_each)

    def latency(figures: dict[str, Any]) -> dict[str, Any]:
        facts = NetworkFacts(**{name: figures[name] for name in NetworkFacts.model_fields})
        return {"latency": known.get(facts)}

    timed = {name: replace(each, figures=each.figures | latency(each.figures)) for name, each in assessments.items()}
    return timed, teacher and teacher | latency(teacher)


def summarize(assessments: dict[str, Assessment], runs: tuple[PreparedRun, ...]) -> dict[str, dict[str, Any]]:
    """The figures of each network's first run, with `seeds`: the test top-1 of all its repetitions; those of a
    baseline also have `against_student`.
    """
    firsts = {
        run.run.name: {
            **assessments[run.run.name].figures,
            **_against_student(assessments, run),
            "seeds": [],
        }
        for run in runs
        if run.run.name == run.run.repeats
    }
    for run in runs:
        top1 = assessments[run.run.name].figures["test"]["top1"]
        firsts[run.run.repeats]["seeds"].append({"seed": run.run.seed, "test_top1": top1})
    return firsts


def _against_student(assessments: dict[str, Assessment], run: PreparedRun) -> dict[str, Any]:
    """How a baseline compares with the student on the same test images; nothing for the student, or without images."""
    if run.run.name == "student":
        return {}
    logits, test = assessments[run.run.name].test_logits, run.dataset.test
    counts = compare(assessments["student"].test_logits, logits, test.labels)
    if counts is None:
        return {}
    return {"against_student": paired_facts(counts)}


def paired_facts(counts: PairedCounts) -> dict[str, Any]:
    """The comparison of a student (first) and a baseline (second) as it stands in metrics.json."""
    return {
        "student_only": counts.first_only,
        "baseline_only": counts.second_only,
        "student_gain": counts.difference,
        "interval": list(counts.interval),
        "is_significant": counts.is_significant,
    }


def _all_splits(job: PreparedJob, run: PreparedRun) -> dict[str, Split]:
    """With the second domain's test split, where the job names one that has labels."""
    target = job.target_dataset(run)
    splits = {"validation": run.dataset.validation, "test": run.dataset.test}
    if target is not None and len(target.test.labels):
        splits["target"] = target.test
    return splits


def versions() -> dict[str, str]:
    """What computed the figures."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpus": str(torch.get_num_threads()),
    }
