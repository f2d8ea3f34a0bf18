"""What the demo says about its table: a difference counts where the intervals do not overlap, and only there."""

from typing import Any

import pytest

from retort.demo.conclusion import conclusion


def network(top1: float, reach: float = 0.02, num_params: int = 1000) -> dict[str, Any]:
    test = {"top1": top1, "top1_interval": [top1 - reach, top1 + reach], "num_images": 300}
    return {"test": test, "num_params": num_params}


def sentences(**baselines: dict[str, Any]) -> list[str]:
    """Of a student with 95% and a teacher of four times its size with 98%."""
    others = {"scratch": network(0.6), "finetune": network(0.97, num_params=4000), "finetune_student": network(0.94)}
    return conclusion(
        {"metrics": network(0.95), "teacher": network(0.98, num_params=4000), "baselines": others | baselines}
    )


def test_it_names_sizes_and_accuracies() -> None:
    first, *_, last = sentences()
    assert "4.0 times fewer" in first and "95.0% of the 300 test images" in first and "98.0%" in first
    assert "97.0%" in last and "4.0 times as large" in last


@pytest.mark.parametrize(
    ("top1", "says"),
    [
        (0.60, "the teacher is worth 35.0 points"),
        (0.9099, "the teacher is worth 4.0 points"),
        (0.92, "the difference of +3.0 points may be chance"),
        (0.98, "the difference of -3.0 points may be chance"),
        (0.9999, "the teacher costs 5.0 points"),
    ],
)
def test_only_intervals_that_lie_apart_are_a_difference(top1: float, says: str) -> None:
    assert says in sentences(scratch=network(top1))[1]


def test_the_beginning_and_the_training_are_told_apart() -> None:
    told = sentences(finetune_student=network(0.85))[2]
    assert "85.0%" in told and "learning from the teacher in training is worth 10.0 points" in told
