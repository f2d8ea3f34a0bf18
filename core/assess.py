"""What each network of a job is worth: accuracy on validation and test split, size, latency."""

import platform
from typing import Any

import torch

from core.data.dataset import Split
from core.evaluate import measure, predict
from core.latencies import Latencies
from core.networks.facts import measure_network
from core.networks.network import Network
from core.prepare import Prepared, PreparedRun
from core.spec import name_of
from core.training import Trained


def assess(prepared: Prepared, run: PreparedRun, trained: Trained, latencies: Latencies) -> dict[str, Any]:
    """The measurements of one trained network, as they stand in metrics.json."""
    device = prepared.arithmetic.device
    network = trained.network.to(device)
    splits = {name: _measure(prepared, run, network, split) for name, split in _all_splits(prepared, run).items()}
    network = network.cpu()
    return {
        **measure_network(network).model_dump(),
        "latency": latencies.measured(network),
        **splits,
        "method": name_of(run.spec.method),
        "seed": run.run.seed,
        "steps": trained.steps,
        "seconds": trained.seconds,
        "images_per_second": trained.steps * int(run.spec.training.batch_size) / trained.seconds
        if trained.seconds
        else None,
    }


def assess_teacher(prepared: Prepared, latencies: Latencies) -> dict[str, Any] | None:
    """The teacher's measurements over the customer's classes; its splits are null where it does not cover them."""
    if prepared.teacher is None:
        return None
    run = prepared.student
    splits: dict[str, Any] = dict.fromkeys(_all_splits(prepared, run))
    if prepared.class_indices is not None:
        for name, split in _all_splits(prepared, run).items():
            logits = prepared.teacher_logits(run, split)
            splits[name] = measure(logits, split.labels, run.dataset.classes)
    network = prepared.teacher.network.cpu()
    return {
        **measure_network(network).model_dump(),
        "latency": latencies.remembered(network),
        **splits,
        "covers_classes": prepared.class_indices is not None,
    }


def add_seeds(assessments: dict[str, dict[str, Any]], runs: tuple[PreparedRun, ...]) -> dict[str, dict[str, Any]]:
    """The first assessment of each network, with `seeds`: the test top-1 of all its repetitions."""
    firsts = {
        run.run.name: {**assessments[run.run.name], "seeds": []} for run in runs if run.run.name == run.run.repeats
    }
    for run in runs:
        top1 = assessments[run.run.name]["test"]["top1"]
        firsts[run.run.repeats]["seeds"].append({"seed": run.run.seed, "test_top1": top1})
    return firsts


def _splits(run: PreparedRun) -> dict[str, Split]:
    return {"validation": run.dataset.validation, "test": run.dataset.test}


def _all_splits(prepared: Prepared, run: PreparedRun) -> dict[str, Split]:
    """With the second domain's test split, where the job names one that has labels."""
    target = prepared.target_dataset(run)
    has_labels = target is not None and len(target.test.labels) > 0
    return {**_splits(run), **({"target": target.test} if has_labels else {})}


def _measure(prepared: Prepared, run: PreparedRun, network: Network, split: Split) -> dict[str, Any]:
    device = prepared.arithmetic.device
    logits = predict(network, split.images, views=run.augmenter.test_views, device=device)
    return measure(logits, split.labels, run.dataset.classes, prepared.teacher_logits(run, split))


def versions() -> dict[str, str]:
    """What computed the figures."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpus": str(torch.get_num_threads()),
    }
