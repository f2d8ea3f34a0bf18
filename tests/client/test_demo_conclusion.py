"""What the demo says about its table: a difference counts where the test on the same images says so, and only there."""

from typing import Any

import pytest

from retort.demo.conclusion import conclusion


def network(top1: float, num_params: int = 1000) -> dict[str, Any]:
    """A network beside a student with 95%; it is told apart where it is 4 points away."""
    gain = 0.95 - top1
    against = {"student_gain": gain, "interval": [gain - 0.03, gain + 0.03], "is_significant": abs(gain) > 0.04}
    return {"test": {"top1": top1, "num_images": 300}, "num_params": num_params, "against_student": against}


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
        (0.60, "the teacher is worth 35.0 points (95% interval 32.0 to 38.0)"),
        (0.90, "the teacher is worth 5.0 points"),
        (0.93, "the difference of +2.0 points (95% interval -1.0 to +5.0) may be chance"),
        (0.97, "the difference of -2.0 points (95% interval -5.0 to +1.0) may be chance"),
        (1.00, "the teacher costs 5.0 points (95% interval 2.0 to 8.0)"),
    ],
)
def test_only_what_the_paired_test_tells_apart_is_a_difference(top1: float, says: str) -> None:
    assert says in sentences(scratch=network(top1))[1]


def test_the_beginning_and_the_training_are_told_apart() -> None:
    told = sentences(finetune_student=network(0.85))[2]
    assert "85.0%" in told and "learning from the teacher in training is worth 10.0 points" in told
