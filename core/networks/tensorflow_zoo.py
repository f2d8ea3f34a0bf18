"""TensorFlow's classifiers by name, rebuilt in PyTorch: `mobilenet_v1_025` to `mobilenet_v1_100`.

TensorFlow publishes their weights in its own formats only, so nothing is downloaded: a file of converted weights is
given by URI or stands on the operator's shelf. The parameter names are those of the public conversion.
"""

from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import ArchitectureUnknown, unknown
from core.networks import mobilenetv1, torchvision_zoo
from core.networks.network import InputFormat
from core.networks.published import Published, unpublished

DEFAULT_SIZE, DEFAULT_CLASSES = 224, 1000
# TensorFlow scales pixels to [-1, 1].
SIGNED_UNIT = (0.5, 0.5, 0.5)


def names() -> tuple[str, ...]:
    """All architectures, sorted."""
    return mobilenetv1.NAMES


def is_known(name: str) -> bool:
    """Whether a network has this name."""
    return name in mobilenetv1.NAMES


def canonical(name: str) -> str:
    """The name itself: there is one for each network."""
    return name


def make(
    name: str, num_classes: int | None, image_size: int | None, published: Published | None
) -> tuple[nn.Module, int, InputFormat]:
    """The network, the number of classes that TensorFlow publishes it with, and its input format.

    With `published` it has the published number of classes whatever `num_classes` says.
    Raises TeacherLoadFailed with `published` where the shelf has no weights: there is nothing to download.
    """
    maker = mobilenetv1.maker(name)
    if maker is None:
        raise ArchitectureUnknown(unknown("architecture", f"tensorflow/{name}", names()))
    input_format = InputFormat(image_size or DEFAULT_SIZE, SIGNED_UNIT, SIGNED_UNIT)
    if published is None:
        return maker(num_classes or DEFAULT_CLASSES), DEFAULT_CLASSES, input_format
    file, module = published.shelved(f"tensorflow/{name}"), maker(DEFAULT_CLASSES)
    if file is None:
        raise unpublished(f"tensorflow/{name}")
    module.load_state_dict(load_file(file))
    return module, DEFAULT_CLASSES, input_format


def source(name: str) -> None:
    """Nothing can be downloaded."""


def is_kept(name: str, published: Published) -> bool:
    """Nothing is ever downloaded."""
    return False


def classes(name: str) -> tuple[str, ...]:
    """The class names of the published weights: ImageNet's, in the order in which torchvision has them too."""
    return torchvision_zoo.classes("mobilenet_v2")


def current_names(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The checkpoint as it is: the names have never changed."""
    return state
