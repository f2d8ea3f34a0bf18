"""The story of the demo, over HTTP alone: train a teacher, specialize it for a customer, download, prove, compare."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from retort import Job, Retort, RetortError, output, progress
from retort.demo.comparison import compare
from retort.demo.conclusion import conclusion
from retort.demo.service import embedded
from retort.local.availability import require_service

FOLDER = Path("runs/demo")
# Digits are 8 x 8; twice that leaves a CIFAR network something to pool.
IMAGE_SIZE = 16
# Of 1,797 images; the most that a job may hold out is just below a half. Few test images would prove nothing.
TEST_FRACTION = 0.45
TEACHER = {
    "name": "demo: a teacher of ten digits",
    "dataset": {"uri": "builtin:digits", "test_fraction": TEST_FRACTION},
    "student": "cifar/resnet20",
    "method": "scratch",
    "training": {"epochs": 8, "image_size": IMAGE_SIZE},
    "exports": ["safetensors", "onnx"],
}
# The digits that are hardest to tell apart, and few images of each: with 10, training from scratch is nearly as good.
CLASSES = ["3", "5", "8", "9"]
IMAGES_PER_CLASS = 5
SPECIALIZATION = {
    "name": "demo: a small network for four digits",
    "dataset": {
        "uri": "builtin:digits",
        "classes": CLASSES,
        "max_per_class": IMAGES_PER_CLASS,
        "test_fraction": TEST_FRACTION,
    },
    "student": "nano",
    "method": "pkd",
    "training": {"epochs": 60, "batch_size": 10, "image_size": IMAGE_SIZE},
    "evaluation": {"baselines": ["scratch", "finetune", "finetune_student"]},
}


def main() -> int:
    """Run the demo; 0 where every check held."""
    began = time.monotonic()
    try:
        require_service("the demo")
        with embedded() as url, Retort(url) as retort:
            say(f"Retort runs at {url}")
            say("\n1. A teacher: all ten digits, trained from scratch on the real images of builtin:digits")
            teacher = _run(retort, TEACHER)
            few = f"digits {', '.join(CLASSES)}, {IMAGES_PER_CLASS} images of each"
            say(f"\n2. A customer: {few}; student nano, method pkd")
            job = _run(retort, SPECIALIZATION | {"teacher": f"job:{teacher.id}"})
            say("\n3. The files, each checked by its sha256")
            files = _download(job, FOLDER)
            _download(teacher, FOLDER / "teacher", ["predictions.csv"])
            say(f"   {len(files)} files in {FOLDER}/")
    except KeyboardInterrupt:
        return 130
    except RetortError as error:
        output.fail(str(error))
        return error.exit_code
    say("\n4. model.onnx under onnxruntime, on the held-out test images")
    say(_proven())
    output.people.print()
    facts = json.loads((FOLDER / "metrics.json").read_text())
    compare(facts)
    say("\nWhat this means")
    for sentence in conclusion(facts):
        say(f"- {sentence}")
    say(f"\nThe network: {FOLDER / 'model.onnx'}. The report: {FOLDER / 'report.html'}.")
    say(f"{time.monotonic() - began:.0f} seconds in all; nothing is left running.")
    return 0


def say(text: str) -> None:
    """A line for the person who watches."""
    output.people.print(text, soft_wrap=True)


def _run(retort: Retort, spec: dict[str, Any]) -> Job:
    job = retort.submit(spec)
    progress.watch(job)
    return job


def _download(job: Job, folder: Path, names: list[str] | None = None) -> list[Path]:
    if folder.exists():
        shutil.rmtree(folder)
    return job.download(folder, names or ())


def _proven() -> str:
    # numpy and onnxruntime come with the service, which main() has made sure of.
    from retort.demo.proof import ProofFailed, prove, test_names

    proof = prove(FOLDER)
    seen = set(test_names(FOLDER)) - set(test_names(FOLDER / "teacher"))
    if seen:
        raise ProofFailed(f"{len(seen)} test images were in the teacher's training data, such as {min(seen)}")
    return (
        f"   {proof.num_correct} of {proof.num_images} right, as the service said, image by image; "
        "neither student nor teacher was trained on any of them"
    )


if __name__ == "__main__":
    sys.exit(main())
