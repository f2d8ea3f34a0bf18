"""Whether a job's teacher is run live or its pass is stored, and of which views: whole jobs on the real digits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Ran

STEPS_OF_AN_EPOCH = 22  # of the digits' training split in batches of 64


@pytest.fixture
def ask(run_job: Callable[..., Ran], digits_teacher: Path) -> Any:
    """The resolved training of a job of so many epochs, and what was said of its teacher."""

    def run(epochs: Any, *, plan_only: bool = True, method: str = "kd", fails: bool = False, **training: Any) -> Any:
        document = {
            "teacher": "job:job_digits",
            "dataset": "builtin:digits",
            "student": {"architecture": "cifar/resnet8", "weights": None},
            "method": method,
            "exports": ["safetensors"],
            "training": {"image_size": 8, "devices": "cpu", "epochs": epochs, **training},
        }
        ran = run_job(document, inputs=digits_teacher, plan_only=plan_only)
        if fails:
            return ran
        assert ran.error is None, ran.error
        said = [event.message for event in ran.of("log") if "the teacher" in event.message]
        return ran, ran.of("resolved")[0].spec["training"], said

    return run


@pytest.mark.parametrize(
    ("epochs", "augmentation", "teacher_pass", "views", "says"),
    [
        (1, "none", "live", 1, "1 epochs, storing 1 view"),
        (2, "none", "stored", 1, "each image once"),
        (8, "none", "stored", 1, "each image once"),
        (9, "crop", "live", 1, "9 epochs, storing 8 views"),
        (16, "crop", "stored", 8, "8 views of each image"),
    ],
)
def test_by_the_number_of_epochs(
    epochs: int, augmentation: str, teacher_pass: str, views: int, says: str, ask: Any
) -> None:
    _, training, said = ask(epochs)
    assert (training["augmentation"], training["teacher_pass"], training["stored_views"]) == (
        augmentation,
        teacher_pass,
        views,
    )
    assert any(says in message for message in said)


def test_the_last_step_counts_and_not_the_epochs_alone(ask: Any) -> None:
    _, training, _ = ask(100, max_steps=8 * STEPS_OF_AN_EPOCH)
    assert (training["augmentation"], training["stored_views"]) == ("none", 1)
    _, training, _ = ask(100, max_steps=8 * STEPS_OF_AN_EPOCH + 1)
    assert training["augmentation"] == "crop"


def test_a_teacher_that_moves_is_run_live_and_the_job_says_so(ask: Any) -> None:
    _, training, said = ask(16, method="prokt")
    assert training["teacher_pass"] == "live"
    assert said == ["the teacher is run live: its teacher moves"]
    ran = ask(16, method="prokt", fails=True, teacher_pass="stored")
    assert ran.error.errors == [
        ("/training/teacher_pass", "'stored' cannot serve method 'prokt': its teacher moves; allowed: auto, live")
    ]


def test_what_is_given_stays(ask: Any) -> None:
    _, training, _ = ask(3, augmentation="light")
    assert (training["augmentation"], training["teacher_pass"]) == ("light", "live")
    _, training, _ = ask(20, augmentation="none", stored_views=4)
    assert (training["augmentation"], training["stored_views"]) == ("none", 4)


def test_without_augmentation_a_stored_pass_teaches_what_a_live_teacher_does(ask: Any) -> None:
    losses = {}
    for teacher_pass in ("live", "stored"):
        ran, training, _ = ask(
            3, plan_only=False, teacher_pass=teacher_pass, precision="fp32", teacher_precision="same"
        )
        assert (training["augmentation"], training["teacher_pass"]) == ("none", teacher_pass)
        losses[teacher_pass] = [
            event.values["train/loss"] for event in ran.of("metric") if "train/loss" in event.values
        ]
    # Later steps amplify what half precision rounds off.
    assert losses["stored"][:10] == pytest.approx(losses["live"][:10], rel=0.01)
    assert len(losses["live"]) == 3 * STEPS_OF_AN_EPOCH
