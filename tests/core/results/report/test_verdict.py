from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.results.assess import paired_facts
from core.results.report import Outcome
from core.results.report.verdict import verdict
from core.statistics.paired import PairedCounts
from core.statistics.proportions import wilson


def with_top1(
    outcome: Any,
    student: float,
    scratch: float,
    *,
    num_images: int = 1000,
    shared_errors: float = 0.0,
    student_seeds: Any = (),
    scratch_seeds: Any = (),
) -> Any:
    """The outcome with these shares of right answers; `shared_errors` of those that the better one makes are the
    other's too, and the rest of its errors are the other's right answers.
    """
    rights = round(student * num_images), round(scratch * num_images)
    only_worse = round((1 - shared_errors) * (num_images - max(rights)))
    only_better = only_worse + abs(rights[0] - rights[1])
    ours, theirs = (only_better, only_worse) if student >= scratch else (only_worse, only_better)
    counts = PairedCounts(num_images, ours, theirs)

    def network(share: float, seeds: Any) -> dict[str, Any]:
        test = {
            "top1": share,
            "top1_interval": list(wilson(round(share * num_images), num_images)),
            "num_images": num_images,
        }
        return {"test": test, "seeds": [{"seed": index, "test_top1": top1} for index, top1 in enumerate(seeds)]}

    baseline = network(scratch, scratch_seeds) | {"against_student": paired_facts(counts)}
    return replace(outcome, metrics=network(student, student_seeds), baselines={"scratch": baseline})


@pytest.mark.parametrize(
    ("student", "scratch", "tone", "says"),
    [
        (0.90, 0.80, "good", "The student beats training from scratch."),
        (0.80, 0.90, "bad", "The student is worse than training from scratch."),
        (0.90, 0.89, "open", "Inconclusive against training from scratch."),
        (0.90, 0.90, "open", "Inconclusive against training from scratch."),
    ],
)
def test_only_differences_beyond_chance_decide(
    make_outcome: Callable[..., Outcome], student: float, scratch: float, tone: str, says: str
) -> None:
    told = verdict(with_top1(make_outcome(), student, scratch))
    assert (told.tone, told.headline) == (tone, says)
    assert f"{student * 100:.1f}%" in told.detail and "1,000 test images" in told.detail


def test_the_same_gain_decides_with_enough_images_only(make_outcome: Callable[..., Outcome]) -> None:
    assert verdict(with_top1(make_outcome(), 0.85, 0.80, num_images=100)).tone == "open"
    assert verdict(with_top1(make_outcome(), 0.85, 0.80, num_images=10_000)).tone == "good"


def test_the_same_gain_decides_where_the_errors_are_shared(make_outcome: Callable[..., Outcome]) -> None:
    """The two intervals overlap either way; what counts is on how many images only one of the two is right."""
    assert verdict(with_top1(make_outcome(), 0.92, 0.90, shared_errors=0.1)).tone == "open"
    assert verdict(with_top1(make_outcome(), 0.92, 0.90, shared_errors=0.9)).tone == "good"


def test_seeds_that_overlap_make_a_gain_inconclusive(make_outcome: Callable[..., Outcome]) -> None:
    lucky = with_top1(make_outcome(), 0.9, 0.8, student_seeds=(0.9, 0.79), scratch_seeds=(0.8, 0.81))
    assert verdict(lucky).tone == "open" and "79.0–90.0% against 80.0–81.0%" in verdict(lucky).detail
    steady = with_top1(make_outcome(), 0.9, 0.8, student_seeds=(0.9, 0.88), scratch_seeds=(0.8, 0.81))
    assert verdict(steady).tone == "good"


def test_the_best_baseline_of_the_students_size_is_what_it_has_to_beat(make_outcome: Callable[..., Outcome]) -> None:
    both = with_top1(make_outcome(), 0.85, 0.70)
    tuned = {"test": {"top1": 0.95, "num_images": 1000}, "against_student": paired_facts(PairedCounts(1000, 20, 120))}
    beaten = replace(both, baselines=both.baselines | {"finetune_student": tuned})
    told = verdict(beaten)
    assert (told.tone, told.headline) == ("bad", "The student is worse than fine-tuning the student's initial weights.")
    assert "95.0%" in told.detail and "70.0%" not in told.detail


@pytest.mark.parametrize(("architecture", "tone"), [("cifar/resnet56", "good"), ("cifar/resnet8", "bad")])
def test_a_fine_tuned_teacher_counts_only_where_it_is_no_larger(
    make_outcome: Callable[..., Outcome], architecture: str, tone: str
) -> None:
    outcome = with_top1(make_outcome(), 0.85, 0.70)
    against = paired_facts(PairedCounts(1000, 20, 120))
    tuned = {"test": {"top1": 0.95, "num_images": 1000}, "architecture": architecture, "against_student": against}
    assert verdict(replace(outcome, baselines=outcome.baselines | {"finetune": tuned})).tone == tone


@pytest.mark.parametrize("baselines", [(), ("finetune",)])
def test_without_a_baseline_of_its_size_nothing_is_claimed(
    make_outcome: Callable[..., Outcome], baselines: tuple[Any, ...]
) -> None:
    outcome = make_outcome(baselines=baselines)
    for baseline in outcome.baselines.values():
        baseline["architecture"] = "cifar/resnet56"
    told = verdict(outcome)
    assert told.tone == "open" and "the gain is unknown" in told.headline


def test_training_a_teacher_claims_nothing(make_outcome: Callable[..., Outcome]) -> None:
    assert verdict(make_outcome(method="scratch", teacher=False, baselines=())).tone == "plain"
