"""TensorFlow's classifiers by name, rebuilt in PyTorch: `mobilenet_v1_025` to `mobilenet_v1_100`.

TensorFlow publishes their weights in its own formats only, so nothing is downloaded: a file of converted weights is
given by URI or stands on the operator's shelf. The parameter names are those of the public conversion.
"""

from torch import Tensor, nn

from core.errors import ArchitectureUnknown, TeacherLoadFailed, unknown
from core.networks import mobilenetv1, torchvision_zoo
from core.networks.network import InputFormat
from core.networks.published import Published

DEFAULT_SIZE, DEFAULT_CLASSES = 224, 1000
# TensorFlow scales pixels to [-1, 1].
SIGNED_UNIT = (0.5, 0.5, 0.5)


def names() -> tuple[str, ...]:
    """All architectures, sorted."""
    return mobilenetv1.NAMES


def is_known(name: str) -> bool:
    """Whether a network has this name."""
    return name in mobilenetv1.NAMES


def make(
    name: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[nn.Module, int, InputFormat]:
    """The network, the number of classes that TensorFlow publishes it with, and its input format.

    Raises TeacherLoadFailed with `published`: there is nothing to download.
    """
    if published is not None:
        raise TeacherLoadFailed(
            f"the weights of tensorflow/{name} are published for TensorFlow only",
            hint="convert them, and name the file in `weights`",
            pointer="/teacher/weights",
        )
    maker = mobilenetv1.maker(name)
    if maker is None:
        raise ArchitectureUnknown(unknown("architecture", f"tensorflow/{name}", names()))
    input_format = InputFormat(image_size or DEFAULT_SIZE, SIGNED_UNIT, SIGNED_UNIT)
    return maker(num_classes or DEFAULT_CLASSES), DEFAULT_CLASSES, input_format


def classes(name: str) -> tuple[str, ...]:
    """The class names of the published weights: ImageNet's, in the order in which torchvision has them too."""
    return torchvision_zoo.classes("mobilenet_v2")


def current_names(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The checkpoint as it is: the names have never changed."""
    return state
