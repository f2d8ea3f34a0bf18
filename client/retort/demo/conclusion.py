"""What the table of the demo means, in sentences: how much the teacher is worth, and what the images cannot tell."""

from typing import Any


def conclusion(facts: dict[str, Any]) -> list[str]:
    """One sentence for each network that the student is compared with. `facts` is the content of metrics.json.

    A difference counts where the report's test of the two networks on the same images tells them apart at 95%.
    """
    student, teacher, baselines = facts["metrics"], facts["teacher"], facts["baselines"]
    smaller = teacher["num_params"] / student["num_params"]
    return [
        f"The student has {smaller:.1f} times fewer parameters than its teacher and reads {_top1(student)} of the "
        f"{student['test']['num_images']} test images; the teacher reads {_top1(teacher)}.",
        f"Without a teacher (scratch) the same network reads {_top1(baselines['scratch'])}: "
        f"{_worth(baselines['scratch'], 'the teacher')}.",
        "Part of that is the beginning: the student starts with layers of its teacher. With these layers and labels "
        f"alone (fine-tuned small) it reads {_top1(baselines['finetune_student'])}: "
        f"{_worth(baselines['finetune_student'], 'learning from the teacher in training')}.",
        f"A fine-tuned copy of the teacher (fine-tuned large) reads {_top1(baselines['finetune'])} and stays "
        f"{baselines['finetune']['num_params'] / student['num_params']:.1f} times as large as the student.",
    ]


def _top1(network: dict[str, Any]) -> str:
    return f"{100 * network['test']['top1']:.1f}%"


def _worth(other: dict[str, Any], what: str) -> str:
    """What the difference says about `what`, which the student has and the other network has not."""
    comparison = other["against_student"]
    gain = 100 * comparison["student_gain"]
    low, high = (100 * bound for bound in comparison["interval"])
    if not comparison["is_significant"]:
        return f"the difference of {gain:+.1f} points (95% interval {low:+.1f} to {high:+.1f}) may be chance"
    if gain > 0:
        return f"{what} is worth {gain:.1f} points (95% interval {low:.1f} to {high:.1f})"
    return f"{what} costs {-gain:.1f} points (95% interval {-high:.1f} to {-low:.1f})"
