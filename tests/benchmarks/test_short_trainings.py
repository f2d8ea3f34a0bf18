"""What benchmarks/short_trainings.py has the engine do."""

from pathlib import Path

import pytest

from benchmarks.learning.child import EPOCHS, Errand, job
from benchmarks.short_trainings import Course, run_of
from core.spec import StudentSpec, TrainingSpec, parse_job
from core.spec.knobs.pkd import PkdKnobs


@pytest.mark.parametrize("optimizer", ["auto", "sgd"])
def test_a_short_training_has_the_defaults_of_a_job_but_for_what_the_table_says(optimizer: str, tmp_path: Path) -> None:
    run = run_of(Course(2, 32, "light"), 10, optimizer)
    classes = [f"class_{number:03}" for number in range(100)]
    spec = parse_job(job(Errand(run, str(tmp_path), classes, str(tmp_path), "result", 0.0)))
    named = {"seed": 10, "max_steps": 280, "batch_size": 32, "augmentation": "light", "optimizer": optimizer}
    assert spec.training == TrainingSpec(epochs=EPOCHS, **named)
    assert spec.method == PkdKnobs() and spec.student == StudentSpec(architecture="cifar/resnet8")
