"""What the table of the demo means, in sentences: how much the teacher is worth, and what the images cannot tell."""

from typing import Any


def conclusion(facts: dict[str, Any]) -> list[str]:
    """One sentence for each network that the student is compared with. `facts` is the content of metrics.json.

    Two accuracies differ for certain here where their 95% intervals do not overlap, as in the report.
    """
    student, teacher, baselines = facts["metrics"], facts["teacher"], facts["baselines"]
    smaller = teacher["num_params"] / student["num_params"]
    return [
        f"The student has {smaller:.1f} times fewer parameters than its teacher and reads {_top1(student)} of the "
        f"{student['test']['num_images']} test images; the teacher reads {_top1(teacher)}.",
        f"Without a teacher (scratch) the same network reads {_top1(baselines['scratch'])}: "
        f"{_worth(student, baselines['scratch'], 'the teacher')}.",
        "Part of that is the beginning: the student starts with layers of its teacher. With these layers and labels "
        f"alone (fine-tuned small) it reads {_top1(baselines['finetune_student'])}: "
        f"{_worth(student, baselines['finetune_student'], 'learning from the teacher in training')}.",
        f"A fine-tuned copy of the teacher (fine-tuned large) reads {_top1(baselines['finetune'])} and stays "
        f"{baselines['finetune']['num_params'] / student['num_params']:.1f} times as large as the student.",
    ]


def _top1(network: dict[str, Any]) -> str:
    return f"{100 * network['test']['top1']:.1f}%"


def _worth(student: dict[str, Any], other: dict[str, Any], what: str) -> str:
    """What the difference says about `what`, which the student has and the other network has not."""
    gain = 100 * (student["test"]["top1"] - other["test"]["top1"])
    (low, high), (other_low, other_high) = student["test"]["top1_interval"], other["test"]["top1_interval"]
    if low > other_high:
        return f"{what} is worth {gain:.1f} points, more than chance explains"
    if high < other_low:
        return f"{what} costs {-gain:.1f} points, more than chance explains"
    return f"the difference of {gain:+.1f} points may be chance, because the two intervals overlap"
