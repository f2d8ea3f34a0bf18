"""Chooses the student's architecture for a size, an architecture or a budget, and gives the reason."""

from collections.abc import Callable

from core.data.augment import SMALL_INPUT
from core.errors import SpecInvalid
from core.networks.budget import LARGE_INPUT_CANDIDATES, SMALL_INPUT_CANDIDATES, largest_within
from core.spec import StudentSpec

# Parameters and MACs rise from left to right; a test measures them.
SMALL_INPUT_SIZES = {
    "nano": "cifar/resnet8",
    "tiny": "cifar/resnet20",
    "small": "cifar/wrn_16_2",
    "medium": "cifar/resnet8x4",
}
# For photographs: networks with published weights, the most accurate for their latency on a CPU
# (docs/explanation/sizes.md). The first of a size is taken unless only a later one has weights at hand.
LARGE_INPUT_CANDIDATES_BY_SIZE = {
    "nano": ("timm/lcnet_050", "timm/mobilenetv3_small_050", "tensorflow/mobilenet_v1_025"),
    "tiny": (
        *("timm/lcnet_075", "timm/lcnet_100", "timm/mobilenetv3_small_100", "torchvision/mobilenet_v3_small"),
        "tensorflow/mobilenet_v1_050",
    ),
    "small": (
        *("timm/mobilenetv4_conv_small", "timm/mobilenetv3_large_100", "torchvision/mobilenet_v3_large"),
        *("timm/efficientnet_lite0+pruned640", "timm/tf_efficientnet_lite0+pruned640", "tensorflow/mobilenet_v1_075"),
    ),
    "medium": (
        *("timm/mobilenetv4_conv_medium.e500_r224_in1k", "timm/efficientnet_lite0", "timm/tf_efficientnet_lite0"),
        *("torchvision/efficientnet_b0", "tensorflow/mobilenet_v1_100", "torchvision/resnet18"),
    ),
}
LARGE_INPUT_SIZES = {size: candidates[0] for size, candidates in LARGE_INPUT_CANDIDATES_BY_SIZE.items()}


def choose(
    student: StudentSpec,
    *,
    teacher_architecture: str | None,
    image_size: int,
    num_classes: int,
    has_weights: Callable[[str], bool] = lambda architecture: True,
) -> tuple[str, str]:
    """(architecture, one sentence why) for images that the student sees at `image_size` pixels, and this many classes.

    `has_weights` says whether an architecture's published weights are at hand: of a size for photographs, the first
    network that can begin with them is taken, or the first one if none can.

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
    if image_size <= SMALL_INPUT:
        return SMALL_INPUT_SIZES[student.size], f"size {student.size!r} for images of at most {SMALL_INPUT} pixels"
    return _of_size(student.size, has_weights)


def _of_size(size: str, has_weights: Callable[[str], bool]) -> tuple[str, str]:
    reason = f"size {size!r} for images of more than {SMALL_INPUT} pixels"
    first, *others = LARGE_INPUT_CANDIDATES_BY_SIZE[size]
    if has_weights(first):
        return first, reason
    found = next((other for other in others if has_weights(other)), None)
    if found is None:
        return first, reason
    return found, f"{reason}: its published weights are at hand here, those of {first} are not"
