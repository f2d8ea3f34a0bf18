"""The record of a fine-tuned teacher in the cache, where later jobs with the same teacher and images find it."""

import io
from typing import Any

import torch

from core.files.result_cache import content_address
from core.job import PreparedRun
from core.networks.head import without_classifier
from core.training.inputs import PreparedJob

KIND = "adapted-teacher"
_FORM = 2  # increased whenever a change of the code changes the training: part of every cache address
# Settings that say when a training is saved or ends, and not what it computes.
WITHOUT_EFFECT = {"checkpoint_seconds", "max_runtime_seconds", "keep_trajectory"}


def address_of(adaptation: PreparedRun, job: PreparedJob) -> str:
    """The content address of the fine-tuned teacher: a hash of all that its training depends on."""
    facts = {
        "form": _FORM,
        "method": adaptation.spec.method.model_dump(mode="json"),
        "training": adaptation.training.model_dump(mode="json", exclude=WITHOUT_EFFECT),
        "classifier": adaptation.spec.student.classifier,
        "images": adaptation.dataset.facts.fingerprint,
        "seed": adaptation.run.seed,
        "device": job.arithmetic.device.type,
        "processes": job.workspace.ranks.size,
        "torch": torch.__version__,
    }
    return content_address(facts, without_classifier(job.teachers.required))


def written_record(record: dict[str, Any]) -> bytes:
    """The record of a finished training (core.training.runs) as bytes."""
    buffer = io.BytesIO()
    torch.save(record, buffer)
    return buffer.getvalue()


def read_record(content: bytes) -> dict[str, Any]:
    """The record of a finished training; tensors, numbers and text only."""
    record: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return record
