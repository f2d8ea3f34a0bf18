"""What the comparison with the baselines says, in one sentence, no more than the intervals allow."""

from dataclasses import dataclass
from typing import Any, Literal

from core.report.outcome import Outcome
from core.report.words import interval, percent

Tone = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class Verdict:
    """`tone`: the student is better (good), worse (bad), or it cannot be told (open)."""

    tone: Tone
    headline: str
    detail: str


def verdict(outcome: Outcome) -> Verdict:
    """Does the student beat the same network trained from scratch, on the same test images and steps?

    It does where the two 95% intervals of test top-1 do not overlap: a strict rule, by which small gains are open.
    """
    if outcome.spec.get("method", {}).get("name") == "scratch":
        detail = "There is no teacher in this job, so there is nothing to compare with."
        return Verdict("open", "Trained from labels alone.", detail)
    scratch = _test(outcome.baselines.get("scratch"))
    if scratch is None:
        detail = 'Name "scratch" in evaluation.baselines to have the same network trained without the teacher.'
        return Verdict("open", "No scratch baseline was trained, so the gain is unknown.", detail)
    return _compare(_test(outcome.metrics) or {}, scratch)


def _compare(student: dict[str, Any], scratch: dict[str, Any]) -> Verdict:
    ours, theirs = student.get("top1_interval"), scratch.get("top1_interval")
    if student.get("top1") is None or scratch.get("top1") is None:
        return Verdict("open", "Inconclusive: there are no test images.", "")
    numbers = f"{percent(student['top1'])} ({interval(ours)}) against {percent(scratch['top1'])} ({interval(theirs)})"
    test = f"on {student['num_images']:,} test images."
    if ours[0] > theirs[1]:
        return Verdict(
            "good", "The student beats training from scratch.", f"{numbers} {test} The intervals do not overlap."
        )
    if ours[1] < theirs[0]:
        return Verdict(
            "bad", "The student is worse than training from scratch.", f"{numbers} {test} The intervals do not overlap."
        )
    return Verdict(
        "open", "Inconclusive against training from scratch.", f"{numbers} {test} The 95% intervals overlap."
    )


def _test(network: dict[str, Any] | None) -> dict[str, Any] | None:
    return (network or {}).get("test")
