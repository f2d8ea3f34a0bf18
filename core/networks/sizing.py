"""Chooses the student's architecture for a size, an architecture or a budget, and gives the reason."""

from core.errors import SpecInvalid
from core.networks.budget import LARGE_INPUT_CANDIDATES, SMALL_INPUT_CANDIDATES, largest_within
from core.spec import StudentSpec

# Images whose short side is at most this many pixels are small inputs.
SMALL_INPUT = 64
# Parameters and MACs rise from left to right; a test measures them.
SMALL_INPUT_SIZES = {
    "nano": "cifar/resnet8",
    "tiny": "cifar/resnet20",
    "small": "cifar/wrn_16_2",
    "medium": "cifar/resnet8x4",
}
LARGE_INPUT_SIZES = {
    "nano": "timm/mobilenetv3_small_050",
    "tiny": "torchvision/mobilenet_v3_small",
    "small": "torchvision/mobilenet_v3_large",
    "medium": "torchvision/resnet18",
}


def choose(
    student: StudentSpec, *, teacher_architecture: str | None, image_size: int, num_classes: int
) -> tuple[str, str]:
    """(architecture, one sentence why) for images that the student sees at `image_size` pixels, and this many classes.

    Raises BudgetInfeasible, which names the smallest figures that exist.
    """
    if student.architecture is not None:
        return student.architecture, "as asked for"
    if student.size == "same":
        if teacher_architecture is None:
            raise SpecInvalid([("/student/size", "'same' needs a teacher to be the same as")])
        return teacher_architecture, "the teacher's own architecture, as asked for"
    if student.budget is not None:
        candidates = SMALL_INPUT_CANDIDATES if image_size <= SMALL_INPUT else LARGE_INPUT_CANDIDATES
        return largest_within(student.budget, candidates, image_size=image_size, num_classes=num_classes)
    if student.size is None:
        raise SpecInvalid([("/student", "give one of size, architecture and budget")])
    sizes = SMALL_INPUT_SIZES if image_size <= SMALL_INPUT else LARGE_INPUT_SIZES
    kind = "at most" if image_size <= SMALL_INPUT else "more than"
    return sizes[student.size], f"size {student.size!r} for images of {kind} {SMALL_INPUT} pixels"
